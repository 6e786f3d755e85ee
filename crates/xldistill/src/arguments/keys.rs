//! The keys of a config section as arguments, so that every option of an engine is available on the
//! command line.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use engines::choice::{EngineKeys, EngineSection, Keys};
use serde_json::Value;

use crate::config_file::{ConfigError, is_count};

/// A type that is read from keys.
pub trait KeySource: Sized {
    /// The engines to choose from.
    fn engines() -> Vec<EngineKeys>;
    /// The engine used if none is named.
    fn default_engine() -> &'static str;
    /// Reads the keys, including `engine` if there is a choice.
    fn read(keys: Keys) -> Result<Self, serde_json::Error>;
}

impl<E: EngineSection> KeySource for E {
    fn engines() -> Vec<EngineKeys> {
        E::engines()
    }

    fn default_engine() -> &'static str {
        E::DEFAULT
    }

    fn read(keys: Keys) -> Result<Self, serde_json::Error> {
        EngineSection::read(keys)
    }
}

/// Arguments for the keys of `S`, e.g. `--beam-size 4` for `beam_size = 4`.
#[derive(Debug)]
pub struct KeyArguments<S> {
    keys: Keys,
    source: PhantomData<S>,
}

impl<S: KeySource> KeyArguments<S> {
    /// Name of the engine.
    pub fn engine(&self) -> &str {
        let named = self.keys.get("engine").and_then(Value::as_str);
        named.unwrap_or_else(|| S::default_engine())
    }

    /// Replaces `key`, if given, with `other`, whose value `change` returns.
    pub fn replace(&mut self, key: &str, other: &str, change: impl FnOnce(Value) -> Value) {
        if let Some(value) = self.keys.remove(key) {
            self.keys.insert(other.to_owned(), change(value));
        }
    }

    /// Reads the arguments.
    pub fn read(self) -> Result<S, ConfigError> {
        let engine = self.engine();
        let engines = S::engines();
        let own = engines.iter().find(|known| known.name == engine);
        let foreign = |key: &&String| *key != "engine" && own.is_some_and(|own| !own.has(key));
        if let Some(key) = self.keys.keys().find(foreign) {
            let others = engines.iter().filter(|other| other.has(key));
            let others: Vec<&str> = others.map(|other| other.name).collect();
            return Err(ConfigError(format!(
                "{}: the engine {engine} takes no {key}; engines that do: {}",
                flag(key),
                others.join(", ")
            )));
        }
        let is_zero = |(key, value): &(&String, &Value)| is_count(key) && **value == 0;
        if let Some((key, _)) = self.keys.iter().find(is_zero) {
            return Err(ConfigError(format!("{} 0: must be at least 1", flag(key))));
        }
        S::read(self.keys).map_err(|error| ConfigError(error.to_string()))
    }
}

/// The name of a key's argument.
pub fn flag(key: &str) -> String {
    format!("--{}", key.replace('_', "-"))
}

/// A key with the engines that have it.
struct Key {
    /// Names of the engines, by description of the key.
    engines: Vec<(String, Vec<&'static str>)>,
    schema: Value,
}

/// The keys of all engines except tables, which cannot be arguments.
fn keys(engines: &[EngineKeys]) -> Vec<(&'static str, Key)> {
    let mut keys: Vec<(&'static str, Key)> = Vec::new();
    for engine in engines {
        for (name, schema) in engine
            .keys()
            .filter(|(_, schema)| schema["type"] != "object")
        {
            let description = schema["description"].as_str().unwrap_or_default();
            let summary = description.split("\n\n").next().unwrap_or_default();
            let summary = summary.replace('\n', " ");
            let at = keys.iter().position(|(known, _)| *known == name);
            let at = at.unwrap_or_else(|| {
                let schema = schema.clone();
                keys.push((
                    name,
                    Key {
                        engines: Vec::new(),
                        schema,
                    },
                ));
                keys.len() - 1
            });
            let described = &mut keys[at].1.engines;
            match described.iter_mut().find(|(known, _)| *known == summary) {
                Some((_, engines)) => engines.push(engine.name),
                None => described.push((summary, vec![engine.name])),
            }
        }
    }
    keys
}

impl Key {
    fn help(&self, engines: usize) -> String {
        let parts = self
            .engines
            .iter()
            .map(|(summary, names)| match names.len() {
                _ if engines == 1 => summary.clone(),
                count if count == engines => summary.clone(),
                _ => format!("{}: {summary}", names.join(", ")),
            });
        let help = parts.collect::<Vec<_>>().join(" ");
        let help = help.trim_end_matches('.').to_owned();
        match &self.schema["default"] {
            _ if self.schema["default-text"] == "required" => help,
            Value::Null => help,
            Value::String(default) => format!("{help} [default: {default}]"),
            default => format!("{help} [default: {default}]"),
        }
    }

    /// The possible values, if they are listed.
    fn choices(&self) -> Vec<String> {
        let names = |list: &Value, of: fn(&Value) -> &Value| -> Vec<String> {
            let values = list.as_array().into_iter().flatten().map(of);
            values
                .filter_map(|value| value.as_str().map(str::to_owned))
                .collect()
        };
        let listed = names(&self.schema["enum"], |value| value);
        match listed.is_empty() {
            true => names(&self.schema["oneOf"], |choice| &choice["const"]),
            false => listed,
        }
    }

    /// `text` as a value of the key's type; other types are refused when it is read.
    fn value(&self, text: &str) -> Value {
        let types = &self.schema["type"];
        let is = |name: &str| {
            let listed = types
                .as_array()
                .is_some_and(|types| types.iter().any(|t| t == name));
            types == name || listed
        };
        if ["integer", "number", "boolean", "array"]
            .iter()
            .any(|name| is(name))
        {
            return serde_json::from_str(text).unwrap_or_else(|_| text.into());
        }
        text.into()
    }
}

impl<S: KeySource> FromArgMatches for KeyArguments<S> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let engines = S::engines();
        let mut found = BTreeMap::new();
        if engines.len() > 1
            && let Some(engine) = matches.get_one::<String>("engine")
        {
            found.insert("engine".to_owned(), Value::from(engine.as_str()));
        }
        for (name, key) in keys(&engines) {
            if let Some(text) = matches.get_one::<String>(name) {
                found.insert(name.to_owned(), key.value(text));
            }
        }
        Ok(Self {
            keys: found.into_iter().collect(),
            source: PhantomData,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<S: KeySource> Args for KeyArguments<S> {
    fn augment_args(mut command: Command) -> Command {
        let engines = S::engines();
        if engines.len() > 1 {
            let names = PossibleValuesParser::new(engines.iter().map(|engine| engine.name));
            let engine = Arg::new("engine").long("engine").value_parser(names);
            command = command.arg(engine.default_value(S::default_engine()).help("Engine"));
        }
        for (name, key) in keys(&engines) {
            let mut argument = Arg::new(name).long(&flag(name).leak()[2..]);
            argument = argument.value_name("VALUE").help(key.help(engines.len()));
            // clap keeps the names of arguments and values as long as the program runs.
            let choices = key.choices().into_iter().map(|choice| &*choice.leak());
            if choices.len() > 0 {
                argument = argument.value_parser(PossibleValuesParser::new(choices));
            }
            command = command.arg(argument);
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
