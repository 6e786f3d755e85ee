//! Chat templates: programs that were not written for chats.

use std::process::Command;
use std::{env, fs};

use models::chat_template::{ChatTemplate, Message};
use models::tokenizer::SpecialTokens;

use crate::runner::{Reader, SECONDS, any, file, seconds, written};
use crate::text;

const PIECES: [&str; 44] = [
    "{%",
    "%}",
    "{{",
    "}}",
    "{#",
    "#}",
    "{%}",
    "{%-",
    "-%}",
    "{% for m in messages %}",
    "{% for m in messages recursive %}{{ loop(messages) }}",
    "{% endfor %}",
    "{% if true %}",
    "{% endif %}",
    "{% set x = x ~ x %}",
    "{% set x = 'aaaaaaaaaaaaaaaa' %}",
    "{% set ns = namespace(x=1) %}",
    "{% set ns.x = 1 %}",
    "{% set ns.x = ns %}",
    "{% generation %}",
    "{% endgeneration %}",
    "{% break %}",
    "{% macro m(a) %}{{ m(a) }}{% endmacro %}",
    "{{ m(1) }}",
    "{{ messages }}",
    "{{ range(999)|list }}",
    "{% for a in range(99999) %}",
    "{{ [1]|slice(9999999)|list }}",
    "{{ 'a' * 99999 }}",
    "{{ ('a' * 99999)|replace('a', 'b' * 9999) }}",
    "{{ 'a'|indent(99999999) }}",
    "{{ messages|tojson(indent=2) }}",
    "{{ messages|groupby('role')|list }}",
    "{{ '%s' % messages }}",
    "{{ raise_exception('no') }}",
    "{{ strftime_now('%d %B %Y %9999999d') }}",
    "{{ messages[99999999999999999999] }}",
    "{{ messages[::-1][:-9223372036854775808] }}",
    "{{ 1 // 0 }}",
    "{{ 2 ** 9999 }}",
    "not ",
    "- ",
    "(",
    "|string",
];

/// Set in the process that this test starts for itself.
const OWN_PROCESS: &str = "XLDISTILL_FUZZ_OWN_PROCESS";

/// In processes of their own, of a minute each: a template that takes too much keeps what it has.
#[test]
fn chat_template() {
    if env::var_os(OWN_PROCESS).is_some() {
        return fuzz();
    }
    let mut left = seconds();
    loop {
        let mut process = Command::new(env::current_exe().expect("this program"));
        process
            .args([
                "--exact",
                "readers::templates::chat_template",
                "--nocapture",
            ])
            .env(OWN_PROCESS, "1");
        if let Some(left) = left {
            process.env(SECONDS, left.min(60).to_string());
        }
        let status = process.status().expect("starts");
        assert!(status.success(), "{status}");
        left = left.map(|left| left.saturating_sub(60));
        if left.unwrap_or(0) == 0 {
            break;
        }
    }
}

fn fuzz() {
    let names = [
        "chatml", "llama2", "llama3", "qwen2_5", "gemma", "features", "mistral",
    ];
    let mut seeds: Vec<_> = names
        .iter()
        .map(|name| file("template.jinja", &format!("chat_templates/{name}.jinja")))
        .collect();
    seeds.push(written(&[("template.jinja", PIECES[28])]));
    Reader {
        name: "chat_template",
        seeds,
        inputs: 200,
        memory: 1 << 30,
        change: &|chance, files, _| {
            let (_, content) = any(chance, files);
            text::change(chance, content, &PIECES);
        },
        read: &|folder| {
            let source = fs::read(folder.join("template.jinja")).expect("a file");
            let source = String::from_utf8_lossy(&source);
            let template = ChatTemplate::unchecked(&source, &SpecialTokens::default());
            let turns = [
                Message::user("Hello, what is this?"),
                Message::assistant("That."),
            ];
            let mut rendered = false;
            for (turns, prompt) in [(&turns[..1], true), (&turns[..], false), (&[][..], true)] {
                rendered |= template.render(turns, prompt).is_ok();
            }
            let _ = template.check();
            rendered
        },
    }
    .fuzz();
}
