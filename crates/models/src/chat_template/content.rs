//! Messages in which names of control tokens are marked as text before a template sees them.

use std::borrow::Cow;

use super::{ChatTemplate, Message};
use crate::tokenizer::{Mark, Tokenizer, TokenizerError};

/// Messages and an answer, ready to be rendered and encoded.
pub(super) struct Content<'a> {
    pub messages: Cow<'a, [Message]>,
    pub answer: Cow<'a, str>,
    /// The mark in them, if one of them names a control token.
    pub mark: Option<Mark>,
    tokenizer: &'a Tokenizer,
}

impl<'a> Content<'a> {
    pub fn of(
        template: &ChatTemplate,
        tokenizer: &'a Tokenizer,
        messages: &'a [Message],
        answer: &'a str,
    ) -> Self {
        let written = |name: &str| template.source().contains(name);
        let texts = messages.iter().map(|message| message.content.as_str());
        let mark = tokenizer.mark_for(texts.chain([answer]), &written);
        let marked = |text: &str, mark| tokenizer.marked(text, mark, &written);
        let message = |message: &Message, mark| Message {
            role: message.role,
            content: marked(&message.content, mark),
        };
        Self {
            messages: match mark {
                None => messages.into(),
                Some(mark) => messages.iter().map(|turn| message(turn, mark)).collect(),
            },
            answer: match mark {
                None => answer.into(),
                Some(mark) => marked(answer, mark).into(),
            },
            mark,
            tokenizer,
        }
    }

    /// Ids of a rendering of the messages or the answer.
    pub fn encode(&self, rendered: &str) -> Result<Vec<u32>, TokenizerError> {
        self.tokenizer.encode_rendered(rendered, self.mark)
    }
}
