//! A folder in use, engines that lack something, and a translator that does not translate.

use std::fs::{self, File};
use std::net::TcpListener;

use fixtures::server::{Reply, Server, ok};
use serde_json::{Value, json};

use crate::Run;

#[test]
fn a_run_that_is_refused_leaves_the_config_of_the_one_that_works() {
    let run = Run::new();
    run.succeed(&["answer"]);
    let before = fs::read_to_string(run.path("run/config.toml")).expect("the config");
    let lock = File::open(run.path("run/answer/.lock")).expect("the lock");
    lock.lock().expect("nobody else has it");
    let output = run.xldistill(&["answer", "seed=7"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("another run is using"),
        "{said}"
    );
    assert_eq!(
        fs::read_to_string(run.path("run/config.toml")).expect("the config"),
        before
    );
    drop(lock);
    run.succeed(&["answer", "seed=7"]);
    assert_ne!(
        fs::read_to_string(run.path("run/config.toml")).expect("the config"),
        before
    );
}

#[test]
fn nothing_that_is_written_tells_a_password_or_the_path_of_the_user() {
    let run = Run::new();
    let secret = run.server.url.replace("http://", "http://me:hush@") + "/v1?key=hush";
    let url = format!("answer.url={secret}");
    run.succeed(&["answer", &url]);
    run.succeed(&["report", &url, "report.paths=relative"]);
    let written = |name: &str| fs::read_to_string(run.path(name)).expect("a file");
    let config = written("run/config.toml");
    assert!(config.contains("http://[hidden]@127.0.0.1"), "{config}");
    assert!(config.contains("/v1?[hidden]"), "{config}");
    let folder = run.folder.path().display().to_string();
    for name in [
        "run/config.toml",
        "run/report.json",
        "run/report.html",
        "run/answer/manifest.json",
    ] {
        assert!(!written(name).contains("hush"), "{name}");
    }
    for name in ["run/report.json", "run/report.html"] {
        assert!(!written(name).contains(&folder), "{name}");
        assert!(written(name).contains("../first.jsonl"), "{name}");
    }
    let copied = run.xldistill(&[
        "answer",
        &url.replace("hush@", "x@").replace("me:x", "[hidden]"),
    ]);
    let said = String::from_utf8_lossy(&copied.stderr);
    assert!(
        !copied.status.success() && said.contains("put it back in place of [hidden]"),
        "{said}"
    );
}

#[test]
fn what_an_engine_lacks_is_named_before_anything_begins() {
    let run = Run::new();
    for (overrides, expected) in [
        (
            &["translate.engine=firefox"][..],
            "translate.models: no model into por_Latn",
        ),
        (
            &["translate.engine=openai"],
            "translate.server_model: name the model",
        ),
        (
            &[
                "translate.engine=llm",
                "translate.examples=2",
                "data.parallel={}",
            ],
            "data.parallel",
        ),
        (&["filter.min_quality={quantile=0.1}"], "evaluate.pairs"),
        (
            &[
                "filter.min_quality={quantile=1.5}",
                "evaluate.pairs.por_Latn=parallel.tsv",
            ],
            "1.5",
        ),
        (&["decontaminate.words=0"], "at least 1"),
    ] {
        let output = run.xldistill(&[&["run"], overrides].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(2) && said.contains(expected),
            "{overrides:?}: {said}"
        );
    }
    let output = run.xldistill(&[
        "run",
        "--until",
        "answer",
        "answer.url=http://127.0.0.1:9",
        "answer.retries=0",
    ]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("http://127.0.0.1:9/v1/chat/completions cannot be reached"),
        "{said}"
    );
}

#[test]
fn files_of_the_wrong_kind_are_named_before_anything_begins() {
    let run = Run::new();
    let write = |name: &str, text: &str| fs::write(run.path(name), text).expect("writes");
    write("rows.jsonl", "{\"text\": \"Uma casa.\"}\n");
    write(
        "broken.jinja",
        "{% for turn in messages %}{{ turn.content }",
    );
    let question = "Qual é o nome da cidade onde a tua avó mora, e como se chega lá de comboio?";
    let foreign = format!("{{\"instruction\": \"{question}\", \"output\": \"Yes.\"}}\n");
    write("foreign.jsonl", &foreign.repeat(3));
    let asked =
        "{\"question\": \"What is the name of the town in which your grandmother lives?\"}\n";
    write("english.jsonl", &asked.repeat(3));
    let lived = "The town in which my grandmother lives with her dogs is far away from here.\n";
    write("english.txt", &lived.repeat(3));
    fs::create_dir(run.path("metric")).expect("a folder");
    let model = fixtures::reference("gguf/bpe.gguf");
    let model = model.canonicalize().expect("a fixture");
    let model = format!("model={}", model.display());
    for (overrides, expected) in [
        (
            &[
                "data.instructions=[\"foreign.jsonl\"]",
                "filter.min_language_probability=0.5",
            ][..],
            "foreign.jsonl: a sample of the questions is in por_Latn, not in eng_Latn",
        ),
        (
            &[
                "evaluate.questions.por_Latn=english.jsonl",
                "filter.min_language_probability=0.5",
            ],
            "english.jsonl: a sample of the questions is in eng_Latn, not in por_Latn",
        ),
        (
            &[
                "evaluate.texts.por_Latn=english.txt",
                "filter.min_language_probability=0.5",
            ],
            "english.txt: the text is in eng_Latn, not in por_Latn",
        ),
        (
            &["data.monolingual.por_Latn=rows.jsonl"],
            "no text file with a sentence or passage per line, as is needed here; write the texts \
             alone to a .txt file, e.g. with jq -r .text",
        ),
        (
            &["evaluate.texts.por_Latn=rows.jsonl"],
            "no text file with a sentence or passage per line",
        ),
        (
            &["identify={engine=\"fasttext\",model=\"nowhere.ftz\"}"],
            "nothing was started: language identification: fasttext: ",
        ),
        (
            &["template=broken.jinja"],
            "broken.jinja: the chat template cannot be read",
        ),
        (
            &["template=alpaca"],
            "bpe.gguf brings a chat template of its own, which is used; leave this one out",
        ),
        (
            &["estimate_quality={engine=\"cometkiwi\",model=\"metric\"}"],
            "metric: contains no COMET model",
        ),
    ] {
        let output = run.xldistill(&[&["run", "--dry-run", &model], overrides].concat());
        let said = String::from_utf8_lossy(&output.stderr).replace('\n', " ");
        assert!(
            output.status.code() == Some(1) && said.contains(expected),
            "{overrides:?}: {said}"
        );
        assert!(!said.contains("cometkiwi:"), "{said}");
    }
}

#[test]
fn evaluation_questions_pass_if_nothing_is_known_of_their_language() {
    let run = Run::new();
    let write = |name: &str, question: &str| {
        let row = json!({ "question": question }).to_string() + "\n";
        fs::write(run.path(name), row.repeat(5)).expect("writes");
    };
    write(
        "right.jsonl",
        "Qual é o nome da cidade onde a tua avó mora, e como se chega lá?",
    );
    let code = "for name in names:\n    print(name.upper() if name else \"no name was given\")";
    write("code.jsonl", &format!("Que faz isto?\n```\n{code}\n```"));
    write("short.jsonl", "Who is it?");
    write(
        "unknown.jsonl",
        "What is the name of the town in which your grandmother lives?",
    );
    let sure = "filter.min_language_probability=0.5";
    for (language, file) in [
        ("por_Latn", "right.jsonl"),
        ("por_Latn", "code.jsonl"),
        ("por_Latn", "short.jsonl"),
        ("quy_Latn", "unknown.jsonl"),
    ] {
        let questions = format!("evaluate.questions.{language}={file}");
        let targets = "targets=[\"por_Latn\", \"quy_Latn\"]";
        let (said, _) = checked(&run, "evaluation material", &[&questions, targets, sure]);
        assert!(said.starts_with("ok"), "{file}: {said}");
    }
}

#[test]
fn a_dictionary_of_another_language_is_noticed() {
    let run = Run::new();
    let write = |name: &str, text: &str| fs::write(run.path(name), text).expect("writes");
    let portuguese = "Na aldeia as pessoas contam histórias antigas sobre o livro e o número.\n";
    write("por.txt", &portuguese.repeat(30));
    let german =
        "what was\nsay sagen\nbook Buch\nbook Heft\nabout über\nnumber Zahl\nnumber Nummer\n";
    write("few.txt", german);
    let more = "schreiben Schwester Brüder Häuser Straße Bäume glücklich zwischen während deutsch \
                Gesellschaft Wirtschaft Freundschaft Möglichkeit schließlich ungefähr gleichzeitig \
                Entwicklung Krankenhaus Geschwindigkeit";
    let more: String = more
        .split_whitespace()
        .map(|word| format!("number {word}\n"))
        .collect();
    write("german.txt", &format!("{german}{more}"));
    let right = "what que\nsay contam\nbook livro\nabout sobre\nnumber número\nthem as\nthe o\n";
    write("right.txt", right);
    let text = "data.monolingual.por_Latn=por.txt";
    let sure = "filter.min_language_probability=0.5";
    let doctor = |file: &str| {
        let dictionary = format!("code_switch.dictionaries.por_Latn=[\"{file}\"]");
        let output = run.xldistill(&["doctor", &dictionary, text, sure]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let said = doctor("right.txt");
    assert!(
        said.contains("ok      dictionary into por_Latn: 7 words"),
        "{said}"
    );
    assert!(!said.contains("another language"), "{said}");
    let said = doctor("few.txt");
    let expected = "WARNING: code_switch.dictionaries.por_Latn has 49.1 % of the questions' words, but \
                    only 0.0 % of those of texts in por_Latn: it is probably a dictionary of another language";
    assert!(said.contains(expected), "{said}");
    let said = doctor("german.txt");
    let expected = "only 0.0 % of those of texts in por_Latn: it is a dictionary of deu_Latn; name another file";
    assert!(said.contains("FAILED") && said.contains(expected), "{said}");
}

/// The line of `doctor` on the check `what`, and whether it ended well.
fn checked(run: &Run, what: &str, arguments: &[&str]) -> (String, bool) {
    let output = run.xldistill(&[&["doctor"], arguments].concat());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines = said.lines();
    let line = lines.find(|line| line.contains(&format!("{what}:")));
    let line = line.unwrap_or_else(|| panic!("{said}")).to_owned();
    (line, output.status.success())
}

/// A translator that answers in English, copies the rest, and leaves the last text empty if there are
/// three; the first `good` texts are turned around.
fn careless(good: usize) -> Server {
    Server::start(move |_, body| {
        let request: Value = serde_json::from_str(body).expect("JSON");
        let texts = request["texts"].as_array().expect("texts").iter();
        let texts: Vec<&str> = texts.filter_map(Value::as_str).collect();
        let answer = "I am sorry, but I would rather answer this question in my own language.";
        let written = texts.iter().enumerate().map(|(at, text)| match at {
            _ if at < good => text.chars().rev().collect(),
            0 => answer.to_owned(),
            2 => String::new(),
            _ => (*text).to_owned(),
        });
        ok(json!({ "translations": written.collect::<Vec<String>>() }).to_string())
    })
}

#[test]
fn doctor_fails_if_a_translator_does_not_write_the_target_language() {
    let run = Run::new();
    let (turned, _) = checked(&run, "translation", &[]);
    assert!(
        turned.starts_with("ok") && !turned.contains("WARNING"),
        "{turned}"
    );
    assert!(
        turned.contains("What does the first book say about number 0 of them?"),
        "{turned}"
    );

    let sure = "filter.min_language_probability=0.5";
    let bad = careless(0);
    let url = format!("translate.url={}", bad.url);
    let (said, well) = checked(&run, "translation", &[&url, sure]);
    let failure = "all 3 translations into por_Latn are unusable (1 copied, 1 empty, 1 in English;";
    assert!(
        said.starts_with("FAILED") && said.contains(failure) && !well,
        "{said}"
    );
    assert!(said.contains(r#"becomes "I am sorry"#), "{said}");

    let better = careless(1);
    let url = format!("translate.url={}", better.url);
    let (said, _) = checked(&run, "translation", &[&url, sure]);
    let warning = "WARNING: 2 of 3 translations into por_Latn are unusable (1 copied, 1 empty)";
    assert!(said.starts_with("ok") && said.contains(warning), "{said}");
}

#[test]
fn doctor_asks_the_server_that_answers() {
    let run = Run::new();
    let (said, _) = checked(&run, "answers", &[]);
    let answer = r#"ok      answers: openai answers "What does the first book say about number 0 of them?": "You asked me: What does"#;
    assert!(said.starts_with(answer), "{said}");

    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address")
    };
    let (said, well) = checked(&run, "answers", &[&format!("answer.url=http://{nobody}")]);
    assert!(said.starts_with("FAILED") && !well, "{said}");
    let refusing = Server::start(|_, _| {
        let body = r#"{"error": {"message": "no such key"}}"#.to_owned();
        Reply::Answer("401 Unauthorized", "", body)
    });
    let (said, well) = checked(&run, "answers", &[&format!("answer.url={}", refusing.url)]);
    assert!(
        said.starts_with("FAILED") && said.contains("no such key") && !well,
        "{said}"
    );
}

#[test]
fn doctor_fails_if_native_text_cannot_be_translated_back() {
    let run = Run::new();
    let passage =
        |n| format!("Na aldeia número {n}, as pessoas contam histórias antigas à noite.\n");
    let text: String = (0..5).map(passage).collect();
    fs::write(run.path("native.txt"), text).expect("writes");
    let native = [
        "reverse_instructions.texts.por_Latn=native.txt",
        "reverse_instructions.min_characters=20",
    ];
    let (said, _) = checked(&run, "native text in por_Latn", &native);
    assert!(
        said.starts_with("ok") && said.contains("5 of 5 passages"),
        "{said}"
    );
    let copies = Server::start(|_, body| {
        let request: Value = serde_json::from_str(body).expect("JSON");
        ok(json!({ "translations": request["texts"] }).to_string())
    });
    let url = format!("translate.url={}", copies.url);
    let arguments = [&native[..], &[url.as_str()]].concat();
    let (said, well) = checked(&run, "native text in por_Latn", &arguments);
    let failure = "all 3 translations into eng_Latn are unusable (3 copied)";
    assert!(
        said.starts_with("FAILED") && said.contains(failure) && !well,
        "{said}"
    );
}
