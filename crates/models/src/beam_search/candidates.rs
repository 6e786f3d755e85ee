//! The possible next tokens of a beam, under the rules that change their probability.

use kernels::TopTokens;

use super::options::BeamOptions;

/// Common parameters of all searches of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    pub options: &'a BeamOptions,
    /// First token of every beam.
    pub start: u32,
    /// Ends a hypothesis.
    pub eos: u32,
}

/// A possible next token of a beam.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Which beam.
    pub beam: usize,
    /// The token.
    pub token: u32,
    /// Score of the beam including the token.
    pub score: f32,
}

/// The tokens whose probability after `ids` is changed by a rule: forbidden ones and, if repetition
/// is penalised, all that occurred. Ascending.
pub fn apart(rules: &Rules<'_>, ids: &[u32]) -> Vec<u32> {
    let mut apart = forbidden(rules, ids);
    if rules.options.repetition_penalty != 1.0 {
        apart.extend_from_slice(ids);
    }
    apart.sort_unstable();
    apart.dedup();
    apart
}

/// The tokens that must not follow `ids`.
fn forbidden(rules: &Rules<'_>, ids: &[u32]) -> Vec<u32> {
    let mut forbidden = repeated_ngrams(ids, rules.options.no_repeat_ngram_size);
    if ids.len() - 1 < rules.options.min_new_tokens {
        forbidden.push(rules.eos);
    }
    forbidden
}

/// The tokens that would complete an n-gram of `size` tokens that `ids` already contains.
fn repeated_ngrams(ids: &[u32], size: usize) -> Vec<u32> {
    if size == 0 || ids.len() + 1 < size {
        return Vec::new();
    }
    let end = &ids[ids.len() + 1 - size..];
    ids.windows(size)
        .filter(|run| run.starts_with(end))
        .map(|run| run[size - 1])
        .collect()
}

/// The best candidates of a beam with tokens `ids`: those of `top`, which lacks the tokens `apart`,
/// and those changed by the rules.
pub fn of_beam(
    rules: &Rules<'_>,
    beam: usize,
    ids: &[u32],
    score: f32,
    top: &TopTokens,
    apart: &[u32],
) -> Vec<Candidate> {
    // Greedy search compares logits, beam search log-probabilities, so the penalty differs.
    let (shift, score) = match rules.options.beam_size {
        1 => (0.0, 0.0),
        _ => (top.log_sum, score),
    };
    let candidate = |token, value: f32| Candidate {
        beam,
        token,
        score: value + score,
    };
    let mut candidates: Vec<Candidate> = top
        .best
        .iter()
        .map(|&(token, logit)| candidate(token, logit - shift))
        .collect();
    if !apart.is_empty() {
        let forbidden = forbidden(rules, ids);
        let penalty = rules.options.repetition_penalty;
        for (&token, logit) in apart.iter().zip(&top.apart) {
            if forbidden.contains(&token) {
                continue;
            }
            // A token that is apart and not forbidden has occurred.
            let value = logit - shift;
            let value = if value < 0.0 {
                value * penalty
            } else {
                value / penalty
            };
            candidates.push(candidate(token, value));
        }
    }
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_would_repeat_are_found() {
        assert_eq!(repeated_ngrams(&[2, 5, 6, 5], 2), [6]);
        assert_eq!(repeated_ngrams(&[2, 5, 6, 5, 7, 5], 2), [6, 7]);
        assert_eq!(repeated_ngrams(&[2, 5], 1), [2, 5]);
        assert!(repeated_ngrams(&[2, 5, 6], 3).is_empty());
        assert!(repeated_ngrams(&[2, 5], 4).is_empty());
        assert_eq!(repeated_ngrams(&[4, 4, 4], 3), [4]);
    }
}
