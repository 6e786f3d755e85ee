//! `xldistill predict`: a JSON line with label and probabilities for each line of standard input.

mod rows;

use std::io::Write;

use anyhow::{Result, bail};
use corpus::labelled::most_probable;
use models::classifier::{Classifier, Head, HeadKind};
use models::{Backbone, EncodedText, LanguageShifts, ModelDirectory, WeightForm};
use serde_json::{Map, Value, json};

use self::rows::{Layout, Row, Rows};
use crate::{
    arguments::{PredictArguments, language},
    config_file::ConfigError,
    lines::LineReader,
    terminal::line,
};

/// Classifies standard input as it arrives. A line that cannot be classified gets a line with
/// `error`, so that outputs stay in step with inputs; the command then fails at the end.
pub fn run(arguments: &PredictArguments) -> Result<()> {
    let directory = ModelDirectory::open(&arguments.model)?;
    let device = arguments.device.open()?;
    let form = WeightForm::Packed(arguments.precision);
    let classifier = directory.classifier(&device, form)?;
    let head = head(&classifier, arguments.task.as_deref())?;
    let language = told(
        &classifier.backbone,
        arguments.language.as_deref(),
        arguments.jsonl,
    )?;
    let layout = match (arguments.jsonl, arguments.pairs) {
        (true, _) => Layout::Json,
        (_, true) => Layout::Pairs,
        _ => Layout::Texts,
    };
    check_layout(head, layout)?;
    let mut out = std::io::stdout().lock();
    let (mut read, mut failed) = (0, 0);
    let mut rows = Rows::new(LineReader::of_standard_input(), layout);
    while let Some(batch) = rows.next(arguments.batch_size)? {
        read += batch.len();
        for line in answer(&classifier, head, batch, language.as_deref()) {
            failed += usize::from(line.contains_key("error"));
            writeln!(out, "{}", Value::Object(line))?;
        }
        out.flush()?;
    }
    if failed > 0 {
        bail!("{failed} of {read} lines have no label; their `error` says why");
    }
    Ok(())
}

/// The head of the task `named`, or the only one.
fn head<'a>(classifier: &'a Classifier, named: Option<&str>) -> Result<&'a Head> {
    if let Some(task) = named {
        return Ok(classifier.head(task)?);
    }
    let mut heads = classifier.heads.values();
    match (heads.next(), heads.next()) {
        (Some(only), None) => Ok(only),
        _ => {
            let tasks: Vec<&str> = classifier.heads.keys().map(String::as_str).collect();
            let tasks = tasks.join(", ");
            Err(ConfigError(format!("--task: the model has several tasks: {tasks}")).into())
        }
    }
}

/// Fails if no line of this layout could be what the head reads, with the argument that is missing.
fn check_layout(head: &Head, layout: Layout) -> Result<(), ConfigError> {
    let remedy = match (layout, head.kind) {
        (Layout::Texts, HeadKind::Pair) => "name --pairs, and separate the two by a tab",
        (Layout::Texts | Layout::Pairs, HeadKind::Choices) => "name --jsonl",
        (Layout::Pairs, HeadKind::Text) => "leave out --pairs",
        _ => return Ok(()),
    };
    let expected = head.kind.expected();
    Err(ConfigError(format!("the task reads {expected}; {remedy}")))
}

/// Whether the states of texts in some languages are shifted, so that the language counts.
fn is_centred(backbone: &Backbone) -> bool {
    backbone
        .shifts()
        .is_some_and(|shifts| shifts.languages().next().is_some())
}

/// The FLORES-200 code of `named`, which the model must know if it marks languages or is centred. Rows
/// may each name their own.
pub fn told(
    backbone: &Backbone,
    named: Option<&str>,
    rows_may: bool,
) -> Result<Option<String>, ConfigError> {
    let code = named.map(|name| language("--language", name)).transpose()?;
    let code = code.map(|language| language.code().to_owned());
    if is_centred(backbone) {
        let shifts = backbone
            .shifts()
            .into_iter()
            .flat_map(LanguageShifts::languages);
        let shifted: Vec<&str> = shifts.collect();
        let known = shifted.join(", ");
        match &code {
            None if !rows_may => {
                return Err(ConfigError(format!(
                    "--language: the model is centred, so name the language of the texts; it shifts \
                     {known} and reads others as they are"
                )));
            }
            Some(code) if !shifted.contains(&code.as_str()) => line(&format!(
                "note: texts in {code} are read as they are; the model shifts {known}"
            )),
            _ => {}
        }
    }
    match (backbone.languages(), &code) {
        (Some(_), None) if !rows_may => Err(ConfigError(
            "--language: the encoder marks the language of a text, so name it, e.g. \
             --language por_Latn"
                .into(),
        )),
        (Some(known), Some(code)) if !known.contains(code) => Err(ConfigError(format!(
            "--language: the encoder does not know {code}; name a related language that it does"
        ))),
        _ => Ok(code),
    }
}

/// An output line for each row, in order.
fn answer(
    classifier: &Classifier,
    head: &Head,
    batch: Vec<Row>,
    language: Option<&str>,
) -> Vec<Map<String, Value>> {
    let encoded = batch
        .iter()
        .map(|row| encode(classifier, head, row, language));
    let (mut texts, mut outcomes) = (Vec::new(), Vec::new());
    for encoded in encoded {
        outcomes.push(encoded.map(|text| texts.push(text)));
    }
    // Texts of one length together: passes of equal work, whatever the order of the lines.
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by_key(|&index| texts[index].tokens());
    let sorted: Vec<EncodedText> = order.iter().map(|&index| texts[index].clone()).collect();
    let mut probabilities = vec![Vec::new(); texts.len()];
    for (index, found) in order.iter().zip(classifier.probabilities_of(head, &sorted)) {
        probabilities[*index] = found;
    }
    let mut classified = texts.iter().zip(probabilities);
    let line = |(row, outcome): (Row, Result<(), String>)| {
        let mut line = Map::new();
        if let Some(id) = row.id {
            line.insert("id".into(), id);
        }
        match outcome {
            Ok(()) => {
                let (text, found) = classified.next().expect("a text for every success");
                fill(&mut line, head, text, &found);
            }
            Err(error) => {
                line.insert("label".into(), Value::Null);
                line.insert("error".into(), error.into());
            }
        }
        line
    };
    batch.into_iter().zip(outcomes).map(line).collect()
}

fn encode(
    classifier: &Classifier,
    head: &Head,
    row: &Row,
    language: Option<&str>,
) -> Result<EncodedText, String> {
    let input = row.input.as_ref().map_err(String::clone)?;
    let input = input.as_input();
    if !head.kind.reads(&input) {
        return Err(format!("the task reads {}", head.kind.expected()));
    }
    if row.language.is_none() && language.is_none() && is_centred(&classifier.backbone) {
        return Err("the model is centred: name the language of the text".into());
    }
    let own = row
        .language
        .as_deref()
        .map(corpus::language::Language::parse);
    let own = own.transpose().map_err(|error| error.to_string())?;
    let own = own.map(corpus::language::Language::code);
    let encoded = classifier.backbone.encode(&input, own.or(language));
    encoded.map_err(|error| error.to_string())
}

/// Adds label and probabilities, by label or in the order of the choices.
fn fill(line: &mut Map<String, Value>, head: &Head, text: &EncodedText, found: &[f32]) {
    let best = most_probable(found);
    let (label, probabilities) = match head.kind.scores_choices() {
        false => {
            let pairs = head.labels.iter().zip(found);
            let pairs = pairs.map(|(label, found)| (label.clone(), json!(found)));
            let label = head.labels.get(best).cloned();
            (json!(label), Value::Object(pairs.collect()))
        }
        true => (json!(best + 1), json!(found)),
    };
    line.insert("label".into(), label);
    line.insert("probabilities".into(), probabilities);
    if text.truncated {
        line.insert("truncated".into(), true.into());
    }
}
