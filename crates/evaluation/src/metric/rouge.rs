//! ROUGE-N and ROUGE-L (Lin 2004): the mean F1 of n-grams and of longest common subsequences, as
//! rouge-score and the multilingual scorer of XL-Sum compute them, without stemming: the stemmers of
//! XL-Sum are those of NLTK, and differ from the Snowball project's in up to 3 % of the words.

mod words;

use std::collections::HashMap;
use std::hash::Hash;

pub use words::RougeTokenizer;

use super::{Aggregate, IMPLEMENTATION, Metric, Signature};

/// What ROUGE compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RougeUnit {
    /// n-grams of this many words.
    Ngrams(usize),
    /// The longest common subsequence of words.
    Subsequence,
}

/// ROUGE with its options.
#[derive(Debug)]
pub struct Rouge {
    /// What is compared.
    pub unit: RougeUnit,
    /// What a word is.
    pub tokenizer: RougeTokenizer,
}

impl Rouge {
    fn f1(&self, hypothesis: &[String], reference: &[String]) -> f64 {
        let (common, of_hypothesis, of_reference) = match self.unit {
            RougeUnit::Ngrams(n) => {
                let (hypothesis, reference) = (counts(hypothesis, n), counts(reference, n));
                let common = reference.iter();
                let common = common.map(|(ngram, count)| {
                    hypothesis.get(ngram).map_or(0, |other| *other.min(count))
                });
                let total = |counts: &HashMap<&[String], usize>| counts.values().sum::<usize>();
                (common.sum(), total(&hypothesis), total(&reference))
            }
            RougeUnit::Subsequence => (
                longest_common(hypothesis, reference),
                hypothesis.len(),
                reference.len(),
            ),
        };
        match common {
            0 => 0.0,
            common => 2.0 * common as f64 / (of_hypothesis + of_reference) as f64,
        }
    }
}

impl Metric for Rouge {
    fn name(&self) -> String {
        match self.unit {
            RougeUnit::Ngrams(n) => format!("ROUGE-{n}"),
            RougeUnit::Subsequence => "ROUGE-L".to_owned(),
        }
    }

    /// `[F1, 1]`, against the reference with the best F1.
    fn statistics(&self, hypothesis: &str, references: &[&str]) -> Vec<f64> {
        let hypothesis = self.tokenizer.words(hypothesis);
        let scores = references.iter();
        let scores = scores.map(|reference| self.f1(&hypothesis, &self.tokenizer.words(reference)));
        vec![scores.fold(0.0, f64::max), 1.0]
    }

    fn aggregate(&self) -> Aggregate {
        Aggregate::Ratio { scale: 100.0 }
    }

    fn signature(&self, references: usize) -> Signature {
        Signature::new(references)
            .with("tok", self.tokenizer.name())
            .with("stem", "no")
            .with("impl", IMPLEMENTATION)
    }
}

fn counts(words: &[String], n: usize) -> HashMap<&[String], usize> {
    let mut counts = HashMap::new();
    for ngram in words.windows(n) {
        *counts.entry(ngram).or_default() += 1;
    }
    counts
}

/// Length of the longest common subsequence.
fn longest_common<T: Eq + Hash>(one: &[T], other: &[T]) -> usize {
    let mut lengths = vec![0; other.len() + 1];
    for item in one {
        let mut diagonal = 0;
        for (at, candidate) in other.iter().enumerate() {
            let above = lengths[at + 1];
            lengths[at + 1] = match item == candidate {
                true => diagonal + 1,
                false => above.max(lengths[at]),
            };
            diagonal = above;
        }
    }
    lengths[other.len()]
}
