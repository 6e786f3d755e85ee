//! The engines of a seam by name: `engine = "…"` in a config section with the keys of that engine,
//! or the same as arguments of a command.
//!
//! serde's own tagged enums buffer a section and lose the name of a key whose value has the wrong
//! type. This module keeps it, supports a default engine, and distinguishes keys of other engines
//! from unknown ones.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, json_schema};
use serde::de::{DeserializeOwned, Error as _};
use serde_json::{Error, Map, Value};

use crate::field_names::field_names;

/// The keys of a section with their values.
pub type Keys = Map<String, Value>;

/// A missing key, or one with an invalid value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {message}")]
pub struct KeyError {
    /// The key within its section.
    pub key: &'static str,
    /// The fault, and what to change.
    pub message: String,
}

impl KeyError {
    /// An error at `key`.
    pub fn new(key: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { key, message }
    }
}

/// An engine and its keys.
pub struct EngineKeys {
    /// Name of the engine.
    pub name: &'static str,
    /// Schema of an object with its keys.
    pub schema: Schema,
    /// The keys in order.
    order: Vec<&'static str>,
}

impl EngineKeys {
    /// The engine `name` with the keys of `T`.
    pub fn of<T: JsonSchema + DeserializeOwned>(name: &'static str) -> Self {
        Self {
            name,
            schema: inlined::<T>(),
            order: field_names::<T>().to_vec(),
        }
    }

    /// The engine with the additional keys of `T`.
    pub fn with<T: JsonSchema + DeserializeOwned>(mut self) -> Self {
        let shared = EngineKeys::of::<T>(self.name);
        let keys = shared
            .keys()
            .map(|(key, schema)| (key.to_owned(), schema.clone()));
        let keys: Keys = keys.collect();
        let properties = self.schema.ensure_object().entry("properties");
        if let Some(properties) = properties
            .or_insert_with(|| Keys::new().into())
            .as_object_mut()
        {
            properties.extend(keys);
        }
        self.order.extend(shared.order);
        self
    }

    /// Each key with its schema.
    pub fn keys(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        let properties = self.schema.get("properties");
        let schema = move |key: &&'static str| Some((*key, properties?.get(key)?));
        self.order.iter().filter_map(schema)
    }

    /// Whether the engine has this key.
    pub fn has(&self, key: &str) -> bool {
        self.keys().any(|(own, _)| own == key)
    }
}

/// The schema of `T` without references to definitions.
pub fn inlined<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::default().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>()
}

/// A config section that chooses an engine.
pub trait EngineSection: Sized {
    /// Name of the section.
    const SECTION: &'static str;
    /// The engine used if the section names none.
    const DEFAULT: &'static str;

    /// The engines to choose from.
    fn engines() -> Vec<EngineKeys>;

    /// The section with the engine called `engine`, one of [`EngineSection::engines`], which has
    /// all of `keys`.
    fn with_engine(engine: &str, keys: Keys) -> Result<Self, Error>;

    /// The section with `engine` and `keys`.
    ///
    /// Keys of other engines are ignored with a warning, so that a single override can switch
    /// engines. They are errors if no engine is named, since its name was probably forgotten.
    ///
    /// # Errors
    /// An unknown engine, an unknown key, or a value of the wrong type.
    fn read(mut keys: Keys) -> Result<Self, Error> {
        let section = Self::SECTION;
        let named = keys.remove("engine");
        let name = match &named {
            None => Self::DEFAULT,
            Some(Value::String(name)) => name,
            Some(_) => return Err(Error::custom(format!("{section}.engine: expected a name"))),
        };
        let engines = Self::engines();
        let Some(engine) = engines.iter().find(|engine| engine.name == name) else {
            let known = list(engines.iter().map(|engine| engine.name));
            let message = format!("unknown variant `{name}`, {section}.engine is one of {known}");
            return Err(Error::custom(message));
        };
        let foreign: Vec<String> = keys
            .keys()
            .filter(|key| !engine.has(key))
            .cloned()
            .collect();
        for key in foreign {
            let others = engines.iter().filter(|engine| engine.has(&key));
            let others = list(others.map(|engine| engine.name));
            let message = match (others.is_empty(), &named) {
                (true, _) => {
                    let own = list(engine.keys().map(|(own, _)| own));
                    format!("unknown field `{key}`, the engine {name} has {own}")
                }
                (false, None) => format!(
                    "{section}.{key}: the engine {name} takes no {key}; name one that does with \
                     {section}.engine: {others}"
                ),
                (false, Some(_)) => {
                    tracing::warn!(
                        "{section}.{key} is ignored: the engine {name} does not take it ({others} would)"
                    );
                    keys.remove(&key);
                    continue;
                }
            };
            return Err(Error::custom(message));
        }
        Self::with_engine(name, keys)
    }

    /// One of the engines' schemas, each with the key `engine`.
    fn schema() -> Schema {
        let with_tag = |EngineKeys {
                            name, mut schema, ..
                        }: EngineKeys| {
            let tag = json_schema!({ "const": name }).to_value();
            let properties = schema.ensure_object().entry("properties");
            if let Some(properties) = properties
                .or_insert_with(|| Keys::new().into())
                .as_object_mut()
            {
                properties.insert("engine".into(), tag);
            }
            schema.insert("title".into(), name.into());
            schema.remove("$schema");
            schema.to_value()
        };
        let engines: Vec<Value> = Self::engines().into_iter().map(with_tag).collect();
        json_schema!({ "oneOf": engines, "default-engine": Self::DEFAULT })
    }
}

fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Deserialises `keys`; an error of a value names its key. Every key of `T` has a default.
pub fn keyed<T: DeserializeOwned>(section: &'static str, keys: Keys) -> Result<T, Error> {
    let read = |keys: Keys| T::deserialize(Value::Object(keys));
    read(keys.clone()).map_err(|whole| {
        // serde_json does not say which key an error belongs to, so each is tried alone.
        let alone = keys.into_iter().find_map(|(key, value)| {
            let named = Keys::from_iter([(key.clone(), value)]);
            let error = read(named).err()?;
            Some(Error::custom(format!("{section}.{key}: {error}")))
        });
        alone.unwrap_or(whole)
    })
}

/// Implements serde's and schemars' traits for an [`EngineSection`].
macro_rules! section_traits {
    ($section:ident) => {
        impl Default for $section {
            fn default() -> Self {
                <Self as $crate::choice::EngineSection>::read(Default::default())
                    .expect("the default engine has no required key")
            }
        }

        impl<'de> serde::Deserialize<'de> for $section {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let keys = $crate::choice::Keys::deserialize(deserializer)?;
                <Self as $crate::choice::EngineSection>::read(keys)
                    .map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $section {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($section).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                <Self as $crate::choice::EngineSection>::schema()
            }
        }
    };
}
pub(crate) use section_traits;

/// The engines of a seam: each a name and the config beside its engine, which implements `$opens`.
/// A new engine is a file and a line here.
macro_rules! engines {
    (
        $(#[$meta:meta])*
        pub enum $section:ident: $opens:ident in $key:literal, default $default:literal {
            $( $(#[$variant_meta:meta])* $name:literal => $variant:ident($config:ty), )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize)]
        #[serde(tag = "engine")]
        pub enum $section {
            $( $(#[$variant_meta])* #[serde(rename = $name)] $variant($config), )*
        }

        impl $section {
            /// Name of the engine.
            pub fn name(&self) -> &'static str {
                match self {
                    $( Self::$variant(_) => $name, )*
                }
            }
        }

        impl std::ops::Deref for $section {
            type Target = dyn $opens;

            fn deref(&self) -> &Self::Target {
                match self {
                    $( Self::$variant(config) => config, )*
                }
            }
        }

        impl $crate::choice::EngineSection for $section {
            const SECTION: &'static str = $key;
            const DEFAULT: &'static str = $default;

            fn engines() -> Vec<$crate::choice::EngineKeys> {
                vec![$( $crate::choice::EngineKeys::of::<$config>($name), )*]
            }

            fn with_engine(
                engine: &str,
                keys: $crate::choice::Keys,
            ) -> Result<Self, serde_json::Error> {
                match engine {
                    $( $name => $crate::choice::keyed($key, keys).map(Self::$variant), )*
                    unknown => unreachable!("{unknown} is no engine of {}", $key),
                }
            }
        }

        $crate::choice::section_traits!($section);
    };
}
pub(crate) use engines;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::identifier::IdentifyEngine;
    use crate::translator::TranslateConfig;

    fn read<E: EngineSection>(keys: Value) -> Result<E, String> {
        let Value::Object(keys) = keys else {
            panic!("an object");
        };
        E::read(keys).map_err(|error| error.to_string())
    }

    #[test]
    fn a_section_is_its_engine_and_that_engines_keys() {
        let keys =
            json!({ "engine": "nllb", "model": "nllb", "beam_size": 2, "cache": "c.sqlite" });
        let section: TranslateConfig = read(keys).unwrap();
        assert_eq!(section.engine.name(), "nllb");
        let written = serde_json::to_value(&section).unwrap();
        assert_eq!(written["beam_size"], 2);
        assert_eq!(written["cache"], "c.sqlite");
        assert_eq!(written["engine"], "nllb");
        let Value::Object(written) = written else {
            panic!("an object");
        };
        assert_eq!(TranslateConfig::read(written).unwrap(), section);
        assert_eq!(TranslateConfig::default().engine.name(), "firefox");
    }

    #[test]
    fn a_wrong_key_is_named() {
        let error = |keys| read::<TranslateConfig>(keys).unwrap_err();
        let wrong_type = error(json!({ "engine": "nllb", "beam_size": "two" }));
        assert!(
            wrong_type.starts_with("translate.beam_size: invalid type"),
            "{wrong_type}"
        );
        let unknown = error(json!({ "engine": "nllb", "beem_size": 2 }));
        assert!(
            unknown.starts_with("unknown field `beem_size`"),
            "{unknown}"
        );
        assert!(
            unknown.contains("`beam_size`") && !unknown.contains("`url`"),
            "{unknown}"
        );
        let unknown = error(json!({ "engine": "nlb" }));
        assert!(unknown.starts_with("unknown variant `nlb`"), "{unknown}");
    }

    #[test]
    fn keys_of_another_engine_are_ignored_only_if_the_engine_is_named() {
        let section =
            read::<TranslateConfig>(json!({ "engine": "llm", "url": "http://h" })).unwrap();
        assert_eq!(serde_json::to_value(section).unwrap().get("url"), None);
        let error = read::<IdentifyEngine>(json!({ "model": "lid.176.ftz" })).unwrap_err();
        assert!(
            error.contains("whatlang takes no model") && error.contains("`fasttext`"),
            "{error}"
        );
    }
}
