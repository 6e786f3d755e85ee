//! FLORES: sentences of Wikipedia translated into 204 languages (Goyal et al. 2022, arXiv
//! 2106.03193), in both directions between the source language and another. Read from the published
//! text files, a sentence a line and aligned between languages, or from FLORES+ as JSON Lines or
//! Parquet with the column `text`.
//!
//! The default prompt is that of the subset mt (Table 1). A model that was trained on mt knows it
//! and has an advantage, so compare methods with another prompt, too.

use std::path::Path;

use corpus::template;
use serde_json::json;

use super::{Benchmark, Scoring, Source, Tasks, column, generated};
use crate::metric::bleu::Bleu;
use crate::metric::chrf::Chrf;
use crate::metric::tokenizer::Tokenizer;
use crate::rows::MaterialError;
use crate::task::generation::{AnswerPart, Generation, Question};
use crate::task::{SENTENCE, Series, Skill, Task};

/// See the module.
pub const FLORES: Benchmark = Benchmark {
    name: "flores",
    paper: "Goyal et al. 2022, arXiv 2106.03193",
    files: |language| {
        let code = language.code();
        let names = ["devtest", "txt", "jsonl", "parquet"];
        let inside = names.map(|kind| format!("devtest/{code}.{kind}"));
        let beside = names.map(|kind| format!("{code}.{kind}"));
        [inside, beside].concat()
    },
    covers: |_| true,
    of_source: false,
    scorings: &[Scoring::Generation],
    placeholders: &["{from}", "{to}", "{sentence}"],
    load,
};

/// Room for the longest sentences in scripts that take a token per byte.
const BUDGET: usize = 256;

fn load(source: &mut Source<'_>) -> Tasks {
    let (strong, language) = (source.strong, source.language);
    let paths = [strong, language].map(|language| (source.file)(language));
    let [one, other] = [&paths[0], &paths[1]].map(|path| sentences(path, source));
    let (one, other) = (one?, other?);
    if one.len() != other.len() {
        return Err(source.wrong(format!(
            "{} has {} sentences and {} has {}; both need the same split",
            paths[0].display(),
            one.len(),
            paths[1].display(),
            other.len()
        )));
    }
    let mut pairs: Vec<(String, String)> = one.into_iter().zip(other).collect();
    let solved = source.chosen(&mut pairs)?;
    let mut tasks: Vec<Box<dyn Task>> = Vec::new();
    for forth in [true, false] {
        let (from, to) = if forth {
            (strong, language)
        } else {
            (language, strong)
        };
        let prompt = |sentence: &str| match source.prompt {
            None => template::translation(sentence, from, to),
            Some(prompt) => prompt
                .replace("{from}", from.everyday_name())
                .replace("{to}", to.everyday_name())
                .replace("{sentence}", sentence),
        };
        let question = |(one, other): &(String, String)| {
            let (sentence, reference) = if forth { (one, other) } else { (other, one) };
            Question {
                doc: json!({ SENTENCE: sentence })
                    .as_object()
                    .cloned()
                    .unwrap_or_default(),
                prompt: prompt(sentence),
                references: vec![reference.clone()],
            }
        };
        let title = format!("FLORES, {} → {}", from.everyday_name(), to.everyday_name());
        let series = Series::of("FLORES", ["bleu", "chrf++"])
            .translated_from(from)
            .averaged(Skill::Generation, "bleu");
        let (name, model) = (source.bleu_tokenizer, source.bleu_tokenizer_model);
        let tokenizer = Tokenizer::of_language(name, model, to)
            .map_err(|error| source.wrong(error.to_string()))?;
        let name = format!("flores_{}-{}", from.code(), to.code());
        let part = source.part.unwrap_or(AnswerPart::Whole);
        let task = generated(source, name, title, ("chrf++", "chrF++"), series);
        tasks.push(Box::new(Generation {
            version: 1,
            language: to,
            translated_from: Some(from),
            configuration: json!({ "prompt": prompt("{sentence}") })
                .as_object()
                .cloned()
                .unwrap_or_default(),
            solved: solved.iter().map(question).collect(),
            questions: pairs.iter().map(question).collect(),
            metrics: vec![
                ("bleu", Box::new(Bleu::new(tokenizer))),
                ("chrf++", Box::new(Chrf::plus_plus())),
            ],
            part,
            budget: source.budget.or(Some(BUDGET)),
            ..task
        }));
    }
    Ok(tasks)
}

/// The sentences of a file, in order.
fn sentences(path: &Path, source: &Source<'_>) -> Result<Vec<String>, MaterialError> {
    let kind = path.extension().and_then(|kind| kind.to_str());
    if matches!(
        kind,
        Some("jsonl" | "parquet" | "csv" | "tsv" | "json" | "gz")
    ) {
        let rows = corpus::labelled::records(path)?;
        let rows = rows.into_iter().map(|(line, row)| {
            // A line that is left out would shift all that follow.
            let text = row.and_then(|row| column(&row, "text"));
            text.map_err(|reason| source.wrong(format!("{}:{line}: {reason}", path.display())))
        });
        return rows.collect();
    }
    let loaded = corpus::source::lines(path, 0.0)?;
    match loaded.rejected.first() {
        Some(row) => Err(source.wrong(format!("{}: {}: {}", path.display(), row.id, row.detail))),
        None => Ok(loaded.lines),
    }
}
