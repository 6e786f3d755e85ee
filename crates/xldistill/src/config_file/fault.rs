//! What is wrong with a config: the place, the fault and what to write instead, each in the words of
//! someone who has never seen the parser.

use corpus::nearest::nearest;
use corpus::plain_words::in_plain_words;
use corpus::shell;

/// More names than this are not listed.
const LISTED: usize = 12;

/// The fault in a file of this `text` that the parser found, with the line.
pub fn in_file(file: &str, text: &str, error: &toml::de::Error) -> String {
    if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
        return format!("{file} is JSON; a config is TOML, and `xldistill init` writes one");
    }
    let fault = match without_quotes(text, error) {
        Some(fault) => fault.to_owned(),
        None => fault(error.message(), &path_of(error)),
    };
    match line_of(text, error) {
        Some((number, shown)) => format!("{file}, line {number}: {fault}\n{shown}"),
        None => format!("{file}: {fault}"),
    }
}

/// What is wrong with a value that is neither a number nor in quotes.
fn without_quotes(text: &str, error: &toml::de::Error) -> Option<&'static str> {
    if !error.message().starts_with("string values must be quoted") {
        return None;
    }
    let value = text.get(error.span()?.start..)?.lines().next();
    let value = value.unwrap_or_default().trim_start();
    Some(if value.is_empty() || value.starts_with('#') {
        "the key has no value; comment the line out to use the default"
    } else {
        "text must be quoted, e.g. \"text\""
    })
}

/// The fault in the override `assignment`.
pub fn in_override(assignment: &str, error: &toml::de::Error) -> String {
    let fault = fault(error.message(), &path_of(error));
    let (key, value) = assignment.split_once('=').unwrap_or_default();
    let told = match fault.split_once("expected a list") {
        // Shells take the quotes of a list, and its brackets for a pattern.
        Some((found, _)) if found.starts_with("found the text") => {
            let inner = value.trim().strip_prefix('[');
            let inner = inner.and_then(|inner| inner.strip_suffix(']'));
            let items = inner.unwrap_or(value).split(',').map(str::trim);
            let items = items.map(|item| item.trim_matches('"'));
            let items: Vec<String> = items.map(|item| format!("{item:?}")).collect();
            let list = items.join(", ");
            let typed = format!("{key}=[{list}]");
            let typed = shell::quoted(&typed);
            format!("{found}expected a list; with quotes for the shell: {typed}")
        }
        _ => fault,
    };
    format!("override {assignment}: {told}")
}

/// The fault in a config that only its overrides together bring about.
pub fn in_all(file: &str, error: &toml::de::Error) -> String {
    format!("{file}: {}", fault(error.message(), &path_of(error)))
}

/// The number of the line at fault, and that line with a mark below what is meant.
fn line_of(text: &str, error: &toml::de::Error) -> Option<(usize, String)> {
    let span = error.span()?;
    let message = error.message();
    // Of what is missing, there is no line, unless its section has one.
    let begins = text.get(span.start..)?;
    if message.starts_with("missing field") && !begins.starts_with('[') {
        return None;
    }
    let before = text.get(..span.start)?.matches('\n').count();
    // An engine's section is read as a whole, so the line of the key is searched in it.
    if let Some(key) = key_of(message) {
        let is_key = |line: &str| {
            let rest = line.trim_start().strip_prefix(key).map(str::trim_start);
            rest.is_some_and(|rest| rest.starts_with(['=', '.']))
        };
        let mut lines = begins.lines().enumerate();
        let found = lines.find(|(_, line)| is_key(line));
        if let Some((number, line)) = found.filter(|(number, _)| *number > 0) {
            return Some((before + number + 1, format!("  | {line}")));
        }
    }
    let line = text.lines().nth(before)?;
    let start = text[..span.start].rfind('\n').map_or(0, |end| end + 1);
    let column = text[start..span.start].chars().count();
    let end = span.end.min(start + line.len()).max(span.start);
    let width = text
        .get(span.start..end)
        .map_or(1, |marked| marked.chars().count().max(1));
    let mark = format!("{}{}", " ".repeat(column), "^".repeat(width));
    Some((before + 1, format!("  | {line}\n  | {mark}")))
}

/// The section at fault, e.g. `train`, from the end of the parser's message; empty at the top.
fn path_of(error: &toml::de::Error) -> String {
    let whole = error.to_string();
    let last = whole.trim_end().lines().last().unwrap_or_default();
    let path = last
        .strip_prefix("in `")
        .and_then(|rest| rest.strip_suffix('`'));
    path.unwrap_or_default().to_owned()
}

/// The parser's `message` about something in `section`, in plain words and with the nearest name.
fn fault(message: &str, section: &str) -> String {
    let names: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (what, name, known) = match names.split_first() {
        Some((name, known)) if message.starts_with("unknown field") => ("key", *name, known),
        Some((name, known)) if message.starts_with("unknown variant") => ("value", *name, known),
        Some((name, _)) if message.starts_with("missing field") => {
            return format!("the key `{name}` is missing");
        }
        // TOML's objects are tables.
        _ => return in_plain_words(message).replace("an object", "a table of keys"),
    };
    let nearest = nearest(name, known);
    let list = || {
        let quoted: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
        format!("use {}", one_of(&quoted))
    };
    let remedy = match (what, nearest) {
        ("key", Some(nearest)) => format!("did you mean `{nearest}`?"),
        ("key", None) if known.is_empty() => "there is none but `engine`".to_owned(),
        ("key", None) if known.len() > LISTED => match section {
            "" => "docs/config.md lists the keys".to_owned(),
            section => format!("docs/config.md lists the keys of [{section}]"),
        },
        (_, Some(nearest)) => format!("did you mean `{nearest}`? Else {}", list()),
        _ => list(),
    };
    // An engine says what it is that has these names.
    let of = message
        .split_once("`, ")
        .and_then(|(_, rest)| rest.split_once(" is one of "))
        .map_or(String::new(), |(of, _)| format!(" for {of}"));
    let of = match message.split_once("`, the engine ") {
        Some((_, rest)) => format!(
            " for the engine {}",
            rest.split_once(" has ").map_or(rest, |(engine, _)| engine)
        ),
        None => of,
    };
    format!("unknown {what} `{name}`{of}; {remedy}")
}

/// `names` as a choice: "a, b or c".
fn one_of(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [only] => only.clone(),
        [others @ .., last] => format!("{} or {last}", others.join(", ")),
    }
}

/// The key in a message of `engines::choice`: that of "section.key: …", or the unknown one.
fn key_of(message: &str) -> Option<&str> {
    if let Some(rest) = message.strip_prefix("unknown field `") {
        return rest.split('`').next();
    }
    if message.starts_with("unknown variant") {
        return message.contains(".engine").then_some("engine");
    }
    let (path, _) = message.split_once(": ")?;
    let (section, key) = path.split_once('.')?;
    let is_name = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    (is_name(section) && is_name(key)).then_some(key)
}

/// The key that serde's message says is unknown at the top of a config, with the sections that
/// there are.
pub fn unknown_at_top(error: &toml::de::Error) -> Option<(&str, Vec<&str>)> {
    let message = error.message();
    if !message.starts_with("unknown field") || !path_of(error).is_empty() {
        return None;
    }
    let mut names = message.split('`').skip(1).step_by(2);
    Some((names.next()?, names.collect()))
}

/// Whether `error` is one of the value of the key `path`.
pub fn is_at(error: &toml::de::Error, path: &str) -> bool {
    let of_engine = || error.message().strip_prefix(path)?.strip_prefix(": ");
    path_of(error) == path || of_engine().is_some()
}
