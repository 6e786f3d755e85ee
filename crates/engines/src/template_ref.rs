//! A chat template as named in a config: a built-in one, or a file.

use std::borrow::Cow;
use std::fmt;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use corpus::file_path;
use models::LanguageModel;
use models::chat_template::{ChatTemplate, builtin};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The name of a built-in template, or the path of a file, relative to the folder of the config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateRef(String);

impl TemplateRef {
    /// The template's text.
    ///
    /// # Errors
    /// It is neither built in nor a file that can be read, or the file is no chat template.
    pub fn source(&self) -> Result<Cow<'static, str>, String> {
        if let Some(source) = builtin::source(&self.0) {
            return Ok(Cow::Borrowed(source));
        }
        let source = fs::read_to_string(&self.0).map_err(|error| {
            let names: Vec<&str> = builtin::names().collect();
            format!(
                "cannot read {}: {error}; name a Jinja file or one of {}",
                self.0,
                names.join(", ")
            )
        })?;
        // A fault that shows only once it is rendered for a model would be taken for the model's.
        ChatTemplate::try_out(&source).map_err(|error| format!("{}: {error}", self.0))?;
        Ok(Cow::Owned(source))
    }

    /// The template's text, for the LLM at `model`.
    ///
    /// # Errors
    /// Those of [`TemplateRef::source`], or the LLM brings another one, which would be used.
    pub fn source_for(&self, model: &Path) -> Result<Cow<'static, str>, String> {
        let source = self.source()?;
        // If there is something wrong with the model, its own check says so.
        let own = LanguageModel::template_of(model).ok().flatten();
        match own.is_none_or(|own| own.trim() == source.trim()) {
            true => Ok(source),
            false => Err(format!(
                "{} brings a chat template of its own, which is used; leave this one out. (In a \
                 Hugging Face directory, the file chat_template.jinja may be replaced.)",
                model.display()
            )),
        }
    }
}

/// The chat template that the LLM at `model` is asked in, for readers: the one that is `named` for
/// it, or its own. A model that cannot be read passes: its own check says so.
///
/// # Errors
/// Those of [`TemplateRef::source_for`], or there is no template at all.
pub fn in_use(named: Option<&TemplateRef>, model: &Path) -> Result<String, String> {
    match named {
        Some(template) => template.source_for(model).map(|_| template.to_string()),
        None => match LanguageModel::template_of(model) {
            Ok(None) => Err(format!(
                "{} has no chat template, so there is no form in which it could be asked; name a \
                 model tuned to follow instructions or, for a base model, template = \"alpaca\"",
                model.display()
            )),
            _ => Ok("the LLM's own".to_owned()),
        },
    }
}

/// The text of the chat template that is `named`, if one is.
///
/// # Errors
/// Those of [`TemplateRef::source`], with the key.
pub fn text_of(named: Option<&TemplateRef>) -> Result<Option<String>, String> {
    let source = named.map(TemplateRef::source).transpose();
    let source = source.map_err(|error| format!("template: {error}"))?;
    Ok(source.map(Into::into))
}

impl FromStr for TemplateRef {
    type Err = &'static str;

    fn from_str(named: &str) -> Result<Self, Self::Err> {
        Ok(Self(match builtin::source(named) {
            Some(_) => named.to_owned(),
            None => file_path::resolve(named.as_ref())?.display().to_string(),
        }))
    }
}

impl<'de> Deserialize<'de> for TemplateRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

impl fmt::Display for TemplateRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for TemplateRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match builtin::source(&self.0) {
            Some(_) => self.0.serialize(serializer),
            None => file_path::serialised(self.0.as_ref()).serialize(serializer),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_a_template_names_its_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().display().to_string();
        let read = |text: &str| {
            fs::write(file.path(), text).unwrap();
            let template: TemplateRef = serde_json::from_value(path.as_str().into()).unwrap();
            template.source().map(Cow::into_owned)
        };
        let good = "{% for m in messages %}{{ bos_token + m.content }}{% endfor %}";
        assert_eq!(read(good).as_deref(), Ok(good));
        for (text, fault) in [
            ("{% for m in messages %}{{ m.content }}", "cannot be read"),
            ("{{ raise_exception('tools only') }}", "tools only"),
            (
                "{{ messages[0].content }}",
                "does not show the assistant's answer",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(&format!("{path}: ")), "{error}");
            assert!(error.contains(fault), "{error}");
        }
        assert!(serde_json::from_value::<TemplateRef>("".into()).is_err());
    }
}
