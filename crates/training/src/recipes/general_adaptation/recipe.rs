//! General adaptation as a recipe for the training loop.

use artefacts::training::{HeldOutLoss, Losses};
use burn::Tensor;
use burn::tensor::Device;
use models::text_input::passes;
use models::{Backbone, BackboneNetwork, SourceStates};

use super::AdaptError;
use super::config::AdaptationLoss;
use super::document::{Document, Documents};
use super::document_states::{
    DocumentStates, Side, TOKENS_PER_PASS, document_states, from_llm_rows,
};
use super::retrieval::Retrieval;
use crate::recipes::encoder_states::kept_encoder_states;
use crate::run::{Loss, Means, Place, Recipe};
use crate::states::{States, StatesError};

/// The weight of the pooled states beside that of the aligned tokens.
const POOLED_SHARE: f64 = 0.5;

/// Takes the stack's states of plain text to those of the LLM itself.
pub struct GeneralAdaptation {
    /// How the stack reads.
    pub stack: Backbone,
    /// The LLM itself: the weights of the stack's LLM, without the adapters.
    pub llm: (Backbone, BackboneNetwork),
    /// The documents.
    pub documents: Documents,
    /// The document of each training item.
    pub train: Vec<usize>,
    /// The held-out documents.
    pub held_out: HeldOut,
    /// What is compared.
    pub loss: AdaptationLoss,
    /// Whether the adapters have dropout.
    pub dropout: bool,
    /// The LLM's states of the training documents, if they are kept.
    pub llm_states: Option<States>,
    /// The encoder's, and how many of each token.
    pub source_states: Option<(States, usize)>,
    /// Sentences with translations.
    pub retrieval: Option<Retrieval>,
}

/// The documents that are held out.
pub struct HeldOut {
    /// Their numbers.
    pub documents: Vec<usize>,
    /// The LLM's states of them; `None` without any.
    pub states: Option<States>,
    /// The variance of the LLM's pooled states of them, by which the error is divided for the
    /// fraction of variance unexplained, also in training; `None` below two documents.
    pub variance: Option<f64>,
}

/// Sums over the documents of a pass.
struct Squares {
    pooled: Tensor<1>,
    /// `None` without aligned tokens.
    aligned: Option<Tensor<1>>,
}

impl GeneralAdaptation {
    fn aligns(&self) -> bool {
        self.loss == AdaptationLoss::Aligned
    }

    fn read(&self, documents: &[usize]) -> Result<Vec<Document>, AdaptError> {
        let read = documents
            .iter()
            .map(|&document| self.documents.read(document));
        Ok(read.collect::<Result<_, _>>()?)
    }

    /// The LLM's own states, as constants of `device`.
    fn targets(
        &self,
        kept: Option<&States>,
        numbers: &[usize],
        documents: &[Document],
        device: &Device,
    ) -> Result<DocumentStates, AdaptError> {
        let Some(kept) = kept else {
            let llm = (&self.llm.0, &self.llm.1);
            let states = document_states(llm, Side::Llm, documents, self.aligns(), None, None);
            return Ok(DocumentStates {
                pooled: constant(states.pooled, device),
                aligned: states.aligned.map(|states| constant(states, device)),
            });
        };
        let rows = numbers.iter().map(|&number| kept.read(number));
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        Ok(from_llm_rows(&rows, kept.width(), self.aligns(), device))
    }

    fn source(
        &self,
        numbers: &[usize],
        device: &Device,
    ) -> Result<Option<SourceStates>, StatesError> {
        let kept = self.source_states.as_ref();
        kept.map(|(states, layers)| {
            kept_encoder_states(states, numbers.iter().copied(), *layers, device)
        })
        .transpose()
    }

    /// The summed squares of the differences between the sides.
    fn squares(
        &self,
        network: &BackboneNetwork,
        documents: &[Document],
        source: Option<SourceStates>,
        targets: DocumentStates,
        dropout_seed: Option<u64>,
    ) -> Squares {
        let stack = (&self.stack, network);
        let side = Side::Stack;
        let states = document_states(stack, side, documents, self.aligns(), source, dropout_seed);
        let sum = |(student, teacher): (Tensor<2>, Tensor<2>)| (student - teacher).square().sum();
        Squares {
            pooled: sum((states.pooled, targets.pooled)),
            aligned: states.aligned.zip(targets.aligned).map(sum),
        }
    }

    fn aligned_tokens(&self, documents: impl IntoIterator<Item = usize>) -> usize {
        let tokens = documents.into_iter();
        tokens
            .map(|document| self.documents.aligned_tokens(document))
            .sum()
    }

    fn width(&self) -> usize {
        self.llm.1.hidden_size()
    }
}

impl Recipe for GeneralAdaptation {
    type Network = BackboneNetwork;
    type Error = AdaptError;

    fn learning_rate_key(&self) -> &'static str {
        "adapt.training.learning_rate"
    }

    fn items(&self) -> usize {
        self.train.len()
    }

    fn cost(&self, item: usize, _: &[usize]) -> usize {
        self.documents.source_tokens(self.train[item])
    }

    fn loss(
        &self,
        network: &BackboneNetwork,
        batch: &[usize],
        place: &Place,
    ) -> Result<Loss, AdaptError> {
        let device = network.device();
        let numbers: Vec<usize> = batch.iter().map(|&item| self.train[item]).collect();
        let documents = self.read(&numbers)?;
        let source = self.source(&numbers, &device)?;
        let targets = self.targets(self.llm_states.as_ref(), &numbers, &documents, &device)?;
        let seed = self.dropout.then_some(place.dropout_seed);
        let squares = self.squares(network, &documents, source, targets, seed);

        let width = self.width() as f64;
        let pooled_sum = f64::from(squares.pooled.clone().into_scalar::<f32>());
        let mut parts = Means::default();
        let pooled = pooled_sum / (width * batch.len() as f64);
        for _ in batch {
            parts.add("pooled", pooled);
            if let Some(variance) = self.held_out.variance {
                parts.add("fvu", pooled / variance);
            }
        }
        let all = width * place.items.len() as f64;
        let (mut tensor, mut value) = (squares.pooled / all, pooled_sum / all);
        if self.aligns() {
            tensor = tensor * POOLED_SHARE;
            value *= POOLED_SHARE;
        }
        if let Some(aligned) = squares.aligned {
            let step = self.aligned_tokens(place.items.iter().map(|&item| self.train[item]));
            let sum = f64::from(aligned.clone().into_scalar::<f32>());
            let factor = (1.0 - POOLED_SHARE) / (width * step as f64);
            tensor = tensor + aligned * factor;
            value += sum * factor;
            let own = self.aligned_tokens(numbers.iter().copied());
            for _ in 0..own {
                parts.add("aligned", sum / (width * own as f64));
            }
        }
        Ok(Loss {
            tensor,
            value,
            parts,
            tokens: documents
                .iter()
                .map(|document| document.source.tokens())
                .sum(),
        })
    }

    fn held_out(&self, network: &BackboneNetwork) -> Result<Option<HeldOutLoss>, AdaptError> {
        let HeldOut {
            documents: numbers,
            states,
            variance,
        } = &self.held_out;
        if numbers.is_empty() {
            return Ok(None);
        }
        let device = network.device();
        let (mut pooled, mut aligned) = (0.0, 0.0);
        for numbers in passes(numbers, TOKENS_PER_PASS, |&number| {
            self.documents.source_tokens(number)
        }) {
            let documents = self.read(numbers)?;
            let targets = self.targets(states.as_ref(), numbers, &documents, &device)?;
            let squares = self.squares(network, &documents, None, targets, None);
            pooled += f64::from(squares.pooled.into_scalar::<f32>());
            let sum = squares
                .aligned
                .map(|sum| f64::from(sum.into_scalar::<f32>()));
            aligned += sum.unwrap_or_default();
        }
        let width = self.width() as f64;
        let pooled = pooled / (width * numbers.len() as f64);
        let mut losses = Losses::from([("pooled".to_owned(), pooled)]);
        if let Some(variance) = variance {
            losses.insert("fvu".to_owned(), pooled / variance);
        }
        let mut loss = pooled;
        if self.aligns() {
            let tokens = self.aligned_tokens(numbers.iter().copied()).max(1);
            let aligned = aligned / (width * tokens as f64);
            losses.insert("aligned".to_owned(), aligned);
            loss = POOLED_SHARE * pooled + (1.0 - POOLED_SHARE) * aligned;
        }
        if let Some(retrieval) = &self.retrieval {
            losses.extend(retrieval.measure((&self.stack, network)));
        }
        Ok(Some(HeldOutLoss {
            loss,
            losses,
            ..HeldOutLoss::default()
        }))
    }
}

/// A tensor without gradients as a constant of `device`, with or without autodiff.
fn constant(tensor: Tensor<2>, device: &Device) -> Tensor<2> {
    match device.is_autodiff() {
        true => tensor.autodiff(),
        false => tensor,
    }
}
