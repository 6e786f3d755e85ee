//! Chat templates against Transformers, and the boundary between prompt and answer. Fixtures and
//! their exporter: `reference/chat_templates`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use models::chat_template::{ChatTemplate, ChatTemplateError, Message, Role};
use models::gguf::Gguf;
use models::tokenizer::{SpecialTokens, Tokenizer};
use serde::Deserialize;

fn reference() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reference")
}

fn template(name: &str, special: &SpecialTokens) -> ChatTemplate {
    let path = reference()
        .join("chat_templates")
        .join(format!("{name}.jinja"));
    ChatTemplate::new(&std::fs::read_to_string(path).unwrap(), special).unwrap()
}

#[derive(Deserialize)]
struct Case {
    template: String,
    special: BTreeMap<String, String>,
    messages: Vec<CaseMessage>,
    add_generation_prompt: bool,
    rendered: Option<String>,
}

#[derive(Deserialize)]
struct CaseMessage {
    role: String,
    content: String,
}

impl Case {
    fn special(&self) -> SpecialTokens {
        let token = |name: &str| self.special.get(name).cloned();
        SpecialTokens {
            bos: token("bos_token"),
            eos: token("eos_token"),
            unk: token("unk_token"),
            pad: token("pad_token"),
        }
    }

    fn messages(&self) -> Vec<Message> {
        self.messages
            .iter()
            .map(|message| Message {
                role: match message.role.as_str() {
                    "system" => Role::System,
                    "user" => Role::User,
                    _ => Role::Assistant,
                },
                content: message.content.clone(),
            })
            .collect()
    }
}

#[test]
fn rendered_as_by_transformers() {
    let path = reference().join("chat_templates/expected.json");
    let cases: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(cases.len() > 100);
    for case in &cases {
        let rendered = template(&case.template, &case.special())
            .render(&case.messages(), case.add_generation_prompt);
        match (&case.rendered, rendered) {
            (Some(expected), Ok(rendered)) => {
                assert_eq!(
                    &rendered,
                    expected,
                    "{}: {:?}",
                    case.template,
                    case.messages()
                );
            }
            (None, Err(ChatTemplateError::Render(_))) => {}
            (expected, found) => panic!("{}: {found:?} instead of {expected:?}", case.template),
        }
    }
}

#[test]
fn a_template_that_refuses_says_why() {
    let special = SpecialTokens {
        bos: Some("<s>".into()),
        ..SpecialTokens::default()
    };
    let llama2 = template("llama2", &special);
    let messages = [Message::user("One"), Message::user("Two")];
    let error = llama2.render(&messages, true).unwrap_err().to_string();
    assert!(error.contains("must alternate user/assistant"), "{error}");
    let error = ChatTemplate::new("{% for %}", &SpecialTokens::default()).unwrap_err();
    assert!(matches!(error, ChatTemplateError::Syntax(_)), "{error}");
}

fn tokenizer(name: &str) -> Tokenizer {
    let path = reference().join("gguf").join(format!("{name}.gguf"));
    Tokenizer::from_gguf(&Gguf::open(path).unwrap()).unwrap()
}

/// Prompt and answer put together are the rendered conversation up to its end of turn.
fn assert_boundary(tokenizer: &Tokenizer, template: &ChatTemplate, answer: &str) {
    let question = [Message::user("Hello there, what is 2 + 2?")];
    let pair = template
        .prompt_and_answer(tokenizer, &question, answer)
        .unwrap();
    assert_eq!(pair.prompt, template.prompt(tokenizer, &question).unwrap());
    let conversation = [question[0].clone(), Message::assistant(answer)];
    let whole = template.render(&conversation, false).unwrap();
    let ids = tokenizer.encode(&whole).unwrap();
    let together = [pair.prompt, pair.answer].concat();
    assert_eq!(together, ids[..together.len()], "{answer:?}");
}

#[test]
fn an_answer_ends_with_the_token_that_ends_the_turn() {
    let tokenizer = tokenizer("bpe");
    let template = template("smollm2", tokenizer.special());
    let frame = template
        .answer_frame(&tokenizer, &[Message::user("Hi")])
        .unwrap();
    assert_eq!(
        (frame.before.as_str(), frame.end_of_turn.as_str()),
        ("", "<|im_end|>")
    );
    assert_eq!(frame.end_token, tokenizer.id("<|im_end|>"));
    for answer in [
        "4",
        "Hello world, it is 4.",
        " leading space",
        "line\n\nbreaks\n",
        "Olá!",
    ] {
        assert_boundary(&tokenizer, &template, answer);
        let question = [Message::user("Hi")];
        let pair = template
            .prompt_and_answer(&tokenizer, &question, answer)
            .unwrap();
        assert_eq!(pair.answer.last().copied(), frame.end_token);
        assert_eq!(tokenizer.decode(&pair.answer).unwrap(), answer);
    }
}

#[test]
fn spaces_around_an_answer_come_from_the_template() {
    let tokenizer = tokenizer("spm");
    let llama2 = template("llama2", tokenizer.special());
    let frame = llama2
        .answer_frame(&tokenizer, &[Message::user("Hi")])
        .unwrap();
    assert_eq!(
        (frame.before.as_str(), frame.end_of_turn.as_str()),
        (" ", " </s>")
    );
    assert_eq!(frame.end_token, tokenizer.eos_id());
    assert_boundary(&tokenizer, &llama2, "Hello world");
    let mistral = template("mistral", tokenizer.special());
    let frame = mistral
        .answer_frame(&tokenizer, &[Message::user("Hi")])
        .unwrap();
    assert_eq!(
        (frame.before.as_str(), frame.end_of_turn.as_str()),
        (" ", "</s>")
    );
    assert_boundary(&tokenizer, &mistral, "Hello world");
    let zephyr = template("zephyr", tokenizer.special());
    assert_boundary(&tokenizer, &zephyr, "Hello world");
}

#[test]
fn a_template_without_an_end_of_turn_falls_back_to_eos() {
    let tokenizer = tokenizer("spm");
    let plain = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}\
                 {% if add_generation_prompt %}assistant: {% endif %}";
    let plain = ChatTemplate::new(plain, tokenizer.special()).unwrap();
    let question = [Message::user("Hello")];
    let frame = plain.answer_frame(&tokenizer, &question).unwrap();
    assert_eq!(
        (frame.end_token, frame.end_of_turn.as_str()),
        (None, "</s>")
    );
    // The prompt ends with a space that would join the answer's first word; at inference the
    // model starts after it, so the answer begins without one.
    let pair = plain
        .prompt_and_answer(&tokenizer, &question, "Hello world")
        .unwrap();
    assert_eq!(pair.prompt, plain.prompt(&tokenizer, &question).unwrap());
    let first = tokenizer.token(pair.answer[0]).unwrap();
    assert!(!first.starts_with('▁'), "the answer begins with {first:?}");
    assert_eq!(pair.answer.last().copied(), tokenizer.eos_id());
}

#[test]
fn a_template_that_hides_the_answer_cannot_be_trained_on() {
    let tokenizer = tokenizer("bpe");
    let hides = ChatTemplate::new("{{ messages[0].content }}", tokenizer.special()).unwrap();
    let error = hides
        .answer_frame(&tokenizer, &[Message::user("Hi")])
        .unwrap_err();
    assert!(
        matches!(error, ChatTemplateError::AnswerNotShown),
        "{error}"
    );
}

#[test]
fn a_header_that_the_template_never_leaves_open_is_the_generation_prompt() {
    let tokenizer = tokenizer("bpe");
    let never = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + \
                 '<|im_end|>\n' }}{% endfor %}";
    let never = ChatTemplate::new(never, tokenizer.special()).unwrap();
    let question = [Message::user("Hi")];
    assert_eq!(
        never.render(&question, true).unwrap(),
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    );
    let pair = never
        .prompt_and_answer(&tokenizer, &question, "Hello world")
        .unwrap();
    assert_eq!(tokenizer.decode(&pair.answer).unwrap(), "Hello world");
    // A template that opens the turn itself, and one whose answers begin with a space, stay as
    // they are.
    let smollm2 = template("smollm2", tokenizer.special());
    let rendered = smollm2.render(&question, true).unwrap();
    assert_eq!(rendered.matches("<|im_start|>assistant").count(), 1);
    let llama2 = template("llama2", tokenizer.special());
    assert!(llama2.render(&question, true).unwrap().ends_with("[/INST]"));
}

/// The error of a template that asks for too much.
fn excess(source: &str) -> String {
    let error = ChatTemplate::new(source, &SpecialTokens::default()).and_then(|template| {
        template
            .render(&[Message::user("Hello, what is this?")], true)
            .map(|text| panic!("{source:.80} wrote {} bytes", text.len()))
    });
    error
        .err()
        .map(|error: ChatTemplateError| error.to_string())
        .unwrap_or_default()
}

#[global_allocator]
static ALLOCATOR: models::allowance::Metered = models::allowance::Metered;

/// Memory of this process in bytes.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// A thread cannot be stopped, but it must not go on to take the machine's memory.
#[cfg(target_os = "linux")]
#[test]
fn a_template_that_is_given_up_takes_no_more() {
    let doubled = "{% set ns = namespace(x='aaaaaaaaaa') %}{% for i in range(999) %}\
                   {% set ns.x = ns.x ~ ns.x %}{% endfor %}";
    let begun = resident();
    let replaced = "{{ ('a' * 99999)|replace('a', 'b' * 9999) }}";
    // Only for conversations that the trial does not show.
    let later = format!("{{% if messages[0].content|length > 5 %}}{doubled}{{% endif %}}");
    for source in [doubled, replaced, &later] {
        let said = excess(source);
        assert!(said.contains("more than 128 MB of memory"), "{said}");
    }
    std::thread::sleep(std::time::Duration::from_secs(1));
    let grown = resident().saturating_sub(begun);
    assert!(grown < 512 << 20, "{} MB", grown >> 20);
}

/// Many conversations are rendered in one piece of work, which may be too much together.
#[test]
fn of_many_conversations_the_one_that_is_too_much_is_named() {
    // Every text has 30 MB, and the fifth conversation runs for ever.
    let source = "{% if 'loop' in messages[0].content %}\
                  {% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}\
                  {% elif messages[0].content != '?' %}{{ 'a' * 30000000 }}{% endif %}";
    let tokenizer = tokenizer("bpe");
    let template = ChatTemplate::new(source, tokenizer.special()).unwrap();
    let turns = ["1", "2", "3", "4", "loop", "6"].map(Message::user);
    let conversations: Vec<_> = turns.iter().map(std::slice::from_ref).collect();
    let unrendered = template.prompts(&tokenizer, &conversations).unwrap_err();
    assert_eq!(unrendered.index, 4);
    let said = unrendered.error.to_string();
    assert!(said.contains("does not come to an end"), "{said}");
}

#[test]
fn a_template_cannot_run_for_ever_or_take_all_memory() {
    let loops = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
    assert!(
        excess(loops).contains("does not come to an end"),
        "{}",
        excess(loops)
    );
    // Only for conversations that the trial does not show.
    let later = format!("{{% if messages[0].content|length > 5 %}}{loops}{{% endif %}}");
    assert!(excess(&later).contains("does not come to an end"));
    let doubled = "{% set ns = namespace(x='aaaaaaaaaa') %}{% for i in range(26) %}\
                   {% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}";
    assert!(
        excess(doubled).contains("MB of memory"),
        "{}",
        excess(doubled)
    );
    let long = format!("{{# {} #}}", "x".repeat(200 << 10));
    assert!(excess(&long).contains("200 kB long"), "{}", excess(&long));
    for (source, reason) in [
        ("{{ [1]|tojson(indent=18446744073709551615) }}", "tojson"),
        ("{{ 'a\nb'|indent(18446744073709551615) }}", "indent"),
        (
            "{{ [1, 2]|slice(10000000000)|list|length }}",
            "slice(10000000000)",
        ),
        (
            "{{ [1, 2]|batch(10000000000)|list|length }}",
            "batch(10000000000)",
        ),
    ] {
        assert!(
            excess(source).contains(reason),
            "{source}: {}",
            excess(source)
        );
    }
}

#[test]
fn deep_and_broken_templates_are_errors() {
    for operator in ["not ", "-"] {
        let deep = format!("{{{{ {}1 }}}}", operator.repeat(20_000));
        // Either is fine: what counts is that the stack holds.
        let _ = ChatTemplate::new(&deep, &SpecialTokens::default());
    }
    for broken in ["{%}", "{%", "{%}%}", "a {%} b", "{% generation", "{{", "{#"] {
        let _ = ChatTemplate::new(broken, &SpecialTokens::default());
    }
    let error = ChatTemplate::new("{%} b", &SpecialTokens::default()).unwrap_err();
    assert!(matches!(error, ChatTemplateError::Syntax(_)), "{error}");
}
