//! Unsupervised contrastive learning, the second half of LLM2Vec (BehnamGhader et al. 2024, arXiv
//! 2404.05961, section 2.3, after SimCSE, Gao et al. 2021, arXiv 2104.08821): each sentence passes
//! through the LLM twice with different dropout, and its two states have to find each other among
//! those of all sentences of the step.
//!
//! All sentences of a step are negatives of each other, whatever fits into one forward pass. A step
//! that needs several computes the states of all passes first, without gradients, then the gradient
//! of the loss for these states, and then backpropagates it through one pass at a time (Gao et al.
//! 2021, arXiv 2101.06983): the same loss and gradient for one more forward pass.

mod config;
mod contrast;
mod views;

use std::cell::RefCell;
use std::path::Path;

use artefacts::training::{HeldOutLoss, TrainSummary};
use artefacts::{Key, Provenance};
use burn::Tensor;
use burn::module::Module;
use corpus::progress::Progress;
use corpus::sampling::Stream;
use models::{LanguageModel, Network};

pub use config::{SimcseConfig, SimcseLoop};
pub use contrast::{contrast, in_batch};
use views::StepStates;

use super::llm_adapters::Job;
use super::recipe_error::RecipeError;
use crate::run::{Loss, Means, Place, Recipe, pack};
use crate::token_file::TokenFile;

/// Raised whenever a code change affects what is learnt.
const VERSION: u32 = 1;

/// Trains adapters of `model`, usually the merged model of [`mntp`](super::mntp::mntp), on `tokens`
/// (a sentence a document), and merges them. The folder is that of [`mntp`](super::mntp::mntp).
///
/// A killed run resumes at its last checkpoint, with the same losses as an uninterrupted run. A
/// finished run only returns its summary.
pub fn simcse(
    model: LanguageModel,
    tokens: &TokenFile<1>,
    config: &SimcseConfig,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<TrainSummary, RecipeError> {
    config.validate(SimcseConfig::SECTION)?;
    let recipe = Simcse::new(tokens, config);
    let job = Job {
        training: &config.training,
        section: SimcseConfig::LOOP_SECTION,
        format: config.export_precision,
        provenance: provenance(config, &model.identity.revision, tokens.key()),
        folder,
        progress,
    };
    job.run(model, tokens, &recipe)
}

/// Everything that determines the result of [`simcse`] for the model of revision `model`.
pub fn provenance(config: &SimcseConfig, model: &str, tokens: &Key) -> Provenance {
    let inputs = [("model", model.to_owned()), ("tokens", tokens.to_string())];
    Provenance {
        stage: "simcse".to_owned(),
        version: VERSION,
        parameters: serde_json::to_value(config.deciding()).expect("a config is plain data"),
        engines: Vec::new(),
        inputs: inputs.map(|(name, hash)| (name.to_owned(), hash)).into(),
    }
}

/// The recipe.
pub struct Simcse<'a> {
    tokens: &'a TokenFile<1>,
    /// Document of each training item.
    train: Vec<usize>,
    held_out: Vec<usize>,
    config: SimcseConfig,
    /// States of the step that is being computed in several passes.
    states: RefCell<Option<StepStates>>,
}

impl<'a> Simcse<'a> {
    /// Trains on the documents of `tokens` that are not held out.
    pub fn new(tokens: &'a TokenFile<1>, config: &SimcseConfig) -> Self {
        let (train, held_out) = tokens.split(config.held_out, config.training.seed);
        Self {
            tokens,
            train,
            held_out,
            config: config.clone(),
            states: RefCell::new(None),
        }
    }

    /// Seed of the dropout of a pass: a function of the run's seed, the step and the first item.
    fn dropout_seed(&self, step: usize, batch: &[usize]) -> u64 {
        let id = format!("{step}/{}", batch[0]);
        Stream::for_id(self.config.training.seed, "simcse views", &id).bits()
    }

    /// Both pooled states [2N, C] of N documents: the first views, then the second.
    fn pooled(
        &self,
        network: &Network,
        documents: &[usize],
        seed: Option<u64>,
    ) -> Result<Tensor<2>, RecipeError> {
        let sentences = documents.iter().map(|&document| {
            let [ids] = self.tokens.read(document)?;
            Ok::<_, RecipeError>(ids)
        });
        let sentences = sentences.collect::<Result<Vec<_>, _>>()?;
        Ok(views::pooled(network, &sentences, &self.config, seed))
    }

    fn documents(&self, items: &[usize]) -> Vec<usize> {
        items.iter().map(|&item| self.train[item]).collect()
    }

    /// The states of all items of the step, and the gradient of the loss for them.
    fn step_states(&self, network: &Network, place: &Place) -> Result<StepStates, RecipeError> {
        let budget = self.config.training.tokens_per_batch;
        let network = network.valid();
        let mut states = Vec::new();
        let plan = pack(place.items, budget, |item, beside| self.cost(item, beside));
        for batch in &plan {
            let seed = self.dropout_seed(place.step, batch);
            let pooled = self.pooled(&network, &self.documents(batch), Some(seed))?;
            states.push(pooled);
        }
        Ok(StepStates::new(
            place.step,
            plan.concat(),
            states,
            self.config.temperature,
        ))
    }
}

impl Recipe for Simcse<'_> {
    type Network = Network;
    type Error = RecipeError;

    fn learning_rate_key(&self) -> &'static str {
        "llm2vec.simcse.training.learning_rate"
    }

    fn items(&self) -> usize {
        self.train.len()
    }

    /// Both views.
    fn cost(&self, item: usize, _: &[usize]) -> usize {
        2 * self.tokens.lengths(self.train[item])[0]
    }

    /// The mean over the step's items of the cross-entropy of the second view of an item among
    /// those of all items, given its first view; and the share of them that is nearest
    /// (`accuracy`).
    fn loss(&self, network: &Network, batch: &[usize], place: &Place) -> Result<Loss, RecipeError> {
        let tokens = batch.iter().map(|&item| self.cost(item, &[])).sum();
        let seed = Some(self.dropout_seed(place.step, batch));
        let documents = self.documents(batch);
        let pooled = |network: &Network| self.pooled(network, &documents, seed);
        self.config.training.precision.scope(|| {
            let mut parts = Means::default();
            if batch.len() == place.items.len() {
                let pooled = pooled(network)?;
                let measures = in_batch(pooled.clone().inner(), self.config.temperature);
                add_accuracy(&mut parts, &measures.correct);
                return Ok(Loss {
                    tensor: contrast(pooled, self.config.temperature),
                    value: measures.loss,
                    parts,
                    tokens,
                });
            }
            let mut kept = self.states.borrow_mut();
            if kept
                .as_ref()
                .is_none_or(|states| !states.serves(place, batch))
            {
                *kept = Some(self.step_states(network, place)?);
            }
            let states = kept.as_mut().expect("just computed");
            let (gradient, value, correct) = states.take(batch);
            if states.is_served() {
                *kept = None;
            }
            add_accuracy(&mut parts, &correct);
            let pooled = pooled(network)?;
            let gradient = Tensor::from_data(gradient, &pooled.device());
            Ok(Loss {
                tensor: (pooled * gradient).sum(),
                value,
                parts,
                tokens,
            })
        })
    }

    /// The same loss over groups of about the size of a step, with fixed dropout, and what it consists
    /// of: `alignment`, `uniformity` (Wang and Isola 2020, arXiv 2005.10242) and `accuracy`.
    fn held_out(&self, network: &Network) -> Result<Option<HeldOutLoss>, RecipeError> {
        let (count, per_step) = (self.held_out.len(), self.config.training.items_per_step);
        // The loss grows with the number of negatives, so no group may be a small rest.
        let groups = count.div_ceil(per_step);
        let of_number = |number| number * count / groups;
        let groups =
            (0..groups).map(|number| &self.held_out[of_number(number)..of_number(number + 1)]);
        let (mut means, mut loss) = (Means::default(), Vec::new());
        for (number, group) in groups.enumerate() {
            let all: Vec<usize> = (0..group.len()).collect();
            let cost = |at: usize, _: &[usize]| 2 * self.tokens.lengths(group[at])[0];
            let (mut firsts, mut seconds) = (Vec::new(), Vec::new());
            for batch in pack(&all, self.config.training.tokens_per_batch, cost) {
                let documents: Vec<usize> = batch.iter().map(|&at| group[at]).collect();
                let id = format!("{number}/{}", batch[0]);
                let seed = self.config.training.seed;
                let seed = Stream::for_id(seed, "simcse held-out views", &id).bits();
                let pooled = self.config.training.precision.scope(|| {
                    kernels::together(&network.device(), || {
                        self.pooled(network, &documents, Some(seed))
                    })
                })?;
                let [first, second] = views::split(pooled);
                firsts.push(first);
                seconds.push(second);
            }
            let states = Tensor::cat([firsts, seconds].concat(), 0);
            let measures = in_batch(states, self.config.temperature);
            loss.push(measures.loss);
            means.add("accuracy", measures.accuracy);
            means.add("alignment", measures.alignment);
            means.add("uniformity", measures.uniformity);
        }
        if loss.is_empty() {
            return Ok(None);
        }
        Ok(Some(HeldOutLoss {
            loss: loss.iter().sum::<f64>() / loss.len() as f64,
            losses: means.means(),
            ..HeldOutLoss::default()
        }))
    }
}

/// Adds each sentence to the share of those that find their second view.
fn add_accuracy(parts: &mut Means, correct: &[bool]) {
    for &correct in correct {
        parts.add("accuracy", f64::from(u8::from(correct)));
    }
}
