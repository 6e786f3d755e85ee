//! The HTTP translator against a server that misbehaves in every way that users report: each ends
//! in a clear error that names the address and what to change, or in the right translations.

use std::time::{Duration, Instant};

use corpus::language::Language;
use corpus::seam::Translator;
use engines::http::HttpOptions;
use engines::http_translator::{HttpTranslator, HttpTranslatorOptions, LanguageCodes};
use fixtures::server::{Reply, Server, ok};
use serde_json::{Value, json};

const ENGLISH: Language = Language::ENGLISH;
const PORTUGUESE: Language = Language::PORTUGUESE;

fn options() -> HttpTranslatorOptions {
    HttpTranslatorOptions {
        http: HttpOptions {
            timeout: Duration::from_millis(400),
            retries: 2,
            first_pause: Duration::from_millis(10),
            in_flight: 4,
            max_failed_share: 0.2,
        },
        batch_size: 4,
        ..HttpTranslatorOptions::default()
    }
}

/// Every text in capitals.
fn translated(body: &str) -> Reply {
    let request: Value = serde_json::from_str(body).expect("JSON");
    let texts = request["texts"].as_array().expect("texts").iter();
    let capitals: Vec<String> = texts
        .map(|t| t.as_str().expect("a text").to_uppercase())
        .collect();
    ok(json!({ "translations": capitals }).to_string())
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("text {n}")).collect()
}

fn translate(server: &Server) -> Result<Vec<String>, String> {
    let translator = HttpTranslator::new(&server.url, options()).expect("an address");
    translator
        .translate(&texts(3), ENGLISH, PORTUGUESE)
        .map_err(|error| error.to_string())
}

/// The message in which a server ends that always replies this, and how many requests it took.
fn failure(reply: impl Fn() -> Reply + Send + Sync + 'static) -> (String, usize) {
    let server = Server::start(move |_, _| reply());
    let error = translate(&server).expect_err("a failure");
    assert!(
        error.contains(&format!("{}/translate", server.url)),
        "{error}"
    );
    (error, server.requests().len())
}

#[test]
fn texts_are_sent_in_batches_and_come_back_in_order() {
    let server = Server::start(|_, body| translated(body));
    let translator = HttpTranslator::new(&server.url, options()).expect("an address");
    let translations = translator
        .translate(&texts(30), ENGLISH, PORTUGUESE)
        .expect("translations");
    let expected: Vec<String> = texts(30).iter().map(|text| text.to_uppercase()).collect();
    assert_eq!(translations, expected);
    assert_eq!(server.requests().len(), 8);
    assert!(server.most_at_once() <= 4);
    let request = &server.requests()[0];
    assert!(request.starts_with("POST /translate HTTP/1.1"), "{request}");
    assert!(
        request.contains(r#""src_lang":"en""#) && request.contains(r#""tgt_lang":"pt""#),
        "{request}"
    );
}

#[test]
fn languages_are_named_as_the_server_wants_them() {
    let server = Server::start(|_, body| translated(body));
    let options = HttpTranslatorOptions {
        language_codes: LanguageCodes::Flores,
        ..options()
    };
    let address = format!("{}/api/translate", server.url);
    let translator = HttpTranslator::new(&address, options).expect("an address");
    translator
        .translate(&texts(1), ENGLISH, PORTUGUESE)
        .expect("translations");
    let request = &server.requests()[0];
    assert!(request.starts_with("POST /api/translate "), "{request}");
    assert!(request.contains(r#""tgt_lang":"por_Latn""#), "{request}");
}

#[test]
fn a_passing_trouble_costs_nothing() {
    let server = Server::start(|number, body| match number {
        0 => Reply::Answer(
            "429 Too Many Requests",
            "Retry-After: 0.2\r\n",
            "slow down".into(),
        ),
        1 => Reply::Answer(
            "502 Bad Gateway",
            "Content-Type: text/html\r\n",
            "<html>".into(),
        ),
        _ => translated(body),
    });
    let started = Instant::now();
    assert_eq!(
        translate(&server).expect("translations"),
        ["TEXT 0", "TEXT 1", "TEXT 2"]
    );
    // A lower bound, which a slow machine does not break.
    assert!(
        started.elapsed() >= Duration::from_millis(200),
        "Retry-After is honoured"
    );
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_server_that_stalls_is_given_up_in_time() {
    let (error, requests) = failure(|| Reply::Stall);
    assert!(
        error.contains("no answer within 0.4 s") && error.contains("timeout_seconds"),
        "{error}"
    );
    assert_eq!(requests, 3);
}

#[test]
fn html_and_other_text_is_quoted() {
    let html = "<html>\n<h1>Bad gateway</h1></html>";
    let (error, requests) = failure(move || {
        Reply::Answer(
            "502 Bad Gateway",
            "Content-Type: text/html\r\n",
            html.into(),
        )
    });
    assert!(
        error.contains("502 Bad Gateway") && error.contains("<h1>Bad gateway"),
        "{error}"
    );
    assert!(error.contains("server's log"), "{error}");
    assert_eq!(requests, 3);
    let (error, _) = failure(|| ok("It works!"));
    assert!(
        error.contains("It works!") && error.contains("not JSON"),
        "{error}"
    );
}

#[test]
fn an_empty_answer_and_a_closed_connection_are_said_to_be_that() {
    let (error, requests) = failure(|| ok(""));
    assert!(error.contains("an empty answer"), "{error}");
    assert_eq!(
        requests, 12,
        "three tries for all texts, and for each of them"
    );
    let (error, requests) = failure(|| Reply::HangUp);
    assert!(error.contains("cannot be reached"), "{error}");
    assert_eq!(requests, 3);
}

#[test]
fn too_few_translations_and_other_json_are_refused_at_once() {
    let (error, requests) = failure(|| ok(r#"{"translations": ["um", "dois"]}"#));
    assert!(
        error.contains("returned 2 translations for 1 texts"),
        "{error}"
    );
    assert_eq!(requests, 4, "all texts, then each of them");
    let (error, _) = failure(|| ok(r#"{"translations": [1, 2, 3]}"#));
    assert!(
        error.contains(r#"instead of {"translations": ["…"]}"#),
        "{error}"
    );
    let (error, requests) = failure(|| {
        Reply::Answer(
            "400 Bad Request",
            "",
            r#"{"error": "unknown language pt"}"#.into(),
        )
    });
    assert!(error.contains("unknown language pt"), "{error}");
    assert_eq!(requests, 4, "what will not pass is not tried again");
}

#[test]
fn no_server_at_all() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address").port()
    };
    let url = format!("http://127.0.0.1:{port}");
    let translator = HttpTranslator::new(&url, options()).expect("an address");
    let error = translator
        .translate(&texts(1), ENGLISH, PORTUGUESE)
        .expect_err("nobody")
        .to_string();
    assert!(
        error.contains(&url) && error.contains("check that the server is running"),
        "{error}"
    );
    let error = HttpTranslator::new("localhost:8000", options())
        .err()
        .expect("no scheme")
        .to_string();
    assert!(error.contains("http://"), "{error}");
}
