//! One request that fails costs its own row; many stop the run with what the server said, and what
//! was answered before is kept.

use std::time::Duration;

use corpus::answer::AnswerStage;
use corpus::language::Language;
use corpus::progress::Silent;
use corpus::record::Instruction;
use corpus::seam::{Answerer, FinishReason, Request, Translator};
use corpus::stage::{Inputs, StageOptions, run};
use engines::http::HttpOptions;
use engines::http_translator::{HttpTranslator, HttpTranslatorOptions};
use engines::openai::{OpenAiClient, OpenAiOptions};
use fixtures::server::{Reply, Server, ok};
use proptest::prelude::*;
use serde_json::{Value, json};

const KEY: &str = "sk-secret-0123456789";

fn http() -> HttpOptions {
    HttpOptions {
        timeout: Duration::from_secs(5),
        retries: 1,
        first_pause: Duration::from_millis(5),
        in_flight: 1,
        max_failed_share: 0.2,
    }
}

fn client(server: &Server) -> OpenAiClient {
    let options = OpenAiOptions {
        model: "tiny".into(),
        max_new_tokens: 12,
        http: http(),
        ..OpenAiOptions::default()
    };
    OpenAiClient::with_key(&server.url, Some(KEY.into()), options).expect("an address")
}

fn chat(text: &str) -> Reply {
    let message = json!({ "role": "assistant", "content": text });
    ok(json!({ "choices": [{ "message": message, "finish_reason": "stop" }] }).to_string())
}

fn refused() -> Reply {
    let error =
        json!({ "error": { "message": "The response was filtered", "code": "content_filter" } });
    Reply::Answer("400 Bad Request", "", error.to_string())
}

fn numbered(count: usize) -> Vec<Request> {
    (0..count)
        .map(|n| Request::question(format!("question {n}.")))
        .collect()
}

#[test]
fn a_refused_question_costs_its_own_answer_only() {
    let server = Server::start(|_, body| match body.contains("question 1.") {
        true => refused(),
        false => chat("Yes."),
    });
    let attempts = client(&server).attempt(&numbered(3));
    assert!(attempts.stopped.is_none());
    let texts: Vec<_> = attempts.results.into_iter().flatten().collect();
    let failure = texts[1].as_ref().expect_err("refused");
    assert!(
        failure.contains("400 Bad Request") && failure.contains("The response was filtered"),
        "{failure}"
    );
    assert!(
        [0, 2]
            .iter()
            .all(|&n| texts[n].as_ref().is_ok_and(|a| a.text == "Yes."))
    );
    let answers = client(&server).answer(&numbered(3)).expect("two answers");
    assert_eq!(answers[1].finish_reason, FinishReason::Failed);
    assert_eq!(
        (answers[1].text.as_str(), answers[2].text.as_str()),
        ("", "Yes.")
    );
}

#[test]
fn many_refusals_stop_with_the_first_message_and_what_was_answered_is_kept() {
    let server = Server::start(|number, _| match number {
        0..5 => chat("Yes."),
        _ => refused(),
    });
    let attempts = client(&server).attempt(&numbered(40));
    let error = attempts.stopped.expect("too many").to_string();
    assert!(
        error.contains("10 of 15 requests failed, more than max_failed_share = 0.2 allows"),
        "{error}"
    );
    assert!(
        error.contains("the first: ") && error.contains("filtered"),
        "{error}"
    );
    let kept: Vec<bool> = attempts.results.iter().map(Option::is_some).collect();
    assert_eq!(kept, (0..40).map(|n| n < 5).collect::<Vec<_>>());
    assert_eq!(server.requests().len(), 15);
}

#[test]
fn a_run_that_stops_asks_only_for_what_it_has_not_when_it_goes_on() {
    let row = |n: usize| Instruction {
        id: n.to_string(),
        question: format!("question {n}."),
        answer: "given".into(),
    };
    let rows: Vec<Instruction> = (0..8).map(row).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let answer = |server: &Server| {
        let client = client(server);
        let stage = AnswerStage::new(&client, 64);
        let options = StageOptions::default();
        run(
            &stage,
            &Inputs::rows(&rows),
            folder.path(),
            &options,
            &Silent,
        )
    };
    let unpaid = Server::start(|number, _| match number {
        0..5 => chat("Yes."),
        _ => Reply::Answer("402 Payment Required", "", "no credit".into()),
    });
    let error = answer(&unpaid).expect_err("no credit").to_string();
    assert!(error.contains("402 Payment Required"), "{error}");
    let paid = Server::start(|_, body| match body.contains("question 6.") {
        true => refused(),
        false => chat("No."),
    });
    let manifest = answer(&paid).expect("a finished stage");
    assert_eq!(paid.requests().len(), 3);
    assert_eq!(manifest.results.counts.rejections.get("failed"), Some(&1));
    let rejected = std::fs::read_to_string(folder.path().join("rejected.jsonl")).expect("a file");
    assert!(rejected.contains("The response was filtered"), "{rejected}");
    assert!(!rejected.contains(KEY));
}

/// Everything that chat servers are known to send, and what the client makes of it.
#[test]
fn answers_of_odd_forms_are_read() {
    let choice =
        |content: Value| json!([{ "message": { "content": content }, "finish_reason": "stop" }]);
    let parts = json!([
        { "type": "thinking", "thinking": [{ "type": "text", "text": "hm" }] },
        { "type": "text", "text": "It is " },
        { "type": "text", "text": "4." },
    ]);
    for (answer, text, tokens) in [
        (json!({ "choices": choice(parts) }), "It is 4.", 0),
        (
            json!({ "choices": choice(json!("It is 4.")), "usage": { "completion_tokens": null } }),
            "It is 4.",
            0,
        ),
        (
            json!({ "choices": choice(json!("It is 4.")), "usage": { "completion_tokens": 7.0 } }),
            "It is 4.",
            7,
        ),
        (
            json!({ "choices": choice(json!("It is 4.")), "usage": null, "error": null }),
            "It is 4.",
            0,
        ),
        (
            json!({ "choices": choice(json!("<think>\nI add.\n</think>\n\nIt is 4.")) }),
            "It is 4.",
            0,
        ),
        (
            json!({ "choices": choice(json!("I add.</think>\nIt is 4.")) }),
            "It is 4.",
            0,
        ),
        (json!({ "choices": choice(Value::Null) }), "", 0),
    ] {
        let body = answer.to_string();
        let server = Server::start(move |_, _| ok(body.clone()));
        let answers = client(&server).answer(&numbered(1)).expect("an answer");
        assert_eq!(
            (answers[0].text.as_str(), answers[0].tokens),
            (text, tokens),
            "{answer}"
        );
    }
}

#[test]
fn answers_of_no_form_fail_alone_and_never_show_the_key() {
    for body in [
        format!(r#"{{"choices": [], "note": "{KEY}"}}"#),
        format!(r#"{{"detail": "{KEY}"}}"#),
        format!(r#"{{"choices": [{{"message": {{"content": 7, "key": "{KEY}"}}}}]}}"#),
        format!(r#"{{"choices": [{{"message": {{"content": "{KEY} \ud800"}}}}]}}"#),
        format!(r#"{{"error": {{"message": "not with {KEY}", "code": 400}}}}"#),
        format!("[{}]", "0,".repeat(1 << 20) + KEY),
    ] {
        let server = Server::start(move |number, _| match number {
            0 => chat("Yes."),
            _ => ok(body.clone()),
        });
        let attempts = client(&server).attempt(&numbered(2));
        assert!(attempts.stopped.is_none(), "{:?}", attempts.stopped);
        let failure = attempts.results[1]
            .as_ref()
            .expect("tried")
            .as_ref()
            .expect_err("no answer");
        assert!(
            failure.contains(&server.url) && !failure.contains(KEY),
            "{failure}"
        );
    }
}

#[test]
fn an_answer_that_quotes_the_key_is_kept_without_it() {
    let server = Server::start(|_, _| chat(&format!("You sent {KEY}.")));
    let answers = client(&server).answer(&numbered(1)).expect("an answer");
    assert_eq!(answers[0].text, "You sent [key].");
}

#[test]
fn an_answer_that_is_far_too_large_is_not_read() {
    let server = Server::start(|_, _| chat(&"x".repeat(3 << 20)));
    let error = client(&server)
        .answer(&numbered(1))
        .expect_err("too large")
        .to_string();
    assert!(error.contains("sent more than 1051648 bytes"), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn an_error_within_a_200_is_that_error() {
    let busy = r#"{"error": {"message": "Provider returned error", "code": 429}}"#;
    let server = Server::start(move |number, _| match number {
        0 => ok(busy),
        _ => chat("Yes."),
    });
    let answers = client(&server)
        .answer(&numbered(1))
        .expect("the second try");
    assert_eq!(answers[0].text, "Yes.");
    let server = Server::start(move |_, _| ok(busy));
    let error = client(&server)
        .answer(&numbered(1))
        .expect_err("busy")
        .to_string();
    assert!(
        error.contains("429 Too Many Requests") && error.contains("lower in_flight"),
        "{error}"
    );
}

#[test]
fn a_server_that_was_never_there_is_not_waited_for() {
    let options = OpenAiOptions {
        model: "tiny".into(),
        http: HttpOptions {
            first_pause: Duration::from_secs(3600),
            retries: 1000,
            ..http()
        },
        ..OpenAiOptions::default()
    };
    // Nothing listens on port 1, and retries would take longer than anybody waits for a test.
    let client = OpenAiClient::with_key("http://127.0.0.1:1", None, options).expect("an address");
    let error = client.answer(&numbered(1)).expect_err("nobody is there");
    assert!(error.to_string().contains("cannot be reached"), "{error}");
}

#[test]
fn the_budget_is_named_as_the_server_wants_it() {
    let server = Server::start(|_, body| {
        match body.contains(r#""max_tokens""#) {
        true => Reply::Answer(
            "400 Bad Request",
            "",
            r#"{"error": {"message": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."}}"#
                .into(),
        ),
        false => chat("Yes."),
    }
    });
    let answers = client(&server).answer(&numbered(3)).expect("answers");
    assert!(answers.iter().all(|answer| answer.text == "Yes."));
    let requests = server.requests();
    assert_eq!(requests.len(), 4, "the refusal is remembered");
    assert!(requests[3].contains(r#""max_completion_tokens":12"#));
}

#[test]
fn answers_are_cut_at_stop_texts_that_the_server_refuses() {
    let server = Server::start(|_, body| {
        match body.contains(r#""stop""#) {
        true => Reply::Answer(
            "400 Bad Request",
            "",
            r#"{"error": {"message": "Unsupported parameter: 'stop' is not supported with this model."}}"#
                .into(),
        ),
        false => chat("Yes. Question: No."),
    }
    });
    let mut requests = numbered(3);
    for request in &mut requests {
        request.stop = vec!["Question:".into()];
    }
    let answers = client(&server).answer(&requests).expect("answers");
    assert!(answers.iter().all(|answer| answer.text == "Yes."));
    assert_eq!(server.requests().len(), 4, "the refusal is remembered");
}

#[test]
fn a_text_that_a_translation_server_refuses_is_lost_alone() {
    let server = Server::start(|_, body| {
        let request: Value = serde_json::from_str(body).expect("JSON");
        let texts = request["texts"].as_array().expect("texts");
        match texts.iter().any(|text| text == "bad") {
            true => Reply::Answer("422 Unprocessable Entity", "", "bad text".into()),
            false => {
                let translate = |text: &Value| match text.as_str() {
                    Some("odd") => Value::Null,
                    text => json!(text.map(str::to_uppercase)),
                };
                let texts: Vec<Value> = texts.iter().map(translate).collect();
                ok(json!({ "translations": texts }).to_string())
            }
        }
    });
    let options = HttpTranslatorOptions {
        http: http(),
        ..HttpTranslatorOptions::default()
    };
    let translator = HttpTranslator::new(&server.url, options).expect("an address");
    let texts = ["one", "bad", "odd", "two"].map(str::to_owned);
    let translations = translator
        .translate(&texts, Language::ENGLISH, Language::PORTUGUESE)
        .expect("three translations");
    assert_eq!(translations, ["ONE", "", "", "TWO"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever JSON or damaged JSON a server sends: an answer or a failure, never a panic.
    #[test]
    fn any_answer_is_read_or_refused(
        at in 0usize..200,
        bytes in prop::collection::vec(any::<u8>(), 0..8),
        keep in 0usize..220,
        status in prop::sample::select(vec!["200 OK", "400 Bad Request", "500 Internal Server Error"]),
    ) {
        let whole = json!({
            "choices": [{ "message": { "content": [{ "type": "text", "text": "<think>é</think>ok" }] } }],
            "usage": { "completion_tokens": 1e300 },
            "translations": ["um"],
            "error": null,
        });
        let mut body = whole.to_string().into_bytes();
        let at = at.min(body.len());
        body.splice(at..at, bytes);
        body.truncate(keep.max(1));
        let body = String::from_utf8_lossy(&body).into_owned();
        let server = Server::start(move |_, _| Reply::Answer(status, "", body.clone()));
        let attempts = client(&server).attempt(&numbered(1));
        prop_assert_eq!(attempts.results.len(), 1);
        let options = HttpTranslatorOptions { http: http(), ..HttpTranslatorOptions::default() };
        let translator = HttpTranslator::new(&server.url, options).expect("an address");
        let texts = ["one".to_owned()];
        if let Ok(translations) = translator.translate(&texts, Language::ENGLISH, Language::PORTUGUESE) {
            prop_assert_eq!(translations.len(), 1);
        }
    }
}
