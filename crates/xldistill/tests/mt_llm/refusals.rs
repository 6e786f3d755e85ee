//! Wrong configs and data are refused before anything is made, in words that say what to change.

use std::fs;

use super::{Run, classifier, mt_llm, tiny};

#[test]
fn a_wrong_config_is_a_usage_error() {
    let run = Run::new(&mt_llm());
    for (overrides, expected) in [
        (&["system=mtllm"][..], "did you mean `mt-llm`?"),
        (&["adapt.los=aligned"], "did you mean `loss`?"),
        (&["tasks={}"], "tasks: name at least one"),
        (&["tasks.topics.data=xnly"], "xnly"),
        (&["baselines.translate_test=true"], "[translate]"),
        (&["adapt.training.warmup=2"], "adapt.training.warmup"),
        (&["text.files=[]"], "text.files"),
        (&["adapted=false"], "fine_tuned_stack"),
        (
            &["retrieval={deu_Latn=\"eng.txt\", por_Latn=\"eng.txt\"}"],
            "eng_Latn",
        ),
        (&["tasks.topics.test={klingon=\"test.tsv\"}"], "klingon"),
        (
            &["tasks.topics.test={German=\"test.tsv\", deu_Latn=\"test.tsv\"}"],
            "test.German and test.deu_Latn are the same language",
        ),
        (&["tasks.topics.test_limit=0"], "`test_limit` is at least 1"),
    ] {
        let arguments: Vec<&str> = ["run"].iter().chain(overrides).copied().collect();
        let said = run.fail(&arguments, 2);
        assert!(said.contains(expected), "{overrides:?}: {said}");
    }
    // Every key is one of [tasks], whose keys are names of the user's own.
    let said = run.fail(&["run", "targets=por_Latn"], 2);
    assert!(
        said.contains("unknown key `targets`; docs/config.md") && !said.contains("tasks.targets"),
        "{said}"
    );
    let said = run.fail(&["inspect"], 2);
    assert!(
        said.contains("needs a config with system = \"sdrrl\""),
        "{said}"
    );
    let said = run.fail(&["answer"], 2);
    assert!(
        said.contains("answer is no stage of the system mt-llm"),
        "{said}"
    );
    assert!(said.contains("llm2vec, adapt, classify"), "{said}");
    fs::write(run.path("config.toml"), "system = \"mt-llm\"\nmodle = 1\n").expect("writes");
    let said = run.fail(&["run"], 2);
    assert!(
        said.contains("line 2") && said.contains("did you mean `model`?"),
        "{said}"
    );
    assert!(!run.path("run").exists());
}

#[test]
fn what_is_missing_is_found_before_the_first_stage() {
    let run = Run::new(&mt_llm());
    fs::write(run.path("short.txt"), "one line\n").expect("writes");
    let no_label = "text\tlabel\nThe market opens.\t\nThe sea.\t\n";
    fs::write(run.path("no_label.tsv"), no_label).expect("writes");
    fs::create_dir(run.path("empty")).expect("a folder");
    let broken = b"one line\n\xe9t\xe9\n\xe0 la mer\n";
    fs::write(run.path("broken.txt"), broken).expect("writes");
    for (overrides, expected) in [
        (&["model=nowhere"][..], "nowhere does not exist"),
        (&["encoder.path=nowhere"], "nowhere does not exist"),
        (&["text.files=[\"nowhere.txt\"]"], "nowhere.txt"),
        (
            &["text.files=[\"eng.txt\", {path=\"train.tsv\", fields=[\"txt\"]}]"],
            "train.tsv: no column is called txt",
        ),
        (&["tasks.topics.train=[\"nowhere.tsv\"]"], "nowhere.tsv"),
        (&["tasks.topics.train=[\"no_label.tsv\"]"], "label"),
        (&["tasks.topics.columns.label=\"topic\""], "topic"),
        (&["retrieval.deu_Latn=\"short.txt\""], "line N of each file"),
        (
            &["retrieval.deu_Latn=\"train.tsv\""],
            "train.tsv is no text file with a sentence or passage per line",
        ),
        (&["llm2vec.merge=[\"nowhere\"]"], "nowhere does not exist"),
        (&["llm2vec.merge=[\"empty\"]"], "empty"),
        (
            &["centring={eng_Latn=\"eng.txt\", por_Latn=\"broken.txt\"}"],
            "broken.txt",
        ),
        (
            &["llm2vec.mntp.mask_token=<mask>"],
            "llm2vec.mntp.mask_token = \"<mask>\": must be a token of the model",
        ),
        (
            &["llm2vec.mntp.training.lora_targets=[\"qkv\"]"],
            "llm2vec.mntp.training.lora_targets: the model has no linear layer \"qkv\"; its layers are down_proj,",
        ),
        (
            &["llm2vec.simcse.training.lora_rank=5000"],
            "llm2vec.simcse.training.lora_rank = 5000: must be at most",
        ),
        (
            &["adapt.training.lora_targets=[\"query\"]"],
            "adapt.training.lora_targets: the model has no linear layer \"query\"",
        ),
        (
            &["classify.training.lora_targets=[\"q_proj\"]"],
            "`encoder_alone` trains the encoder with the keys of [classify]",
        ),
        (
            &[
                "adapted=false",
                "baselines.fine_tuned_stack=false",
                "distill.training.lora_targets=[\"qkv\"]",
            ],
            "distill.training.lora_targets: the model has no linear layer \"qkv\"",
        ),
    ] {
        let arguments: Vec<&str> = ["run"].iter().chain(overrides).copied().collect();
        let said = run.fail(&arguments, 1);
        assert!(
            said.contains("nothing was started"),
            "{overrides:?}: {said}"
        );
        assert!(said.contains(expected), "{overrides:?}: {said}");
    }
    assert!(!run.path("run").exists(), "something was begun");
    let output = run.output(&["doctor", "encoder.path=nowhere"]);
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(report.contains("FAILED  encoder: "), "{report}");
    assert!(
        report.contains("ok      mask token: \"e\", id "),
        "{report}"
    );
    assert!(
        report.contains("ok      tasks.topics: 14 training and 8 validation rows"),
        "{report}"
    );
    let output = run.output(&["doctor", "tasks.topics.test.deu_Latn=train.tsv"]);
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    let leak = "WARNING: 14 of 14 test rows in deu_Latn are training or validation rows, too";
    assert!(report.contains(leak), "{report}");
    let foreign = "train.tsv: a sample of the texts is in eng_Latn, not in deu_Latn";
    assert!(
        report.contains("WARNING: ") && report.contains(foreign),
        "{report}"
    );
    assert!(!report.contains("not in eng_Latn"), "{report}");
    // Each file is checked by itself, validation files, too.
    let portuguese =
        "O mercado abre às nove horas da manhã e fecha à noite, quando todos vão para casa.";
    let rows: String = (0..8)
        .map(|at| format!("{portuguese} {at}\tplace\n"))
        .collect();
    fs::write(run.path("por.tsv"), "text\tlabel\n".to_owned() + &rows).expect("writes");
    for files in [
        "tasks.topics.train=[\"train.tsv\", \"por.tsv\"]",
        "tasks.topics.validation=[\"por.tsv\"]",
    ] {
        let output = run.output(&["doctor", files]);
        let report = String::from_utf8_lossy(&output.stdout).into_owned();
        let foreign = "por.tsv: a sample of the texts is in por_Latn, not in eng_Latn";
        assert_eq!(report.matches("not in eng_Latn").count(), 1, "{report}");
        assert!(report.contains(foreign), "{report}");
    }
    let learnt = "8 of 8 validation rows are training rows, too";
    assert!(report.contains(learnt), "{report}");
}

#[test]
fn rows_with_labels_that_the_task_does_not_have_are_warned_of() {
    let run = Run::new(&classifier(&tiny("bert")));
    let capital = fs::read_to_string(run.path("test.tsv")).expect("reads");
    let capital = capital.replace("\tplace", "\tPlace") + "The sea.\twater\n";
    fs::write(run.path("capital.tsv"), capital).expect("writes");
    let other = "tasks.topics.test.deu_Latn=capital.tsv";
    let warned = "capital.tsv: 3 rows are set aside, and 1 used: the task does not have the labels \
        \"Place\" 2 (differs from \"place\" only in case), \"water\" 1; with labels = [\"place\", \"thing\"], \
        case does not count";
    for (arguments, count) in [
        (["run", other], 1),
        (["doctor", other], 1),
        // The files of the config itself have no such labels.
        (["doctor", "tasks.topics.test_limit=2"], 0),
    ] {
        let output = run.output(&arguments);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        assert_eq!(said.matches(warned).count(), count, "{arguments:?}: {said}");
    }
    let named = "tasks.topics.labels=[\"place\", \"thing\"]";
    let output = run.output(&["doctor", other, named]);
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!report.contains("Place"), "{report}");
}

#[test]
fn a_stage_needs_those_before_it() {
    let run = Run::new(&mt_llm());
    let said = run.fail(&["adapt"], 1);
    assert!(
        said.contains("run `xldistill llm2vec` with this config first"),
        "{said}"
    );
}

#[test]
fn a_prefix_is_for_encoders() {
    let run = Run::new(&classifier(&tiny("llama")));
    let said = run.fail(&["run", "prefix=query: "], 1);
    assert!(said.contains("only encoders have a prefix"), "{said}");
}

#[test]
fn results_of_another_config_are_not_overwritten() {
    let run = Run::new(&classifier(&tiny("bert")));
    run.succeed(&["run"]);
    let said = run.fail(&["run", "classify.training.epochs=4"], 1);
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let changed = "other settings or data: classify.training.epochs was 3, is 4 (in the config,";
    assert!(said.contains(changed), "{said}");
    assert!(!said.contains('{'), "{said}");
}
