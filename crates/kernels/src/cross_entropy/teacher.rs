//! A teacher's distributions of the next tokens, as the loss takes them.

/// Distributions of a teacher: for some tokens of a batch, the probabilities of the most probable
/// next tokens. What is left of the probability belongs to all other tokens together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Teacher {
    /// Number k of most probable tokens of each row.
    pub count: usize,
    /// Rows of the batch that have a distribution, D of them, ascending; each must have a target.
    pub rows: Vec<usize>,
    /// Token ids, D × k, distinct in a row.
    pub tokens: Vec<u32>,
    /// Their log-probabilities in nats, D × k.
    pub log_probabilities: Vec<f32>,
    /// Weight of each row's divergence, D of them.
    pub weights: Vec<f32>,
}

/// Probability that counts as none: less is lost by rounding.
const LEAST: f64 = 1e-6;

/// The distribution of a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct TeacherRow<'a> {
    pub tokens: &'a [u32],
    pub log_probabilities: &'a [f32],
    /// Probability of all other tokens together.
    pub rest: f32,
    pub weight: f32,
}

impl Teacher {
    /// # Panics
    /// If the sizes do not agree, or a row has no target or a token is not below `vocabulary`.
    pub(super) fn check(&self, has_target: impl Fn(usize) -> bool, vocabulary: usize) {
        let rows = self.rows.len();
        assert_eq!(self.tokens.len(), rows * self.count, "teacher's tokens");
        let given = self.log_probabilities.len();
        assert_eq!(given, rows * self.count, "teacher's log-probabilities");
        assert_eq!(self.weights.len(), rows, "teacher's weights");
        assert!(self.rows.is_sorted(), "teacher's rows in their order");
        for &row in &self.rows {
            assert!(has_target(row), "row {row} of the teacher has no target");
        }
        if let Some(token) = self.tokens.iter().find(|&&id| id as usize >= vocabulary) {
            panic!("the teacher's token {token} is not in the vocabulary of {vocabulary}");
        }
    }

    /// The distribution of the row at `place`.
    pub(super) fn row(&self, place: usize) -> TeacherRow<'_> {
        let range = place * self.count..(place + 1) * self.count;
        let log_probabilities = &self.log_probabilities[range.clone()];
        let best: f64 = log_probabilities.iter().map(|&l| f64::from(l).exp()).sum();
        TeacherRow {
            tokens: &self.tokens[range],
            log_probabilities,
            rest: match 1.0 - best {
                rest if rest < LEAST => 0.0,
                rest => rest as f32,
            },
            weight: self.weights[place],
        }
    }
}
