//! The house rules of ARCHITECTURE.md, checked.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The project's crates and those of them that each may import.
const ALLOWED_IMPORTS: [(&str, &[&str]); 9] = [
    ("artefacts", &[]),
    ("corpus", &["artefacts"]),
    ("kernels", &[]),
    ("models", &["kernels"]),
    ("engines", &["artefacts", "corpus", "models"]),
    ("training", &["artefacts", "corpus", "models", "kernels"]),
    ("evaluation", &["artefacts", "corpus"]),
    ("fixtures", &[]),
    (
        "xldistill",
        &[
            "artefacts",
            "corpus",
            "kernels",
            "models",
            "engines",
            "training",
            "evaluation",
        ],
    ),
];

/// The stages of the transfer set: modules of `corpus` that know nothing of each other.
const STAGES: [&str; 6] = [
    "answer",
    "translate",
    "filter",
    "code_switch",
    "reverse_instructions",
    "mix",
];

/// Lines of the longest file.
const MAX_LINES: usize = 400;

/// Names that say nothing of what is inside.
const EMPTY_NAMES: [&str; 5] = ["utils", "util", "common", "helpers", "manager"];

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("crates/")
        .to_owned()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

#[test]
fn crates_import_one_way_only() {
    for (name, allowed) in ALLOWED_IMPORTS {
        let manifest = fs::read_to_string(crates().join(name).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = toml::from_str(&manifest).unwrap();
        let imported: BTreeSet<&str> = manifest
            .get("dependencies")
            .and_then(toml::Value::as_table)
            .into_iter()
            .flat_map(toml::Table::keys)
            .map(String::as_str)
            .filter(|import| ALLOWED_IMPORTS.iter().any(|(own, _)| own == import))
            .collect();
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        let wrong: Vec<_> = imported.difference(&allowed).collect();
        assert!(
            wrong.is_empty(),
            "crates/{name} imports {wrong:?}; allowed are {allowed:?}"
        );
    }
}

#[test]
fn every_crate_is_listed() {
    let listed: BTreeSet<String> = ALLOWED_IMPORTS
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    let present: BTreeSet<String> = fs::read_dir(crates())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(present, listed);
}

#[test]
fn a_stage_never_imports_another_stage() {
    let source = crates().join("corpus").join("src");
    for stage in STAGES {
        let mut files = rust_files(&source.join(stage));
        files.push(source.join(stage).with_extension("rs"));
        assert!(
            files.iter().any(|file| file.exists()),
            "the stage `{stage}` has no module"
        );
        for file in files.iter().filter(|file| file.exists()) {
            let text = fs::read_to_string(file).unwrap();
            for other in STAGES.iter().filter(|other| **other != stage) {
                let import = format!("crate::{other}");
                let imports = text.match_indices(&import).any(|(at, _)| {
                    // `crate::answering` is not `crate::answer`.
                    !text[at + import.len()..]
                        .starts_with(|next: char| next == '_' || next.is_alphanumeric())
                });
                assert!(!imports, "{} imports the stage `{other}`", file.display());
            }
        }
    }
}

#[test]
fn names_say_what_is_inside() {
    for file in rust_files(&crates()) {
        let name = file.file_stem().unwrap().to_str().unwrap();
        assert!(
            !EMPTY_NAMES.contains(&name),
            "{}: name it after its concept",
            file.display()
        );
    }
}

#[test]
fn files_are_short() {
    for file in rust_files(&crates()) {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(
            lines <= MAX_LINES,
            "{}: {lines} lines; split it by concept",
            file.display()
        );
    }
}

/// The modules of its own crate that `code` imports by paths from the root.
fn imported(code: &str) -> BTreeSet<String> {
    let in_name = |c: char| c == '_' || c.is_alphanumeric();
    let name = |path: &str| {
        let path = path.trim_start();
        path[..path.find(|c| !in_name(c)).unwrap_or(path.len())].to_owned()
    };
    let mut found = BTreeSet::new();
    for (at, root) in code.match_indices("crate::") {
        let path = &code[at + root.len()..];
        let Some(group) = path.strip_prefix('{') else {
            found.insert(name(path));
            continue;
        };
        let (group, mut depth) = (group.split(';').next().unwrap_or_default(), 0);
        let paths = group.split(|c| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            depth == 0 && c == ','
        });
        found.extend(paths.map(name));
    }
    found
}

#[test]
fn folders_import_each_other_one_way() {
    for entry in fs::read_dir(crates()).unwrap() {
        let source = entry.unwrap().path().join("src");
        let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for file in rust_files(&source) {
            let path = file.strip_prefix(&source).unwrap().with_extension("");
            let module = path.iter().next().unwrap().to_str().unwrap().to_owned();
            if path.ends_with("tests") || ["lib", "main"].contains(&module.as_str()) {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let code = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            let code = code.collect::<Vec<_>>().join("\n");
            imports.entry(module).or_default().extend(imported(&code));
        }
        for module in imports.keys().filter(|module| source.join(module).is_dir()) {
            let (mut reached, mut next) = (BTreeSet::new(), vec![(module, module)]);
            while let Some((from, own)) = next.pop() {
                for other in imports.get(from).into_iter().flatten() {
                    assert!(
                        other != module || from == module,
                        "{}: {module} imports {own}, which imports {module} again (in {from}); \
                         move what both need into a module of its own",
                        source.display()
                    );
                    if reached.insert(other) {
                        next.push((other, if from == module { other } else { own }));
                    }
                }
            }
        }
    }
}
