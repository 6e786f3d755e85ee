//! The reference of config keys, `docs/config.md`, made from the doc comments of the structs.

use corpus::filter::FilterConfig;
use corpus::mix::MixConfig;
use engines::answerer::AnswerEngine;
use engines::choice::{EngineKeys, EngineSection, inlined};
use engines::estimator::EstimateEngine;
use engines::field_names::field_names;
use engines::identifier::IdentifyEngine;
use engines::translator::TranslateConfig;
use evaluation::benchmarks::BenchmarkConfig;
use serde_json::Value;
use training::fine_tune::TrainConfig;

use super::{CodeSwitch, Config, Data, Decontaminate, Evaluate};

const INTRODUCTION: &str = "\
# The config

One TOML file describes one run. Unknown keys are errors. Relative paths are relative to the folder of the file. Any key can be
overridden on the command line: `xldistill run CONFIG train.epochs=2 'data.instructions=[\"other.jsonl\"]'`.
Languages are FLORES-200 codes (`por_Latn`), ISO 639 codes (`pt`), BCP-47 tags (`pt-BR`) or English names.
`xldistill init` writes a config to start from; `xldistill doctor CONFIG` checks the files it names; `xldistill run CONFIG --dry-run`
shows the config with all its defaults.

This page is generated from the program's source: `xldistill config-reference` prints it.
";

/// The whole page.
pub fn document() -> String {
    let schema = inlined::<Config>().to_value();
    let top: Vec<&str> = field_names::<Config>().to_vec();
    let is_section = |key: &&str| section_fields(key).is_some() || engines(key).is_some();
    let mut page = INTRODUCTION.to_owned();
    page.push_str("\n## Top level\n");
    let keys: Vec<&str> = top.iter().copied().filter(|key| !is_section(key)).collect();
    page.push_str(&table(&schema, &keys));
    for section in top.iter().filter(|key| is_section(key)) {
        let of = &schema["properties"][section];
        let (title, more) = paragraphs(of);
        let title = title.trim_end_matches('.');
        page.push_str(&format!("\n## `[{section}]`: {}\n", lower_first(title)));
        page.push_str(&more);
        match engines(section) {
            Some((default, engines)) => page.push_str(&choice(default, &engines)),
            None => page.push_str(&table(of, section_fields(section).unwrap_or(&[]))),
        }
        if *section == "evaluate" {
            page.push_str("\n### `[[evaluate.benchmarks]]`\n");
            let benchmark = &of["properties"]["benchmarks"]["items"];
            page.push_str(&table(benchmark, field_names::<BenchmarkConfig>()));
        }
    }
    page
}

/// The keys of a section without an engine.
fn section_fields(section: &str) -> Option<&'static [&'static str]> {
    Some(match section {
        "data" => field_names::<Data>(),
        "filter" => field_names::<FilterConfig>(),
        "code_switch" => field_names::<CodeSwitch>(),
        "decontaminate" => field_names::<Decontaminate>(),
        "mix" => field_names::<MixConfig>(),
        "train" => field_names::<TrainConfig>(),
        "evaluate" => field_names::<Evaluate>(),
        _ => return None,
    })
}

/// The default engine of a section, and all of them.
fn engines(section: &str) -> Option<(&'static str, Vec<EngineKeys>)> {
    fn of<E: EngineSection>() -> Option<(&'static str, Vec<EngineKeys>)> {
        Some((E::DEFAULT, E::engines()))
    }
    match section {
        AnswerEngine::SECTION => of::<AnswerEngine>(),
        TranslateConfig::SECTION => of::<TranslateConfig>(),
        IdentifyEngine::SECTION => of::<IdentifyEngine>(),
        EstimateEngine::SECTION => of::<EstimateEngine>(),
        _ => None,
    }
}

/// A section with an engine: the keys of all engines, then those of each.
fn choice(default: &str, engines: &[EngineKeys]) -> String {
    let schemas: Vec<Value> = engines
        .iter()
        .map(|e| e.schema.clone().to_value())
        .collect();
    let shared = |key: &str| {
        let of = |schema: &Value| schema["properties"][key].clone();
        !of(&schemas[0]).is_null() && schemas.iter().all(|schema| of(schema) == of(&schemas[0]))
    };
    let names: Vec<String> = engines.iter().map(|e| format!("`{}`", e.name)).collect();
    let mut notes = String::new();
    let mut text = head();
    text.push_str(&format!(
        "| `engine` | `{default}` | {} |\n",
        names.join(", ")
    ));
    for (key, _) in engines[0].keys().filter(|(key, _)| shared(key)) {
        text.push_str(&row(key, &schemas[0], &mut notes));
    }
    text.push_str(&notes);
    for (engine, schema) in engines.iter().zip(&schemas) {
        let (summary, more) = paragraphs(schema);
        text.push_str(&format!(
            "\n### `engine = \"{}\"`\n\n{summary}\n{more}",
            engine.name
        ));
        let keys = engine.keys().map(|(key, _)| key);
        let keys: Vec<&str> = keys.filter(|key| !shared(key)).collect();
        if !keys.is_empty() {
            text.push_str(&table(schema, &keys));
        }
    }
    text
}

fn head() -> String {
    "\n| key | default | meaning |\n|---|---|---|\n".to_owned()
}

/// The keys of `schema` as a table, followed by notes that do not fit into a cell.
fn table(schema: &Value, keys: &[&str]) -> String {
    let mut table = head();
    let mut notes = String::new();
    for key in keys {
        table.push_str(&row(key, schema, &mut notes));
    }
    table + &notes
}

fn row(key: &str, schema: &Value, notes: &mut String) -> String {
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

fn default(of: &Value) -> String {
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
fn paragraphs(of: &Value) -> (String, String) {
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
fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            let lower: String = first.to_lowercase().collect();
            lower + &text[first.len_utf8()..]
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys of `schema` that take any text.
    fn free_texts(schema: &Value, path: &str, found: &mut Vec<String>) {
        let types = &schema["type"];
        let is_text = types == "string"
            || types
                .as_array()
                .is_some_and(|types| types.iter().any(|name| name == "string"));
        let narrowed = ["format", "enum", "const", "pattern"];
        if is_text && narrowed.iter().all(|key| schema[key].is_null()) {
            found.push(path.to_owned());
        }
        for (key, of) in schema["properties"].as_object().into_iter().flatten() {
            free_texts(of, format!("{path}.{key}").trim_start_matches('.'), found);
        }
        for inner in ["additionalProperties", "items"] {
            if let Some(inner) = schema.get(inner) {
                free_texts(inner, path, found);
            }
        }
        for list in ["oneOf", "anyOf", "allOf"] {
            for variant in schema[list].as_array().into_iter().flatten() {
                free_texts(variant, path, found);
            }
        }
    }

    /// A path is a `FilePath` or a `ModelRef`, which are resolved against the config's folder; a
    /// `PathBuf` or `String` would be resolved against the working directory.
    #[test]
    fn every_path_is_resolved_against_the_folder_of_the_config() {
        let mut found = Vec::new();
        free_texts(&inlined::<Config>().to_value(), "", &mut found);
        found.sort();
        found.dedup();
        let no_paths = [
            "answer.server_model",
            "answer.system",
            "answer.url",
            "evaluate.benchmarks.name",
            "evaluate.bleu_tokenizer",
            "train.lora_targets",
            "translate.server_model",
            "translate.url",
        ];
        assert_eq!(
            found, no_paths,
            "make a path a FilePath; add what is no path to this list"
        );
    }

    #[test]
    fn every_section_is_explained() {
        let page = document();
        for key in field_names::<Config>() {
            let named = [format!("`[{key}]`"), format!("| `{key}` |")];
            assert!(named.iter().any(|name| page.contains(name)), "{key}");
        }
        for line in page.lines().filter(|line| line.starts_with("| `")) {
            assert!(!line.ends_with("|  |"), "no doc comment: {line}");
        }
    }
}
