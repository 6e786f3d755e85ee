//! What a run does to files that it did not write, to the folder of another run, and when it is
//! interrupted.

use std::fs;
use std::process::{Command, Output, Stdio};

use crate::tiny_run::{Folder, RUN, UP_TO_FILTER, twelve_rows};

const LATER: &str = r#"[mix]
held_out_fraction = 0.3
[train]
method = "lora"
lora_merge = true
epochs = 2
learning_rate = 1e-3
examples_per_step = 8
checkpoint_every = 2
measure = ["off-target", "chrf++"]
[evaluate]
pairs.por_Latn = "held_out.tsv"
max_new_tokens = 4
comet.model = "{{comet/comet}}"
"#;

pub fn folder() -> Folder {
    Folder::new(twelve_rows(), &format!("{RUN}{UP_TO_FILTER}{LATER}"))
}

/// What a command on the config does.
pub fn outcome(folder: &Folder, arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_xldistill"));
    let output = program.args(arguments).current_dir(&folder.0).output();
    output.expect("starts")
}

fn refusal(folder: &Folder, arguments: &[&str]) -> String {
    let output = outcome(folder, arguments);
    assert!(!output.status.success(), "{arguments:?}");
    let both = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

#[test]
fn what_a_run_did_not_write_stays_as_it_is() {
    let folder = folder();
    fs::create_dir_all(folder.path("own/model")).expect("a folder");
    let model = fixtures::reference("gguf/bpe.gguf");
    fs::copy(&model, folder.path("own/model/bpe.gguf")).expect("a copy");
    let before = fs::read(folder.path("own/model/bpe.gguf")).expect("a file");
    for command in ["run", "doctor", "answer"] {
        let arguments = [
            command,
            "config.toml",
            "model=own/model/bpe.gguf",
            "output=own",
        ];
        let said = refusal(&folder, &arguments);
        assert!(
            said.contains("own/model") && said.contains("set another `output`"),
            "{said}"
        );
    }
    let dry = [
        "run",
        "config.toml",
        "model=own/model",
        "output=own",
        "--dry-run",
    ];
    assert!(refusal(&folder, &dry).contains("would be replaced"));
    assert_eq!(
        fs::read(folder.path("own/model/bpe.gguf")).expect("a file"),
        before
    );
    assert_eq!(
        fs::read_dir(folder.path("own")).expect("a folder").count(),
        1
    );

    for (name, message) in [
        ("config.toml", "rename it"),
        ("report.html", "move it away"),
        ("train", "move it away"),
    ] {
        let output = format!("with-{name}");
        fs::create_dir(folder.path(&output)).expect("a folder");
        folder.write(&format!("{output}/{name}"), "# mine\n".into());
        let said = refusal(
            &folder,
            &["run", "config.toml", &format!("output={output}")],
        );
        assert!(
            said.contains(&format!("{output}/{name}")) && said.contains(message),
            "{said}"
        );
        let kept = fs::read_to_string(folder.path(&output).join(name)).expect("a file");
        assert_eq!(kept, "# mine\n");
    }
    let said = refusal(&folder, &["run", "config.toml", "output="]);
    assert!(said.contains("output is empty; name a folder"), "{said}");
}

#[test]
fn a_folder_belongs_to_one_model_and_its_config_can_be_used_again() {
    let folder = folder();
    folder.xldistill("run", &["--until", "answer"]);
    let recorded = fs::read_to_string(folder.path("run/config.toml")).expect("a config");
    assert!(recorded.starts_with("# Written by xldistill"), "{recorded}");
    let again = outcome(&folder, &["run", "run/config.toml", "--until", "answer"]);
    let log = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(again.status.success(), "{log}");
    assert!(
        log.contains("12 reused") || log.contains("12 rows in"),
        "{log}"
    );
    let now = fs::read_to_string(folder.path("run/config.toml")).expect("a config");
    assert_eq!(now, recorded);

    let other = fixtures::reference("training/tiny");
    let model = format!(
        "model={}",
        other.canonicalize().expect("a fixture").display()
    );
    let said = refusal(&folder, &["evaluate", "config.toml", &model]);
    assert!(said.contains("results of a run with model"), "{said}");

    // The same file elsewhere is the same model.
    let moved = folder.path("moved.gguf");
    fs::copy(fixtures::reference("gguf/bpe.gguf"), &moved).expect("a copy");
    folder.xldistill("run", &["model=moved.gguf", "--until", "answer"]);
}

#[cfg(unix)]
#[test]
fn an_interrupted_training_resumes_at_its_last_step() {
    let folder = folder();
    let long = [
        "train.epochs=2000",
        "train.early_stopping_patience=0",
        "train.checkpoint_every=100000",
    ];
    folder.xldistill("run", &[&["--until", "mix"][..], &long[..]].concat());
    for signal in ["INT", "TERM"] {
        let mut program = Command::new(env!("CARGO_BIN_EXE_xldistill"));
        program
            .args(["train", "config.toml", "train.evaluate_every=100000"])
            .args(long);
        let program = program.current_dir(&folder.0).stderr(Stdio::piped());
        let child = program.spawn().expect("starts");
        let metrics = folder.path("run/train/metrics.jsonl");
        let lines = || fs::read_to_string(&metrics).map_or(0, |text| text.lines().count());
        let before = lines();
        while lines() < before + 3 {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let id = child.id().to_string();
        let sent = Command::new("kill")
            .args([&format!("-{signal}"), &id])
            .status();
        assert!(sent.expect("kill").success());
        let output = child.wait_with_output().expect("ends");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let code = if signal == "INT" { 130 } else { 143 };
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(
            said.contains("run the same command again to resume"),
            "{said}"
        );
        let checkpoints = fs::read_dir(folder.path("run/train")).expect("a folder");
        let names = checkpoints.map(|entry| entry.expect("an entry").file_name());
        let found = names.filter(|name| name.to_string_lossy().starts_with("checkpoint-"));
        assert_eq!(found.count(), 1, "{said}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn nobody_who_reads_and_a_full_disk_are_no_panic() {
    let folder = folder();
    let program = env!("CARGO_BIN_EXE_xldistill");
    for (line, success) in [
        (r#""$0" run config.toml --until answer 2>&-"#, true),
        (r#""$0" run config.toml --dry-run > /dev/full"#, false),
        (r#""$0" doctor config.toml > /dev/full"#, false),
        (r#""$0" config-reference > /dev/full"#, false),
        (r#""$0" --help > /dev/full"#, true),
        (r#""$0" run none.toml 2> /dev/full"#, false),
    ] {
        let shell = Command::new("sh")
            .args(["-c", line, program])
            .current_dir(&folder.0)
            .output()
            .expect("starts");
        let said = String::from_utf8_lossy(&shell.stderr).into_owned();
        assert!(!said.contains("panicked"), "{line}: {said}");
        let code = shell.status.code();
        assert!(
            code.is_some_and(|code| code < 101),
            "{line}: {:?}",
            shell.status
        );
        if line.contains("--until") {
            assert_eq!(shell.status.success(), success, "{line}");
        }
    }
}

/// Whoever stops early may still be fetching what later stages need, so that is no error; whoever
/// runs one stage is told nothing of the others.
#[test]
fn what_later_stages_lack_is_a_warning() {
    let folder = folder();
    let broken = [
        "evaluate.pairs.por_Latn=nowhere.tsv",
        "train.lora_targets=[\"qkv\"]",
    ];
    let run = |arguments: &[&str]| {
        let output = outcome(&folder, &[arguments, &broken].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), said)
    };
    let warnings = [
        "train, a later stage, will fail: adapters: train.lora_targets: the model has no linear layer",
        "evaluate, a later stage, will fail: ",
        "nowhere.tsv",
    ];
    for arguments in [
        &["run", "config.toml", "--until", "answer", "--dry-run"][..],
        &["run", "config.toml", "--until", "answer"],
    ] {
        let (success, said) = run(arguments);
        assert!(success, "{said}");
        for warning in warnings {
            assert!(said.contains(warning), "{arguments:?}: {said}");
        }
    }
    assert!(folder.path("run/answer/manifest.json").exists());
    // Before the transfer set is made, text of the evaluation is kept out of it.
    let (success, said) = run(&["run", "config.toml", "--until", "mix"]);
    let refused = "nothing was started: evaluation files: cannot read nowhere.tsv";
    assert!(!success && said.contains(refused), "{said}");
    let (success, said) = run(&["translate", "config.toml"]);
    assert!(success && !said.contains("later stage"), "{said}");
    let (success, said) = run(&["run", "config.toml"]);
    assert!(!success && said.contains("nothing was started"), "{said}");
}

#[test]
fn a_run_with_nothing_to_evaluate_trains_and_says_so() {
    let folder = crate::shared::folder();
    let nothing = [
        "evaluate.questions={}",
        "evaluate.pairs={}",
        "mix.test_fraction=0",
    ];
    let (_, said) = folder.xldistill("run", &nothing);
    assert!(
        said.contains("warning: nothing will be evaluated"),
        "{said}"
    );
    let warned = said.find("nothing will be evaluated");
    assert!(
        warned < said.find("       train  "),
        "before training: {said}"
    );
    assert!(folder.path("run/report.html").is_file());
    assert!(folder.path("run/model").is_dir());
    let (plan, _) = folder.xldistill("plan", &nothing);
    assert_eq!(plan.matches("(finished").count(), 8, "{plan}");
}

/// Training would find it only after the stages before it.
#[test]
fn a_choice_by_answers_without_questions_is_refused_first() {
    let folder = folder();
    for (setting, why) in [
        ("mix.subsets=[\"LL\", \"mt\"]", "mix.subsets leaves none"),
        ("mix.held_out_fraction=0", "mix.held_out_fraction = 0"),
    ] {
        let said = refusal(
            &folder,
            &["run", "config.toml", "train.choose_by=chrf++", setting],
        );
        assert!(
            said.contains("train.choose_by = \"chrf++\" needs") && said.contains(why),
            "{said}"
        );
    }
    assert!(!folder.path("run").exists());
}
