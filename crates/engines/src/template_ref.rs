//! A chat template as named in a config: a built-in one, or a file.

use std::borrow::Cow;
use std::fs;

use corpus::file_path;
use models::chat_template::builtin;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

/// The name of a built-in template, or the path of a file, relative to the folder of the config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct TemplateRef(String);

impl TemplateRef {
    /// The template's text.
    ///
    /// # Errors
    /// It is neither built in nor a file that can be read.
    pub fn source(&self) -> Result<Cow<'static, str>, String> {
        if let Some(source) = builtin::source(&self.0) {
            return Ok(Cow::Borrowed(source));
        }
        fs::read_to_string(&self.0)
            .map(Cow::Owned)
            .map_err(|error| {
                let names: Vec<&str> = builtin::names().collect();
                format!(
                    "template: cannot read {}: {error}; name a Jinja file or one of {}",
                    self.0,
                    names.join(", ")
                )
            })
    }
}

impl<'de> Deserialize<'de> for TemplateRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let named = String::deserialize(deserializer)?;
        Ok(Self(match builtin::source(&named) {
            Some(_) => named,
            None => file_path::resolve(named.as_ref()).display().to_string(),
        }))
    }
}

impl JsonSchema for TemplateRef {
    fn schema_name() -> Cow<'static, str> {
        "TemplateRef".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "path" })
    }
}
