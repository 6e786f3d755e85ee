//! Translate-test: each text of a test set through a translation engine, once.

use std::path::Path;
use std::time::Instant;

use artefacts::{ArtefactError, KeyBuilder};
use corpus::labelled::LabelledInput;
use corpus::language::Language;
use corpus::progress::Progress;
use corpus::seam::{EngineError, Translator};
use corpus::text::budget::DEFAULT_PIECES;
use corpus::text::segment::Segmenter;
use corpus::translation::translate_texts;
use serde::{Deserialize, Serialize};

use super::test_set::{TaskTest, plain};
use super::{ClassificationError, TranslationRecord};
use crate::row_file::{self, RowFile};

/// Raised with every change of the code that changes translations.
const VERSION: u32 = 1;
/// Rows translated between two writes.
const ROWS_AT_ONCE: usize = 32;

/// A translated row: a line of `translations/LANGUAGE.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct TranslatedRow {
    id: String,
    input: LabelledInput,
    /// Number of texts for which nothing came back.
    untranslated: u64,
}

/// The rows of `set` in the language of its task's training data: premise and hypothesis, text, or passage, question and choices,
/// each translated by itself. Kept in `folder`, and reused if they are those of `known`.
pub(super) fn translated(
    set: &TaskTest,
    translator: &dyn Translator,
    folder: &Path,
    known: Option<&TranslationRecord>,
    progress: &dyn Progress,
) -> Result<(Vec<LabelledInput>, TranslationRecord), ClassificationError> {
    let source = set.source;
    let folder = folder.join(set.folder()).join("translations");
    std::fs::create_dir_all(&folder).map_err(ArtefactError::io("create", &folder))?;
    let path = folder.join(format!("{}.jsonl", plain(&set.language.code)));
    let engine = translator.identity();
    let from = set.language.told.unwrap_or(source);
    let mut key = KeyBuilder::default()
        .with(&(VERSION, from, source, DEFAULT_PIECES))
        .with(&engine.key());
    for row in &set.rows {
        key.add(&(&row.id, &row.input));
    }
    let key = key.finish().to_string();
    if let Some(known) = known.filter(|known| known.key == key)
        && artefacts::hash_file(&path).is_ok_and(|hash| hash == known.hash)
    {
        let rows: Vec<TranslatedRow> = row_file::read(&path);
        if rows.len() == set.rows.len() {
            let inputs = rows.into_iter().map(|row| row.input);
            return Ok((inputs.collect(), known.clone()));
        }
    }
    let started = Instant::now();
    let segmenter = Segmenter::new(from, DEFAULT_PIECES);
    let mut file = RowFile::open(&path, &key, ROWS_AT_ONCE)?;
    let name = format!("{}: translation", set.described());
    progress.begin(&name, Some(set.rows.len() as u64));
    progress.already_done(file.rows().len() as u64);
    while file.rows().len() < set.rows.len() {
        let start = file.rows().len();
        let rows = &set.rows[start..(start + ROWS_AT_ONCE).min(set.rows.len())];
        let inputs = rows.iter().map(|row| &row.input);
        let made = translate(translator, &segmenter, inputs, from, source);
        let made = made.map_err(|source| ClassificationError::Engine {
            system: super::TRANSLATE_TEST.title,
            set: set.described(),
            source,
        })?;
        let made = rows
            .iter()
            .zip(made)
            .map(|(row, (input, untranslated))| TranslatedRow {
                id: row.id.clone(),
                input,
                untranslated,
            });
        file.append(made.collect(), started.elapsed().as_secs_f64())?;
        progress.advance(rows.len() as u64);
    }
    progress.end();
    let finished = file.finish()?;
    let record = TranslationRecord {
        key,
        hash: finished.hash,
        engine,
        untranslated: finished.rows.iter().map(|row| row.untranslated).sum(),
        seconds: finished.seconds,
    };
    let inputs = finished.rows.into_iter().map(|row| row.input);
    Ok((inputs.collect(), record))
}

/// The translated inputs, each with the number of texts for which nothing came back.
fn translate<'a>(
    translator: &dyn Translator,
    segmenter: &Segmenter,
    inputs: impl Iterator<Item = &'a LabelledInput> + Clone,
    from: Language,
    to: Language,
) -> Result<Vec<(LabelledInput, u64)>, EngineError> {
    let texts: Vec<&str> = inputs.clone().flat_map(LabelledInput::texts).collect();
    let mut translations = translate_texts(translator, segmenter, &texts, from, to)?.into_iter();
    let translated = inputs.map(|input| {
        let mut untranslated = 0;
        let texts = input.texts().into_iter().map(|text| {
            translations.next().flatten().unwrap_or_else(|| {
                untranslated += 1;
                text.to_owned()
            })
        });
        (input.with_texts(texts.collect()), untranslated)
    });
    Ok(translated.collect())
}
