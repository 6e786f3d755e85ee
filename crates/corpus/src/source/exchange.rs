//! One question and its answer, taken out of a row of any layout.

use serde_json::Value;

use super::Broken;
use super::format::Layout;
use super::text::{abridged, text_fault};

/// The first exchange of a row.
#[derive(Debug, PartialEq)]
pub(super) struct Exchange {
    /// The row's own identifier.
    pub id: Option<String>,
    pub question: String,
    pub answer: String,
    /// System prompts that were left out.
    pub system: u32,
    /// Turns after the first answer that were left out.
    pub later_turns: u32,
}

/// The reason a row has no exchange, and the finding.
type Reason = (&'static str, String);

impl Exchange {
    /// Takes the first exchange out of `row`.
    pub fn of(row: Value, layout: &Layout) -> Result<Exchange, Broken> {
        match Self::try_of(&row, layout) {
            Ok(exchange) => Ok(exchange),
            Err((reason, detail)) => Err(Broken {
                reason,
                detail,
                row: abridged(row),
            }),
        }
    }

    fn try_of(row: &Value, layout: &Layout) -> Result<Exchange, Reason> {
        if !row.is_object() {
            return Err((
                "not_an_object",
                format!("expected an object, found {}", kind(row)),
            ));
        }
        let columns = &layout.0;
        let mut exchange = match &columns.messages {
            Some(column) => of_turns(required(row, column)?, layout)?,
            None => of_columns(row, layout)?,
        };
        let system = columns.system.as_ref().and_then(|column| row.get(column));
        exchange.system += u32::from(
            system
                .and_then(Value::as_str)
                .is_some_and(|s| !s.trim().is_empty()),
        );
        exchange.id = match row.get("id") {
            Some(Value::String(id)) if !id.trim().is_empty() => Some(id.trim().to_owned()),
            Some(Value::Number(id)) => Some(id.to_string()),
            _ => None,
        };
        if exchange.question.is_empty() {
            return Err(("empty_question", "the question is empty".into()));
        }
        if exchange.answer.is_empty() {
            return Err(("empty_answer", "the answer is empty".into()));
        }
        let texts = [&exchange.question, &exchange.answer];
        if let Some(fault) = texts.into_iter().find_map(|text| text_fault(text)) {
            return Err(fault);
        }
        Ok(exchange)
    }

    fn new(question: &str, answer: &str) -> Exchange {
        let (question, answer) = (question.trim().to_owned(), answer.trim().to_owned());
        Exchange {
            id: None,
            question,
            answer,
            system: 0,
            later_turns: 0,
        }
    }
}

/// Layouts with one column for the question and one for the answer.
fn of_columns(row: &Value, layout: &Layout) -> Result<Exchange, Reason> {
    let columns = &layout.0;
    let column = |name: &Option<String>| name.clone().unwrap_or_default();
    // A row with earlier turns begins with the first of them.
    let history = columns
        .history
        .as_ref()
        .and_then(|name| row.get(name)?.as_array());
    if let Some([first, ..]) = history.map(Vec::as_slice) {
        let turns = first.as_array().map(Vec::as_slice);
        let Some([Value::String(question), Value::String(answer)]) = turns else {
            return Err(("not_text", "history is not a list of pairs of texts".into()));
        };
        let mut exchange = Exchange::new(question, answer);
        exchange.later_turns = 2 * history.map_or(0, Vec::len) as u32;
        return Ok(exchange);
    }
    let mut question = text(required(row, &column(&columns.prompt))?, &["user"])?;
    let answer = text(required(row, &column(&columns.response))?, &["assistant"])?;
    if let Some(query) = columns.query.as_ref().and_then(|name| row.get(name)) {
        let query = text(query, &["user"])?;
        if !is_blank(&query) {
            // LLaMA-Factory, the paper's trainer, joins them like this.
            question = format!("{}\n{}", question.trim_end(), query.trim());
        }
    }
    Ok(Exchange::new(&question, &answer))
}

/// Conversations: the first thing the user says and the answer to it.
fn of_turns(turns: &Value, layout: &Layout) -> Result<Exchange, Reason> {
    let Some(turns) = turns.as_array() else {
        return Err((
            "not_text",
            format!("expected a list of turns, found {}", kind(turns)),
        ));
    };
    let role = |turn: &Value| role(turn, layout);
    let Some(first) = turns.iter().position(|turn| role(turn) == Role::User) else {
        return Err(("no_exchange", nobody_asks(turns, layout)));
    };
    let system = turns[..first]
        .iter()
        .filter(|turn| role(turn) == Role::System)
        .count();
    let answer = turns.get(first + 1);
    let Some(answer) = answer.filter(|turn| role(turn) == Role::Assistant) else {
        let detail = match answer.and_then(|turn| speaker(turn, layout)) {
            Some(name) => format!(
                "the user's first turn is followed by one of {name:?}; if that is the assistant, \
                 write data.columns.assistant = {name:?}"
            ),
            None => "the user's first turn is not followed by an answer".to_owned(),
        };
        return Err(("no_exchange", detail));
    };
    let content = layout.0.content.as_deref().unwrap_or("content");
    let said = |turn: &Value| text(required(turn, content)?, &[]);
    let mut exchange = Exchange::new(&said(&turns[first])?, &said(answer)?);
    exchange.system = system as u32;
    exchange.later_turns = (turns.len() - first - 2) as u32;
    Ok(exchange)
}

/// The finding that no turn is the user's, with those who speak.
fn nobody_asks(turns: &[Value], layout: &Layout) -> String {
    let mut speakers: Vec<&str> = Vec::new();
    for name in turns.iter().filter_map(|turn| speaker(turn, layout)) {
        if !speakers.contains(&name) && speakers.len() < 5 {
            speakers.push(name);
        }
    }
    match speakers.iter().find(|name| known_role(name) == Role::Other) {
        Some(name) => format!(
            "no turn of the user: those who speak are {}; write data.columns.user = {name:?} or \
             another of them",
            speakers.join(", ")
        ),
        None if speakers.is_empty() => format!(
            "no turn of the user: the turns have no {:?}; write data.columns.role = the key that \
             says who speaks",
            layout.0.role.as_deref().unwrap_or("role")
        ),
        None => format!("no turn of the user, only of {}", speakers.join(", ")),
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Role {
    User,
    Assistant,
    System,
    Other,
}

/// Who speaks, as the turn names them.
fn speaker<'t>(turn: &'t Value, layout: &Layout) -> Option<&'t str> {
    let key = layout.0.role.as_deref().unwrap_or("role");
    turn.get(key).and_then(Value::as_str)
}

fn role(turn: &Value, layout: &Layout) -> Role {
    let Some(name) = speaker(turn, layout) else {
        return Role::Other;
    };
    let (user, assistant) = (&layout.0.user, &layout.0.assistant);
    match (known_role(name), name) {
        (_, name) if user.as_deref() == Some(name) => Role::User,
        (_, name) if assistant.as_deref() == Some(name) => Role::Assistant,
        // Where the config names somebody, only they speak.
        (Role::User, _) if user.is_some() => Role::Other,
        (Role::Assistant, _) if assistant.is_some() => Role::Other,
        (role, _) => role,
    }
}

/// Who speaks, under the names that data sets give them, in any case.
fn known_role(name: &str) -> Role {
    match name.trim().to_ascii_lowercase().as_str() {
        "user" | "human" | "prompter" | "instruction" => Role::User,
        "assistant" | "gpt" | "model" | "chatgpt" | "bot" | "ai" => Role::Assistant,
        "system" | "developer" => Role::System,
        _ => Role::Other,
    }
}

/// The text of a value: a string, the text parts of a multi-part message, or the first message of
/// one of the `roles`.
fn text(value: &Value, roles: &[&str]) -> Result<String, Reason> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Null => Ok(String::new()),
        Value::Array(items) => {
            let role = |item: &Value| item.get("role").and_then(Value::as_str).map(str::to_owned);
            let of_role = |item: &&Value| role(item).is_some_and(|r| roles.contains(&r.as_str()));
            if let Some(message) = items.iter().find(of_role) {
                return text(message.get("content").unwrap_or(&Value::Null), &[]);
            }
            let part = |item: &Value| item.get("text").and_then(Value::as_str).map(str::to_owned);
            let parts: Option<Vec<String>> = items.iter().map(part).collect();
            parts
                .filter(|parts| !parts.is_empty())
                .map(|parts| parts.join("\n"))
                .ok_or_else(|| ("not_text", "a list with parts other than text".into()))
        }
        other => Err(("not_text", format!("expected text, found {}", kind(other)))),
    }
}

fn required<'v>(row: &'v Value, key: &str) -> Result<&'v Value, Reason> {
    row.get(key)
        .ok_or_else(|| ("missing_key", format!("no \"{key}\"")))
}

/// Alpaca's authors let GPT-3 write the inputs, which says "<noinput>" in many ways.
fn is_blank(input: &str) -> bool {
    let letters = input.chars().filter(|c| c.is_alphanumeric());
    let says_none = || letters.flat_map(char::to_lowercase).eq("noinput".chars());
    input.trim().is_empty() || says_none()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
