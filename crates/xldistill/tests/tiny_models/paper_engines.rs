//! A run with the paper's own engines, all named in the config: NLLB-200, CometKiwi and CLD3, and
//! LoRA; the report says who did what. COMET measures the translations.

use std::fs;
use std::path::Path;

use corpus::language::Language;
use engines::comet_kiwi::CometKiwi;
use evaluation::results::Results;
use evaluation::suite::read_samples;
use evaluation::task::SENTENCE;
use models::ComputeDevice;
use models::comet::{CometOptions, Sample};

use crate::json_of;
use crate::run_folder::outcome;
use crate::tiny_run::{Folder, row};

const CONFIG: &str = r#"
model = "{{gguf/bpe.gguf}}"
targets = ["por_Latn"]
output = "run"
[data]
instructions = ["instructions.jsonl"]
parallel.por_Latn = "pairs.tsv"
[answer]
max_new_tokens = 4
[translate]
engine = "nllb"
model = "{{m2m100/tiny}}"
precision = "int8"
beam_size = 1
early_stopping = "at-once"
max_new_tokens = 16
[identify]
engine = "cld3"
model = "{{cld3/tiny_params.cc}}"
[estimate_quality]
engine = "cometkiwi"
model = "{{comet/kiwi}}"
[filter]
min_quality = -1e9
max_length_ratio = 1e9
max_sentence_ratio = 1e9
max_word_length = 1000000
max_lost_numbers = 1
min_script_share = 0
min_language_probability = 1
[mix]
held_out_fraction = 0.3
[train]
measure = ["off-target"]
method = "lora"
precision = "bf16"
epochs = 1
learning_rate = 1e-3
examples_per_step = 8
[evaluate]
questions.por_Latn = "held_out.jsonl"
pairs.por_Latn = "held_out.tsv"
max_new_tokens = 4
comet.model = "{{comet/comet}}"
"#;

#[test]
fn a_config_names_the_papers_engines() {
    let question = |n| {
        row(
            n,
            &format!("What is number {n} of them?"),
            "It is a fine number.",
        )
    };
    let folder = Folder::new((0..12).map(question).collect(), CONFIG);
    let (_, log) = folder.xldistill("run", &[]);

    let run = folder.path("run");
    let read = |name: &str| json_of(&run.join(name));
    let adapter = read("model/adapter_config.json");
    assert_eq!(adapter["peft_type"], "LORA", "{adapter}");
    let translate = read("translate/manifest.json").to_string();
    assert!(
        translate.contains("\"nllb\"") && translate.contains("int8"),
        "{translate}"
    );
    let filter = read("filter/manifest.json").to_string();
    assert!(
        filter.contains("cometkiwi") && filter.contains("cld3"),
        "{filter}"
    );
    // Every engine let something through, so that the LLM learnt from translations.
    let mix = fs::read_to_string(run.join("mix/part-00000-of-00001.jsonl")).expect("the mix");
    assert!(
        mix.contains("\"TT\"") && mix.contains("\"mt\""),
        "{log}\n{mix}"
    );
    let report = read("report.json");
    assert!(
        report["scores"]
            .as_array()
            .is_some_and(|scores| !scores.is_empty())
    );
    let measured = &report["training"]["measured"][0];
    let title = measured["title"].as_str().expect("what was measured");
    assert!(title.contains("another language"), "{measured}");
    let points = measured["held_out"]["all"].as_array().expect("a curve");
    assert_eq!(points.len(), 2, "before and after the epoch: {measured}");
    assert_eq!(points[0][0], 0);
    assert!(measured["intervals"]["all"][1][1]["answers"].is_number());
    let comet = report["scores"].as_array().into_iter().flatten();
    let comet: Vec<_> = comet.filter(|row| row["key"] == "comet").collect();
    assert_eq!(comet.len(), 2, "a row a direction");
    assert!(
        comet.iter().all(|row| row["p_value"].is_number()),
        "{comet:?}"
    );
    let models = report["models"].to_string();
    assert!(models.contains("\"comet\""), "{models}");
    for which in ["before", "after"] {
        is_the_mean_of_the_engine(&run.join("evaluate").join(which));
    }

    // Any other model, and saved outputs with another metric.
    let model = fixtures::reference("gguf/bpe.gguf");
    let model = model.to_str().expect("UTF-8");
    let (scores, _) = folder.xldistill("evaluate", &["--model", model]);
    let line = |key: &str| {
        let start = format!("translation_eng_Latn-por_Latn\t{key}\t");
        let mut lines = scores.lines();
        lines.find_map(|line| line.strip_prefix(&start).map(str::to_owned))
    };
    assert!(line("chrf++").is_some(), "{scores}");
    let value = results(&run.join("evaluate/before"));
    let value = value["translation_eng_Latn-por_Latn"]["comet,none"].as_f64();
    let value = format!("{:.4}\t", value.expect("a score"));
    assert!(
        line("comet").is_some_and(|line| line.starts_with(&value)),
        "{value}: {scores}"
    );
    let answers = run.join("evaluate/after/samples_off_target_por_Latn.jsonl");
    let before = fs::metadata(&answers).and_then(|file| file.modified());
    let other = fixtures::reference("comet/kiwi").canonicalize();
    let other = format!(
        "evaluate.comet.model={}",
        other.expect("a fixture").display()
    );
    folder.xldistill("evaluate", &[&other]);
    let scored = results(&run.join("evaluate/after"));
    let scored = &scored["translation_eng_Latn-por_Latn"];
    assert!(scored["cometkiwi,none"].is_number() && scored["comet,none"].is_null());
    let after = fs::metadata(&answers).and_then(|file| file.modified());
    assert_eq!(before.expect("answers"), after.expect("answers"));
}

fn results(folder: &Path) -> serde_json::Value {
    json_of(&folder.join(Results::FILE))["results"].take()
}

/// COMET in an evaluation is the mean of the scores that the engine gives to its samples.
fn is_the_mean_of_the_engine(folder: &Path) {
    let (english, portuguese) = (Language::ENGLISH, Language::PORTUGUESE);
    let path = fixtures::reference("comet/comet");
    let comet = CometKiwi::load(&path, &CometOptions::default(), ComputeDevice::Cpu);
    let comet = comet.expect("a metric");
    for (from, to) in [(english, portuguese), (portuguese, english)] {
        let task = format!("translation_{}-{}", from.code(), to.code());
        let samples = read_samples(&folder.join(Results::samples_file(&task)));
        let texts = samples.iter().map(|sample| Sample {
            source: sample.doc[SENTENCE].as_str().expect("a sentence"),
            translation: &sample.filtered_resps[0],
            reference: Some(&sample.target),
        });
        let texts: Vec<Sample<'_>> = texts.collect();
        let scores = comet.score(&texts, from, to).expect("scores");
        assert_eq!(scores.len(), 2);
        let mean = 100.0 * scores.iter().sum::<f64>() / scores.len() as f64;
        let found = results(folder)[&task]["comet,none"].as_f64();
        let found = found.expect("a score");
        assert!((found - mean).abs() < 1e-4, "{found} instead of {mean}");
    }
}

#[test]
fn comet_is_checked_before_the_first_stage() {
    let folder = Folder::new(row(0, "What is it?", "It is a number."), CONFIG);
    let refused = |arguments: &[&str]| {
        let arguments = [&["run", "config.toml"], arguments].concat();
        let output = outcome(&folder, &arguments);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(!folder.path("run/answer").exists(), "nothing was started");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let missing = refused(&["evaluate.comet.model=models/none"]);
    assert!(
        missing.contains("evaluate.comet") && missing.contains("models/none does not exist"),
        "{missing}"
    );
    let unnamed = refused(&["evaluate.comet={}"]);
    assert!(unnamed.contains("evaluate.comet.model: name"), "{unnamed}");
    let unknown = refused(&["evaluate.comet.modle=\"x\""]);
    assert!(unknown.contains("modle"), "{unknown}");
    let idle = refused(&["evaluate.pairs={}"]);
    assert!(idle.contains("no translations to score"), "{idle}");
    fs::create_dir(folder.path("empty")).expect("a folder");
    let empty = refused(&["evaluate.comet.model=empty"]);
    assert!(empty.contains("contains no COMET model"), "{empty}");
}
