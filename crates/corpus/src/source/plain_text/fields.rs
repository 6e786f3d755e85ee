//! The texts of a row.

use serde_json::Value;

use super::super::Broken;

/// The fields of a row that hold documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fields {
    /// `text` if there is one, otherwise those of Alpaca.
    Usual,
    /// `text` alone: an instruction is no text that somebody wrote for its own sake.
    Text,
    /// Those with these names.
    Named(Vec<String>),
}

const TEXT: &str = "text";
const ALPACA: [&str; 3] = ["instruction", "input", "output"];

impl Fields {
    /// Whether a column of this name may be needed.
    pub fn may_be(&self, name: &str) -> bool {
        match self {
            Fields::Named(names) => names.iter().any(|own| own == name),
            Fields::Text => name == TEXT,
            Fields::Usual => name == TEXT || ALPACA.contains(&name),
        }
    }

    /// The fields to read from a table with these columns; none if it lacks them.
    pub fn among(&self, columns: &[String]) -> Vec<String> {
        let known = |name: &String| columns.contains(name);
        match self {
            Fields::Named(names) => names.iter().filter(|name| known(name)).cloned().collect(),
            Fields::Usual | Fields::Text if known(&TEXT.to_owned()) => vec![TEXT.to_owned()],
            Fields::Text => Vec::new(),
            Fields::Usual => ALPACA
                .map(str::to_owned)
                .into_iter()
                .filter(known)
                .collect(),
        }
    }

    /// The texts of a JSON row.
    pub fn texts(&self, row: Value) -> Result<Vec<String>, Broken> {
        let mut object = match row {
            Value::Object(object) => object,
            Value::String(text) if !matches!(self, Fields::Named(_)) => return Ok(vec![text]),
            other => {
                let detail = format!("the row is {}, not an object or a text", kind_of(&other));
                return Err(without_text(detail));
            }
        };
        let columns: Vec<String> = object.keys().cloned().collect();
        let names = self.among(&columns);
        if columns.is_empty() {
            return Err(without_text("the row is an empty object".to_owned()));
        }
        if names.is_empty() {
            return Err(without_text(format!(
                "no field is called {}, but there are {}; {}",
                self.names(),
                columns.join(", "),
                self.remedy(&columns)
            )));
        }
        texts_of(&names, |name| object.remove(name).unwrap_or_default())
    }

    /// The names, for a message.
    pub fn names(&self) -> String {
        match self {
            Fields::Usual => format!("{TEXT} or {}", ALPACA.join(", ")),
            Fields::Text => TEXT.to_owned(),
            Fields::Named(names) => names.join(", "),
        }
    }

    /// What to do about a table without a column of texts.
    pub fn remedy(&self, columns: &[String]) -> String {
        let is_there = |name: &&str| columns.iter().any(|column| column == name);
        match (self, ALPACA.iter().rev().copied().find(is_there)) {
            (Fields::Text, Some(name)) => format!(
                "these are instructions; if people wrote their answers, write {{ path = \"…\", \
                 fields = [\"{name}\"] }}"
            ),
            _ => "name those with text: { path = \"…\", fields = [\"…\"] }".to_owned(),
        }
    }
}

/// The texts among the values of the fields called `names`.
pub(super) fn texts_of(
    names: &[String],
    mut value: impl FnMut(&String) -> Value,
) -> Result<Vec<String>, Broken> {
    let (mut texts, mut others) = (Vec::new(), Vec::new());
    for name in names {
        match value(name) {
            Value::String(text) => texts.push(text),
            other => others.push(format!("`{name}` is {}", kind_of(&other))),
        }
    }
    match texts.is_empty() {
        true => Err(without_text(format!("{}, not a text", others.join(", ")))),
        false => Ok(texts),
    }
}

fn without_text(detail: String) -> Broken {
    Broken {
        reason: "no_text",
        detail,
        row: Value::Null,
    }
}

/// A value of JSON in words.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_row_has_a_text_or_alpacas_three() {
        let usual = |row: Value| Fields::Usual.texts(row).map_err(|broken| broken.detail);
        assert_eq!(usual(json!({"text": "a", "output": "b"})).unwrap(), ["a"]);
        let alpaca = json!({"instruction": "a", "input": "", "output": "b", "id": 1});
        assert_eq!(usual(alpaca).unwrap(), ["a", "", "b"]);
        assert_eq!(usual(json!("a")).unwrap(), ["a"]);
        let error = usual(json!({"content": "a"})).unwrap_err();
        assert!(
            error.contains("content") && error.contains("fields ="),
            "{error}"
        );
        let error = |row| usual(row).unwrap_err();
        assert_eq!(error(json!({"text": null})), "`text` is null, not a text");
        assert_eq!(
            error(json!({"text": 3, "id": 1})),
            "`text` is a number, not a text"
        );
        assert_eq!(
            error(json!(3)),
            "the row is a number, not an object or a text"
        );
        assert_eq!(error(json!({})), "the row is an empty object");
        let text = |row: Value| Fields::Text.texts(row).map_err(|broken| broken.detail);
        assert_eq!(text(json!({"text": "a", "output": "b"})).unwrap(), ["a"]);
        let error = text(json!({"instruction": "a", "output": "b"})).unwrap_err();
        assert!(error.contains(r#"fields = ["output"]"#), "{error}");
        let named = Fields::Named(vec!["b".into(), "a".into()]);
        assert_eq!(
            named.texts(json!({"a": "1", "b": "2"})).unwrap(),
            ["2", "1"]
        );
    }
}
