//! Runs from the first stage to the report.

use super::{Run, classifier, mt_llm, tiny};
use serde_json::json;

#[test]
fn a_run_makes_a_stack_that_is_compared_with_its_baselines() {
    let run = Run::new(&mt_llm());
    let said = run.succeed(&["run"]);
    for stage in [
        "llm2vec",
        "adapt",
        "classify",
        "distill",
        "baselines",
        "evaluate",
    ] {
        assert!(said.contains(&format!("{stage}  ")), "{stage}: {said}");
        assert!(
            run.path(&format!("run/{stage}/stage.json")).is_file(),
            "{stage}"
        );
    }
    let model = run.json("run/model/xldistill.json");
    assert_eq!(model["kind"], json!("stack"));
    assert_eq!(
        model["tasks"]["topics"]["labels"],
        json!(["place", "thing"])
    );
    let results = run.json("run/evaluate/classification.json");
    assert_eq!(results["complete"], json!(true));
    let systems: Vec<&str> = results["systems"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|system| system["name"].as_str())
        .collect();
    let expected = [
        "mt-llm",
        "encoder-alone",
        "fine-tuned-stack",
        "llm-zero-shot",
    ];
    assert_eq!(systems, expected);
    assert!(run.path("run/report.html").is_file());
    let metrics = std::fs::read_to_string(run.path("run/adapt/metrics.jsonl")).expect("metrics");
    assert!(metrics.contains("deu_Latn.retrieval"), "{metrics}");

    // A second run has nothing to do, and a plan knows it.
    let before = super::results(&run.path("run"));
    run.succeed(&["run"]);
    assert!(
        before == super::results(&run.path("run")),
        "something was made again"
    );
    let plan = run.output(&["plan", "--json"]);
    let plan: serde_json::Value = serde_json::from_slice(&plan.stdout).expect("JSON");
    for stage in plan["stages"].as_array().expect("a list") {
        assert_eq!(stage["state"], json!("finished"), "{stage}");
    }
    // What a changed key outdates, and what it does not.
    let plan = run.output(&["plan", "--json", "distill.training.epochs=5"]);
    let plan: serde_json::Value = serde_json::from_slice(&plan.stdout).expect("JSON");
    let state = |at: usize| {
        plan["stages"][at]["state"]
            .as_str()
            .expect("a state")
            .to_owned()
    };
    assert_eq!([state(1), state(3)], ["finished", "outdated"]);
    // Nothing is trained over what was trained otherwise, be it in a later stage alone; what leaves
    // the other trainings as they are may change.
    let all = ["llm2vec", "adapt", "classify", "distill", "baselines"];
    for (changed, trained) in [
        ("distill.training.epochs=5", &all[3..4]),
        (
            "adapt.training.epochs=3",
            &["adapt", "distill", "baselines"],
        ),
        ("text.limit=30", &all),
        ("reading.max_length=40", &all[1..]),
    ] {
        for arguments in [&["run", changed][..], &["run", changed, "--dry-run"]] {
            let said = run.fail(arguments, 1);
            assert!(said.contains("nothing was started"), "{said}");
            let in_the_way = said.split(", or delete ").nth(1).expect("advice");
            let named = all.iter().copied().filter(|stage| {
                let folder = run.path("run").join(stage);
                in_the_way.contains(&folder.display().to_string())
            });
            assert_eq!(named.collect::<Vec<_>>(), trained, "{said}");
        }
    }
    assert!(
        before == super::results(&run.path("run")),
        "something was made again"
    );
    run.succeed(&["run", "baselines.encoder_alone=false", "--dry-run"]);
    // The stack of stage 1 alone gets a head by its own config.
    std::fs::write(
        run.path("config.toml"),
        classifier("run/adapt/model").replace("output = \"run\"", "output = \"direct\""),
    )
    .expect("writes");
    run.succeed(&["run"]);
    assert_eq!(
        run.json("direct/model/xldistill.json")["kind"],
        json!("stack")
    );
}

#[test]
fn a_run_without_test_files_trains_and_says_so() {
    let none = "tasks.topics.test={}";
    let warning = "tasks.topics: it will not be evaluated, since it has no test files; name some under \
        [tasks.topics.test]";
    for config in [classifier(&tiny("bert")), mt_llm()] {
        let run = Run::new(&config);
        let said = run.succeed(&["run", none]);
        assert_eq!(said.matches(warning).count(), 1, "{said}");
        assert!(said.find(warning) < said.find("classify  "), "{said}");
        assert!(
            said.contains("evaluate  nothing, since no task has test files"),
            "{said}"
        );
        assert!(run.path("run/model/xldistill.json").is_file());
        assert!(run.path("run/report.html").is_file());
        assert!(!run.path("run/baselines/encoder-alone").exists());
        // Test files can be named later, and left out again.
        let said = run.succeed(&["run"]);
        assert!(
            !said.contains(warning) && said.contains("accuracy: "),
            "{said}"
        );
        assert!(run.path("run/evaluate/classification.json").is_file());
        run.succeed(&["run", none]);
        assert!(!run.path("run/evaluate/classification.json").exists());
    }
    let run = Run::new(&classifier(&tiny("bert")));
    let doctor = run.output(&["doctor", none]);
    let report = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(
        report.contains("WARNING: it will not be evaluated"),
        "{report}"
    );
}

#[test]
fn stages_that_are_off_are_skipped() {
    let run = Run::new(&mt_llm());
    let overrides = [
        "run",
        "llm2vec.enabled=false",
        "adapted=false",
        "baselines.fine_tuned_stack=false",
        "baselines.encoder_alone=false",
    ];
    let said = run.succeed(&overrides);
    assert!(said.contains("off: the LLM is taken as it is"), "{said}");
    assert!(
        said.contains("off: the projection starts at random"),
        "{said}"
    );
    assert!(!run.path("run/llm2vec/mntp").exists());
    assert!(!run.path("run/adapt/model").exists());
    assert!(run.path("run/model/projection.safetensors").is_file());
}

#[test]
fn an_llm_and_an_encoder_alone_get_heads() {
    for (model, kind) in [("llama", "llm"), ("bert", "encoder"), ("gpt2", "llm")] {
        let run = Run::new(&classifier(&tiny(model)));
        run.succeed(&["classify"]);
        run.succeed(&["run"]);
        let description = run.json("run/model/xldistill.json");
        assert_eq!(description["kind"], json!(kind), "{model}");
        let report = run.json("run/report.json");
        let scores = report["scores"].as_array().expect("scores");
        assert!(!scores.is_empty(), "{report}");
    }
}

#[test]
fn runs_with_a_store_share_what_they_trained() {
    let run = Run::new(&(mt_llm().replace("seed = 7", "seed = 7\nstore = \"store\"")));
    run.succeed(&["run"]);
    let said = run.succeed(&["run", "output=second"]);
    let link = std::fs::read_link(run.path("second/adapt")).expect("a link into the store");
    assert!(link.to_string_lossy().contains("adapt"), "{said}");
    let first = std::fs::canonicalize(run.path("run/adapt")).expect("a folder");
    assert_eq!(
        first,
        std::fs::canonicalize(run.path("second/adapt")).expect("a folder")
    );
    // What the first run made stays whole without it.
    std::fs::remove_dir_all(run.path("run")).expect("removes");
    let model = run.path("second/model").display().to_string();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_xldistill"));
    let output = fixtures::fed(command.args(["predict", "--model", &model]), "The sea.\n");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_stack_on_nllb_in_int8_is_compared_with_translated_tests() {
    let nllb = fixtures::reference("m2m100")
        .join("tiny")
        .display()
        .to_string();
    let config = mt_llm().replace(&tiny("xlm_roberta"), &nllb);
    let translate = format!(
        "translate_test = true\n[translate]\nengine = \"nllb\"\nmodel = \"{nllb}\"\n[evaluate]\nprecision = \"int8\"\n"
    );
    let run = Run::new(&config.replace("fine_tuned_stack = true\n", &translate));
    run.succeed(&[
        "run",
        "llm2vec.enabled=false",
        "adapt.training.precision=int8",
        "classify.training.precision=int8",
        "distill.training.precision=int8",
    ]);
    let results = run.json("run/evaluate/classification.json");
    let sets = results["sets"].as_array().expect("a list");
    let languages = |system: &str| -> Vec<&str> {
        let tested = sets
            .iter()
            .filter(|set| set["systems"].get(system).is_some());
        let codes = tested.filter_map(|set| set["language"]["code"].as_str());
        codes.collect()
    };
    assert_eq!(languages("mt-llm"), ["deu_Latn", "eng_Latn"]);
    // The language of training is not translated.
    assert_eq!(languages("translate-test"), ["deu_Latn"]);
}

#[test]
fn a_centred_stack_reads_a_language_otherwise_and_english_as_before() {
    let config = mt_llm().replace(
        "[tasks.topics]",
        "[centring]\neng_Latn = \"text.txt\"\ndeu_Latn = \"deu.txt\"\n[tasks.topics]",
    );
    let run = Run::new(&config);
    std::fs::write(run.path("deu.txt"), "sea sea\nthe box\n").expect("writes");
    let said = run.succeed(&[
        "run",
        "llm2vec.enabled=false",
        "baselines.fine_tuned_stack=false",
    ]);
    assert!(said.contains("centre  1 languages"), "{said}");
    let probabilities = |system: &str, language: &str| -> Vec<f64> {
        let path = format!("run/evaluate/topics/topics/{system}/{language}.jsonl");
        let rows = std::fs::read_to_string(run.path(&path)).expect("rows");
        let of_row = |row: &str| -> f64 {
            let row: serde_json::Value = serde_json::from_str(row).expect("JSON");
            row["probabilities"]["place"].as_f64().expect("a number")
        };
        rows.lines().map(of_row).collect()
    };
    let both = |language| {
        let plain = probabilities("mt-llm", language);
        (plain, probabilities("mt-llm-centred", language))
    };
    let (plain, centred) = both("eng_Latn");
    assert_eq!(plain, centred);
    let (plain, centred) = both("deu_Latn");
    assert!(
        plain
            .iter()
            .zip(&centred)
            .all(|(a, b)| (a - b).abs() > 1e-5)
    );

    // The model is taken away with its shifts, and without them it is refused.
    let model = run.json("run/centre/model/xldistill.json");
    assert_eq!(model["shifted"], json!(["deu_Latn"]));
    // Which shift is right depends on the language, so it must be named.
    let model = run.path("run/centre/model").display().to_string();
    let predict = |extra: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_xldistill"));
        let arguments = [&["predict", "--model", &model], extra].concat();
        fixtures::fed(command.args(arguments), "The sea.\n")
    };
    let said = |output: &std::process::Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let output = predict(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("the model is centred"),
        "{}",
        said(&output)
    );
    let [german, finnish] = ["deu_Latn", "fin_Latn"].map(|code| predict(&["--language", code]));
    assert!(german.status.success() && finnish.status.success());
    assert_ne!(german.stdout, finnish.stdout);
    let note = "texts in fin_Latn are read as they are; the model shifts deu_Latn";
    assert!(said(&finnish).contains(note), "{}", said(&finnish));
    assert_eq!(said(&german), "");
    let card = std::fs::read_to_string(run.path("run/centre/model/README.md")).expect("a card");
    assert!(card.contains("--language deu_Latn < texts.txt"), "{card}");
    std::fs::remove_file(run.path("run/centre/model/language_shifts.safetensors")).expect("there");
    let output = predict(&[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("language_shifts.safetensors"),
        "{said}"
    );
}
