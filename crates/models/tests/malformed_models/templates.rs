//! Chat templates: programs that were not written for chats.

use std::fs;
use std::sync::atomic::Ordering;

use models::chat_template::{ChatTemplate, Message};
use models::tokenizer::SpecialTokens;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::damage::{LARGEST, reference};
use crate::rounds;

const PIECES: [&str; 34] = [
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
    "{% endfor %}",
    "{% if true %}",
    "{% endif %}",
    "{% set x = x ~ x %}",
    "{% set ns = namespace(x=1) %}",
    "{% set ns.x = 1 %}",
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
    "{{ 'a'|indent(99999999) }}",
    "{{ messages|tojson(indent=2) }}",
    "not ",
    "- ",
    "(",
    ")",
    "[",
    "|string",
];

proptest! {
    #![proptest_config(rounds(150))]

    #[test]
    fn strange_templates_are_rendered_or_refused(
        file in 0usize..6,
        inserted in vec((0.0..1.0f64, prop::sample::select(&PIECES[..])), 1..6),
        cut in prop_oneof![3 => Just(1.0), 1 => 0.0..1.0f64],
    ) {
        let file = ["chatml", "llama2", "llama3", "qwen2_5", "gemma", "features"][file];
        let file = reference(&format!("chat_templates/{file}.jinja"));
        let mut source: Vec<char> = fs::read_to_string(file).unwrap().chars().collect();
        for (place, piece) in inserted {
            let at = (place * source.len() as f64) as usize;
            source.splice(at..at, piece.chars());
        }
        source.truncate((cut * source.len() as f64) as usize);
        let source: String = source.into_iter().collect();
        LARGEST.store(0, Ordering::Relaxed);
        let template = ChatTemplate::unchecked(&source, &SpecialTokens::default());
        let turns = [Message::user("Hello, what is this?"), Message::assistant("That.")];
        for (turns, prompt) in [(&turns[..1], true), (&turns[..], false), (&[][..], true)] {
            let _ = template.render(turns, prompt);
        }
        prop_assert!(LARGEST.load(Ordering::Relaxed) < 1 << 30, "{source}");
    }
}
