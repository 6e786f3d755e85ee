//! Native text with instructions made backwards.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::{Run, manifest};

/// Keys of a run with native text.
const NATIVE: [&str; 3] = [
    "reverse_instructions.texts.por_Latn=native.jsonl",
    "reverse_instructions.min_characters=20",
    "mix.held_out_fraction=0.2",
];

const STAGES: [&str; 3] = ["passages", "instruct", "native"];

const PASSAGES: usize = 150;

/// A passage with what translators and writers of files like to change.
fn passage(n: usize) -> String {
    let letter = |n: usize| char::from(b'a' + (n % 26) as u8);
    let name: String = [letter(n / 26), letter(n), 'u'].into_iter().collect();
    format!("O capítulo {name} fala  de rios.\n\n\t– E do mar, às vezes…\u{a0}Fim de {name}.")
}

impl Run {
    fn with_native() -> Run {
        let run = Run::new();
        let rows = (0..PASSAGES).map(|n| json!({ "text": passage(n) }).to_string() + "\n");
        // Read line by line, since the whole is too long; one of its lines is of the right length.
        let long = json!({ "text": format!("Título\n{}\n{}", "x ".repeat(2000), "A última linha de um texto longo.") });
        let text = rows.chain([format!("{long}\n"), "{ malformed\n".to_owned()]);
        fs::write(run.path("native.jsonl"), text.collect::<String>()).expect("writes");
        run
    }

    fn succeed_with(&self, arguments: &[&str], more: &[&str]) -> String {
        self.succeed(&[arguments, &NATIVE[..], more].concat())
    }

    /// What is said of a config that cannot be.
    fn refused(&self, overrides: &[&str]) -> String {
        let output = self.xldistill(&[&["run", "--dry-run"], overrides].concat());
        assert!(!output.status.success(), "{overrides:?}");
        String::from_utf8_lossy(&output.stderr).replace('\n', " ")
    }
}

fn rows(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("rows");
    let rows = text.lines();
    rows.map(|row| serde_json::from_str(row).expect("JSON"))
        .collect()
}

/// The rows of a stage. Their hashes name the server, of which every run has its own.
fn row_files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    let files = entries.map(|entry| {
        let name = entry.file_name().into_string().expect("a name");
        (name, entry.path())
    });
    files
        .filter(|(name, _)| name.ends_with(".jsonl"))
        .map(|(name, path)| (name, fs::read(path).expect("a file")))
        .collect()
}

#[test]
fn native_text_becomes_answers_as_it_is() {
    let run = Run::with_native();
    let said = run.succeed_with(&["run", "--until", "mix"], &[]);
    assert!(
        said.contains("passages  151 rows in, 151 out") && said.contains("native  "),
        "{said}"
    );
    let folder = run.path("run");
    let read = &manifest(&folder.join("passages"))["details"]["text"]["por_Latn"];
    assert_eq!(
        (&read["unreadable"], &read["too_short"], &read["too_long"]),
        (&json!(1), &json!(1), &json!(1))
    );

    let mut wanted: BTreeSet<String> = (0..PASSAGES).map(passage).collect();
    wanted.insert("A última linha de um texto longo.".to_owned());
    let mixed = ["part-00000-of-00001", "held_out", "test"];
    let mixed = mixed.map(|name| rows(&folder.join(format!("mix/{name}.jsonl"))));
    let native: Vec<&Value> = (mixed.iter().flatten())
        .filter(|row| row["subset"] == "native")
        .collect();
    let answers = native.iter().filter_map(|row| row["answer"].as_str());
    let answers: BTreeSet<String> = answers.map(str::to_owned).collect();
    assert_eq!(answers, wanted);
    for row in &native {
        let question = row["question"].as_str().expect("a question");
        // "Explain" turned around, as the server translates.
        assert!(question.starts_with("nialpxE"), "{question}");
        assert_eq!(row["question_language"], "por_Latn");
        assert_eq!(row["answer_language"], "por_Latn");
    }
    let subsets = &manifest(&folder.join("mix"))["details"]["subsets"];
    let count = |key: &str| subsets["native"][key].as_u64().expect("a number");
    assert_eq!(
        count("rows") + count("held_out_rows") + count("test_rows"),
        wanted.len() as u64
    );
    // Both sides of question and answer can be looked at.
    let kept = &rows(&folder.join("native/part-00000-of-00001.jsonl"))[0];
    assert_eq!(kept["answer"]["translation"], passage(0));
    let source = kept["question"]["source"].as_str().expect("a text");
    assert!(source.starts_with("Explain"), "{source}");
    let requests = run.server.requests().len();
    let longer = run.xldistill(
        &[
            &["plan", "--json"],
            &NATIVE[..],
            &["answer.max_new_tokens=9"],
        ]
        .concat(),
    );
    let plan: Value = serde_json::from_slice(&longer.stdout).expect("JSON");
    let states = plan["stages"].as_array().expect("stages").iter();
    let states: Vec<&Value> = states.map(|stage| &stage["state"]).collect();
    assert_eq!(states[0], "outdated", "answers may be longer");
    assert!(
        states[4..7].iter().all(|state| *state == "finished"),
        "{states:?}"
    );
    run.succeed_with(&["run", "--until", "mix"], &[]);
    assert_eq!(run.server.requests().len(), requests, "nothing is repeated");
    run.succeed_with(&["report"], &[]);
    let report = fs::read_to_string(run.path("run/report.json")).expect("a report");
    let report: Value = serde_json::from_str(&report).expect("JSON");
    let funnel = report["funnel"].as_array().expect("a funnel").iter();
    let funnel: Vec<&str> = funnel.filter_map(|stage| stage["stage"].as_str()).collect();
    assert_eq!(funnel[4..], ["passages", "instruct", "native", "mix"]);
}

#[test]
fn a_run_without_native_text_is_what_it_was() {
    let run = Run::with_native();
    let names = |overrides: &[&str]| -> Vec<(String, Value)> {
        let output = run.xldistill(&[&["plan", "--json"], overrides].concat());
        let plan: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let stages = plan["stages"].as_array().expect("stages").iter();
        stages
            .map(|stage| {
                let name = stage["name"].as_str().expect("a name").to_owned();
                (name, stage["depends_on"].clone())
            })
            .collect()
    };
    let of = |stages: &[(String, Value)], name: &str| {
        let found = stages.iter().find(|(known, _)| known == name);
        found.map(|(_, before)| before.clone())
    };
    let plain = names(&[]);
    assert_eq!(of(&plain, "mix"), Some(json!(["code_switch"])));
    let all = names(&NATIVE);
    assert_eq!(of(&all, "mix"), Some(json!(["code_switch", "native"])));
    for stage in STAGES {
        assert_eq!(of(&plain, stage), None);
        assert!(of(&all, stage).is_some());
    }
    let said = run.refused(&["--from", "instruct"]);
    assert!(
        said.contains("instruct is no stage of this run, whose config does not ask for it"),
        "{said}"
    );

    run.succeed(&["run", "--until", "mix", NATIVE[2]]);
    let (before, key) = (
        row_files(&run.path("run/mix")),
        manifest(&run.path("run/mix"))["key"].clone(),
    );
    // The section alone changes nothing for a method that has no use for it.
    let subsets = r#"mix.subsets=["LL","TL","LT","TT","mt","comp"]"#;
    let said = run.xldistill(&[&["plan"], &NATIVE[..], &[subsets]].concat());
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(
        said.contains("[reverse_instructions] has no effect"),
        "{said}"
    );
    run.succeed_with(&["run", "--until", "mix"], &[subsets]);
    assert_eq!(manifest(&run.path("run/mix"))["key"], key);
    assert!(row_files(&run.path("run/mix")) == before);
    assert!(!run.path("run/passages").exists());
    // Nor does it once it is gone.
    run.succeed_with(&["run", "--until", "mix"], &[]);
    assert_ne!(manifest(&run.path("run/mix"))["key"], key);
    run.succeed(&["run", "--until", "mix", NATIVE[2]]);
    assert_eq!(manifest(&run.path("run/mix"))["key"], key);
    run.succeed(&["report"]);
    let report = fs::read_to_string(run.path("run/report.json")).expect("a report");
    assert!(!report.contains(r#""stage":"passages""#), "{report}");
    let sft = names(&[&NATIVE[..], &["method=sft"]].concat());
    assert_eq!(of(&sft, "native"), None);
}

#[test]
fn shards_end_with_the_rows_of_an_undivided_run() {
    let (whole, divided) = (Run::with_native(), Run::with_native());
    for run in [&whole, &divided] {
        run.succeed_with(&["run", "--until", "code-switch"], &[]);
    }
    for stage in STAGES {
        whole.succeed_with(&[stage], &[]);
        for shard in ["0/2", "1/2"] {
            divided.succeed_with(&[stage, "--shard", shard], &[]);
        }
        divided.succeed_with(&[stage], &[]);
        let rows = |run: &Run| row_files(&run.path("run").join(stage));
        assert!(rows(&whole) == rows(&divided), "{stage}");
    }
}

#[test]
fn stages_that_are_killed_and_run_again_leave_the_files_of_undisturbed_ones() {
    let (undisturbed, killed) = (Run::with_native(), Run::with_native());
    let mut hits = 0;
    for stage in STAGES {
        let before = undisturbed.server.requests().len();
        undisturbed.succeed_with(&[stage], &[]);
        let asked = undisturbed.server.requests().len() - before;
        for share in [3, 2] {
            let until = killed.server.requests().len() + asked / share;
            let mut program = Command::new(env!("CARGO_BIN_EXE_xldistill"));
            program.arg(stage).arg(killed.path("config.toml"));
            program.args(NATIVE).env_remove("OPENAI_API_KEY");
            let program = program.stdout(Stdio::null()).stderr(Stdio::null());
            let mut program = program.spawn().expect("starts");
            while killed.server.requests().len() < until
                && program.try_wait().expect("known").is_none()
            {
                thread::sleep(Duration::from_millis(1));
            }
            // It may have ended since.
            let _ = program.kill();
            hits += usize::from(!program.wait().expect("ends").success());
        }
        killed.succeed_with(&[stage], &[]);
        let rows = |run: &Run| row_files(&run.path("run").join(stage));
        assert!(rows(&undisturbed) == rows(&killed), "{stage}");
    }
    assert!(hits > 0, "no process was killed before its end");
    for run in [&undisturbed, &killed] {
        run.succeed_with(&["run", "--until", "mix"], &[]);
    }
    let mixed = |run: &Run| row_files(&run.path("run/mix"));
    assert!(mixed(&undisturbed) == mixed(&killed));
}

#[test]
fn what_native_text_lacks_is_said_before_the_first_stage() {
    let run = Run::with_native();
    let refused = |overrides: &[&str], expected: &str| {
        let said = run.refused(overrides);
        assert!(said.contains(expected), "{expected}: {said}");
    };
    let with = |more: &'static str| [&NATIVE[..], &[more]].concat();
    refused(
        &["reverse_instructions.texts.por_Latn=none.txt"],
        "none.txt",
    );
    refused(
        &["reverse_instructions.limit=10"],
        "reverse_instructions.texts: name a file",
    );
    refused(
        &["reverse_instructions.texts.eng_Latn=native.jsonl"],
        "eng_Latn is the source language",
    );
    refused(
        &["reverse_instructions.texts.deu_Latn=native.jsonl"],
        "deu_Latn is neither the source nor one of the targets",
    );
    let one_way = "translate={engine = \"firefox\", models = {por_Latn = \"en-pt\"}}";
    refused(
        &["reverse_instructions.texts.deu_Latn=native.jsonl", one_way],
        "deu_Latn is neither the source nor one of the targets",
    );
    refused(
        &with("reverse_instructions.prompt=What asks for {text} in {language}?"),
        "reverse_instructions.prompt: {language} is no placeholder here; there is {text}",
    );
    refused(
        &with("reverse_instructions.generic_instruction= "),
        "reverse_instructions.generic_instruction is empty",
    );
    refused(
        &with("reverse_instructions.generic_instruction=Write {text}."),
        "generic_instruction: {text} would be taken literally",
    );
    refused(
        &with("reverse_instructions.min_fit=0.1"),
        "reverse_instructions.min_fit: a server gives no probabilities of texts",
    );
    refused(
        &with("reverse_instructions.prompt=What?"),
        "reverse_instructions.prompt: {text} is missing",
    );
    refused(
        &with("reverse_instructions.max_characters=5"),
        "min_characters = 20 is more than max_characters = 5",
    );
    refused(
        &with("reverse_instructions.min_characters=900"),
        "none of its passages has 900 to 1200 characters",
    );
    refused(
        &with(r#"reverse_instructions.examples=[{text = "A text.", instruction = " "}]"#),
        "examples: number 1 lacks its text or its instruction",
    );
    refused(
        &with("reverse_instructions.max_new_tokens=0"),
        "max_new_tokens = 0: must be at least 1",
    );
    refused(
        &[r#"mix.subsets=["LL","native"]"#],
        "native needs texts; name them under [reverse_instructions.texts]",
    );
    refused(
        &with("source=fra_Latn"),
        "are in English; write all three in French",
    );
    let one_way = [one_way, "estimate_quality.engine=none"];
    refused(
        &[&NATIVE[..], &one_way].concat(),
        "add por_Latn = \"PATH\" under [translate.reverse_models]",
    );
    let alpaca = |n| json!({ "instruction": passage(n), "output": passage(n + 1) });
    let rows: Vec<Value> = (0..9).map(alpaca).collect();
    fs::write(run.path("alpaca.json"), json!(rows).to_string()).expect("writes");
    refused(
        &["reverse_instructions.texts.por_Latn=alpaca.json"],
        "fields = [\"output\"]",
    );
    let output =
        "reverse_instructions.texts.por_Latn={path = \"alpaca.json\", fields = [\"output\"]}";
    let dry = run.xldistill(&["run", "--dry-run", "--until", "mix", output, NATIVE[1]]);
    let said = String::from_utf8_lossy(&dry.stderr).replace('\n', " ");
    assert!(dry.status.success(), "{said}");
    assert!(
        said.contains("nobody tells whether an instruction fits its text"),
        "{said}"
    );
    assert!(!run.path("run").exists(), "something was begun");
    let doctor = run.xldistill(&[&["doctor"], &NATIVE[..]].concat());
    let report = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(
        report.contains("native text in por_Latn: 151 of 153 passages, 1 too short, 1 too long, 1 unreadable; translated: \"O olutípac"),
        "{report}"
    );
}
