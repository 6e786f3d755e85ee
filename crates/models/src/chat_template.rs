//! Chat templates: Jinja programs, shipped with a model, that render a conversation as text.
//!
//! Rendered as in Transformers (`chat_template_utils.py`): trimmed blocks, loop controls, Python's
//! string methods, `raise_exception`, `strftime_now` and its own `tojson`.

mod bounds;
pub mod builtin;
mod content;
mod environment;

use std::sync::Arc;

use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use serde::Serialize;

use bounds::Fault;
use content::Content;

use crate::tokenizer::{SpecialTokens, Tokenizer, TokenizerError};

/// Error returned when a conversation cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum ChatTemplateError {
    /// The template is not valid Jinja.
    #[error("the chat template cannot be read: {0}")]
    Syntax(String),
    /// The template refused the conversation, or failed.
    #[error("the chat template cannot render this conversation: {0}")]
    Render(String),
    /// The template asks for more than any conversation needs.
    #[error(
        "the chat template {0}; no template of a published model does, so check where it comes \
         from, or put another chat_template.jinja beside the model"
    )]
    Excessive(String),
    /// The template omits the assistant's answer.
    #[error("the chat template does not show the assistant's answer, so it cannot be trained on")]
    AnswerNotShown,
    /// The tokenizer failed on the rendered text.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

/// The first of many conversations that cannot be rendered.
#[derive(Debug)]
pub struct Unrendered {
    /// Its index among them.
    pub index: usize,
    /// Why it cannot.
    pub error: ChatTemplateError,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions from the operator.
    System,
    /// The human.
    User,
    /// The model.
    Assistant,
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A turn of the user.
    pub fn user(content: impl Into<String>) -> Self {
        Self {
            role: Role::User,
            content: content.into(),
        }
    }

    /// A turn of the model.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self {
            role: Role::Assistant,
            content: content.into(),
        }
    }

    /// The system prompt.
    pub fn system(content: impl Into<String>) -> Self {
        Self {
            role: Role::System,
            content: content.into(),
        }
    }
}

/// The text around the assistant's answer: found by rendering, never assumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerFrame {
    /// Text between the generation prompt and the answer; often empty, a space in Llama 2.
    pub before: String,
    /// Text after the answer up to and including the token that ends the turn.
    pub end_of_turn: String,
    /// The token that ends the turn. `None` if the template ends a turn with plain text or not at
    /// all: such a model learns to stop only from its EOS, which is then `end_of_turn`.
    pub end_token: Option<u32>,
}

/// A question and its answer as token ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptAndAnswer {
    /// The input at inference: the conversation up to the model's turn.
    pub prompt: Vec<u32>,
    /// The model's answer, including the token that ends its turn.
    pub answer: Vec<u32>,
}

/// A chat template.
#[derive(Debug, Clone)]
pub struct ChatTemplate {
    environment: Result<Arc<Environment<'static>>, Fault>,
    source: String,
    special: SpecialTokens,
    /// What begins the model's turn, of a template that knows no `add_generation_prompt`.
    header: String,
}

/// Placeholder for an answer while the text around answers is being determined.
const PLACEHOLDER: &str = "ANSWERGOESHERE";

impl ChatTemplate {
    /// Compiles `source`; `special` are the tokens the template may name.
    pub fn new(source: &str, special: &SpecialTokens) -> Result<Self, ChatTemplateError> {
        let template = Self::unchecked(source, special);
        template.check().map(|()| template)
    }

    /// [`ChatTemplate::new`] of a template that may be faulty, which matters only to those who use
    /// it: every rendering then fails with the reason.
    pub fn unchecked(source: &str, special: &SpecialTokens) -> Self {
        let tokens = special.clone();
        let compiled = bounds::compile(source, move |environment| header(environment, &tokens));
        let (environment, header) = match compiled {
            Ok((environment, header)) => (Ok(Arc::new(environment)), header),
            Err(fault) => (Err(fault), String::new()),
        };
        Self {
            environment,
            source: source.to_owned(),
            special: special.clone(),
            header,
        }
    }

    /// Fails if the template `source` is of no use to any model: it cannot be compiled, or does not
    /// render a question and its answer.
    pub fn try_out(source: &str) -> Result<(), ChatTemplateError> {
        let token = |name: &str| Some(name.to_owned());
        let template = Self::new(
            source,
            &SpecialTokens {
                bos: token("<s>"),
                eos: token("</s>"),
                unk: token("<unk>"),
                pad: token("<pad>"),
            },
        )?;
        let turns = [Message::user("?"), Message::assistant(PLACEHOLDER)];
        template.render(&turns[..1], true)?;
        match template.render(&turns, false)?.contains(PLACEHOLDER) {
            true => Ok(()),
            false => Err(ChatTemplateError::AnswerNotShown),
        }
    }

    /// Fails if the template cannot be compiled.
    pub fn check(&self) -> Result<(), ChatTemplateError> {
        (self.environment.as_ref()).map_or_else(|fault| Err(fault.clone().into()), |_| Ok(()))
    }

    /// The template's text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The conversation as text; with `add_generation_prompt`, it ends where the model's turn
    /// begins.
    pub fn render(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<String, ChatTemplateError> {
        only(self.render_all(&[messages], add_generation_prompt))
    }

    /// [`ChatTemplate::render`] of many conversations.
    fn render_all(
        &self,
        conversations: &[&[Message]],
        add_generation_prompt: bool,
    ) -> Result<Vec<String>, Unrendered> {
        let failed = |(index, fault): (usize, Fault)| Unrendered {
            index,
            error: fault.into(),
        };
        let environment = self.environment.as_ref();
        let environment = environment.map_err(|fault| failed((0, fault.clone())))?;
        let contexts = conversations
            .iter()
            .map(|messages| conversation(&self.special, messages, add_generation_prompt))
            .collect();
        let mut texts = bounds::render_watched(environment, contexts).map_err(failed)?;
        if add_generation_prompt {
            texts
                .iter_mut()
                .for_each(|text| text.push_str(&self.header));
        }
        Ok(texts)
    }

    /// Ids of the conversation `messages`, ready for generation. What a message contains is text,
    /// whatever it looks like.
    pub fn prompt(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
    ) -> Result<Vec<u32>, ChatTemplateError> {
        only(self.prompts(tokenizer, &[messages]))
    }

    /// Ids of many conversations, each as from [`ChatTemplate::prompt`].
    pub fn prompts(
        &self,
        tokenizer: &Tokenizer,
        conversations: &[&[Message]],
    ) -> Result<Vec<Vec<u32>>, Unrendered> {
        let conversations: Vec<_> = conversations.iter().map(|turns| (*turns, "")).collect();
        self.encode_all(tokenizer, &conversations, |content, rendered| {
            content.encode(rendered)
        })
    }

    /// The text that the template writes around an answer to `messages`.
    pub fn answer_frame(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
    ) -> Result<AnswerFrame, ChatTemplateError> {
        let prompt = self.render(messages, true)?;
        let mut conversation = messages.to_vec();
        conversation.push(Message::assistant(PLACEHOLDER));
        let whole = self.render(&conversation, false)?;
        let at = whole
            .rfind(PLACEHOLDER)
            .ok_or(ChatTemplateError::AnswerNotShown)?;
        let before = whole[..at].strip_prefix(prompt.as_str()).unwrap_or("");
        let after = &whole[at + PLACEHOLDER.len()..];
        match first_special(tokenizer, after)? {
            Some((end, id)) => Ok(AnswerFrame {
                before: before.to_owned(),
                end_of_turn: after[..end].to_owned(),
                end_token: Some(id),
            }),
            None => Ok(AnswerFrame {
                before: before.to_owned(),
                end_of_turn: self.special.eos.clone().unwrap_or_default(),
                end_token: None,
            }),
        }
    }

    /// Ids of a conversation and of its answer, split exactly where generation begins.
    ///
    /// The prompt is tokenised as at inference. If its ids are a prefix of the ids of the whole
    /// text, the answer is the rest. If a token would span the boundary, the answer is tokenised
    /// separately, since at inference the model continues the prompt's own ids.
    pub fn prompt_and_answer(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
        answer: &str,
    ) -> Result<PromptAndAnswer, ChatTemplateError> {
        let frame = self.answer_frame(tokenizer, messages)?;
        only(self.prompts_and_framed_answers(tokenizer, &frame, &[(messages, answer)]))
    }

    /// [`ChatTemplate::prompt_and_answer`] of many conversations, with the result of
    /// [`ChatTemplate::answer_frame`] for one with the same turns.
    pub fn prompts_and_framed_answers(
        &self,
        tokenizer: &Tokenizer,
        frame: &AnswerFrame,
        conversations: &[(&[Message], &str)],
    ) -> Result<Vec<PromptAndAnswer>, Unrendered> {
        self.encode_all(tokenizer, conversations, |content, rendered| {
            let prompt = content.encode(rendered)?;
            let answer = format!("{}{}{}", frame.before, content.answer, frame.end_of_turn);
            let whole = content.encode(&format!("{rendered}{answer}"))?;
            let answer = match whole.strip_prefix(prompt.as_slice()) {
                Some(rest) => rest.to_vec(),
                None => tokenizer.encode_continuation(&answer, content.mark)?,
            };
            Ok(PromptAndAnswer { prompt, answer })
        })
    }

    /// What `encode` makes of every conversation with its answer and of its rendering, which ends
    /// where the model's turn begins.
    fn encode_all<T>(
        &self,
        tokenizer: &Tokenizer,
        conversations: &[(&[Message], &str)],
        encode: impl Fn(&Content<'_>, &str) -> Result<T, TokenizerError>,
    ) -> Result<Vec<T>, Unrendered> {
        let contents: Vec<_> = conversations
            .iter()
            .map(|(messages, answer)| Content::of(self, tokenizer, messages, answer))
            .collect();
        let messages: Vec<_> = contents.iter().map(|content| &*content.messages).collect();
        let rendered = self.render_all(&messages, true)?;
        let encoded = contents.iter().zip(&rendered).enumerate();
        let encoded = encoded.map(|(index, (content, rendered))| {
            encode(content, rendered).map_err(|error| Unrendered {
                index,
                error: error.into(),
            })
        });
        encoded.collect()
    }
}

/// The result for one conversation.
fn only<T>(results: Result<Vec<T>, Unrendered>) -> Result<T, ChatTemplateError> {
    let mut results = results.map_err(|failed| failed.error)?;
    Ok(results.remove(0))
}

/// What the template is given of a conversation.
fn conversation(
    special: &SpecialTokens,
    messages: &[Message],
    add_generation_prompt: bool,
) -> Value {
    let special = Value::from_pairs(special.named());
    context! {
        messages => Serde(messages),
        add_generation_prompt,
        tools => (),
        documents => (),
        ..special
    }
}

/// What the template writes before an answer, if it does not write it when the model's turn begins
/// because it knows no `add_generation_prompt`: the model would be taught to write it. White space
/// is left to the answer.
///
/// Fails only if the template exceeds a bound: what it refuses here may be no conversation to it.
fn header(environment: &Environment<'static>, special: &SpecialTokens) -> Result<String, Fault> {
    let turns = [Message::user("?"), Message::assistant(PLACEHOLDER)];
    let mut texts = [(1, true), (1, false), (2, false)]
        .map(|(shown, prompt)| conversation(special, &turns[..shown], prompt))
        .map(|context| bounds::render(environment, &context));
    for text in &mut texts {
        if let Err(error @ Fault::Excessive(_)) = text {
            return Err(error.clone());
        }
    }
    let [Ok(prompt), Ok(without), Ok(whole)] = texts else {
        return Ok(String::new());
    };
    let before = whole.rfind(PLACEHOLDER).map(|at| &whole[..at]);
    let header = before.and_then(|before| before.strip_prefix(prompt.as_str()));
    let header = header.filter(|header| prompt == without && !header.trim().is_empty());
    Ok(header.unwrap_or_default().to_owned())
}

/// The end of the first special token in `text` and its id.
fn first_special(
    tokenizer: &Tokenizer,
    text: &str,
) -> Result<Option<(usize, u32)>, TokenizerError> {
    let found = tokenizer
        .encode(text)?
        .into_iter()
        .find(|&id| tokenizer.is_special(id));
    Ok(found.and_then(|id| {
        let name = tokenizer.token(id)?;
        Some((text.find(&name)? + name.len(), id))
    }))
}
