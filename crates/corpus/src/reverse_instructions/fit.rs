//! Whether an instruction asks for the text that it was written for.

use serde_json::{Value, json};

use crate::record::Instructed;
use crate::rejected::Rejection;
use crate::seam::{EngineError, Request, TextScorer};
use crate::stage::Outcome;

/// The fit of an instruction: how much more probable it makes its text, in nats per token, than an
/// instruction that fits any text. LLMs that write poor instructions can still tell them from good
/// ones: with an instruction for another text, or for none, the text becomes no more probable.
pub struct Fit<'a> {
    scorer: &'a dyn TextScorer,
    generic: String,
    min: f64,
}

impl<'a> Fit<'a> {
    /// Rejects instructions with a fit below `min`, as `scorer` sees it beside the `generic` one.
    pub fn new(scorer: &'a dyn TextScorer, generic: String, min: f64) -> Self {
        Self {
            scorer,
            generic,
            min,
        }
    }

    pub(super) fn parameters(&self) -> Value {
        json!({ "generic": self.generic, "min": self.min })
    }

    /// Adds the fit to every row that goes on, and rejects those whose fit is too low (`poor_fit`).
    pub(super) fn judge(
        &self,
        outcomes: &mut [Option<Outcome<Instructed>>],
    ) -> Result<(), EngineError> {
        let kept = outcomes.iter_mut().flatten();
        let mut kept: Vec<&mut Outcome<Instructed>> =
            kept.filter(|outcome| !outcome.outputs.is_empty()).collect();
        let requests = kept.iter().flat_map(|outcome| {
            let row = &outcome.outputs[0];
            let text = || [row.translation.clone()];
            [&row.instruction, &self.generic]
                .map(|question| Request::question(question.as_str()).with_continuations(text()))
        });
        let requests: Vec<Request> = requests.collect();
        if requests.is_empty() {
            return Ok(());
        }
        let scores = self.scorer.score(&requests)?;
        let scores: Vec<_> = scores.into_iter().flatten().collect();
        if scores.len() != requests.len() {
            let (asked, got) = (requests.len(), scores.len());
            let message = format!("returned {got} scores for {asked} texts");
            return Err(EngineError::new("text scorer", message));
        }
        for (outcome, scores) in kept.iter_mut().zip(scores.chunks_exact(2)) {
            let tokens = scores[0].log_probabilities.len().max(1) as f64;
            let gain = (scores[0].sum() - scores[1].sum()) / tokens;
            // More digits would depend on which rows are scored together.
            let fit = (1000.0 * gain).round() / 1000.0;
            outcome.outputs[0].fit = Some(fit);
            if fit >= self.min {
                continue;
            }
            let instruction = &outcome.outputs[0].instruction;
            let detail = format!("{fit} is below {}: {instruction}", self.min);
            **outcome = Outcome::rejected(Rejection::new("instruction", "poor_fit", detail));
        }
        Ok(())
    }
}
