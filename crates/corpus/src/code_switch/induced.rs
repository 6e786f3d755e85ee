//! The induced dictionary of a run, made once and kept as an artefact of its own: `pairs.tsv` has a
//! pair a line, word TAB translation.

use artefacts::{ArtefactError, Place, Provenance};
use serde_json::json;

use crate::dictionary::BilingualDictionary;
use crate::dictionary::induced::{pairs, vocabulary};
use crate::language::Language;
use crate::record::Translated;
use crate::seam::{EngineError, Translator};
use crate::stage::{Inputs, StageError};

/// Most words of the questions that a dictionary is induced for.
const MAX_WORDS: usize = 20_000;

/// Raised whenever the way dictionaries are induced changes.
const VERSION: u32 = 1;

/// Error returned when no dictionary could be induced.
#[derive(Debug, thiserror::Error)]
pub enum InduceError {
    /// A translator failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The rows could not be read.
    #[error(transparent)]
    Rows(#[from] StageError),
    /// The dictionary could not be kept.
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
}

/// The dictionary of the most frequent words of all questions: taken from the artefacts of the
/// run if the same questions and translators made the one that is there, else induced and kept.
pub fn dictionary(
    inputs: &Inputs<'_, Translated>,
    forward: &dyn Translator,
    backward: &dyn Translator,
    from: Language,
    to: Language,
    place: &Place,
) -> Result<BilingualDictionary, InduceError> {
    let provenance = Provenance {
        stage: "induce".into(),
        version: VERSION,
        parameters: json!({ "from": from, "to": to, "max_words": MAX_WORDS }),
        engines: vec![forward.identity(), backward.identity()],
        inputs: [("rows".to_owned(), inputs.content_hash()?)].into(),
    };
    let name = format!("induced-{from}-{to}");
    let lines = artefacts::kept(place, &name, "pairs.tsv", provenance, || {
        let mut questions = Vec::new();
        for row in inputs.iter()? {
            questions.push(row?.question.source);
        }
        let words = vocabulary(questions.iter().map(String::as_str), from, MAX_WORDS);
        let pairs = pairs(forward, backward, &words, from, to)?;
        let lines = pairs
            .iter()
            .map(|(word, translation)| format!("{word}\t{translation}\n"));
        Ok::<_, InduceError>(lines.collect::<String>().into_bytes())
    })?;
    let lines = String::from_utf8_lossy(&lines);
    let pairs = lines.lines().filter_map(|line| line.split_once('\t'));
    let pairs: Vec<_> = pairs
        .map(|(word, translation)| (word.to_owned(), translation.to_owned()))
        .collect();
    Ok(BilingualDictionary::from_pairs(&pairs))
}
