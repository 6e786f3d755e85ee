//! The files of a Firefox model's folder: found by name, read, and checked.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use corpus::language::Language;
use fxtranslate::spm::SpmVocab;
use serde_json::Value;

use super::header;

/// Source and target language of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Direction {
    pub(super) from: Language,
    pub(super) to: Language,
}

impl Direction {
    /// Whether a model of this direction translates `from` into `to`: models know languages, not
    /// the varieties of FLORES.
    pub(super) fn serves(&self, from: Language, to: Language) -> bool {
        let alike = |a: Language, b: Language| {
            a == b
                || a.script() == b.script()
                    && a.iso639_1().is_some_and(|code| b.iso639_1() == Some(code))
        };
        alike(self.from, from) && alike(self.to, to)
    }
}

/// All files of a model.
pub(super) struct ModelFiles {
    pub(super) folder: PathBuf,
    pub(super) model: Vec<u8>,
    pub(super) source_vocabulary: Vec<u8>,
    pub(super) target_vocabulary: Vec<u8>,
    pub(super) shortlist: Option<Vec<u8>>,
    pub(super) direction: Option<Direction>,
    pub(super) licence: Option<String>,
}

impl ModelFiles {
    /// Finds and reads the files in `folder`; the error names the file that is missing or damaged.
    pub(super) fn read(folder: &Path) -> Result<Self, String> {
        let names = file_names(folder)?;
        let model = only(folder, &names, "model", ".bin")?
            .ok_or_else(|| missing(folder, "model*.bin", &names))?;
        let (source, target) = match only(folder, &names, "vocab", ".spm")? {
            Some(shared) => (shared, shared),
            None => {
                let side = |prefix| {
                    only(folder, &names, prefix, ".spm")?
                        .ok_or_else(|| missing(folder, "vocab*.spm", &names))
                };
                (side("srcvocab")?, side("trgvocab")?)
            }
        };
        let shortlist = only(folder, &names, "lex", ".bin")?;
        let parts = [Some(model), Some(source), Some(target), shortlist];
        one_direction(folder, parts.into_iter().flatten())?;
        let metadata = metadata(folder, &names);
        let files = Self {
            folder: folder.to_owned(),
            model: read(folder, model)?,
            source_vocabulary: read(folder, source)?,
            target_vocabulary: read(folder, target)?,
            shortlist: shortlist.map(|name| read(folder, name)).transpose()?,
            direction: direction(folder, model, &metadata),
            licence: metadata
                .iter()
                .find_map(|m| text(m, &["license", "licence"])),
        };
        files.check(model, [source, target], shortlist)?;
        Ok(files)
    }

    /// Hash of everything the translations depend on.
    pub(super) fn revision(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let shortlist = self.shortlist.as_deref().unwrap_or_default();
        for file in [
            &self.model[..],
            &self.source_vocabulary,
            &self.target_vocabulary,
            shortlist,
        ] {
            hasher.update(blake3::hash(file).as_bytes());
        }
        hasher.finalize().to_hex()[..16].to_owned()
    }

    fn check(
        &self,
        model: &str,
        vocabularies: [&str; 2],
        shortlist: Option<&str>,
    ) -> Result<(), String> {
        let at = |name: &str| self.folder.join(name).display().to_string();
        let rows = header::vocabulary_size(&self.model)
            .map_err(|cause| format!("{}: not a readable model: {cause}", at(model)))?;
        // Source and target vocabularies of one model have the same size.
        for (name, bytes) in vocabularies
            .into_iter()
            .zip([&self.source_vocabulary, &self.target_vocabulary])
        {
            let pieces = catch_unwind(|| SpmVocab::from_bytes(bytes).len()).unwrap_or(0);
            // Marian pads its embedding to a multiple of eight rows.
            if pieces == 0 || pieces > rows || rows - pieces >= 8 {
                return Err(format!(
                    "{}: {pieces} pieces, but the model has {rows}; it is damaged or belongs to another model",
                    at(name)
                ));
            }
        }
        if let (Some(name), Some(bytes)) = (shortlist, &self.shortlist) {
            check_shortlist(bytes).map_err(|cause| {
                format!(
                    "{}: {cause}; download it again, or delete it to translate without a shortlist",
                    at(name)
                )
            })?;
        }
        Ok(())
    }
}

/// The sizes in the shortlist's header must add up to the size of the file.
fn check_shortlist(file: &[u8]) -> Result<(), String> {
    let field = |index: usize| {
        let bytes = file.get(index * 8..index * 8 + 8)?;
        usize::try_from(u64::from_le_bytes(bytes.try_into().ok()?)).ok()
    };
    let expected = || {
        let (words, entries) = (field(4)?, field(5)?);
        words
            .checked_mul(8)?
            .checked_add(48)?
            .checked_add(entries.checked_mul(4)?)
    };
    match expected() {
        Some(size) if size == file.len() => {}
        _ => return Err("it is truncated or not a lexical shortlist".into()),
    }
    let (words, entries) = (field(4).unwrap_or(0), field(5).unwrap_or(0));
    let offsets: Vec<usize> = (0..words).filter_map(|word| field(6 + word)).collect();
    let in_order = offsets.windows(2).all(|pair| pair[0] <= pair[1])
        && offsets.last().is_none_or(|last| *last <= entries);
    if in_order {
        Ok(())
    } else {
        Err("its offsets are out of order".into())
    }
}

fn file_names(folder: &Path) -> Result<Vec<String>, String> {
    let failed = |e| format!("cannot read the model folder {}: {e}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        names.push(
            entry
                .map_err(failed)?
                .file_name()
                .to_string_lossy()
                .into_owned(),
        );
    }
    names.sort();
    Ok(names)
}

/// The only file named `prefix…suffix`.
fn only<'n>(
    folder: &Path,
    names: &'n [String],
    prefix: &str,
    suffix: &str,
) -> Result<Option<&'n str>, String> {
    let mut found = names
        .iter()
        .filter(|name| name.starts_with(prefix) && name.ends_with(suffix));
    let first = found.next();
    match (first, found.next()) {
        (Some(first), Some(second)) => Err(format!(
            "{}: ambiguous: both {first} and {second} match; keep one model per folder",
            folder.display()
        )),
        _ => Ok(first.map(String::as_str)),
    }
}

fn missing(folder: &Path, what: &str, names: &[String]) -> String {
    let holds = match names {
        [] => "nothing".to_owned(),
        names => names.join(", "),
    };
    format!(
        "{}: no {what} in this folder, which contains {holds}",
        folder.display()
    )
}

fn read(folder: &Path, name: &str) -> Result<Vec<u8>, String> {
    let path = folder.join(name);
    fs::read(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))
}

/// Fails if two files name different directions in their names. The two directions of a pair may share
/// a vocabulary, which is then named after one of them (`vocab.bgen.spm` beside `model.enbg.…`).
fn one_direction<'n>(folder: &Path, names: impl Iterator<Item = &'n str>) -> Result<(), String> {
    let mut stated = names.filter_map(|name| Some((name, name.split('.').find_map(two_codes)?)));
    let Some((first, direction)) = stated.next() else {
        return Ok(());
    };
    let reverse = Direction {
        from: direction.to,
        to: direction.from,
    };
    let is_shared = |name: &str, other| name.contains("vocab") && other == reverse;
    match stated.find(|(name, other)| *other != direction && !is_shared(name, *other)) {
        None => Ok(()),
        Some((other, _)) => Err(format!(
            "{}: {first} and {other} belong to models of different directions; keep the files of one \
             model in a folder",
            folder.display()
        )),
    }
}

/// JSON objects that describe the model; unreadable ones are ignored.
fn metadata(folder: &Path, names: &[String]) -> Vec<Value> {
    let described = |name: &&String| {
        let lower = name.to_lowercase();
        lower.ends_with(".json") && (lower.contains("meta") || lower.contains("info"))
    };
    names
        .iter()
        .filter(described)
        .filter_map(|name| serde_json::from_slice(&fs::read(folder.join(name)).ok()?).ok())
        .collect()
}

fn text(metadata: &Value, keys: &[&str]) -> Option<String> {
    keys.iter()
        .find_map(|key| metadata.get(key)?.as_str())
        .filter(|s| !s.is_empty())
        .map(String::from)
}

/// Direction according to the metadata, otherwise `enpt` or `en-pt` in the name of the model or
/// folder.
fn direction(folder: &Path, model: &str, metadata: &[Value]) -> Option<Direction> {
    let stated = metadata.iter().find_map(|m| {
        let from = text(m, &["src", "sourceLanguage", "fromLang", "from"])?;
        let to = text(m, &["trg", "targetLanguage", "toLang", "to"])?;
        Some(Direction {
            from: Language::parse(&from).ok()?,
            to: Language::parse(&to).ok()?,
        })
    });
    let folder_name = folder
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    stated
        .or_else(|| model.split('.').find_map(two_codes))
        .or_else(|| {
            folder_name
                .as_deref()
                .and_then(|name| two_codes(name.split('.').next()?))
        })
}

/// Direction of a name such as `enpt`, `en-pt`, `en_pt` or `enpt-1693087644`. Two codes without a
/// separator count only if one side is English, since the names of model sizes are also codes
/// (`tiny`: Tigrinya into Nyanja).
fn two_codes(name: &str) -> Option<Direction> {
    let parts: Vec<&str> = name.split(['-', '_']).collect();
    let (from, to) = match parts[..] {
        [from, to, ..] if from.len() == 2 && to.len() == 2 => (from, to),
        [both, ..] if both.len() == 4 && (both.starts_with("en") || both.ends_with("en")) => {
            both.split_at(2)
        }
        _ => return None,
    };
    let code = |code: &str| {
        Language::parse(code)
            .ok()
            .filter(|l| l.iso639_1() == Some(code))
    };
    Some(Direction {
        from: code(from)?,
        to: code(to)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_two_directions_are_refused_by_name() {
        let check = |names: &[&str]| one_direction(Path::new("m"), names.iter().copied());
        let shared = [
            "model.enpt.intgemm.alphas.bin",
            "vocab.enpt.spm",
            "lex.50.50.enpt.s2t.bin",
        ];
        assert_eq!(check(&shared), Ok(()));
        assert_eq!(
            check(&["model.bin", "vocab.spm", "lex.50.50.enpt.s2t.bin"]),
            Ok(())
        );
        // As published: the vocabulary of the pair, named after its other direction.
        let named_after_the_other = ["model.enbg.bin", "vocab.bgen.spm", "lex.50.50.enbg.s2t.bin"];
        assert_eq!(check(&named_after_the_other), Ok(()));
        assert!(check(&["model.enbg.bin", "vocab.fren.spm"]).is_err());
        let error = check(&[shared[0], shared[1], "lex.50.50.pten.s2t.bin"]).expect_err("two");
        assert!(
            error.starts_with("m: model.enpt.intgemm.alphas.bin and lex.50.50.pten.s2t.bin belong"),
            "{error}"
        );
    }

    #[test]
    fn directions_are_read_from_names() {
        let en_pt = Direction {
            from: Language::ENGLISH,
            to: Language::PORTUGUESE,
        };
        for name in ["enpt", "en-pt", "en_pt", "enpt-1693087644"] {
            assert_eq!(two_codes(name), Some(en_pt), "{name}");
        }
        for name in ["model", "intgemm", "zzqq", "bin", "alphas", "tiny", "base"] {
            assert_eq!(two_codes(name), None, "{name}");
        }
    }
}
