//! BLEU (Papineni et al. 2002) as sacrebleu 2.6 computes it.

use std::fmt;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::tokenizer::{Tokenizer, is_space, split};
use super::{Aggregate, Metric, SACREBLEU_VERSION, Signature};

/// Maximum n-gram order.
pub const MAX_ORDER: usize = 4;

/// Smoothing of n-gram orders without a match (Chen and Cherry 2014).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Smoothing {
    /// None: a single order without a match makes the score 0.
    None,
    /// Method 1: such an order counts as this many matches (0.1 in the paper).
    Floor(f64),
    /// Method 2: this number is added to the matches and totals of orders above 1 (1 in the paper).
    AddK(f64),
    /// Method 3: 1/2, 1/4, ... of a match; the default, as in mteval-v13a.
    Exp,
}

impl fmt::Display for Smoothing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Smoothing::None => formatter.write_str("none"),
            Smoothing::Floor(value) => write!(formatter, "floor[{value:.2}]"),
            Smoothing::AddK(value) => write!(formatter, "add-k[{value:.2}]"),
            Smoothing::Exp => formatter.write_str("exp"),
        }
    }
}

/// BLEU with its options.
#[derive(Debug)]
pub struct Bleu {
    /// Tokenizer.
    pub tokenizer: Tokenizer,
    /// Whether case is ignored.
    pub lowercase: bool,
    /// Smoothing of orders without a match.
    pub smoothing: Smoothing,
    /// Whether orders longer than the hypothesis are left out; for the score of one sentence.
    pub effective_order: bool,
}

impl Bleu {
    /// sacrebleu's defaults with this tokenizer.
    pub fn new(tokenizer: Tokenizer) -> Self {
        Self {
            tokenizer,
            lowercase: false,
            smoothing: Smoothing::Exp,
            effective_order: false,
        }
    }

    fn preprocess(&self, text: &str) -> String {
        let lowered;
        let text = if self.lowercase {
            lowered = text.to_lowercase();
            lowered.as_str()
        } else {
            text
        };
        self.tokenizer.tokenize(text.trim_end_matches(is_space))
    }
}

impl Metric for Bleu {
    fn name(&self) -> String {
        "BLEU".to_owned()
    }

    /// `[hypothesis length, reference length, matched 1..=4, total 1..=4]`; the reference length is
    /// the one closest to that of the hypothesis, and the shorter one of two equally close.
    fn statistics(&self, hypothesis: &str, references: &[&str]) -> Vec<f64> {
        let hypothesis = self.preprocess(hypothesis);
        let references: Vec<String> = references
            .iter()
            .map(|reference| self.preprocess(reference))
            .collect();

        let mut ids = FxHashMap::default();
        let hypothesis = token_ids(&hypothesis, &mut ids);
        let references: Vec<Vec<u32>> = references
            .iter()
            .map(|reference| token_ids(reference, &mut ids))
            .collect();

        let reference_length = references
            .iter()
            .map(Vec::len)
            .min_by_key(|&length| (length.abs_diff(hypothesis.len()), length))
            .unwrap_or(0);
        let mut row = vec![0.0; 2 + 2 * MAX_ORDER];
        row[0] = hypothesis.len() as f64;
        row[1] = reference_length as f64;
        for order in 1..=MAX_ORDER {
            let mut references = references.iter().map(|reference| count(reference, order));
            let mut allowed = references.next().unwrap_or_default();
            for (ngram, count) in references.flatten() {
                let most = allowed.entry(ngram).or_default();
                *most = count.max(*most);
            }
            for (ngram, count) in count(&hypothesis, order) {
                let clipped = allowed.get(&ngram).map_or(0, |&most| most.min(count));
                row[1 + order] += f64::from(clipped);
                row[1 + MAX_ORDER + order] += f64::from(count);
            }
        }
        row
    }

    fn aggregate(&self) -> Aggregate {
        Aggregate::Bleu {
            smoothing: self.smoothing,
            effective_order: self.effective_order,
        }
    }

    fn signature(&self, references: usize) -> Signature {
        Signature::new(references)
            .with("case", if self.lowercase { "lc" } else { "mixed" })
            .with("eff", if self.effective_order { "yes" } else { "no" })
            .with("tok", self.tokenizer.name())
            .with("smooth", self.smoothing)
            .with("version", SACREBLEU_VERSION)
    }

    fn verbose(&self, sums: &[f64]) -> Option<String> {
        Some(BleuParts::new(sums, self.smoothing, self.effective_order).to_string())
    }
}

fn token_ids<'t>(tokenized: &'t str, ids: &mut FxHashMap<&'t str, u32>) -> Vec<u32> {
    split(tokenized)
        .map(|token| {
            let next = ids.len() as u32;
            *ids.entry(token).or_insert(next)
        })
        .collect()
}

/// How often every n-gram of this order occurs; an n-gram is its ids, one after the other.
fn count(tokens: &[u32], order: usize) -> FxHashMap<u128, u32> {
    let mut counts = FxHashMap::default();
    counts.reserve(tokens.len());
    for ngram in tokens.windows(order) {
        let ngram = (ngram.iter()).fold(0, |ids, &id| ids << u32::BITS | u128::from(id));
        *counts.entry(ngram).or_default() += 1;
    }
    counts
}

/// The components of BLEU that `sacrebleu` prints after the score.
#[derive(Debug, Clone, PartialEq)]
pub struct BleuParts {
    /// BLEU, 0 to 100.
    pub score: f64,
    /// Smoothed n-gram precisions, 0 to 100.
    pub precisions: [f64; MAX_ORDER],
    /// Brevity penalty: exp(1 − reference length / hypothesis length) if the hypotheses are too
    /// short, otherwise 1.
    pub brevity_penalty: f64,
    /// Tokens in the hypotheses.
    pub hypothesis_length: f64,
    /// Tokens in the references closest in length.
    pub reference_length: f64,
}

impl BleuParts {
    /// BLEU from summed statistics (see [`Bleu::statistics`](Metric::statistics)).
    pub fn new(sums: &[f64], smoothing: Smoothing, effective_order: bool) -> Self {
        let (hypothesis_length, reference_length) = (sums[0], sums[1]);
        let (matched, total) = (&sums[2..2 + MAX_ORDER], &sums[2 + MAX_ORDER..]);
        let brevity_penalty = if hypothesis_length >= reference_length {
            1.0
        } else if hypothesis_length > 0.0 {
            (1.0 - reference_length / hypothesis_length).exp()
        } else {
            0.0
        };
        let mut parts = Self {
            score: 0.0,
            precisions: [0.0; MAX_ORDER],
            brevity_penalty,
            hypothesis_length,
            reference_length,
        };
        if matched.iter().all(|&count| count == 0.0) {
            return parts;
        }
        let (mut halving, mut order) = (1.0, MAX_ORDER);
        for n in 0..MAX_ORDER {
            let added = match smoothing {
                Smoothing::AddK(k) if n > 0 => k,
                _ => 0.0,
            };
            let (matched, total) = (matched[n] + added, total[n] + added);
            if total == 0.0 {
                break;
            }
            if effective_order {
                order = n + 1;
            }
            parts.precisions[n] = match smoothing {
                _ if matched > 0.0 => 100.0 * matched / total,
                Smoothing::Exp => {
                    halving *= 2.0;
                    100.0 / (halving * total)
                }
                Smoothing::Floor(floor) => 100.0 * floor / total,
                Smoothing::None | Smoothing::AddK(_) => 0.0,
            };
        }
        let precisions = &parts.precisions[..order];
        if precisions.iter().all(|&precision| precision > 0.0) {
            let mean = precisions
                .iter()
                .map(|precision| precision.ln())
                .sum::<f64>();
            parts.score = brevity_penalty * (mean / order as f64).exp();
        }
        parts
    }
}

impl fmt::Display for BleuParts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let precisions = self
            .precisions
            .map(|precision| format!("{precision:.1}"))
            .join("/");
        let ratio = if self.reference_length > 0.0 {
            self.hypothesis_length / self.reference_length
        } else {
            0.0
        };
        write!(
            formatter,
            "{precisions} (BP = {:.3} ratio = {ratio:.3} hyp_len = {} ref_len = {})",
            self.brevity_penalty, self.hypothesis_length, self.reference_length
        )
    }
}
