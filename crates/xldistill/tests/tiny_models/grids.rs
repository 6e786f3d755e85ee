//! A grid of runs over one store, its tables, and the comparison of two of its runs.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

use crate::json_of;
use crate::shared::folder;
use crate::tiny_run::Folder;

const GRID: &str = r#"
config = "config.toml"
output = "grid"
seeds = [0, 1]
ours = "whole"
reference = "plain"

[[variants]]
name = "plain"
set.mix.subsets = ["LL"]

[[variants]]
name = "whole"
set.train.epochs = 2

[[variants]]
name = "without questions in two languages"
set.mix.subsets = ["LL", "TT"]
"#;

fn program(folder: &Folder, arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_xldistill"));
    let program = program.args(arguments).current_dir(&folder.0);
    program.output().expect("starts")
}

fn refused(folder: &Folder, arguments: &[&str]) -> String {
    let output = program(folder, arguments);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn done(folder: &Folder, arguments: &[&str]) -> String {
    let output = program(folder, arguments);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {log}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_grid_makes_its_runs_over_one_store_and_compares_them_in_tables() {
    let folder = folder();
    folder.write("grid.toml", GRID.to_owned());
    let listed = done(&folder, &["grid", "grid.toml", "--dry-run"]);
    let names: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.split('\t').next())
        .collect();
    let expected = [
        "plain-seed0",
        "whole-seed0",
        "without-questions-in-two-languages-seed0",
        "plain-seed1",
        "whole-seed1",
        "without-questions-in-two-languages-seed1",
    ];
    assert_eq!(names, expected);
    assert!(!folder.path("grid").exists(), "a dry run leaves nothing");

    let printed = done(&folder, &["grid", "grid.toml", "store=shared"]);
    let tables = json_of(&folder.path("grid/tables.json"));
    let tables = tables.as_array().expect("a list");
    let titles: Vec<&str> = tables
        .iter()
        .filter_map(|table| table["benchmark"].as_str())
        .collect();
    for title in [
        "Open questions",
        "Translation of held-out pairs",
        "Plain text",
    ] {
        assert!(titles.contains(&title), "{titles:?}");
        assert!(printed.contains(title), "{printed}");
    }
    let translation = tables
        .iter()
        .find(|table| table["measure"] == "chrF2++")
        .expect("a table");
    assert_eq!(translation["columns"], serde_json::json!(["POR"]));
    let blocks = translation["blocks"].as_array().expect("blocks");
    let headings: Vec<&str> = blocks
        .iter()
        .filter_map(|block| block["title"].as_str())
        .collect();
    assert_eq!(headings, ["English-to-X", "X-to-English"]);
    for block in blocks {
        let rows = block["rows"].as_array().expect("rows");
        let methods: Vec<&str> = rows
            .iter()
            .filter_map(|row| row["method"].as_str())
            .collect();
        let expected = [
            "untrained",
            "plain",
            "whole",
            "without questions in two languages",
        ];
        assert_eq!(methods, expected);
        assert_eq!(rows[1]["cells"][0]["seeds"], 2);
        // The mean of what the two runs measured.
        let task = match block["side"].as_str() {
            Some("target") => "translation_eng_Latn-por_Latn",
            _ => "translation_por_Latn-eng_Latn",
        };
        let score = |seed: usize| {
            let results = format!("grid/runs/plain-seed{seed}/evaluate/after/results.json");
            json_of(&folder.path(&results))["results"][task]["chrf++,none"]
                .as_f64()
                .expect("a score")
        };
        let mean = rows[1]["cells"][0]["score"].as_f64().expect("a mean");
        assert!((mean - (score(0) + score(1)) / 2.0).abs() < 1e-9);
        // Ours is tested, the baselines are not.
        assert!(rows[2]["cells"][0]["p_value"].as_f64().is_some(), "{block}");
        assert!(rows[1]["cells"][0]["p_value"].is_null());
    }
    for form in ["txt", "md", "tex", "html"] {
        let path = folder.path("grid/tables").with_extension(form);
        let text = fs::read_to_string(path).expect("a table");
        assert!(
            text.contains("without questions in two languages"),
            "{form}"
        );
    }
    // Answers and translations were made once.
    let artefact = |run: &str| {
        let link = folder.path(&format!("grid/runs/{run}/translate"));
        link.canonicalize().expect("an artefact")
    };
    assert_eq!(artefact("plain-seed0"), artefact("whole-seed1"));

    // A second start has nothing to do, and the file does not change.
    let before = fs::read(folder.path("grid/tables.json")).expect("tables");
    assert_eq!(
        done(&folder, &["grid", "grid.toml", "store=shared"]),
        printed
    );
    assert_eq!(
        fs::read(folder.path("grid/tables.json")).expect("tables"),
        before
    );

    let runs = ["grid/runs/plain-seed0", "grid/runs/whole-seed0"];
    let compared = done(&folder, &["compare", runs[0], runs[1]]);
    assert!(compared.contains("chrF2++, higher is better"), "{compared}");
    assert!(
        compared.contains("approximate randomisation, then"),
        "{compared}"
    );
    assert!(
        compared.lines().all(|line| line.chars().count() <= 80),
        "{compared}"
    );
    assert!(
        compared
            .contains("train.epochs\n    grid/runs/plain-seed0: 1\n    grid/runs/whole-seed0: 2"),
        "{compared}"
    );
    let compared = done(&folder, &["compare", "--json", runs[0], runs[1]]);
    let compared: Value = serde_json::from_str(&compared).expect("JSON");
    assert_eq!(
        compared["config"]["train.epochs"],
        serde_json::json!(["1", "2"])
    );
    let error = refused(&folder, &["compare", runs[0], "grid"]);
    assert!(
        error.contains("grid/evaluate/after: no results.json"),
        "{error}"
    );
    assert!(refused(&folder, &["compare", runs[0]]).contains("at least two runs"));

    // Saved outputs can be scored again, with another metric.
    let samples =
        "grid/runs/plain-seed0/evaluate/after/samples_translation_eng_Latn-por_Latn.jsonl";
    let scored = done(&folder, &["score", "ter", "--samples", samples]);
    assert!(
        scored.starts_with("TER|nrefs:1|case:lc|tok:tercom"),
        "{scored}"
    );
    let scored = done(
        &folder,
        &[
            "score",
            "chrf",
            "--word-order",
            "2",
            "--samples",
            samples,
            "--json",
        ],
    );
    let scored: Value = serde_json::from_str(&scored).expect("JSON");
    let results = json_of(&folder.path("grid/runs/plain-seed0/evaluate/after/results.json"));
    let known = &results["results"]["translation_eng_Latn-por_Latn"]["chrf++,none"];
    let difference = scored["score"].as_f64().expect("a score") - known.as_f64().expect("a score");
    assert!(difference.abs() < 1e-9, "{scored} {known}");

    // What training did to the representations.
    let run = [
        "store=shared",
        "output=grid/runs/whole-seed0",
        "train.epochs=2",
    ];
    let inside = done(
        &folder,
        &[&["inside", "config.toml", "--json"], &run[..]].concat(),
    );
    let lines: Vec<Value> = inside
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(
        (&lines[0]["model"], &lines[1]["model"]),
        (&"before".into(), &"after".into())
    );
    assert_eq!(lines[0]["closeness"]["pairs"], 2);
    assert_ne!(lines[0]["closeness"], lines[1]["closeness"]);
    let page = fs::read_to_string(folder.path("grid/runs/whole-seed0/inside_por_Latn.html"));
    assert!(page.expect("a page").contains("linear CKA"));

    // Another grid does not get the folder.
    folder.write("other.toml", GRID.to_owned());
    let error = refused(&folder, &["grid", "other.toml"]);
    assert!(
        error.contains("holds the runs of another grid") && error.contains("grid.toml"),
        "{error}"
    );
}

#[test]
fn mistakes_in_a_grid_are_found_before_the_first_run() {
    let folder = folder();
    let error = |change: &dyn Fn(String) -> String| {
        folder.write("grid.toml", change(GRID.to_owned()));
        let error = refused(&folder, &["grid", "grid.toml"]);
        assert!(!folder.path("grid/runs").exists(), "{error}");
        error
    };
    let unknown = error(&|text| text.replace("set.train.epochs = 2", "set.train.epocs = 2"));
    assert!(
        unknown.contains("run whole-seed0") && unknown.contains("did you mean `epochs`?"),
        "{unknown}"
    );
    let twice = error(&|text| text.replace("name = \"whole\"", "name = \"plain\""));
    assert!(twice.contains("\"plain\" occurs twice"), "{twice}");
    let ours = error(&|text| text.replace("ours = \"whole\"", "ours = \"hole\""));
    assert!(
        ours.contains("ours: \"hole\" is neither a method nor a variant")
            && ours.contains("plain, whole"),
        "{ours}"
    );
    let none = error(&|text| {
        text.split("[[variants]]")
            .next()
            .unwrap_or_default()
            .replace("ours", "# ours")
            .replace("reference", "# reference")
    });
    assert!(
        none.contains("name at least one of `methods` or [[variants]]"),
        "{none}"
    );
    let key = error(&|text| text.replace("seeds = ", "seed = "));
    assert!(key.contains("did you mean `seeds`?"), "{key}");
    let table = error(&|text| text.replace("set.train.epochs = 2", "train.epochs = 2"));
    assert!(table.contains("a table with `name` and `set`"), "{table}");
    let missing = error(&|text| text.replace("config.toml", "none.toml"));
    assert!(missing.contains("none.toml"), "{missing}");
}
