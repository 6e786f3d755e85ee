//! The chat client against a small server: what it sends, what it makes of the answers, and that
//! its key is in no message.

use std::time::Duration;

use corpus::language::Language;
use corpus::seam::{Answerer, FinishReason, Request, Translator};
use engines::http::HttpOptions;
use engines::llm_translator::{LlmTranslator, TranslationExamples};
use engines::openai::{OpenAiClient, OpenAiOptions};
use fixtures::server::{Reply, Server, ok};
use serde_json::{Value, json};

const KEY: &str = "sk-secret-0123456789";

fn client(server: &Server) -> OpenAiClient {
    let options = OpenAiOptions {
        model: "tiny".into(),
        max_new_tokens: 12,
        system_prompt: Some("Be brief.".into()),
        http: HttpOptions {
            timeout: Duration::from_secs(5),
            retries: 1,
            first_pause: Duration::from_millis(5),
            in_flight: 3,
            max_failed_share: 0.2,
        },
        ..OpenAiOptions::default()
    };
    OpenAiClient::with_key(&server.url, Some(KEY.into()), options).expect("an address")
}

/// Answers with what `say` makes of the question: text and finish reason.
fn chat(say: impl Fn(&str) -> (String, &'static str) + Send + Sync + 'static) -> Server {
    Server::start(move |_, body| {
        let request: Value = serde_json::from_str(body).expect("JSON");
        let question = request["messages"][1]["content"]
            .as_str()
            .expect("a question");
        let (text, reason) = say(question);
        ok(json!({
            "choices": [{ "index": 0, "message": { "role": "assistant", "content": text }, "finish_reason": reason }],
            "usage": { "prompt_tokens": 5, "completion_tokens": 7 },
        })
        .to_string())
    })
}

fn asked(questions: &[&str]) -> Vec<Request> {
    questions.iter().copied().map(Request::question).collect()
}

fn questions(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| text.to_string()).collect()
}

#[test]
fn turns_budgets_and_stop_texts_are_sent_and_plain_text_is_refused() {
    let server = chat(|_| (" Dois\nTrês".into(), "length"));
    let solved = ("One?".to_owned(), "Um".to_owned());
    let mut request = Request::few_shot([solved], "Two?").with_budget(5);
    request.stop = vec!["\n".to_owned()];
    let answers = client(&server).answer(&[request]).expect("answers");
    // This server ignores stop texts.
    assert_eq!(answers[0].text, "Dois");
    assert_eq!(answers[0].finish_reason, FinishReason::Stop);
    let sent = &server.requests()[0];
    let body = sent.find('{').expect("a body");
    let sent: Value = serde_json::from_str(&sent[body..]).expect("JSON");
    let said: Vec<_> = sent["messages"].as_array().expect("turns").iter().collect();
    let roles: Vec<_> = said.iter().map(|turn| turn["role"].as_str()).collect();
    let expected = ["system", "user", "assistant", "user"].map(Some);
    assert_eq!(roles, expected);
    assert_eq!(said[2]["content"], "Um");
    assert_eq!(
        (&sent["max_tokens"], &sent["stop"]),
        (&json!(5), &json!(["\n"]))
    );

    let refused = [Request::question("Two?"), Request::text("Two is")];
    let error = client(&server).answer(&refused).expect_err("a chat server");
    assert!(error.to_string().contains("plain text"), "{error}");
    assert_eq!(
        server.requests().len(),
        1,
        "refused before anything is sent"
    );
}

#[test]
fn answers_come_in_order_with_their_reasons() {
    let server = chat(|question| match question {
        "long" => ("It is a".into(), "length"),
        "bad" => (String::new(), "content_filter"),
        other => (format!(" {}\n", other.to_uppercase()), "stop"),
    });
    let answers = client(&server)
        .answer(&asked(&["a", "long", "b", "bad"]))
        .expect("answers");
    let found: Vec<(&str, FinishReason, usize)> = answers
        .iter()
        .map(|a| (a.text.as_str(), a.finish_reason, a.tokens))
        .collect();
    use FinishReason::{Filtered, Length, Stop};
    assert_eq!(
        found,
        [
            ("A", Stop, 7),
            ("It is a", Length, 7),
            ("B", Stop, 7),
            ("", Filtered, 7)
        ]
    );
    assert!(server.most_at_once() <= 3);
    let request = server.requests().swap_remove(0).to_lowercase();
    assert!(
        request.starts_with("post /v1/chat/completions"),
        "{request}"
    );
    assert!(
        request.contains(&format!("authorization: bearer {KEY}")),
        "{request}"
    );
    let body: Value =
        serde_json::from_str(request.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON");
    assert_eq!(body["model"], "tiny");
    assert_eq!(body["max_tokens"], 12);
    assert_eq!(
        body["messages"][0],
        json!({ "role": "system", "content": "be brief." })
    );
}

#[test]
fn a_question_that_is_too_long_costs_its_own_answer_only() {
    let server = Server::start(|_, body| match body.contains("endless") {
        true => Reply::Answer(
            "400 Bad Request",
            "",
            r#"{"error": {"message": "This model's maximum context length is 2048 tokens."}}"#
                .into(),
        ),
        false => ok(r#"{"choices": [{"message": {"content": "Yes."}, "finish_reason": "stop"}]}"#),
    });
    let answers = client(&server)
        .answer(&asked(&["short", "endless"]))
        .expect("answers");
    assert_eq!(answers[0].text, "Yes.");
    assert_eq!(
        (answers[1].text.as_str(), answers[1].finish_reason),
        ("", FinishReason::Length)
    );
}

#[test]
fn errors_name_the_address_and_never_the_key() {
    for (reply, expected) in [
        ("401 Unauthorized", "OPENAI_API_KEY"),
        ("404 Not Found", "check the path"),
        ("500 Internal Server Error", "server's log"),
    ] {
        let server = Server::start(move |_, _| {
            Reply::Answer(reply, "", format!("Incorrect API key provided: {KEY}"))
        });
        let error = client(&server)
            .answer(&asked(&["a"]))
            .expect_err("refused")
            .to_string();
        assert!(
            error.contains(&server.url) && error.contains(reply),
            "{error}"
        );
        assert!(error.contains(expected), "{error}");
        assert!(error.contains("[key]") && !error.contains(KEY), "{error}");
    }
    let server = Server::start(|_, _| {
        let refusal = r#"{"error": {"message": "The model `m` does not exist."}}"#;
        Reply::Answer("404 Not Found", "", refusal.into())
    });
    let error = client(&server)
        .answer(&asked(&["a"]))
        .expect_err("refused")
        .to_string();
    assert!(error.contains("check server_model"), "{error}");
    let server = Server::start(|_, _| ok(r#"{"choices": []}"#));
    let error = client(&server)
        .answer(&asked(&["a"]))
        .expect_err("no choice")
        .to_string();
    assert!(error.contains("without choices"), "{error}");
    let identity = client(&server).identity();
    assert!(!format!("{identity:?}").contains(KEY));
}

#[test]
fn a_key_with_a_line_end_in_it_is_refused_without_being_shown() {
    let options = OpenAiOptions {
        model: "m".into(),
        ..OpenAiOptions::default()
    };
    let key = Some(format!("{KEY}\nX-Other: 1"));
    let error = OpenAiClient::with_key("http://h", key, options)
        .err()
        .expect("refused")
        .to_string();
    assert!(
        error.contains("OPENAI_API_KEY") && !error.contains(KEY),
        "{error}"
    );
    let error = OpenAiClient::with_key("http://h", None, OpenAiOptions::default())
        .err()
        .expect("no model");
    assert!(error.to_string().contains("server_model"), "{error}");
}

#[test]
fn an_llm_translates_in_the_words_of_table_1_after_its_examples() {
    let server = chat(|question| match question.lines().last() {
        Some("Good night.") => ("Boa noite.\n\n(This is a common greeting.)".into(), "stop"),
        Some("Endless.") => ("sem sem sem".into(), "length"),
        // A base model does not stop after the answer.
        Some("Thank you.") => ("\nObrigado.\n\n### Instruction:\nTransl".into(), "length"),
        Some("Please.") => (
            "Por favor.\n\nTranslate the following sentence from English to Portuguese.\nYes.\n"
                .into(),
            "length",
        ),
        Some("Refused.") => ("".into(), "content_filter"),
        _ => ("?".into(), "stop"),
    });
    let (english, portuguese) = (Language::ENGLISH, Language::PORTUGUESE);
    let pairs = vec![("Good morning.".to_owned(), "Bom dia.".to_owned())];
    let plain = LlmTranslator::new(client(&server));
    let identity = plain.identity();
    let translator = plain.with_examples(vec![TranslationExamples {
        from: english,
        to: portuguese,
        pairs,
    }]);
    assert_ne!(
        translator.identity(),
        identity,
        "examples are part of what translates"
    );
    let translations = translator
        .translate(
            &questions(&[
                "Good night.",
                "Endless.",
                "Thank you.",
                "Please.",
                "Refused.",
            ]),
            english,
            portuguese,
        )
        .expect("translations");
    assert_eq!(
        translations,
        ["Boa noite.", "", "Obrigado.", "Por favor.", ""]
    );
    let asked: Vec<String> = server.requests();
    let first = asked
        .iter()
        .find(|request| request.contains("Good night."))
        .expect("asked");
    let body: Value =
        serde_json::from_str(first.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON");
    assert_eq!(
        body["messages"][1]["content"],
        "Translate the following sentence from English to Portuguese.\nGood morning.\nBom dia.\n\n\
         Translate the following sentence from English to Portuguese.\nGood night."
    );
    assert_eq!(
        body["stop"],
        json!(["Translate the following sentence from English to Portuguese.\n"])
    );
    // Examples of the other direction are not shown.
    translator
        .translate(&questions(&["Boa tarde."]), portuguese, english)
        .expect("translations");
    let last = server.requests().pop().expect("asked");
    assert!(
        last.contains("from Portuguese to English.\\nBoa tarde.") && !last.contains("Bom dia"),
        "{last}"
    );
}
