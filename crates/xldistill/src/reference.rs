//! The reference of config keys, `docs/config.md`, made from the doc comments of the structs.

mod table;

use corpus::filter::FilterConfig;
use corpus::labelled::{Columns, TaskConfig};
use corpus::mix::MixConfig;
use engines::answerer::AnswerEngine;
use engines::choice::{EngineKeys, EngineSection, inlined};
use engines::comet_kiwi::CometKiwiConfig;
use engines::estimator::EstimateEngine;
use engines::field_names::field_names;
use engines::identifier::IdentifyEngine;
use engines::translator::TranslateConfig;
use evaluation::benchmarks::BenchmarkConfig;
use evaluation::report::paths::ReportConfig;
use models::BackboneSettings;
use serde_json::Value;
use training::classification::{ClassificationConfig, ClassificationLoop};
use training::fine_tune::TrainConfig;
use training::general_adaptation::{AdaptConfig, AdaptationLoop};
use training::loop_config::LoopConfig;
use training::mntp::{MntpConfig, MntpLoop};
use training::simcse::{SimcseConfig, SimcseLoop};
use training::task_distillation::{DistillationConfig, DistillationLoop};

use crate::comparison;
use crate::sdrrl::config::{
    CodeSwitch, Config, Data, Decontaminate, Evaluate, ReverseInstructions,
};
use crate::{classify, mt_llm};

use table::{default, head, lower_first, paragraphs, row, table};

const INTRODUCTION: &str = "\
# The config

One TOML file describes one run of a system: SDRRL, MT-LLM, or a classifier alone. Unknown keys are errors. Relative paths are relative to the folder of the file. Any key can be
overridden on the command line: `xldistill run CONFIG train.epochs=2 'data.instructions=[\"other.jsonl\"]'`.
Languages are FLORES-200 codes (`por_Latn`), ISO 639 codes (`pt`), BCP-47 tags (`pt-BR`) or English names.
`xldistill init` writes a config to start from; `xldistill doctor CONFIG` checks the files it names; `xldistill run CONFIG --dry-run`
shows the config with all its defaults.

This page is generated from the program's source: `xldistill config-reference` prints it.
";

/// The whole page.
pub fn document() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str(&system(
        "SDRRL: `system = \"sdrrl\"`, or none",
        &inlined::<Config>().to_value(),
        field_names::<Config>(),
        section_fields,
    ));
    page.push_str(&system(
        "MT-LLM: `system = \"mt-llm\"`",
        &inlined::<mt_llm::Config>().to_value(),
        field_names::<mt_llm::Config>(),
        mt_llm_fields,
    ));
    page.push_str(&system(
        "A classifier: `system = \"classify\"`",
        &inlined::<classify::Config>().to_value(),
        field_names::<classify::Config>(),
        classifier_fields,
    ));
    page
}

/// The keys of the sections of a system, by the path of the section.
type SectionFields = fn(&str) -> Option<&'static [&'static str]>;

/// The part of the page on a system, whose config has this schema and these keys.
fn system(title: &str, schema: &Value, top: &[&str], fields: SectionFields) -> String {
    let is_section = |key: &&str| fields(key).is_some() || engines(key).is_some();
    let mut part = format!("\n## {title}\n");
    let keys: Vec<&str> = top.iter().copied().filter(|key| !is_section(key)).collect();
    part.push_str(&table(schema, &keys));
    for section in top.iter().copied().filter(|key| is_section(key)) {
        part.push_str(&of_section(section, &schema["properties"][section], fields));
    }
    part
}

/// A section and the tables in it.
fn of_section(path: &str, of: &Value, fields: SectionFields) -> String {
    // An optional section is one of its kind, or nothing.
    let inner = of["anyOf"].as_array().and_then(|kinds| kinds.first());
    let (title, more) = paragraphs(of);
    let of = inner.unwrap_or(of);
    // The tables of a map have names of the user's.
    let (shown, of) = match of["additionalProperties"].is_object() {
        true => (format!("{path}.NAME"), &of["additionalProperties"]),
        false => (path.to_owned(), of),
    };
    // A heading is a sentence; the others follow it.
    let (title, rest) = title.split_once(". ").unwrap_or((&title, ""));
    let title = lower_first(title.trim_end_matches('.'));
    let mut part = format!("\n### `[{shown}]`: {title}\n");
    if !rest.is_empty() {
        part.push_str(&format!("\n{rest}\n"));
    }
    part.push_str(&more);
    if let Some((default, engines)) = engines(path) {
        return part + &choice(default, &engines);
    }
    let keys = fields(path).unwrap_or(&[]);
    let name = |key: &str| format!("{path}.{key}");
    let is_section = |key: &&str| fields(&name(key)).is_some();
    let plain: Vec<&str> = keys
        .iter()
        .copied()
        .filter(|key| !is_section(key))
        .collect();
    match path.strip_suffix(".training").is_some() && path != FIRST_LOOP {
        true => part.push_str(&loop_defaults(of, keys)),
        false if plain.is_empty() => {}
        false => part.push_str(&table(of, &plain)),
    }
    for key in keys.iter().copied().filter(|key| is_section(key)) {
        part.push_str(&of_section(&name(key), &of["properties"][key], fields));
    }
    if path == "evaluate" && !of["properties"]["benchmarks"].is_null() {
        part.push_str("\n#### `[[evaluate.benchmarks]]`\n");
        let benchmark = &of["properties"]["benchmarks"]["items"];
        part.push_str(&table(benchmark, field_names::<BenchmarkConfig>()));
    }
    part
}

/// The training loop whose keys are described; others have the same with other defaults.
const FIRST_LOOP: &str = "classify.training";

/// The defaults of a training loop that differ from those of the first.
fn loop_defaults(of: &Value, keys: &[&str]) -> String {
    let first = inlined::<LoopConfig<ClassificationLoop>>().to_value();
    let default_of = |schema: &Value, key: &str| default(&schema["properties"][key]);
    let other = keys
        .iter()
        .filter(|key| default_of(of, key) != default_of(&first, key));
    let other: Vec<String> = other
        .map(|key| format!("`{key}` {}", default_of(of, key)))
        .collect();
    let same = format!("\nThe keys of `[{FIRST_LOOP}]`");
    match other.is_empty() {
        true => format!("{same}, with the same defaults.\n"),
        false => format!("{same}, with other defaults: {}.\n", other.join(", ")),
    }
}

/// The keys of a section of MT-LLM.
fn mt_llm_fields(path: &str) -> Option<&'static [&'static str]> {
    Some(match path {
        "encoder" => field_names::<mt_llm::config::Encoder>(),
        "text" => field_names::<mt_llm::config::Text>(),
        "llm2vec" => field_names::<mt_llm::config::Llm2Vec>(),
        "llm2vec.mntp" => field_names::<MntpConfig>(),
        "llm2vec.mntp.training" => field_names::<LoopConfig<MntpLoop>>(),
        "llm2vec.simcse" => field_names::<SimcseConfig>(),
        "llm2vec.simcse.training" => field_names::<LoopConfig<SimcseLoop>>(),
        "adapt" => field_names::<AdaptConfig>(),
        "adapt.training" => field_names::<LoopConfig<AdaptationLoop>>(),
        "distill" => field_names::<DistillationConfig>(),
        "distill.training" => field_names::<LoopConfig<DistillationLoop>>(),
        "baselines" => field_names::<mt_llm::config::Baselines>(),
        path => return classifier_fields(path),
    })
}

/// The keys of a section of a classifier, which MT-LLM has, too.
fn classifier_fields(path: &str) -> Option<&'static [&'static str]> {
    Some(match path {
        "reading" => field_names::<BackboneSettings>(),
        "tasks" => field_names::<TaskConfig>(),
        "tasks.columns" => field_names::<Columns>(),
        "classify" => field_names::<ClassificationConfig>(),
        "classify.training" => field_names::<LoopConfig<ClassificationLoop>>(),
        "evaluate" => field_names::<comparison::Evaluate>(),
        "report" => field_names::<ReportConfig>(),
        _ => return None,
    })
}

/// The keys of a section without an engine.
fn section_fields(section: &str) -> Option<&'static [&'static str]> {
    Some(match section {
        "data" => field_names::<Data>(),
        "data.columns" => field_names::<corpus::source::Columns>(),
        "filter" => field_names::<FilterConfig>(),
        "code_switch" => field_names::<CodeSwitch>(),
        "reverse_instructions" => field_names::<ReverseInstructions>(),
        "decontaminate" => field_names::<Decontaminate>(),
        "mix" => field_names::<MixConfig>(),
        "train" => field_names::<TrainConfig>(),
        "evaluate" => field_names::<Evaluate>(),
        "evaluate.comet" => field_names::<CometKiwiConfig>(),
        "report" => field_names::<ReportConfig>(),
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
            "\n#### `engine = \"{}\"`\n\n{summary}\n{more}",
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
        for schema in [
            inlined::<Config>(),
            inlined::<mt_llm::Config>(),
            inlined::<classify::Config>(),
        ] {
            free_texts(&schema.to_value(), "", &mut found);
        }
        found.sort();
        found.dedup();
        let no_paths = [
            "adapt.training.lora_targets",
            "answer.server_model",
            "answer.system",
            "answer.url",
            "centring.fields",
            "classify.training.lora_targets",
            "data.columns.assistant",
            "data.columns.content",
            "data.columns.history",
            "data.columns.messages",
            "data.columns.prompt",
            "data.columns.query",
            "data.columns.response",
            "data.columns.role",
            "data.columns.system",
            "data.columns.user",
            "data.parallel.columns",
            "distill.training.lora_targets",
            "encoder.prefix",
            "evaluate.benchmarks.label",
            "evaluate.benchmarks.name",
            "evaluate.benchmarks.prompt",
            "evaluate.bleu_tokenizer",
            "evaluate.pairs.columns",
            "llm2vec.mntp.mask_token",
            "llm2vec.mntp.training.lora_targets",
            "llm2vec.simcse.training.lora_targets",
            "prefix",
            "reverse_instructions.examples.instruction",
            "reverse_instructions.examples.text",
            "reverse_instructions.generic_instruction",
            "reverse_instructions.prompt",
            "reverse_instructions.texts.fields",
            "tasks.columns.choices",
            "tasks.columns.id",
            "tasks.columns.label",
            "tasks.columns.language",
            "tasks.columns.pair",
            "tasks.columns.passage",
            "tasks.columns.question",
            "tasks.columns.text",
            "tasks.data",
            "tasks.labels",
            "tasks.test_data",
            "text.files.fields",
            "train.lora_targets",
            "train.system",
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
        let keys = [
            field_names::<Config>(),
            field_names::<mt_llm::Config>(),
            field_names::<classify::Config>(),
        ];
        for key in keys.concat() {
            let named = ["]`", ".", "` |"].map(|end| match end {
                "` |" => format!("| `{key}{end}"),
                end => format!("`[{key}{end}"),
            });
            let by_language = format!("| `{key}.LANGUAGE` |");
            if page.contains(&by_language) {
                continue;
            }
            assert!(named.iter().any(|name| page.contains(name)), "{key}");
        }
        for line in page.lines().filter(|line| line.starts_with("| `")) {
            assert!(!line.ends_with("|  |"), "no doc comment: {line}");
        }
    }
}
