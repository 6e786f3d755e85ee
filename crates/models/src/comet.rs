//! COMET and CometKiwi: learned estimates of translation quality (Rei et al. 2020, arXiv
//! 2009.09025; Rei et al. 2022, arXiv 2209.06243). Reference: unbabel-comet.
//!
//! An encoder of the XLM-R kind reads the texts, the hidden states of its layers are mixed with
//! learned weights and pooled to one vector a sequence, and an estimator makes a score of these.

mod feed_forward;
mod files;
mod hparams;
mod input;
mod layerwise_attention;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::Tensor;
use burn::tensor::{Device, Int, TensorData};
use kernels::{Segments, WeightFormat};

pub use self::hparams::{MetricClass, Transformation};
pub use self::input::{EncodedSample, Sample};

use self::feed_forward::{FeedForward, Squash};
use self::files::{CONFIG, CometFiles, TOKENIZER};
use self::hparams::{Hparams, LayerChoice, Pooling};
use self::input::Encoder;
use self::layerwise_attention::LayerwiseAttention;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::huggingface::SafetensorsCheckpoint;
use crate::identity::{self, ModelIdentity};
use crate::llama::ConfigError;
use crate::pytorch::{self, PytorchCheckpoint};
use crate::tokenizer::{SpecialTokens, Tokenizer, TokenizerError};
use crate::xlm_roberta::{self, XlmRoberta, XlmRobertaConfig};

/// Why a metric could not be loaded or could not score.
#[derive(Debug, thiserror::Error)]
pub enum CometError {
    /// Nothing at the path is a COMET model.
    #[error("{path}: {message}")]
    NotAModel {
        /// What the user named.
        path: PathBuf,
        /// What was looked for.
        message: String,
    },
    /// The hyper-parameters.
    #[error("{path}: {message}")]
    Hparams {
        /// `hparams.yaml`.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// The encoder's configuration.
    #[error("{path}: {source}")]
    Config {
        /// `config.json`.
        path: PathBuf,
        /// What is wrong.
        source: ConfigError,
    },
    /// Weights and other files.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The tokenizer.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The metric compares with a reference, and there is none.
    #[error(
        "this metric compares translations with references, and none is given; use a \
         reference-free one such as wmt22-cometkiwi-da"
    )]
    NoReference,
    /// A text is longer than the encoder reads.
    #[error("sample {index} has more pieces than the {max_tokens} that the encoder reads")]
    TooLong {
        /// Place among the samples.
        index: usize,
        /// Longest sequence.
        max_tokens: usize,
    },
}

/// How a metric is loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CometOptions {
    /// Folder with the encoder's `tokenizer.json` and `config.json`, where they do not lie beside
    /// the checkpoint.
    pub encoder: Option<PathBuf>,
    /// Format of the encoder's weights; F32 is exact.
    pub weights: WeightFormat,
}

/// A metric of translation quality with its tokenizer.
#[derive(Debug, Clone)]
pub struct CometModel {
    hparams: Hparams,
    input: Encoder,
    encoder: XlmRoberta,
    mixture: LayerwiseAttention,
    estimator: FeedForward,
    width: usize,
    device: Device,
    identity: ModelIdentity,
}

/// Tokens of one pass through the encoder, about; bounds memory. A longer sequence is a pass of
/// its own.
const TOKENS_PER_PASS: usize = 2048;

/// Key of the weights in a checkpoint of PyTorch Lightning.
const STATE_DICT: &str = "state_dict";
/// Key of the hyper-parameters there.
const HYPER_PARAMETERS: &str = "hyper_parameters";

impl CometModel {
    /// Loads the metric at `path`: a folder with `hparams.yaml` and `checkpoints/model.ckpt` as
    /// published, or the checkpoint itself (`.ckpt` or `.safetensors`).
    pub fn load(
        path: impl AsRef<Path>,
        options: &CometOptions,
        device: &Device,
    ) -> Result<Self, CometError> {
        let files = CometFiles::find(path.as_ref())?;
        let is_safetensors = files
            .checkpoint
            .extension()
            .is_some_and(|extension| extension == "safetensors");
        let stored = match is_safetensors {
            true => None,
            false => pytorch::plain_data(&files.checkpoint, HYPER_PARAMETERS)?,
        };
        let hparams = Hparams::read(&files.hparams, stored)?;
        let paths = std::slice::from_ref(&files.checkpoint);
        let checkpoint: Box<dyn Checkpoint> = match is_safetensors {
            true => Box::new(SafetensorsCheckpoint::open_files(&files.checkpoint, paths)?),
            false => Box::new(PytorchCheckpoint::open(
                &files.checkpoint,
                paths,
                Some(STATE_DICT),
            )?),
        };
        let checkpoint = checkpoint.as_ref();

        let prefix = xlm_roberta::prefix(checkpoint).ok_or_else(|| CheckpointError::Missing {
            path: files.checkpoint.clone(),
            name: "encoder.model.embeddings.word_embeddings.weight".into(),
        })?;
        let of_encoder =
            |name| files.of_encoder(name, options.encoder.as_deref(), &hparams.pretrained_model);
        let config = match of_encoder(CONFIG) {
            Some(path) => read_config(path)?,
            None => XlmRobertaConfig::of_tensors(checkpoint, prefix)?,
        };
        let tokenizer_path = of_encoder(TOKENIZER).ok_or_else(|| CometError::NotAModel {
            path: files.root.clone(),
            message: no_tokenizer(&hparams.pretrained_model, options.encoder.as_deref()),
        })?;
        let tokenizer = Tokenizer::from_file(&tokenizer_path, SpecialTokens::default())?;
        tokenizer.check_vocabulary(config.vocab_size)?;

        // Before the weights are in memory: the hash passes over the whole file.
        let hashed: Vec<PathBuf> = [&files.checkpoint, &files.hparams, &tokenizer_path]
            .into_iter()
            .filter(|file| file.is_file())
            .cloned()
            .collect();
        let revision = identity::content_hash(&hashed)?;

        let mixture = match hparams.layer {
            LayerChoice::Mix => LayerwiseAttention::load(
                checkpoint,
                config.num_hidden_layers + 1,
                hparams.transformation,
                hparams.layer_norm,
            )?,
            LayerChoice::Single(layer) if layer <= config.num_hidden_layers => {
                LayerwiseAttention::single(layer)
            }
            LayerChoice::Single(layer) => {
                return Err(CometError::Hparams {
                    path: files.hparams,
                    message: format!(
                        "layer {layer} of an encoder of {} layers",
                        config.num_hidden_layers
                    ),
                });
            }
        };
        let squash = |name: &str| {
            Squash::named(name).ok_or_else(|| CometError::Hparams {
                path: files.hparams.clone(),
                message: format!(
                    "activation {name:?} is not built; known are \"Tanh\", \"Sigmoid\" and \
                     \"Identity\""
                ),
            })
        };
        let vectors = match hparams.class {
            MetricClass::Unified => 1,
            MetricClass::Regression => 6,
            MetricClass::Referenceless => 4,
        };
        let estimator = FeedForward::load(
            checkpoint,
            vectors * config.hidden_size,
            &hparams.hidden_sizes,
            squash(&hparams.activation)?,
            hparams
                .final_activation
                .as_deref()
                .map(squash)
                .transpose()?,
            device,
        )?;
        check_depth(checkpoint, prefix, config.num_hidden_layers)?;
        let encoder =
            XlmRoberta::load_packed(&config, checkpoint, prefix, device, options.weights)?;
        Ok(Self {
            input: Encoder::new(tokenizer)?,
            encoder,
            mixture,
            estimator,
            width: config.hidden_size,
            device: device.clone(),
            identity: ModelIdentity {
                path: path.as_ref().to_path_buf(),
                revision,
                licence: identity::licence_of_card(&files.root),
            },
            hparams,
        })
    }

    /// What it is and where it came from.
    pub fn identity(&self) -> &ModelIdentity {
        &self.identity
    }

    /// What kind of metric it is.
    pub fn class(&self) -> MetricClass {
        self.hparams.class
    }

    /// How it weighs the encoder's layers; published scores depend on it.
    pub fn transformation(&self) -> Transformation {
        self.hparams.transformation
    }

    /// Whether it can only compare with a reference.
    pub fn needs_reference(&self) -> bool {
        match self.hparams.class {
            MetricClass::Unified => !self.hparams.inputs.source,
            MetricClass::Regression => true,
            MetricClass::Referenceless => false,
        }
    }

    /// Longest sequence that the encoder reads, in tokens.
    pub fn max_tokens(&self) -> usize {
        self.encoder.max_tokens()
    }

    /// A sample in token ids.
    pub fn encode(&self, sample: Sample<'_>) -> Result<EncodedSample, CometError> {
        self.input.encode(sample, &self.hparams, self.max_tokens())
    }

    /// Scores of samples that fit the encoder, in order. A score does not depend on what is scored
    /// with it.
    pub fn score(&self, samples: &[EncodedSample]) -> Result<Vec<f32>, CometError> {
        if let Some(index) = samples.iter().position(|sample| !sample.fits()) {
            let max_tokens = self.max_tokens();
            return Err(CometError::TooLong { index, max_tokens });
        }
        // A source that stands before several translations is read once.
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

    /// One vector a sequence, [sequences, C].
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

/// Product and distance of two vectors, element by element.
fn compare(a: &[f32], b: &[f32], features: &mut Vec<f32>) {
    features.extend(a.iter().zip(b).map(|(a, b)| a * b));
    features.extend(a.iter().zip(b).map(|(a, b)| (a - b).abs()));
}

fn read_config(path: PathBuf) -> Result<XlmRobertaConfig, CometError> {
    let text =
        std::fs::read_to_string(&path).map_err(|error| CheckpointError::file(&path, error))?;
    XlmRobertaConfig::from_json(&text).map_err(|source| CometError::Config { path, source })
}

/// Fails if the checkpoint holds more blocks than the configuration names, whose scores would be
/// those of another model.
fn check_depth(
    checkpoint: &dyn Checkpoint,
    prefix: &str,
    layers: usize,
) -> Result<(), CheckpointError> {
    let name = format!("{prefix}encoder.layer.{layers}.attention.self.query.weight");
    match checkpoint.contains(&name) {
        false => Ok(()),
        true => Err(CheckpointError::Unexpected {
            path: checkpoint.path(),
            count: 1,
            first: name,
        }),
    }
}

fn no_tokenizer(pretrained_model: &str, named: Option<&Path>) -> String {
    let encoder = match pretrained_model {
        "" => "its encoder",
        name => name,
    };
    match named {
        Some(folder) => format!(
            "the tokenizer of {encoder} is not in {}: there is no {TOKENIZER}",
            folder.display()
        ),
        None => format!(
            "the tokenizer of {encoder} is not there; put the {TOKENIZER} of xlm-roberta-large (or \
             -base, the vocabulary is the same) beside hparams.yaml, or name its folder"
        ),
    }
}
