//! Translation and completion tasks out of natural sentences (section 3.2.4, Table 1).

use rustc_hash::FxHashSet;
use serde_json::{Value, json};

use super::config::{MixConfig, PairSelection};
use super::split::Part;
use super::{MixInputs, Mixed, SentenceTasks, contamination};
use crate::decontamination::EvaluationIndex;
use crate::language::Language;
use crate::record::{Example, Subset};
use crate::rejected::Rejected;
use crate::sampling;
use crate::template;
use crate::text::words::WordFinder;

/// The parallel corpus of one target language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetPairs {
    /// The target language.
    pub target: Language,
    /// Sentences in the source language with their translations.
    pub pairs: Vec<(String, String)>,
}

/// Text in one target language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetSentences {
    /// The target language.
    pub target: Language,
    /// Its sentences.
    pub sentences: Vec<String>,
}

/// Adds both directions of every chosen pair to mt, and its target sentence to comp. Returns the
/// target sentences.
///
/// Pairs that share a sentence with an earlier one are passed over: one of them might be held out.
pub(super) fn add_pairs<'a>(
    set: &mut SentenceTasks,
    corpus: &'a TargetPairs,
    inputs: &MixInputs<'_>,
    config: &MixConfig,
) -> FxHashSet<&'a String> {
    let (source, target) = (inputs.source, corpus.target);
    let ids: Vec<String> = corpus
        .pairs
        .iter()
        .map(|(s, t)| id("pair", target, &[s, t]))
        .collect();
    let cutter = Cutter::new(target, config.seed);
    let (mut sources, mut targets) = (FxHashSet::default(), FxHashSet::default());
    let mut taken = 0;
    for index in order(&ids, config) {
        if taken == config.parallel_pairs {
            break;
        }
        let ((source_text, target_text), id) = (&corpus.pairs[index], &ids[index]);
        if sources.contains(source_text) || targets.contains(target_text) {
            let row = json!({ "source": source_text, "translation": target_text });
            let detail = "an earlier pair has one of the sentences";
            set.rejected
                .push(rejected(id, "pair", "repeated_sentence", detail, row));
            continue;
        }
        let texts = [source_text.as_str(), target_text.as_str()];
        if let Some(rejected) = contamination::of_sentences(inputs.evaluation, id, "pair", &texts) {
            set.rejected.push(rejected);
            continue;
        }
        sources.insert(source_text);
        targets.insert(target_text);
        let part = Part::of(source_text, config);
        taken += usize::from(part == Part::Train);
        if config.wants(Subset::Mt) {
            let directions = [
                (source, source_text, target, target_text),
                (target, target_text, source, source_text),
            ];
            for (from, sentence, to, translation) in directions {
                let example = Example {
                    id: format!("{id}/mt/{from}-{to}"),
                    subset: Subset::Mt,
                    question_language: from,
                    answer_language: to,
                    question: template::translation(sentence, from, to),
                    answer: translation.clone(),
                    teacher_question: None,
                };
                set.examples.push(Mixed {
                    example,
                    part,
                    generated: false,
                });
            }
        }
        add_completion(set, &cutter, id, target_text, part, config);
    }
    targets
}

/// Adds every chosen sentence to comp, except those that pairs have already added.
pub(super) fn add_monolingual<'a>(
    set: &mut SentenceTasks,
    text: &'a TargetSentences,
    mut seen: FxHashSet<&'a String>,
    evaluation: Option<&EvaluationIndex>,
    config: &MixConfig,
) {
    let cutter = Cutter::new(text.target, config.seed);
    let ids: Vec<String> = text
        .sentences
        .iter()
        .map(|s| id("text", text.target, &[s]))
        .collect();
    let order = order(&ids, config)
        .into_iter()
        .filter(|&index| seen.insert(&text.sentences[index]));
    let mut taken = 0;
    for index in order {
        if taken == config.monolingual_sentences {
            break;
        }
        let (id, sentence) = (&ids[index], &text.sentences[index]);
        if let Some(rejected) = contamination::of_sentences(evaluation, id, "sentence", &[sentence])
        {
            set.rejected.push(rejected);
            continue;
        }
        let part = Part::of(sentence, config);
        taken += usize::from(part == Part::Train);
        add_completion(set, &cutter, id, sentence, part, config);
    }
}

fn add_completion(
    set: &mut SentenceTasks,
    cutter: &Cutter,
    id: &str,
    sentence: &str,
    part: Part,
    config: &MixConfig,
) {
    if !config.wants(Subset::Comp) {
        return;
    }
    let Some(beginning) = cutter.beginning(id, sentence) else {
        let detail = "a single word cannot be cut";
        set.rejected.push(rejected(
            id,
            "completion",
            "too_short",
            detail,
            json!(sentence),
        ));
        return;
    };
    let example = Example {
        id: format!("{id}/comp"),
        subset: Subset::Comp,
        question_language: cutter.language,
        answer_language: cutter.language,
        question: template::completion(beginning, cutter.language),
        answer: sentence.to_owned(),
        teacher_question: None,
    };
    set.examples.push(Mixed {
        example,
        part,
        generated: false,
    });
}

/// Cuts sentences at a random boundary between two words.
struct Cutter {
    language: Language,
    words: WordFinder,
    seed: u64,
}

impl Cutter {
    fn new(language: Language, seed: u64) -> Cutter {
        Cutter {
            language,
            words: WordFinder::new(language),
            seed,
        }
    }

    /// The part before the cut: at least one word, and at least one word short of the sentence.
    fn beginning<'t>(&self, id: &str, sentence: &'t str) -> Option<&'t str> {
        let words = self.words.words(sentence);
        // The cut is before one of the words but the first.
        let candidates = words.len().checked_sub(1).filter(|&n| n > 0)?;
        let cut = &words[1 + sampling::choose(self.seed, "completion", id, candidates)];
        Some(sentence[..cut.start].trim_end())
    }
}

/// The order in which sentences are taken.
fn order(ids: &[String], config: &MixConfig) -> Vec<usize> {
    let mut order: Vec<usize> = (0..ids.len()).collect();
    if config.pair_selection == PairSelection::Sampled {
        let key = |&index: &usize| sampling::shuffle_key(config.seed, "selection", &ids[index]);
        order.sort_by_cached_key(key);
    }
    order
}

fn id(kind: &str, target: Language, texts: &[&String]) -> String {
    let mut hasher = blake3::Hasher::new();
    for text in texts {
        hasher.update(text.as_bytes()).update(&[0]);
    }
    format!("{kind}/{target}/{}", &hasher.finalize().to_hex()[..16])
}

fn rejected(id: &str, field: &str, reason: &str, detail: &str, row: Value) -> Rejected {
    Rejected {
        id: id.to_owned(),
        stage: "mix".into(),
        field: field.into(),
        reason: reason.into(),
        detail: detail.into(),
        row,
    }
}
