//! Mixes words of the other language into the questions (section 3.2.3, Eq. 5).
//!
//! Only questions are code-switched, and each of LL, TL, LT and TT draws for itself. Code,
//! addresses, placeholders and other protected spans keep their words.

pub mod induced;

use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::dictionary::coverage::{Coverage, Tally, UNBALANCED, balance};
use crate::dictionary::{BilingualDictionary, Dictionary};
use crate::language::Language;
use crate::record::{CodeSwitched, Subset, Translated};
use crate::sampling::Stream;
use crate::stage::{Inputs, Manifest, Outcome, RowStage, StageError};
use crate::text::segment::{Segment, Segmenter};
use crate::text::words::WordFinder;

/// Rows whose words are counted at once.
const BATCH: usize = 4096;

/// Settings of code-switching.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CodeSwitchConfig {
    /// p of Eq. 5: the probability that a word which has a translation is replaced by it. 0
    /// leaves the questions as they are.
    pub probability: f64,
    /// Decides which words and which of their translations.
    pub seed: u64,
}

impl Default for CodeSwitchConfig {
    fn default() -> Self {
        Self {
            probability: 0.15,
            seed: 0,
        }
    }
}

/// Replaces words of the questions by dictionary translations.
pub struct CodeSwitchStage {
    dictionaries: BTreeMap<Language, BilingualDictionary>,
    config: CodeSwitchConfig,
    source: Switcher,
    targets: BTreeMap<Language, Switcher>,
    from: Language,
}

impl CodeSwitchStage {
    /// A stage for questions in `from` and its translations, with a dictionary for each target
    /// language; questions of a target language without one stay as they are.
    pub fn new(
        dictionaries: BTreeMap<Language, BilingualDictionary>,
        from: Language,
        config: CodeSwitchConfig,
    ) -> Self {
        let targets = dictionaries
            .keys()
            .map(|&language| (language, Switcher::new(language)))
            .collect();
        Self {
            dictionaries,
            config,
            source: Switcher::new(from),
            targets,
            from,
        }
    }

    /// The four questions of a row.
    fn questions(&self, row: &Translated) -> [Option<String>; 4] {
        let (source, translation) = (&row.question.source, row.question.translation.as_deref());
        let generated = row
            .generated
            .as_ref()
            .and_then(|text| text.translation.as_ref());
        // A subset whose answers were all rejected has no use for its question.
        let answered = row.answer.translation.is_some() || generated.is_some();
        let dictionary = self.dictionaries.get(&row.target);
        let (Some(dictionary), Some(target)) = (dictionary, self.targets.get(&row.target)) else {
            let translation = translation.map(str::to_owned);
            return [
                Some(source.clone()),
                translation.clone(),
                answered.then(|| source.clone()),
                translation.filter(|_| answered),
            ];
        };
        let source = self.source.open(source);
        let translation = translation.map(|text| target.open(text));
        let (into, back) = (&dictionary.source_to_target, &dictionary.target_to_source);
        let switch = |question: &Question, dictionary, subset: Subset| {
            let purpose = format!("code_switch {} {}", subset.name(), row.target);
            let draws = Stream::for_id(self.config.seed, &purpose, &row.id);
            question.switched(dictionary, self.config.probability, draws)
        };
        let of_translation = |subset| Some(switch(translation.as_ref()?, back, subset));
        [
            Some(switch(&source, into, Subset::LL)),
            of_translation(Subset::TL),
            answered.then(|| switch(&source, into, Subset::LT)),
            answered.then(|| of_translation(Subset::TT)).flatten(),
        ]
    }
}

impl RowStage for CodeSwitchStage {
    type Input = Translated;
    type Output = CodeSwitched;

    fn name(&self) -> &'static str {
        "code_switch"
    }

    fn version(&self) -> u32 {
        1
    }

    fn parameters(&self) -> Value {
        let revisions: BTreeMap<&str, String> = self
            .dictionaries
            .iter()
            .map(|(language, dictionary)| (language.code(), dictionary.revision()))
            .collect();
        json!({ "from": self.from, "config": self.config, "dictionaries": revisions })
    }

    /// Share of the questions' words that each dictionary can translate, by target language and
    /// direction.
    fn details(&self, inputs: &Inputs<'_, Translated>) -> Result<Value, StageError> {
        let mut tallies: BTreeMap<Language, [Tally; 2]> = self
            .dictionaries
            .keys()
            .map(|&target| (target, Default::default()))
            .collect();
        let mut rows = inputs.iter()?;
        loop {
            let batch: Result<Vec<Translated>, _> = rows.by_ref().take(BATCH).collect();
            let batch = batch?;
            if batch.is_empty() {
                break;
            }
            for (target, [forward, backward]) in &mut tallies {
                let dictionary = &self.dictionaries[target];
                let of_target = || batch.iter().filter(|row| row.target == *target);
                let questions: Vec<&str> = of_target()
                    .map(|row| row.question.source.as_str())
                    .collect();
                forward.add(&dictionary.source_to_target, &questions, &self.source.words);
                let questions: Vec<&str> = of_target()
                    .filter_map(|row| row.question.translation.as_deref())
                    .collect();
                let words = &self.targets[target].words;
                backward.add(&dictionary.target_to_source, &questions, words);
            }
        }
        let coverage: BTreeMap<&str, Value> = tallies
            .iter()
            .map(|(target, [forward, backward])| {
                let directions = json!({
                    "into": described(&forward.coverage()),
                    "from": described(&backward.coverage()),
                });
                (target.code(), directions)
            })
            .collect();
        Ok(json!({ "dictionary_coverage": coverage }))
    }

    fn process(&self, rows: &[Translated]) -> Result<Vec<Outcome<CodeSwitched>>, StageError> {
        let switch = |row: &Translated| {
            Outcome::kept(CodeSwitched {
                questions: self.questions(row),
                row: row.clone(),
            })
        };
        Ok(rows.par_iter().map(switch).collect())
    }
}

/// The dictionaries' coverage in a finished stage's manifest as a line for the user, e.g.
/// `dictionary of por_Latn: 52.7 % of the question words, 48.1 % of the translated ones`.
pub fn coverage_summary(manifest: &Manifest) -> String {
    let Some(Value::Object(languages)) = manifest.results.details.get("dictionary_coverage") else {
        return String::new();
    };
    let line = |(language, directions): (&String, &Value)| {
        let covered = |direction: &str| {
            let count = |name: &str| {
                let count = directions.pointer(&format!("/{direction}/{name}"));
                count.and_then(Value::as_u64).unwrap_or(0) as usize
            };
            Coverage {
                words: count("words"),
                known_words: count("known_words"),
                ..Coverage::default()
            }
        };
        let (into, from) = (covered("into"), covered("from"));
        let unbalanced = balance(&into, &from).is_some_and(|balance| balance < UNBALANCED);
        format!(
            "dictionary of {language}: {:.1} % of the question words, {:.1} % of the translated ones{}",
            100.0 * into.share(),
            100.0 * from.share(),
            match unbalanced || from.is_hardly_any() {
                true => " (is it a dictionary of this language?)",
                false => "",
            }
        )
    };
    languages.iter().map(line).collect::<Vec<_>>().join("; ")
}

/// A coverage with its share, as the manifest has it.
fn described(coverage: &Coverage) -> Value {
    json!({
        "share": (coverage.share() * 1e4).round() / 1e4,
        "words": coverage.words,
        "known_words": coverage.known_words,
        "different_words": coverage.distinct,
        "known_different_words": coverage.known_distinct,
    })
}

/// Replaces words of texts in one language.
struct Switcher {
    segmenter: Segmenter,
    words: WordFinder,
}

impl Switcher {
    fn new(language: Language) -> Self {
        Self {
            // Words are all that matters here: sentences may be as long as they are.
            segmenter: Segmenter::new(language, usize::MAX / 8),
            words: WordFinder::new(language),
        }
    }

    /// `text` with its words found.
    fn open<'t>(&self, text: &'t str) -> Question<'t> {
        let mut words = Vec::new();
        let mut sentence_start = 0;
        for segment in self.segmenter.segment(text) {
            let sentence = match segment {
                Segment::Keep(kept) => {
                    sentence_start += kept.len();
                    continue;
                }
                Segment::Translate(sentence) => sentence,
            };
            words.extend(self.words.words(sentence.text).into_iter().map(|word| {
                let is_protected = (sentence.protected.iter())
                    .any(|span| span.start < word.end && word.start < span.end);
                Word {
                    range: sentence_start + word.start..sentence_start + word.end,
                    is_protected,
                }
            }));
            sentence_start += sentence.text.len();
        }
        Question { text, words }
    }
}

/// A text of which several versions are drawn.
struct Question<'t> {
    text: &'t str,
    words: Vec<Word>,
}

struct Word {
    range: Range<usize>,
    is_protected: bool,
}

impl Question<'_> {
    /// Eq. 5 for every word.
    fn switched(&self, dictionary: &Dictionary, probability: f64, mut draws: Stream) -> String {
        let mut switched = String::with_capacity(self.text.len() + self.text.len() / 4);
        let mut end = 0;
        for Word {
            range,
            is_protected,
        } in &self.words
        {
            // Every word draws, so that a new dictionary entry changes its own word only.
            let (replace, which) = (draws.uniform() < probability, draws.bits());
            if !replace || *is_protected {
                continue;
            }
            let word = &self.text[range.clone()];
            let translations = dictionary.translations(word);
            if translations.is_empty() {
                continue;
            }
            let translation = &translations[(which % translations.len() as u64) as usize];
            switched.push_str(&self.text[end..range.start]);
            switched.push_str(&in_case_of(word, translation));
            end = range.end;
        }
        switched.push_str(&self.text[end..]);
        switched
    }
}

/// `translation` written as `word` is: CAPITALS, Title or as the dictionary has it.
fn in_case_of(word: &str, translation: &str) -> String {
    let mut letters = word.chars().filter(|c| c.is_alphabetic());
    let title = letters.next().is_some_and(char::is_uppercase);
    let capitals = title
        && word.chars().filter(|c| c.is_alphabetic()).count() > 1
        && letters.all(char::is_uppercase);
    if capitals {
        return translation.to_uppercase();
    }
    let mut rest = translation.chars();
    match rest.next() {
        Some(first) if title => first.to_uppercase().chain(rest).collect(),
        _ => translation.to_owned(),
    }
}
