//! What servers answer: chat completions and translations.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use corpus::language::Language;
use corpus::seam::{Answerer, Request, Translator};
use engines::http::HttpOptions;
use engines::http_translator::{HttpTranslator, HttpTranslatorOptions};
use engines::openai::{OpenAiClient, OpenAiOptions};
use fixtures::server::{Reply, Server, ok};

use crate::json;
use crate::runner::{Reader, any, written};

const CHAT: &str = r#"{"id": "x", "choices": [{"index": 0, "message": {"role": "assistant", "content": "<think>so</think>Two.", "refusal": null}, "finish_reason": "stop", "logprobs": null}], "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}}"#;
const PARTS: &str = r#"{"choices": [{"message": {"content": [{"type": "text", "text": "Two."}], "reasoning_content": "so"}, "finish_reason": "length"}], "usage": null}"#;
const ERROR: &str =
    r#"{"error": {"message": "too many requests", "type": "invalid_request_error", "code": 429}}"#;
const TRANSLATIONS: &str = r#"{"translations": ["UMA CASA.", "DUAS"]}"#;

#[test]
fn server_answers() {
    let body = Arc::new(Mutex::new(Vec::new()));
    let current = Arc::clone(&body);
    let server = Server::start(move |number, _| {
        let body: Vec<u8> = current.lock().expect("no panic").clone();
        let body = String::from_utf8_lossy(&body).into_owned();
        match number % 13 {
            11 => Reply::Answer("500 Internal Server Error", "", body),
            12 => Reply::Answer("400 Bad Request", "Retry-After: 0\r\n", body),
            _ => ok(body),
        }
    });
    let http = HttpOptions {
        timeout: Duration::from_secs(5),
        retries: 0,
        first_pause: Duration::from_millis(1),
        in_flight: 2,
        max_failed_share: 1.0,
    };
    let options = OpenAiOptions {
        model: "tiny".into(),
        max_new_tokens: 12,
        http: http.clone(),
        ..OpenAiOptions::default()
    };
    let client = OpenAiClient::with_key(&server.url, None, options).expect("an address");
    let options = HttpTranslatorOptions {
        http,
        batch_size: 2,
        ..HttpTranslatorOptions::default()
    };
    let translator = HttpTranslator::new(&server.url, options).expect("an address");
    let seeds = [CHAT, PARTS, ERROR, TRANSLATIONS].map(|text| written(&[("answer", text)]));
    Reader {
        name: "server_answers",
        seeds: seeds.to_vec(),
        inputs: 150,
        memory: 256 << 20,
        change: &|chance, files, _| {
            let (_, content) = any(chance, files);
            json::change(chance, content);
        },
        read: &|folder| {
            *body.lock().expect("no panic") = fs::read(folder.join("answer")).expect("a file");
            let answers = client.answer(&[Request::question("One and one?")]);
            let texts = ["A house.".to_owned(), "Two.".to_owned()];
            let translations =
                translator.translate(&texts, Language::ENGLISH, Language::PORTUGUESE);
            answers.is_ok() || translations.is_ok()
        },
    }
    .fuzz();
}
