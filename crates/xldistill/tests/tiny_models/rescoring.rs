//! Outputs that are scored again after their models are gone.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::json_of;
use crate::tiny_run::{Folder, UP_TO_FILTER, row, twelve_rows};

const RUN: &str = r#"model = "{{gguf/bpe.gguf}}"
targets = ["por_Latn"]
output = "run"
store = "store"
"#;

const LATER: &str = r#"[mix]
subsets = ["LL", "mt"]
held_out_fraction = 0.3
test_fraction = 0.15
[train]
epochs = 1
learning_rate = 1e-3
examples_per_step = 8
[evaluate]
questions.por_Latn = "held_out.jsonl"
pairs.por_Latn = "held_out.tsv"
max_new_tokens = 4
"#;

#[test]
fn other_scores_of_the_same_outputs_need_no_model() {
    let folder = Folder::new(twelve_rows(), &format!("{RUN}{UP_TO_FILTER}{LATER}"));
    folder.xldistill("run", &[]);
    let results =
        |which: &str| json_of(&folder.path(&format!("run/evaluate/{which}/results.json")));
    let part = |results: &Value| {
        results["configs"]["translation_eng_Latn-por_Latn"]["answer_part"].clone()
    };
    let (before, old) = (results("before"), results("after"));
    assert_eq!(part(&old), "whole");

    let model = fs::canonicalize(folder.path("run/model")).expect("the model");
    fs::remove_dir_all(model).expect("removes");
    let report = folder.path("run/report.json");
    fs::remove_file(&report).expect("removes");
    let first_line = "evaluate.translation_answer=first_line";
    let (printed, _) = folder.xldistill("evaluate", &["--rescore", first_line]);
    assert!(printed.contains("chrF2++"), "{printed}");
    for (which, old) in [("before", before), ("after", old)] {
        let new = results(which);
        assert_eq!(part(&new), "first_line", "{which}");
        let losses = |results: &Value| results["results"]["held_out_loss_LL"].clone();
        assert_eq!(losses(&new), losses(&old), "{which}");
    }
    let report = json_of(&report);
    assert!(!report["scores"].as_array().expect("scores").is_empty());

    // A report of two scorings compares only what is alike.
    let before = folder.path("run/evaluate/before/results.json");
    let whole = fs::read(&before).expect("results");
    folder.xldistill(
        "evaluate",
        &["--rescore", first_line, "evaluate.bleu_tokenizer=char"],
    );
    fs::write(folder.path("run/evaluate/before/results.json"), whole).expect("writes");
    folder.xldistill("report", &[first_line, "evaluate.bleu_tokenizer=char"]);
    let report = json_of(&folder.path("run/report.json"));
    let bleu = report["scores"].as_array().expect("scores").iter();
    let bleu: Vec<_> = bleu.filter(|score| score["key"] == "bleu").collect();
    assert!(!bleu.is_empty());
    for score in bleu {
        assert!(
            score["before"].is_null() && score["p_value"].is_null(),
            "{score}"
        );
    }

    // Settings of the outputs are not what a rescoring may change.
    let said = folder.fails("evaluate", &["--rescore", "evaluate.max_new_tokens=9"]);
    assert!(
        said.contains("the outputs were made with evaluate.max_new_tokens = 4, and it is 9 now"),
        "{said}"
    );
    // Missing outputs are named before anything is replaced. A store has them several times: as they
    // were scored at first, and again.
    let evaluations: Vec<PathBuf> = entries(&folder.path("store"))
        .into_iter()
        .filter(|path| path.display().to_string().contains("/evaluate-"))
        .collect();
    let files = || -> Vec<PathBuf> { evaluations.iter().flat_map(|path| entries(path)).collect() };
    let targets = ["before", "after"].map(|which| folder.path(&format!("run/evaluate/{which}")));
    let links = || {
        targets
            .clone()
            .map(|link| fs::read_link(link).expect("a link"))
    };
    let is_translation =
        |path: &&PathBuf| path.ends_with("samples_translation_eng_Latn-por_Latn.jsonl");
    let all = files();
    let saved = all.iter().filter(is_translation);
    let saved: Vec<(&PathBuf, Vec<u8>)> = saved
        .map(|path| (path, fs::read(path).expect("samples")))
        .collect();
    let other = "evaluate.bleu_tokenizer=intl";
    saved
        .iter()
        .for_each(|(path, _)| fs::remove_file(path).expect("removes"));
    let (before, linked) = (files(), links());
    for scoring in [first_line, other] {
        let said = folder.fails("evaluate", &["--rescore", scoring]);
        assert!(
            said.contains("translation_eng_Latn-por_Latn: its saved outputs cannot be read")
                && said.contains("evaluate without --rescore"),
            "{said}"
        );
        assert_eq!((files(), links()), (before.clone(), linked.clone()));
    }
    for (path, text) in &saved {
        let edited = String::from_utf8_lossy(text).replace("\"resps\":[[\"", "\"resps\":[[\"Sim. ");
        assert_ne!(edited.as_bytes(), text);
        fs::write(path, edited).expect("writes");
    }
    let said = folder.fails("evaluate", &["--rescore", other]);
    assert!(
        said.contains("have changed since they were written"),
        "{said}"
    );
    saved
        .iter()
        .for_each(|(path, text)| fs::write(path, text).expect("writes"));
    folder.xldistill("evaluate", &["--rescore", first_line]);

    // Other answers cannot be had without a model.
    folder.write("held_out.jsonl", row(0, "Quem?", "Ela."));
    let said = folder.fails("evaluate", &["--rescore"]);
    assert!(
        said.contains("off_target_por_Latn") && said.contains("evaluate without --rescore"),
        "{said}"
    );
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    paths
}
