//! Ollama's `Modelfile` for a GGUF file.

use std::fmt::Write;

use crate::chat_template::{ChatTemplate, Message};
use crate::language_model::LanguageModel;

/// The `Modelfile` of a model in the GGUF file `file` beside it: the tokens that end an answer, and
/// the chat template as one of Ollama's, if the parts around turns can be told apart.
///
/// Format: <https://github.com/ollama/ollama/blob/main/docs/modelfile.md>
pub fn modelfile(model: &LanguageModel, file: &str) -> String {
    let mut text = format!("FROM ./{file}\n");
    let stops = model.stop_tokens.iter();
    for stop in stops.filter_map(|&id| model.tokenizer.token(id)) {
        let _ = writeln!(text, "PARAMETER stop {stop:?}");
    }
    let length = model.config.max_position_embeddings;
    let _ = writeln!(text, "PARAMETER num_ctx {}", length.min(8192));
    let template = model.chat_template.as_ref();
    let bos = model.tokenizer.special().bos.as_deref();
    let bos = bos.filter(|_| adds_bos(model));
    match template.and_then(|template| go_template(template, bos)) {
        Some(template) => {
            let _ = writeln!(text, "TEMPLATE \"\"\"{template}\"\"\"");
        }
        None if template.is_some() => text.push_str(
            "# The chat template is in the GGUF file; Ollama recognises the widespread ones.\n",
        ),
        None => text.push_str("TEMPLATE \"{{ .Prompt }}\"\n"),
    }
    text
}

/// Whether the first token is added to every text, so that it must not stand in the template.
fn adds_bos(model: &LanguageModel) -> bool {
    let ids = model.tokenizer.encode_plain("a").unwrap_or_default();
    ids.first().copied() == model.tokenizer.bos_id()
}

const SYSTEM: &str = "SYSTEMGOESHERE";
const FIRST: &str = "FIRSTGOESHERE";
const ANSWER: &str = "ANSWERGOESHERE";
const SECOND: &str = "SECONDGOESHERE";

/// The template in Go's language. Rendered conversations show what stands before, between and
/// after the turns; `None` if that depends on more than the roles.
fn go_template(template: &ChatTemplate, bos: Option<&str>) -> Option<String> {
    let dialogue = [
        Message::user(FIRST),
        Message::assistant(ANSWER),
        Message::user(SECOND),
    ];
    let plain = template.render(&dialogue, true).ok()?;
    let [opening, to_answer, to_user, to_last] = around(&plain, [FIRST, ANSWER, SECOND])?;
    // Ollama adds the first token itself.
    let without_bos = |text: &str| {
        bos.and_then(|bos| text.strip_prefix(bos))
            .unwrap_or(text)
            .to_owned()
    };
    let one = template.render(&dialogue[..1], true).ok()?;
    if to_answer != to_last || one != format!("{opening}{FIRST}{to_last}") {
        return None;
    }
    let with_system: Vec<Message> = [Message::system(SYSTEM)]
        .into_iter()
        .chain(dialogue)
        .collect();
    let system = template.render(&with_system, true).ok();
    let system = system.and_then(|text| around(&text, [SYSTEM, FIRST, ANSWER, SECOND]));
    let system = match system {
        Some([before, to_first, after_first, after_answer, end])
            if [&after_first, &after_answer, &end] == [&to_answer, &to_user, &to_last] =>
        {
            let before = without_bos(&before);
            format!(
                "{{{{ if eq $m.Role \"system\" }}}}{before}{{{{ $m.Content }}}}{to_first}{{{{ else }}}}"
            )
        }
        _ => "{{ if ne $m.Role \"system\" }}".to_owned(),
    };
    let opening = without_bos(&opening);
    let text = format!(
        "{{{{ range $i, $m := .Messages }}}}{system}\
         {{{{ if eq $m.Role \"user\" }}}}{{{{ if eq $i 0 }}}}{opening}{{{{ end }}}}{{{{ $m.Content }}}}{to_last}\
         {{{{ else }}}}{{{{ $m.Content }}}}{to_user}{{{{ end }}}}{{{{ end }}}}{{{{ end }}}}"
    );
    let parts = [&opening, &to_user, &to_last];
    let free = parts
        .iter()
        .all(|part| !part.contains("{{") && !part.contains("\"\"\""));
    free.then_some(text)
}

/// The texts before, between and after the marks, which each occur once and in this order.
fn around<const N: usize, const M: usize>(text: &str, marks: [&str; N]) -> Option<[String; M]> {
    let mut parts = Vec::with_capacity(M);
    let mut rest = text;
    for mark in marks {
        let (before, after) = rest.split_once(mark)?;
        parts.push(before.to_owned());
        rest = after;
    }
    parts.push(rest.to_owned());
    parts.try_into().ok()
}
