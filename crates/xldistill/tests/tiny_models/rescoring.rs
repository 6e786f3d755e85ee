//! Outputs that are scored again after their models are gone.

use std::fs;

use serde_json::Value;

use crate::json_of;
use crate::tiny_run::{Folder, UP_TO_FILTER, twelve_rows};

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

    // Other answers cannot be had without a model.
    let said = folder.fails("evaluate", &["--rescore", "evaluate.limit=1"]);
    assert!(
        said.contains("off_target_por_Latn") && said.contains("evaluate without --rescore"),
        "{said}"
    );
}
