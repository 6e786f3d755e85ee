//! A mistyped config: every kind of mistake is told with its place and what to write instead, and
//! without the words of the parser.

use std::fs;

use crate::Run;

/// What is said about the config with `overrides`, which is refused as invalid.
fn refusal(run: &Run, overrides: &[&str]) -> String {
    let output = run.xldistill(&[&["run", "--dry-run"], overrides].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = output.status.code();
    assert!(
        matches!(code, Some(1 | 2)),
        "{overrides:?}: {code:?} {said}"
    );
    for word in [
        "TOML parse error",
        "unknown field",
        "unknown variant",
        "expected one of",
        "invalid type",
        "usize",
        " struct ",
        "(os error",
        "panicked",
    ] {
        assert!(!said.contains(word), "{overrides:?}: {word:?} in {said}");
    }
    said
}

#[test]
fn a_wrong_override_is_named_alone_with_what_was_meant() {
    let run = Run::new();
    for (given, expected) in [
        (
            "train.epoch=2",
            "unknown key `epoch`; did you mean `epochs`?",
        ),
        (
            "trian.epochs=2",
            "unknown key `trian`; did you mean `train`?",
        ),
        ("epochs=2", "did you mean `train.epochs`?"),
        ("batch_size=2", "`evaluate.batch_size`"),
        (
            "train.foo=2",
            "unknown key `foo`; docs/config.md lists the keys of [train]",
        ),
        (
            "train.method=lorra",
            "unknown value `lorra`; did you mean `lora`? Else use `full` or `lora`",
        ),
        (
            "answer.engine=vllm",
            "unknown value `vllm` for answer.engine; use `local` or `openai`",
        ),
        (
            "translate.modles=x",
            "unknown key `modles` for the engine http",
        ),
        (
            "identify.modell=x",
            "unknown key `modell` for the engine whatlang; there is none but `engine`",
        ),
        (
            "train.epochs=two",
            "found the text \"two\", expected a whole number",
        ),
        ("train=3", "found the number `3`, expected a table of keys"),
        (
            "data.instructions=x.jsonl",
            "expected a list; with quotes for the shell: 'data.instructions=[\"x.jsonl\"]'",
        ),
        (
            "data.instructions=[a.json, b.json]",
            "for the shell: 'data.instructions=[\"a.json\", \"b.json\"]'",
        ),
        (
            "targets=\"por_Latn\"",
            "expected a list; with quotes for the shell: 'targets=[\"por_Latn\"]'",
        ),
        (
            "targets=[\"Portugese\"]",
            "did you mean Portuguese (por_Latn)?",
        ),
        ("store=", "found an empty text, expected a path"),
        ("model=", "found an empty text, expected a path"),
        ("template=", "found an empty text, expected a path"),
        (
            "evaluate.comet.model=",
            "found an empty text, expected a path",
        ),
        (
            "estimate_quality={engine=\"cometkiwi\",model=\" \"}",
            "estimate_quality.model: found an empty text, expected a path",
        ),
        ("train.epochs.x=1", "`epochs` is a value, not a section"),
    ] {
        let base = ["seed=3", "train.epochs=2", given];
        let said = refusal(&run, &base);
        assert!(said.contains(expected), "{given}: {said}");
        let place = format!("override {given}: ");
        assert!(
            said.contains(&place) || said.contains(&format!("override `{given}`")),
            "{said}"
        );
        assert!(!said.contains("seed=3"), "{given}: {said}");
    }
    for (given, expected) in [
        (
            "train.learning_rate=50",
            "train.learning_rate = 50: must be",
        ),
        (
            "code_switch.probability=1.5",
            "code_switch.probability = 1.5: must be between 0 and 1",
        ),
        ("data.limit=0", "data.limit = 0: must be at least 1"),
        ("evaluate.limit=0", "evaluate.limit = 0: must be at least 1"),
        (
            "filter.max_lost_numbers=34",
            "filter.max_lost_numbers = 34: must be between 0 and 1; 0.34 means 34 %",
        ),
        (
            "filter.min_script_share=nan",
            "filter.min_script_share = NaN: must be between 0 and 1",
        ),
        (
            "filter.min_language_probability=90",
            "between 0 and 1; 0.9 means 90 %",
        ),
        (
            "filter.min_quality=80",
            "filter.min_quality = 80: must be at most 1, the best score; 0.8 means 80 %",
        ),
        (
            "filter.min_quality={quantile=10}",
            "filter.min_quality.quantile = 10: must be at least 0 and below 1; 0.1 means 10 %",
        ),
        (
            "filter.max_source_similarity=0.85",
            "must be between 1 and 100, since chrF is in percent",
        ),
        (
            "filter.max_length_ratio=0.4",
            "filter.max_length_ratio = 0.4: must be a number of at least 1",
        ),
        ("filter.max_word_length=0", "must be at least 1"),
        ("filter.max_copied_words=0", "must be at least 1"),
        (
            "data.max_rejected_fraction=10",
            "between 0 and 1; 0.1 means 10 %",
        ),
        (
            "evaluate.copied_share=80",
            "evaluate.copied_share = 80: must be between 0 and 1; 0.8 means 80 %",
        ),
        (
            "train.lora_alpha=-16",
            "train.lora_alpha = -16: must be a number above 0",
        ),
        (
            "answer.in_flight=0",
            "answer.in_flight = 0: must be at least 1",
        ),
        (
            "evaluate.max_new_tokens=0",
            "evaluate.max_new_tokens = 0: must be at least 1",
        ),
        (
            "translate={engine=\"nllb\",model=\"x\",beam_size=0}",
            "translate.beam_size = 0: must be at least 1",
        ),
        ("output=", "output is empty; name a folder"),
        ("answer.url=", "answer.url: is empty; name the server"),
        (
            "translate.url= ",
            "translate.url: is empty; name the server",
        ),
        (
            "answer.server_model=",
            "answer.server_model: name the model",
        ),
        (
            "evaluate.benchmarks=[{name=\"flores\",path=\"x/{lang}.txt\"}]",
            "`path`: {lang} is no placeholder here; there is {code}, {iso}",
        ),
        (
            "evaluate.benchmarks=[{name=\"flores\",path=\"x\",prompt=\"{sentence} in {language}?\"}]",
            "`prompt`: {language} is no placeholder here; there is {from}, {to}, {sentence}",
        ),
        (
            "evaluate.benchmarks=[{name=\"beleble\",path=\"x\"}]",
            "did you mean belebele?",
        ),
        (
            "evaluate.questions.fin_Latn=x.jsonl",
            "fin_Latn is neither the source nor one of the targets",
        ),
        ("device=cuba", "`cuba` is no device: cpu, "),
        (
            "data.instructions=[\"frist.jsonl\"]",
            "frist.jsonl does not exist",
        ),
        (
            "template=alpacca",
            "alpacca: No such file or directory; name a Jinja file or one of alpaca",
        ),
        (
            "evaluate.bleu_tokenizer=14a",
            "unknown tokenizer \"14a\"; use auto",
        ),
    ] {
        let said = refusal(&run, &[given]);
        assert!(said.contains(expected), "{given}: {said}");
    }
}

#[test]
fn a_wrong_line_of_the_file_is_shown_with_its_number() {
    let run = Run::new();
    let path = run.path("config.toml");
    let config = fs::read_to_string(&path).expect("the config");
    let line = |part: &str| {
        1 + config
            .lines()
            .position(|line| line.contains(part))
            .expect("a line")
    };
    for (from, to, expected) in [
        (
            "[identify]",
            "[idetify]",
            "unknown key `idetify`; did you mean `identify`?",
        ),
        (
            "[identify]",
            "[idetify.x]",
            "unknown key `idetify`; did you mean `identify`?",
        ),
        (
            "in_flight = 4",
            "in_flght = 4",
            "unknown key `in_flght` for the engine openai",
        ),
        (
            "engine = \"whatlang\"",
            "engine = \"watlang\"",
            "unknown value `watlang` for identify.engine; did you mean `whatlang`?",
        ),
        (
            "probability = 0",
            "probability = \"0\"",
            "found the text \"0\", expected a number",
        ),
        (
            "probability = 0",
            "probability = ",
            "the key has no value; comment the line out",
        ),
        ("probability = 0", "probability = 0.1x", "invalid number"),
        (
            "targets = [\"por_Latn\"]",
            "targets = \"Portuguese\"",
            "found the text \"Portuguese\", expected a list, e.g. [\"Portuguese\"]",
        ),
        (
            "targets = [\"por_Latn\"]",
            "targets = [por_Latn]",
            "text must be quoted, e.g. \"text\"",
        ),
    ] {
        fs::write(&path, config.replacen(from, to, 1)).expect("writes");
        let said = refusal(&run, &[]);
        assert!(said.contains(expected), "{to}: {said}");
        let place = format!("config.toml, line {}: ", line(from));
        assert!(
            said.contains(&place) && said.contains(&format!("  | {to}")),
            "{to}: {said}"
        );
        // An override that is right is not to blame.
        let said = refusal(&run, &["seed=3"]);
        assert!(
            said.contains(&place) && !said.contains("seed=3"),
            "{to}: {said}"
        );
    }
    fs::write(&path, config.replacen("model = ", "# model = ", 1)).expect("writes");
    let said = refusal(&run, &[]);
    assert!(
        said.contains("config.toml: the key `model` is missing"),
        "{said}"
    );
    // The override corrects it.
    let corrected = run.xldistill(&["plan", "model=unused.gguf"]);
    assert!(corrected.status.success());
}

#[test]
fn what_is_no_config_is_named() {
    let run = Run::new();
    let path = run.path("config.toml");
    fs::write(&path, "[{\"instruction\": \"Say hello.\"}]").expect("writes");
    assert!(refusal(&run, &[]).contains("config.toml is JSON; a config is TOML"));
    fs::write(&path, b"model = \"caf\xe9\"\n").expect("writes");
    assert!(refusal(&run, &[]).contains("config.toml is not UTF-8; convert it"));
    let wide = "model = \"m\"\n".encode_utf16().flat_map(u16::to_le_bytes);
    fs::write(&path, wide.collect::<Vec<u8>>()).expect("writes");
    let said = refusal(&run, &[]);
    assert!(said.contains("iconv -f UTF-16LE -t UTF-8"), "{said}");
    fs::remove_file(&path).expect("removes");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/dev/null", &path).expect("a link");
        assert!(refusal(&run, &[]).contains("is a pipe or a device"));
        fs::remove_file(&path).expect("removes");
    }
    assert!(refusal(&run, &[]).contains("config.toml does not exist"));
    fs::create_dir(&path).expect("a folder");
    assert!(refusal(&run, &[]).contains("is a folder; name the config file in it"));
    let dashed = run.xldistill(&["run", "--train.epochs", "2"]);
    let said = String::from_utf8_lossy(&dashed.stderr).into_owned();
    assert_eq!(dashed.status.code(), Some(2), "{said}");
    assert!(
        said.contains("without dashes: train.epochs=VALUE"),
        "{said}"
    );
}
