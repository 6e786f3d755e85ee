//! Chat templates for base models, which bring none.

/// Names of the built-in templates, with their text.
const TEMPLATES: [(&str, &str); 3] = [
    ("alpaca", include_str!("builtin/alpaca.jinja")),
    ("chatml", include_str!("builtin/chatml.jinja")),
    ("llama2", include_str!("builtin/llama2.jinja")),
];

/// The names of the built-in templates.
pub fn names() -> impl Iterator<Item = &'static str> {
    TEMPLATES.iter().map(|(name, _)| *name)
}

/// The built-in template called `name`.
pub fn source(name: &str) -> Option<&'static str> {
    let mut templates = TEMPLATES.iter();
    templates
        .find(|(known, _)| *known == name)
        .map(|(_, source)| *source)
}

#[cfg(test)]
mod tests {
    use crate::chat_template::{ChatTemplate, Message};
    use crate::tokenizer::SpecialTokens;

    fn rendered(name: &str, system: bool) -> (String, String) {
        let special = SpecialTokens {
            bos: Some("<s>".into()),
            eos: Some("</s>".into()),
            ..SpecialTokens::default()
        };
        let template = ChatTemplate::new(super::source(name).unwrap(), &special).unwrap();
        let mut messages = vec![Message::user("Name a city.")];
        if system {
            messages.insert(0, Message::system("Be brief."));
        }
        let prompt = template.render(&messages, true).unwrap();
        messages.push(Message::assistant("Porto."));
        let whole = template.render(&messages, false).unwrap();
        let answer = whole.strip_prefix(&prompt);
        let answer =
            answer.unwrap_or_else(|| panic!("{name}: {prompt:?} does not begin {whole:?}"));
        (prompt.clone(), answer.to_owned())
    }

    #[test]
    fn built_in_templates_are_those_of_their_models() {
        for (name, system, prompt, answer) in [
            (
                "alpaca",
                false,
                "<s>Below is an instruction that describes a task. Write a response that appropriately completes \
                 the request.\n\n### Instruction:\nName a city.\n\n### Response:\n",
                "Porto.</s>",
            ),
            (
                "alpaca",
                true,
                "<s>Be brief.\n\n### Instruction:\nName a city.\n\n### Response:\n",
                "Porto.</s>",
            ),
            (
                "llama2",
                false,
                "<s>[INST] Name a city. [/INST]",
                " Porto. </s>",
            ),
            (
                "llama2",
                true,
                "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nName a city. [/INST]",
                " Porto. </s>",
            ),
            (
                "chatml",
                true,
                "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nName a city.<|im_end|>\n<|im_start|>assistant\n",
                "Porto.<|im_end|>\n",
            ),
        ] {
            assert_eq!(
                rendered(name, system),
                (prompt.to_owned(), answer.to_owned()),
                "{name}"
            );
        }
    }
}
