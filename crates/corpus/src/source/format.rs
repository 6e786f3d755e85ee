//! The layouts of instruction data, and telling one from another.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SourceError;

/// Names of the columns of instruction data, by LLaMA-Factory's names for them. What is not named
/// is told from the first rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Columns {
    /// The question.
    pub prompt: Option<String>,
    /// A continuation of the question, on a line of its own.
    pub query: Option<String>,
    /// The answer.
    pub response: Option<String>,
    /// The turns of a conversation, in place of question and answer.
    pub messages: Option<String>,
    /// Earlier turns, as pairs of a question and an answer.
    pub history: Option<String>,
    /// The system prompt.
    pub system: Option<String>,
    /// In a turn, the key that says who speaks.
    pub role: Option<String>,
    /// In a turn, the key of what is said.
    pub content: Option<String>,
    /// The user's name in turns.
    pub user: Option<String>,
    /// The assistant's name in turns.
    pub assistant: Option<String>,
}

/// Columns with questions, in the order in which they are tried.
const PROMPTS: [&str; 7] = [
    "instruction",
    "prompt",
    "question",
    "query",
    "input",
    "user",
    "human",
];
/// Columns that continue a question called `instruction`.
const QUERIES: [&str; 2] = ["input", "context"];
/// Columns with answers.
const RESPONSES: [&str; 5] = ["output", "completion", "answer", "response", "assistant"];
/// Columns with the turns of a conversation.
const MESSAGES: [&str; 6] = [
    "conversations",
    "messages",
    "conversation",
    "dialogue",
    "dialog",
    "chat",
];
/// Columns with system prompts.
const SYSTEMS: [&str; 2] = ["system", "system_prompt"];
const HISTORY: &str = "history";
/// Keys of who speaks, and of what is said.
const ROLES: [&str; 4] = ["role", "from", "speaker", "author"];
const CONTENTS: [&str; 4] = ["content", "value", "text", "message"];

/// Rows that a layout is told from.
pub(super) const SAMPLE: usize = 16;

/// Where question and answer of a row are.
#[derive(Debug, Clone)]
pub(super) struct Layout(pub Columns);

impl Columns {
    /// Whether the column `name` may be needed.
    pub(super) fn may_need(&self, name: &str) -> bool {
        let usual = PROMPTS.iter().chain(&QUERIES).chain(&RESPONSES);
        let usual = usual
            .chain(&MESSAGES)
            .chain(&SYSTEMS)
            .chain(&[HISTORY, "id"]);
        let own = [
            &self.prompt,
            &self.query,
            &self.response,
            &self.messages,
            &self.history,
            &self.system,
        ];
        own.iter().any(|own| own.as_deref() == Some(name))
            || usual
                .into_iter()
                .any(|usual| usual.eq_ignore_ascii_case(name))
    }
}

impl Layout {
    /// The layout of the file at `path`: the names in `own`, and what the first `rows` show. `names`
    /// are all its columns, if they are known without the rows.
    pub fn detect(
        path: &Path,
        own: &Columns,
        rows: &[Value],
        names: &[String],
    ) -> Result<Layout, SourceError> {
        let mut columns = own.clone();
        // Without one object to go by every row is going to be rejected for that.
        let Some(first) = rows.iter().find_map(Value::as_object) else {
            columns.prompt.get_or_insert(PROMPTS[0].to_owned());
            columns.response.get_or_insert(RESPONSES[0].to_owned());
            return match names.is_empty() {
                true => Ok(Layout(columns)),
                false => Err(unknown(path, names.iter().map(String::as_str))),
            };
        };
        if columns.messages.is_none() && (columns.prompt.is_none() || columns.response.is_none()) {
            let fitting = |wanted: &[(&str, &str)]| {
                let has = |row: &&Value| {
                    let mut keys = wanted.iter().map(|(usual, own)| key(row, usual, own));
                    match wanted {
                        // Text in a column called "chat" or the like is no conversation.
                        [_] => keys.next().flatten().is_some_and(|key| row[key].is_array()),
                        _ => keys.all(|key| key.is_some()),
                    }
                };
                rows.iter().filter(has).count()
            };
            let named = |own: &Option<String>| own.clone().unwrap_or_default();
            let (prompt, response) = (named(&own.prompt), named(&own.response));
            let flat = PROMPTS
                .iter()
                .flat_map(|asked| RESPONSES.iter().map(move |said| (asked, said)));
            let flat = flat
                .map(|(asked, said)| vec![(*asked, prompt.as_str()), (*said, response.as_str())]);
            let turns = MESSAGES.iter().map(|turns| vec![(*turns, "")]);
            // Alpaca is tried first, then conversations, whose rows may have further columns.
            let flat: Vec<_> = flat.collect();
            let candidates = flat[..1]
                .iter()
                .cloned()
                .chain(turns)
                .chain(flat[1..].iter().cloned());
            let mut best = (0, Vec::new());
            for candidate in candidates {
                let count = fitting(&candidate);
                if count > best.0 {
                    best = (count, candidate);
                }
            }
            let row = |best: &(&str, &str)| {
                rows.iter()
                    .find_map(|row| key(row, best.0, best.1))
                    .map(str::to_owned)
            };
            match best.1.as_slice() {
                [asked, said] => (columns.prompt, columns.response) = (row(asked), row(said)),
                [turns] if own.prompt.is_none() && own.response.is_none() => {
                    columns.messages = row(turns);
                }
                _ => match names.is_empty() {
                    true => return Err(unknown(path, first.keys().map(String::as_str))),
                    false => return Err(unknown(path, names.iter().map(String::as_str))),
                },
            }
        }
        let found = |usual: &[&str]| {
            let usual = usual.iter();
            usual
                .filter_map(|usual| rows.iter().find_map(|row| key(row, usual, "")))
                .map(str::to_owned)
                .next()
        };
        let is_instruction = |prompt: &String| prompt.eq_ignore_ascii_case(PROMPTS[0]);
        if columns.prompt.as_ref().is_some_and(is_instruction) {
            columns.query = columns.query.or_else(|| found(&QUERIES));
        }
        columns.system = columns.system.or_else(|| found(&SYSTEMS));
        columns.history = columns.history.or_else(|| found(&[HISTORY]));
        if let Some(turns) = &columns.messages {
            let turns = rows.iter().filter_map(|row| row.get(turns)?.as_array());
            let turns: Vec<&Value> = turns.flatten().collect();
            let named = |usual: &[&str]| {
                let usual = usual.iter();
                usual
                    .filter_map(|usual| turns.iter().find_map(|turn| key(turn, usual, "")))
                    .map(str::to_owned)
                    .next()
            };
            columns.role = columns.role.or_else(|| named(&ROLES));
            columns.content = columns.content.or_else(|| named(&CONTENTS));
        }
        Ok(Layout(columns))
    }
}

/// The key of `row` that is called `own` or, if that is empty, `usual` in any case.
fn key<'r>(row: &'r Value, usual: &str, own: &str) -> Option<&'r str> {
    let mut keys = row.as_object()?.keys().map(String::as_str);
    match own.is_empty() {
        true => keys.find(|key| key.eq_ignore_ascii_case(usual)),
        false => keys.find(|key| *key == own),
    }
}

fn unknown<'n>(path: &Path, names: impl Iterator<Item = &'n str>) -> SourceError {
    let names: Vec<&str> = names.collect();
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    SourceError::UnknownFormat {
        path: path.to_owned(),
        keys: match quoted.is_empty() {
            true => "none (its first row is empty)".to_owned(),
            false => quoted.join(", "),
        },
        example: names.first().copied().unwrap_or("…").to_owned(),
    }
}
