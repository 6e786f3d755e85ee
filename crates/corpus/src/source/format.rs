//! The layouts of instruction data, and telling one from another.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::SourceError;

/// The layout of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// `instruction`, optional `input`, `output`; optional `system` and `history`.
    Alpaca,
    /// `conversations`: a list of `{"from": "human" | "gpt", "value": …}`.
    Sharegpt,
    /// `messages`: a list of `{"role": "user" | "assistant", "content": …}`.
    Messages,
    /// `prompt` and `completion`, texts or lists of messages.
    PromptCompletion,
    /// `question` and `answer`.
    QuestionAnswer,
}

/// Names of a row's columns, by LLaMA-Factory's names for them; by default the format's own.
#[derive(Debug, Clone, Default)]
pub(super) struct Columns {
    /// The question.
    pub prompt: Option<String>,
    /// A continuation of the question, on a line of its own.
    pub query: Option<String>,
    /// The answer.
    pub response: Option<String>,
    /// The turns of a conversation.
    pub messages: Option<String>,
    /// Earlier turns, as pairs of a question and an answer.
    pub history: Option<String>,
    /// The system prompt.
    pub system: Option<String>,
}

/// Names within a conversation's turns, by LLaMA-Factory's names for them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Tags {
    /// The key that says who speaks.
    pub role_tag: Option<String>,
    /// The key of what is said.
    pub content_tag: Option<String>,
    /// The user's name.
    pub user_tag: Option<String>,
    /// The assistant's name.
    pub assistant_tag: Option<String>,
    /// The system prompt's name.
    pub system_tag: Option<String>,
}

/// A format with every name in it settled.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub columns: Columns,
    pub tags: Tags,
}

/// In the order they are tried.
const FORMATS: [Format; 5] = [
    Format::Alpaca,
    Format::Sharegpt,
    Format::Messages,
    Format::PromptCompletion,
    Format::QuestionAnswer,
];

impl Format {
    fn columns(self) -> Columns {
        let name = |name: &str| Some(name.to_owned());
        let flat = |prompt, response| Columns {
            prompt: name(prompt),
            response: name(response),
            system: name("system"),
            ..Columns::default()
        };
        let turns = |messages| Columns {
            messages: name(messages),
            system: name("system"),
            ..Columns::default()
        };
        match self {
            Format::Alpaca => Columns {
                query: name("input"),
                history: name("history"),
                ..flat("instruction", "output")
            },
            Format::Sharegpt => turns("conversations"),
            Format::Messages => turns("messages"),
            Format::PromptCompletion => flat("prompt", "completion"),
            Format::QuestionAnswer => flat("question", "answer"),
        }
    }

    fn tags(self) -> Tags {
        let name = |name: &str| Some(name.to_owned());
        let (role, content) = match self {
            Format::Sharegpt => ("from", "value"),
            _ => ("role", "content"),
        };
        Tags {
            role_tag: name(role),
            content_tag: name(content),
            ..Tags::default()
        }
    }
}

impl Layout {
    /// A format with some of its names replaced.
    pub fn new(format: Format, columns: Columns, tags: Tags) -> Layout {
        let (own_columns, own_tags) = (format.columns(), format.tags());
        let columns = Columns {
            prompt: columns.prompt.or(own_columns.prompt),
            query: columns.query.or(own_columns.query),
            response: columns.response.or(own_columns.response),
            messages: columns.messages.or(own_columns.messages),
            history: columns.history.or(own_columns.history),
            system: columns.system.or(own_columns.system),
        };
        let tags = Tags {
            role_tag: tags.role_tag.or(own_tags.role_tag),
            content_tag: tags.content_tag.or(own_tags.content_tag),
            ..tags
        };
        Layout { columns, tags }
    }

    /// The layout that fits most of the first rows.
    pub fn detect(path: &Path, rows: &[Value]) -> Result<Layout, SourceError> {
        let layouts =
            FORMATS.map(|format| Layout::new(format, Columns::default(), Tags::default()));
        let fitting = |layout: &Layout| rows.iter().filter(|row| layout.fits(row)).count();
        let most = layouts.iter().map(fitting).max().unwrap_or(0);
        let found = layouts
            .iter()
            .find(|layout| most > 0 && fitting(layout) == most);
        match (found, rows.first().and_then(Value::as_object)) {
            (Some(layout), _) => Ok(layout.clone()),
            (None, Some(row)) => {
                let keys: Vec<_> = row.keys().map(|key| format!("\"{key}\"")).collect();
                Err(SourceError::UnknownFormat {
                    path: path.to_owned(),
                    keys: keys.join(", "),
                })
            }
            // Without one object to go by every row is going to be rejected for that.
            (None, None) => Ok(layouts[0].clone()),
        }
    }

    fn fits(&self, row: &Value) -> bool {
        let has = |name: &Option<String>| name.as_ref().is_some_and(|name| row.get(name).is_some());
        has(&self.columns.messages) || has(&self.columns.prompt) && has(&self.columns.response)
    }
}
