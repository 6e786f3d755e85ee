//! chrF (Popović 2015) and chrF++ (Popović 2017) of a corpus, as sacrebleu 2.6 computes them.

use corpus::chrf::{BETA, CHAR_ORDER, ChrfStatistics, WORD_ORDER_PLUS_PLUS};

use super::{Aggregate, Metric, SACREBLEU_VERSION, Signature};

/// chrF with its options.
#[derive(Debug, Clone, PartialEq)]
pub struct Chrf {
    /// Maximum character n-gram order.
    pub char_order: usize,
    /// Maximum word n-gram order: 0 for chrF, 2 for chrF++.
    pub word_order: usize,
    /// Weight of recall against precision.
    pub beta: f64,
    /// Whether case is ignored.
    pub lowercase: bool,
}

impl Chrf {
    /// chrF2 for `word_order` 0, chrF2++ for 2.
    pub fn new(word_order: usize) -> Self {
        Self {
            char_order: CHAR_ORDER,
            word_order,
            beta: BETA,
            lowercase: false,
        }
    }

    /// chrF2++.
    pub fn plus_plus() -> Self {
        Self::new(WORD_ORDER_PLUS_PLUS)
    }

    fn count(&self, hypothesis: &str, reference: &str) -> ChrfStatistics {
        if self.lowercase {
            let (hypothesis, reference) = (hypothesis.to_lowercase(), reference.to_lowercase());
            return ChrfStatistics::new(&hypothesis, &reference, self.char_order, self.word_order);
        }
        ChrfStatistics::new(hypothesis, reference, self.char_order, self.word_order)
    }
}

impl Metric for Chrf {
    fn name(&self) -> String {
        format!("chrF{}{}", self.beta, "+".repeat(self.word_order))
    }

    /// `[hypothesis, reference, matched]` per order, against the reference with the best score for
    /// the segment (the first if several are best).
    fn statistics(&self, hypothesis: &str, references: &[&str]) -> Vec<f64> {
        let mut best: Option<(f64, ChrfStatistics)> = None;
        for reference in references {
            let statistics = self.count(hypothesis, reference);
            let score = statistics.score(self.beta);
            if best.as_ref().is_none_or(|(highest, _)| score > *highest) {
                best = Some((score, statistics));
            }
        }
        let Some((_, statistics)) = best else {
            return vec![0.0; 3 * (self.char_order + self.word_order)];
        };
        statistics
            .orders()
            .iter()
            .flat_map(|order| [order.hypothesis, order.reference, order.matched])
            .map(|count| count as f64)
            .collect()
    }

    fn aggregate(&self) -> Aggregate {
        Aggregate::Chrf { beta: self.beta }
    }

    fn signature(&self, references: usize) -> Signature {
        Signature::new(references)
            .with("case", if self.lowercase { "lc" } else { "mixed" })
            .with("eff", "yes")
            .with("nc", self.char_order)
            .with("nw", self.word_order)
            .with("space", "no")
            .with("version", SACREBLEU_VERSION)
    }
}
