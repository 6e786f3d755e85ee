//! Masked next-token prediction, the first half of LLM2Vec (BehnamGhader et al. 2024, arXiv
//! 2404.05961, section 2.2): adapters learn to use attention in both directions.
//!
//! A share of the tokens is replaced by a mask token. Each is predicted from the state at the
//! position *before* it, by the LLM's own output layer, as in its pre-training.

mod config;
mod masked;

use std::cell::RefCell;
use std::path::Path;

use artefacts::training::{HeldOutLoss, Losses, TrainSummary};
use artefacts::{Key, Provenance};
use burn::Tensor;
use corpus::progress::Progress;
use models::layers::Attention;
use models::tokenizer::Tokenizer;
use models::{LanguageModel, Network};

pub use config::{MntpConfig, MntpLoop};
pub use masked::{MaskedBatch, MaskedDocument, mask};

use super::llm_adapters::Job;
use super::recipe_error::RecipeError;
use crate::run::{Loss, Means, Place, Recipe, pack, steps_per_epoch};
use crate::token_file::TokenFile;

/// Raised whenever a code change affects what is learnt.
const VERSION: u32 = 1;

/// Trains adapters of `model` on `tokens`, the output of
/// [`llm_tokens`](crate::llm_tokens::llm_tokens), and merges them: `folder` receives checkpoints,
/// metrics, the PEFT adapter in `adapter/`, the merged Hugging Face directory in `adapter-merged/`
/// and, last, the manifest.
///
/// A killed run resumes at its last checkpoint, with the same losses as an uninterrupted run. A
/// finished run only returns its summary.
pub fn mntp(
    model: LanguageModel,
    tokens: &TokenFile<1>,
    config: &MntpConfig,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<TrainSummary, RecipeError> {
    config.validate(MntpConfig::SECTION)?;
    let recipe = Mntp::new(&model.tokenizer, tokens, config)?;
    let job = Job {
        training: &config.training,
        section: MntpConfig::LOOP_SECTION,
        format: config.export_precision,
        provenance: provenance(config, &model.identity.revision, tokens.key()),
        folder,
        progress,
    };
    job.run(model, tokens, &recipe)
}

/// Everything that determines the result of [`mntp`] for the model of revision `model`.
pub fn provenance(config: &MntpConfig, model: &str, tokens: &Key) -> Provenance {
    let inputs = [("model", model.to_owned()), ("tokens", tokens.to_string())];
    Provenance {
        stage: "mntp".to_owned(),
        version: VERSION,
        parameters: serde_json::to_value(config.deciding()).expect("a config is plain data"),
        engines: Vec::new(),
        inputs: inputs.map(|(name, hash)| (name.to_owned(), hash)).into(),
    }
}

/// The recipe.
pub struct Mntp<'a> {
    tokens: &'a TokenFile<1>,
    /// Document of each training item.
    train: Vec<usize>,
    held_out: Vec<usize>,
    config: MntpConfig,
    mask_token: u32,
    /// The special tokens, which are never masked.
    tokenizer: Tokenizer,
    /// The step whose masked tokens were counted last, its items, and the number of these tokens.
    counted: RefCell<Option<(usize, Vec<usize>, usize)>>,
}

impl<'a> Mntp<'a> {
    /// # Errors
    /// If the mask token is not a token of the model.
    pub fn new(
        tokenizer: &Tokenizer,
        tokens: &'a TokenFile<1>,
        config: &MntpConfig,
    ) -> Result<Self, RecipeError> {
        let (train, held_out) = tokens.split(config.held_out, config.training.seed);
        Ok(Self {
            mask_token: config.mask_id(tokenizer)?,
            tokens,
            train,
            held_out,
            config: config.clone(),
            tokenizer: tokenizer.clone(),
            counted: RefCell::new(None),
        })
    }

    /// A document with the mask of `epoch`: a function of the seed, the epoch and the document.
    fn masked(&self, document: usize, epoch: &str) -> Result<MaskedDocument, RecipeError> {
        let [ids] = self.tokens.read(document)?;
        let id = format!("{epoch}/{document}");
        let share = self.config.mask_probability;
        let is_masked = mask(&ids, share, self.config.training.seed, &id, |token| {
            self.tokenizer.is_special(token)
        });
        Ok(MaskedDocument::new(ids, &is_masked, self.mask_token))
    }

    /// Number of masked tokens in all items of the step at `place`.
    fn masked_in_step(&self, place: &Place, epoch: &str) -> Result<usize, RecipeError> {
        if let Some((step, items, count)) = &*self.counted.borrow()
            && (*step, items.as_slice()) == (place.step, place.items)
        {
            return Ok(*count);
        }
        let mut count = 0;
        for &item in place.items {
            count += self.masked(self.train[item], epoch)?.masked();
        }
        *self.counted.borrow_mut() = Some((place.step, place.items.to_vec(), count));
        Ok(count)
    }

    /// Last hidden states of a batch.
    fn hidden(&self, network: &Network, batch: &MaskedBatch, seed: Option<u64>) -> Tensor<2> {
        let (ids, segments) = (&batch.ids, &batch.segments);
        network.forward_attending(ids, segments, Attention::Bidirectional, seed)
    }
}

impl Recipe for Mntp<'_> {
    type Network = Network;
    type Error = RecipeError;

    fn learning_rate_key(&self) -> &'static str {
        "llm2vec.mntp.training.learning_rate"
    }

    fn items(&self) -> usize {
        self.train.len()
    }

    fn cost(&self, item: usize, _: &[usize]) -> usize {
        self.tokens.lengths(self.train[item])[0]
    }

    /// The mean cross-entropy of the masked tokens of the step.
    fn loss(&self, network: &Network, batch: &[usize], place: &Place) -> Result<Loss, RecipeError> {
        let items_per_step = self.config.training.items_per_step;
        let epoch = place.step / steps_per_epoch(self.train.len(), items_per_step).max(1);
        let epoch = epoch.to_string();
        let documents = batch
            .iter()
            .map(|&item| self.masked(self.train[item], &epoch));
        let batch = MaskedBatch::new(documents.collect::<Result<Vec<_>, _>>()?);
        let masked = self.masked_in_step(place, &epoch)?;
        Ok(self.config.training.precision.scope(|| {
            let hidden = self.hidden(network, &batch, Some(place.dropout_seed));
            batch.loss(hidden, network.output_weight(), masked)
        }))
    }

    /// The mean cross-entropy of the masked tokens, and the share of them that is the most probable
    /// token (`accuracy`).
    fn held_out(&self, network: &Network) -> Result<Option<HeldOutLoss>, RecipeError> {
        if self.held_out.is_empty() {
            return Ok(None);
        }
        let all: Vec<usize> = (0..self.held_out.len()).collect();
        let cost = |item: usize, _: &[usize]| self.tokens.lengths(self.held_out[item])[0];
        let (mut sum, mut correct, mut masked) = (0.0, 0, 0);
        for batch in pack(&all, self.config.training.tokens_per_batch, cost) {
            let documents = batch
                .iter()
                .map(|&at| self.masked(self.held_out[at], "held out"));
            let batch = MaskedBatch::new(documents.collect::<Result<Vec<_>, _>>()?);
            if batch.masked() == 0 {
                continue;
            }
            self.config.training.precision.scope(|| {
                kernels::together(&network.device(), || {
                    let hidden = self.hidden(network, &batch, None);
                    correct += batch.correct(network, hidden.clone());
                    sum += batch.loss(hidden, network.output_weight(), 1).value;
                });
            });
            masked += batch.masked();
        }
        let count = masked.max(1) as f64;
        Ok(Some(HeldOutLoss {
            loss: sum / count,
            losses: Losses::from([("accuracy".to_owned(), correct as f64 / count)]),
            ..HeldOutLoss::default()
        }))
    }
}

impl MaskedBatch {
    /// Σ cross-entropy of the masked tokens / `masked`, given the last hidden states [T, C] and the
    /// output layer's weight [V, C].
    pub fn loss(&self, hidden: Tensor<2>, output_weight: Tensor<2>, masked: usize) -> Loss {
        let weight = 1.0 / masked.max(1) as f32;
        let weights = vec![weight; self.ids.len()];
        let loss = kernels::linear_cross_entropy(hidden, output_weight, &self.targets, &weights);
        let sum: f64 = loss.token_losses.iter().map(|&x| f64::from(x)).sum();
        Loss {
            tensor: loss.loss,
            value: sum * f64::from(weight),
            parts: Means::default(),
            tokens: self.ids.len(),
        }
    }
}
