//! COMET and CometKiwi: learned estimates of translation quality (Rei et al. 2020, arXiv
//! 2009.09025; Rei et al. 2022, arXiv 2209.06243). Reference: unbabel-comet.
//!
//! An XLM-R encoder reads the texts. The hidden states of its layers are mixed with learned weights
//! and pooled to one vector per sequence, from which an estimator computes a score.

mod error;
mod feed_forward;
mod files;
mod hparams;
mod input;
mod layerwise_attention;
mod load;

use std::collections::HashMap;

use burn::Tensor;
use burn::tensor::{Device, Int, TensorData};
use kernels::Segments;

pub use self::error::CometError;
pub use self::hparams::{MetricClass, Transformation};
pub use self::input::{EncodedSample, Sample};
pub use self::load::{CometDescription, CometOptions};

use self::feed_forward::FeedForward;
use self::hparams::{Hparams, Pooling};
use self::input::Encoder;
use self::layerwise_attention::LayerwiseAttention;
use crate::encoders::bert::Bert;
use crate::identity::ModelIdentity;

/// A translation quality metric with its tokenizer.
#[derive(Debug, Clone)]
pub struct CometModel {
    hparams: Hparams,
    input: Encoder,
    encoder: Bert,
    mixture: LayerwiseAttention,
    estimator: FeedForward,
    width: usize,
    device: Device,
    identity: ModelIdentity,
}

/// Approximate number of tokens in one pass through the encoder; bounds memory. A longer sequence
/// gets its own pass.
const TOKENS_PER_PASS: usize = 2048;

impl CometModel {
    /// Source and identity of the model.
    pub fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    /// Kind of metric.
    pub fn class(&self) -> MetricClass {
        self.hparams.class
    }

    /// Weighting of the encoder's layers; published scores depend on it.
    pub fn transformation(&self) -> Transformation {
        self.hparams.transformation
    }

    /// Whether the metric needs a reference.
    pub fn needs_reference(&self) -> bool {
        self.hparams.needs_reference()
    }

    /// Maximum sequence length of the encoder, in tokens.
    pub fn max_tokens(&self) -> usize {
        self.encoder.max_tokens()
    }

    /// Encodes a sample as token ids.
    pub fn encode(&self, sample: Sample<'_>) -> Result<EncodedSample, CometError> {
        self.input.encode(sample, &self.hparams, self.max_tokens())
    }

    /// Scores of samples that fit the encoder, in order. A score does not depend on the other
    /// samples.
    pub fn score(&self, samples: &[EncodedSample]) -> Result<Vec<f32>, CometError> {
        if let Some(index) = samples.iter().position(|sample| !sample.fits()) {
            let max_tokens = self.max_tokens();
            return Err(CometError::TooLong { index, max_tokens });
        }
        // A source that occurs before several translations is read once.
        let mut places: HashMap<&[u32], usize> = HashMap::new();
        let mut sequences: Vec<&[u32]> = Vec::new();
        for ids in samples.iter().flat_map(|sample| &sample.sequences) {
            places.entry(ids).or_insert_with(|| {
                sequences.push(ids);
                sequences.len() - 1
            });
        }
        let vectors = kernels::together(&self.device, || self.sentence_vectors(&sequences));
        let vector = |ids: &Vec<u32>| {
            let place = places[ids.as_slice()];
            &vectors[place * self.width..][..self.width]
        };
        let mut features = Vec::new();
        for sample in samples {
            match (self.hparams.class, sample.sequences.as_slice()) {
                (MetricClass::Unified, sequences) => {
                    features.extend(sequences.iter().flat_map(vector));
                }
                (_, [source, translation]) => {
                    let (source, translation) = (vector(source), vector(translation));
                    features.extend(translation);
                    features.extend(source);
                    compare(translation, source, &mut features);
                }
                (_, [source, translation, reference]) => {
                    let (source, translation) = (vector(source), vector(translation));
                    let reference = vector(reference);
                    features.extend(translation);
                    features.extend(reference);
                    compare(translation, reference, &mut features);
                    compare(translation, source, &mut features);
                }
                _ => unreachable!("samples are encoded by this metric"),
            }
        }
        // A unified metric scores each of its sequences; the others score the sample.
        let parts = |sample: &EncodedSample| match self.hparams.class {
            MetricClass::Unified => sample.sequences.len(),
            _ => 1,
        };
        let rows: usize = samples.iter().map(parts).sum();
        if rows == 0 {
            return Ok(Vec::new());
        }
        let columns = features.len() / rows;
        let features = Tensor::from_data(TensorData::new(features, [rows, columns]), &self.device);
        let scores = self.estimator.forward(features);
        let mut rest = scores.as_slice();
        Ok(samples
            .iter()
            .map(|sample| {
                let (own, others) = rest.split_at(parts(sample));
                rest = others;
                own.iter().sum::<f32>() / own.len() as f32
            })
            .collect())
    }

    /// One vector per sequence, [sequences, C].
    fn sentence_vectors(&self, sequences: &[&[u32]]) -> Vec<f32> {
        let mut vectors = Vec::with_capacity(sequences.len() * self.width);
        let mut rest = sequences;
        while !rest.is_empty() {
            let mut tokens = 0;
            let count = rest
                .iter()
                .take_while(|ids| {
                    tokens += ids.len();
                    tokens <= TOKENS_PER_PASS
                })
                .count()
                .max(1);
            let (pass, later) = rest.split_at(count);
            rest = later;
            let segments = Segments::new(pass.iter().map(|ids| ids.len()));
            let pooled = self.pooled(&pass.concat(), &segments);
            vectors.extend(pooled.into_data().iter::<f32>());
        }
        vectors
    }

    /// The mixed hidden states of each segment, pooled: [segments, C].
    fn pooled(&self, ids: &[u32], segments: &Segments) -> Tensor<2> {
        let each = |x: &Tensor<2>, pool: fn(Tensor<2>) -> Tensor<2>| {
            let parts = segments
                .iter()
                .map(|range| pool(x.clone().slice_dim(0, range)))
                .collect();
            Tensor::cat(parts, 0)
        };
        let pooling = self.hparams.pooling;
        let starts: Vec<i64> = segments.iter().map(|range| range.start as i64).collect();
        let starts =
            Tensor::<1, Int>::from_data(TensorData::new(starts, [segments.len()]), &self.device);
        // The mixture is a sum, and so are two of the poolings: then only pooled layers are summed.
        let pool = |x: Tensor<2>| match pooling {
            Pooling::First => x.select(0, starts.clone()),
            Pooling::Average => each(&x, |part| part.mean_dim(0)),
            Pooling::Max => x,
        };
        let mut mixed: Option<Tensor<2>> = None;
        self.encoder.visit_layers(
            ids,
            segments,
            self.mixture.last_layer(),
            &mut |layer, hidden| {
                if let Some(share) = self.mixture.share(layer, hidden, segments, pool) {
                    mixed = Some(match mixed.take() {
                        Some(sum) => sum + share,
                        None => share,
                    });
                }
            },
        );
        match (mixed, pooling) {
            (Some(mixed), Pooling::Max) => each(&mixed, |part| part.max_dim(0)),
            (Some(mixed), _) => mixed,
            // Every layer has weight 0.
            (None, _) => Tensor::zeros([segments.len(), self.width], &self.device),
        }
    }
}

/// Elementwise product and distance of two vectors.
fn compare(a: &[f32], b: &[f32], features: &mut Vec<f32>) {
    features.extend(a.iter().zip(b).map(|(a, b)| a * b));
    features.extend(a.iter().zip(b).map(|(a, b)| (a - b).abs()));
}
