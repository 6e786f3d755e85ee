//! Tables of keys, from schemas.

use serde_json::Value;

/// The head of a table of keys.
pub fn head() -> String {
    "\n| key | default | meaning |\n|---|---|---|\n".to_owned()
}

/// The keys of `schema` as a table, followed by notes that do not fit into a cell.
pub fn table(schema: &Value, keys: &[&str]) -> String {
    let mut table = head();
    let mut notes = String::new();
    for key in keys {
        table.push_str(&row(key, schema, &mut notes));
    }
    table + &notes
}

/// The row of `key` of `schema`; what does not fit into it is added to `notes`.
pub fn row(key: &str, schema: &Value, notes: &mut String) -> String {
    let of = &schema["properties"][key];
    let (meaning, more) = paragraphs(of);
    if !more.is_empty() {
        notes.push_str(&format!("\n`{key}`: {}", more.trim_start()));
    }
    let by_language = match of["additionalProperties"].is_null() {
        true => "",
        false => ".LANGUAGE",
    };
    let required = schema["required"].as_array();
    let required = required.is_some_and(|required| required.iter().any(|name| name == key));
    let default = match required {
        true => "required".to_owned(),
        false => default(of),
    };
    let named = |(name, _): &(String, String)| meaning.contains(&format!("`{name}`"));
    let choices = choices(of);
    // The description may already name the values.
    let choices = match choices.iter().all(named) {
        true => String::new(),
        false => format!(" {}.", list(&choices)),
    };
    let meaning = format!("{meaning}{choices}").replace('|', "\\|");
    format!("| `{key}{by_language}` | {default} | {meaning} |\n")
}

/// The default of a key, as the table shows it.
pub fn default(of: &Value) -> String {
    if let Some(text) = of["default-text"].as_str() {
        return match text.starts_with('$') {
            true => format!("`{text}`"),
            false => text.to_owned(),
        };
    }
    match &of["default"] {
        Value::Null => "none".to_owned(),
        Value::Array(list) if list.is_empty() => "none".to_owned(),
        Value::Object(map) if map.is_empty() => "none".to_owned(),
        Value::Array(list) => {
            let list = list.iter().map(|value| format!("`{}`", plain(value)));
            list.collect::<Vec<_>>().join(", ")
        }
        value => format!("`{}`", plain(value)),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64() {
            // 1.0 reads as 1 and 1e-8 as it was written.
            Some(number) if number == number.trunc() && number.abs() < 1e15 => format!("{number}"),
            _ => number.to_string(),
        },
        value => value.to_string(),
    }
}

/// The named values of a key, each with the first sentence of its description.
fn choices(of: &Value) -> Vec<(String, String)> {
    let variants = ["oneOf", "anyOf"]
        .iter()
        .find_map(|list| of[list].as_array());
    let described = variants.into_iter().flatten().filter_map(|variant| {
        let (meaning, _) = paragraphs(variant);
        let sentence = meaning.split(". ").next().unwrap_or_default();
        let sentence = lower_first(sentence.trim_end_matches('.'));
        Some((variant["const"].as_str()?.to_owned(), sentence))
    });
    let plain = of["enum"].as_array().into_iter().flatten();
    let plain = plain.filter_map(|name| Some((name.as_str()?.to_owned(), String::new())));
    described.chain(plain).collect()
}

fn list(choices: &[(String, String)]) -> String {
    let choice = |(name, meaning): &(String, String)| match meaning.is_empty() {
        true => format!("`{name}`"),
        false => format!("`{name}`: {meaning}"),
    };
    choices.iter().map(choice).collect::<Vec<_>>().join("; ")
}

/// The first paragraph of a description, and the other paragraphs.
pub fn paragraphs(of: &Value) -> (String, String) {
    let description = of["description"].as_str().unwrap_or_default();
    // A table keeps its lines.
    let joined = |text: &str| match text.starts_with('|') {
        true => text.to_owned(),
        false => text.replace('\n', " "),
    };
    let mut paragraphs = description.split("\n\n").map(joined);
    let first = paragraphs.next().unwrap_or_default();
    let others: Vec<String> = paragraphs.map(|text| format!("\n{text}\n")).collect();
    (first, others.concat())
}

/// `text` within a sentence: in lower case, unless it begins with an abbreviation.
pub fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            let lower: String = first.to_lowercase().collect();
            lower + &text[first.len_utf8()..]
        }
        _ => text.to_owned(),
    }
}
