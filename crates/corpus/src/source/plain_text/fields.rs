//! The texts of a row.

use serde_json::Value;

use super::super::Broken;

/// The fields of a row that hold documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fields {
    /// `text` if there is one, otherwise those of Alpaca.
    Usual,
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
            Fields::Usual => name == TEXT || ALPACA.contains(&name),
        }
    }

    /// The fields to read from a table with these columns; none if it lacks them.
    pub fn among(&self, columns: &[String]) -> Vec<String> {
        let known = |name: &String| columns.contains(name);
        match self {
            Fields::Named(names) => names.iter().filter(|name| known(name)).cloned().collect(),
            Fields::Usual if known(&TEXT.to_owned()) => vec![TEXT.to_owned()],
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
            Value::String(text) if *self == Fields::Usual => return Ok(vec![text]),
            row => return Err(self.missing(&row)),
        };
        let columns: Vec<String> = object.keys().cloned().collect();
        let texts = self.among(&columns).into_iter().filter_map(|name| {
            match object.get_mut(&name)?.take() {
                Value::String(text) => Some(text),
                _ => None,
            }
        });
        let texts: Vec<String> = texts.collect();
        match texts.is_empty() {
            true => Err(self.missing(&Value::Object(object))),
            false => Ok(texts),
        }
    }

    /// The names, for a message.
    pub fn names(&self) -> String {
        match self {
            Fields::Usual => format!("{TEXT} or {}", ALPACA.join(", ")),
            Fields::Named(names) => names.join(", "),
        }
    }

    fn missing(&self, row: &Value) -> Broken {
        let keys: Vec<&str> = match row.as_object() {
            Some(object) => object.keys().map(String::as_str).collect(),
            None => Vec::new(),
        };
        let found = match keys.is_empty() {
            true => "is not an object".to_owned(),
            false => format!("has {}", keys.join(", ")),
        };
        Broken {
            reason: "no_text",
            detail: format!(
                "the row has no text in {}: it {found}; name other `fields`",
                self.names()
            ),
            row: Value::Null,
        }
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
            error.contains("content") && error.contains("`fields`"),
            "{error}"
        );
        assert!(usual(json!({"text": null})).is_err());
        let named = Fields::Named(vec!["b".into(), "a".into()]);
        assert_eq!(
            named.texts(json!({"a": "1", "b": "2"})).unwrap(),
            ["2", "1"]
        );
    }
}
