//! The search for the best hypothesis of one sentence; `GenerationMixin._beam_search` of
//! Transformers.

use kernels::TopTokens;

use super::candidates::{self, Candidate, Rules};
use super::options::EarlyStopping;
use super::{FinishReason, Hypothesis};

/// A hypothesis that is still growing.
#[derive(Debug, Clone)]
pub struct Beam {
    /// The start token and all tokens after it.
    ids: Vec<u32>,
    /// Sum of log-probabilities.
    score: f32,
}

impl Beam {
    /// The token that the decoder sees next.
    pub fn last(&self) -> u32 {
        self.ids.last().copied().unwrap_or_default()
    }
}

/// The running beams and finished hypotheses of one sentence.
#[derive(Debug)]
pub struct Search<'a> {
    rules: Rules<'a>,
    /// At most the requested number of beams, best first; a single one at the start.
    beams: Vec<Beam>,
    /// At most as many, best first.
    finished: Vec<Hypothesis>,
}

impl<'a> Search<'a> {
    /// A search with a single beam, which contains the start token.
    pub fn new(rules: Rules<'a>) -> Self {
        let beam = Beam {
            ids: vec![rules.start],
            score: 0.0,
        };
        Self {
            rules,
            beams: vec![beam],
            finished: Vec::new(),
        }
    }

    /// The beams that are running.
    pub fn beams(&self) -> &[Beam] {
        &self.beams
    }

    /// Number of tokens of each beam after the start token.
    fn length(&self) -> usize {
        self.beams.first().map_or(0, |beam| beam.ids.len() - 1)
    }

    /// The next token, if the options leave no choice.
    pub fn forced(&self) -> Option<u32> {
        let options = self.rules.options;
        let last = self.length() + 1 == options.max_new_tokens;
        let first = self.length() == 0;
        let last = options.forced_eos.filter(|_| last);
        last.or(options.forced_bos.filter(|_| first))
    }

    /// For each beam, the tokens whose logits the next step must return separately.
    pub fn apart(&self) -> impl Iterator<Item = Vec<u32>> + '_ {
        let apart = |beam: &Beam| candidates::apart(&self.rules, &beam.ids);
        self.beams.iter().map(apart)
    }

    /// Appends the forced token to every beam; see [`Search::advance`].
    pub fn advance_forced(&mut self, token: u32) -> Option<Vec<usize>> {
        let candidates = self.beams.iter().enumerate();
        let candidates = candidates.map(|(beam, Beam { score, .. })| Candidate {
            beam,
            token,
            score: *score,
        });
        self.choose(candidates.collect())
    }

    /// Processes the output layer's result for each beam, with the logits of the tokens set apart.
    /// Returns the beam that each beam of the next step continues, or `None` if the search is over.
    pub fn advance(
        &mut self,
        tops: impl Iterator<Item = (TopTokens, Vec<u32>)>,
    ) -> Option<Vec<usize>> {
        let mut all = Vec::new();
        for ((index, beam), (top, apart)) in self.beams.iter().enumerate().zip(tops) {
            let of_beam =
                candidates::of_beam(&self.rules, index, &beam.ids, beam.score, &top, &apart);
            all.extend(of_beam);
        }
        // Equal scores are ordered by beam and token.
        all.sort_by(|a, b| {
            let order = b.score.total_cmp(&a.score);
            order.then((a.beam, a.token).cmp(&(b.beam, b.token)))
        });
        self.choose(all)
    }

    /// Splits the best candidates, best first, into finished hypotheses and running beams.
    fn choose(&mut self, mut candidates: Vec<Candidate>) -> Option<Vec<usize>> {
        let options = self.rules.options;
        candidates.truncate(options.candidates());
        let length = self.length() + 1;
        let full_length = length >= options.max_new_tokens;
        let ends = |candidate: &Candidate| full_length || candidate.token == self.rules.eos;
        let grown = |candidate: &Candidate| {
            let mut ids = self.beams[candidate.beam].ids.clone();
            ids.push(candidate.token);
            ids
        };

        let mut finished = std::mem::take(&mut self.finished);
        // A candidate that ends counts only if it is among the best, since no other would have
        // continued.
        for candidate in candidates.iter().take(options.beam_size) {
            if ends(candidate) {
                let ids = grown(candidate).split_off(1);
                finished.push(Hypothesis {
                    finish_reason: match candidate.token == self.rules.eos {
                        true => FinishReason::Stop,
                        false => FinishReason::Length,
                    },
                    ids,
                    score: self.normalised(candidate.score, length),
                });
            }
        }
        // Stable: of equal scores, the earlier one stays first.
        finished.sort_by(|a, b| b.score.total_cmp(&a.score));
        finished.truncate(options.beam_size);

        let running: Vec<&Candidate> = candidates
            .iter()
            .filter(|candidate| !ends(candidate))
            .take(options.beam_size)
            .collect();
        let beams: Vec<Beam> = running
            .iter()
            .map(|candidate| Beam {
                ids: grown(candidate),
                score: candidate.score,
            })
            .collect();
        let parents = running.iter().map(|candidate| candidate.beam).collect();
        self.finished = finished;
        if beams.is_empty() {
            return None;
        }
        self.beams = beams;
        (!self.is_over(length)).then_some(parents)
    }

    /// Whether beams with `length` tokens after the start could not improve the result.
    fn is_over(&self, length: usize) -> bool {
        let options = self.rules.options;
        if options.beam_size == 1 {
            return !self.finished.is_empty();
        }
        if self.finished.len() < options.beam_size {
            return false;
        }
        let length = match options.early_stopping {
            EarlyStopping::AtOnce => return true,
            EarlyStopping::Never if options.length_penalty > 0.0 => options.max_new_tokens,
            _ => length,
        };
        let best = self.normalised(self.beams[0].score, length);
        let worst = self.finished.last().map_or(f32::NEG_INFINITY, |h| h.score);
        best <= worst || best.is_nan()
    }

    fn normalised(&self, score: f32, length: usize) -> f32 {
        match self.rules.options.beam_size {
            1 => 0.0,
            _ => score / (length as f64).powf(self.rules.options.length_penalty) as f32,
        }
    }

    /// The best hypothesis; if none is finished, the best running one.
    pub fn best(&mut self) -> Hypothesis {
        if !self.finished.is_empty() {
            return self.finished.swap_remove(0);
        }
        let length = self.length();
        let beam = self.beams.swap_remove(0);
        Hypothesis {
            score: self.normalised(beam.score, length),
            ids: beam.ids[1..].to_vec(),
            finish_reason: FinishReason::Length,
        }
    }
}
