//! A backbone turns texts into pooled hidden states, on which heads stand: an LLM, an encoder, or an
//! LLM stacked on an encoder. Classification and distillation work on any of them.

mod llm_text;
mod network;

use burn::Tensor;
use burn::module::Module;
use kernels::Segments;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use network::BackboneNetwork;

use crate::encoders::{EncoderModel, EncoderTokenizer};
use crate::identity::ModelIdentity;
use crate::language_model::LanguageModel;
use crate::layers::{Attention, NamedLinears, Pooling};
use crate::stacks::{LanguageShifts, SourceStates, StackNetwork};
use crate::text_input::{EncodedText, LocatedText, TextInput, TextInputError};
use llm_text::LlmText;

/// How a backbone reads texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BackboneSettings {
    /// The hidden states that stand for a text: `mean` of all tokens, the last (`eos`) or the first
    /// (`cls`).
    pub pooling: Pooling,
    /// The tokens that a token of the LLM attends to: `bidirectional`, or `causal` as in
    /// pre-training. Encoders are always bidirectional.
    pub attention: Attention,
    /// Maximum length of a text in tokens; the rest is cut off. Models with fewer positions cut
    /// earlier.
    pub max_length: usize,
}

impl Default for BackboneSettings {
    fn default() -> Self {
        Self {
            pooling: Pooling::Mean,
            attention: Attention::Bidirectional,
            max_length: 512,
        }
    }
}

/// Everything of a backbone but the network that can be trained.
#[derive(Debug, Clone)]
pub struct Backbone {
    settings: BackboneSettings,
    /// Maximum length that the models have positions for, at most that of the settings.
    limit: usize,
    reader: Reader,
}

/// What reads the texts.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there are a few in a program")]
enum Reader {
    Llm {
        text: LlmText,
        identity: ModelIdentity,
    },
    Encoder {
        tokenizer: EncoderTokenizer,
        identity: ModelIdentity,
    },
    Stack {
        /// Frozen, without autodiff.
        encoder: EncoderModel,
        llm: ModelIdentity,
        mixes_layers: bool,
        shifts: LanguageShifts,
    },
}

impl Backbone {
    /// An LLM alone. Adapters that it was loaded with are part of it, and merged.
    pub fn of_llm(model: LanguageModel, settings: BackboneSettings) -> (Self, BackboneNetwork) {
        let network = model.network.merge_lora();
        let positions = network.config().longest_sequence();
        let backbone = Self {
            settings,
            limit: settings.max_length.min(positions.unwrap_or(usize::MAX)),
            reader: Reader::Llm {
                text: LlmText::new(model.tokenizer),
                identity: model.identity,
            },
        };
        (backbone, BackboneNetwork::Decoder(network))
    }

    /// An encoder alone.
    pub fn of_encoder(model: EncoderModel, settings: BackboneSettings) -> (Self, BackboneNetwork) {
        let backbone = Self {
            settings,
            limit: settings.max_length.min(model.shape().max_tokens),
            reader: Reader::Encoder {
                tokenizer: model.tokenizer,
                identity: model.identity,
            },
        };
        (backbone, BackboneNetwork::Encoder(model.network))
    }

    /// An LLM on a frozen encoder, with a random projection between them (see
    /// [`StackNetwork::new`]). With `mix_layers`, the LLM reads a learned mix of the encoder's
    /// layers instead of the last. Adapters that the LLM was loaded with are part of it, and merged.
    pub fn of_stack(
        encoder: EncoderModel,
        llm: LanguageModel,
        settings: BackboneSettings,
        mix_layers: bool,
        seed: u64,
    ) -> (Self, BackboneNetwork) {
        let shape = encoder.shape();
        let positions = llm.network.config().longest_sequence();
        let limit = shape.max_tokens.min(positions.unwrap_or(usize::MAX));
        let mixed = mix_layers.then_some(shape.layers + 1);
        let decoder = llm.network.merge_lora();
        let network = StackNetwork::new(decoder, shape.hidden_size, mixed, seed);
        let backbone = Self {
            settings,
            limit: settings.max_length.min(limit),
            reader: Reader::Stack {
                encoder: EncoderModel {
                    network: encoder.network.valid(),
                    ..encoder
                },
                llm: llm.identity,
                mixes_layers: mix_layers,
                shifts: LanguageShifts::default(),
            },
        };
        (backbone, BackboneNetwork::Stack(network))
    }

    /// The stack, with the encoder's states of texts in these languages shifted.
    ///
    /// # Panics
    /// If it is not a stack.
    #[must_use]
    pub fn with_shifts(mut self, new: LanguageShifts) -> Self {
        match &mut self.reader {
            Reader::Stack { shifts, .. } => *shifts = new,
            _ => panic!("only the encoder of a stack has states to shift"),
        }
        self
    }

    /// How the encoder's states of texts in some languages are shifted, if it is a stack.
    pub fn shifts(&self) -> Option<&LanguageShifts> {
        match &self.reader {
            Reader::Stack { shifts, .. } => Some(shifts),
            _ => None,
        }
    }

    /// How it reads texts.
    pub fn settings(&self) -> BackboneSettings {
        self.settings
    }

    /// Maximum length of a text in tokens.
    pub fn max_length(&self) -> usize {
        self.limit
    }

    /// The LLM, if there is one.
    pub fn llm(&self) -> Option<&ModelIdentity> {
        match &self.reader {
            Reader::Llm { identity, .. } | Reader::Stack { llm: identity, .. } => Some(identity),
            Reader::Encoder { .. } => None,
        }
    }

    /// The encoder, if there is one.
    pub fn encoder(&self) -> Option<&ModelIdentity> {
        match &self.reader {
            Reader::Encoder { identity, .. } => Some(identity),
            Reader::Stack { encoder, .. } => Some(&encoder.identity),
            Reader::Llm { .. } => None,
        }
    }

    /// The FLORES-200 codes of the languages it can mark; `None` if it reads any language unmarked.
    pub fn languages(&self) -> Option<&[String]> {
        self.encoder_tokenizer()?.languages()
    }

    /// What its encoder puts before each text.
    pub fn prefix(&self) -> &str {
        let tokenizer = self.encoder_tokenizer();
        tokenizer.map_or("", EncoderTokenizer::prefix)
    }

    fn encoder_tokenizer(&self) -> Option<&EncoderTokenizer> {
        match &self.reader {
            Reader::Encoder { tokenizer, .. } => Some(tokenizer),
            Reader::Stack { encoder, .. } => Some(&encoder.tokenizer),
            Reader::Llm { .. } => None,
        }
    }

    /// Encodes an input. `language` is the FLORES-200 code of its language, which some encoders mark
    /// (see [`Backbone::languages`]) and others ignore.
    pub fn encode(
        &self,
        input: &TextInput<'_>,
        language: Option<&str>,
    ) -> Result<EncodedText, TextInputError> {
        match &self.reader {
            Reader::Llm { text, .. } => text.encode(input, self.limit),
            Reader::Encoder { tokenizer, .. } => tokenizer.encode(input, language, self.limit),
            Reader::Stack {
                encoder, shifts, ..
            } => {
                let encoded = (encoder.tokenizer).encode(input, language, self.limit)?;
                let shift = language.filter(|language| shifts.get(language).is_some());
                Ok(EncodedText {
                    shift: shift.map(str::to_owned),
                    ..encoded
                })
            }
        }
    }

    /// [`Backbone::encode`] of a text, with the bytes of each token.
    pub fn locate(
        &self,
        text: &str,
        language: Option<&str>,
    ) -> Result<LocatedText, TextInputError> {
        match &self.reader {
            Reader::Llm { text: reader, .. } => reader.locate(text, self.limit),
            Reader::Encoder { tokenizer, .. } => tokenizer.locate(text, language, self.limit),
            Reader::Stack { encoder, .. } => encoder.tokenizer.locate(text, language, self.limit),
        }
    }

    /// The frozen encoder's states of these texts, laid end to end; `None` unless the backbone is a
    /// stack. They can be cached: they depend on the texts and on nothing that is trained.
    pub fn source_states(&self, texts: &[&EncodedText]) -> Option<SourceStates> {
        let Reader::Stack {
            encoder,
            mixes_layers,
            shifts,
            ..
        } = &self.reader
        else {
            return None;
        };
        let Flat {
            ids,
            types,
            segments,
        } = Flat::of(texts);
        let network = &encoder.network;
        let layers = match mixes_layers {
            true => network.layer_states(&ids, &types, &segments),
            false => vec![network.forward(&ids, &types, &segments)],
        };
        Some(shifts.apply(SourceStates { layers }, texts, &network.device()))
    }

    /// The last hidden states of all tokens [T, C], the texts laid end to end, and where each text
    /// is. A stack computes the states of its encoder unless they are given. Differentiable.
    ///
    /// # Panics
    /// If `network` is of another kind than the backbone.
    pub fn token_states(
        &self,
        network: &BackboneNetwork,
        texts: &[&EncodedText],
        source: Option<SourceStates>,
        dropout_seed: Option<u64>,
    ) -> (Tensor<2>, Segments) {
        let Flat {
            ids,
            types,
            segments,
        } = Flat::of(texts);
        let attention = self.settings.attention;
        let states = match network {
            BackboneNetwork::Decoder(network) => {
                network.forward_attending(&ids, &segments, attention, dropout_seed)
            }
            BackboneNetwork::Encoder(network) => match dropout_seed {
                Some(seed) => network.forward_with_dropout(&ids, &types, &segments, seed),
                None => network.forward(&ids, &types, &segments),
            },
            BackboneNetwork::Stack(network) => {
                let source = source.or_else(|| self.source_states(texts));
                let source = source.expect("a stack's network belongs to a stack");
                network.forward(source, &segments, attention, dropout_seed)
            }
        };
        (states, segments)
    }

    /// The pooled states of these texts: a row for each span of each text, in order. Arguments and
    /// panics are those of [`Backbone::token_states`]. Differentiable.
    pub fn pooled(
        &self,
        network: &BackboneNetwork,
        texts: &[&EncodedText],
        source: Option<SourceStates>,
        dropout_seed: Option<u64>,
    ) -> Tensor<2> {
        let (states, segments) = self.token_states(network, texts, source, dropout_seed);
        self.settings.pooling.pool(states, &spans(texts, &segments))
    }
}

/// The spans of all texts, which lie end to end: tokens of a text become tokens of the batch.
fn spans(texts: &[&EncodedText], segments: &Segments) -> Vec<Vec<u32>> {
    let of_text = texts.iter().zip(segments.iter());
    let moved = of_text.flat_map(|(text, range)| {
        let start = range.start as u32;
        let spans = text.spans.iter();
        spans.map(move |span| span.iter().map(|token| start + token).collect())
    });
    moved.collect()
}

/// Texts laid end to end.
struct Flat {
    ids: Vec<u32>,
    types: Vec<u32>,
    segments: Segments,
}

impl Flat {
    fn of(texts: &[&EncodedText]) -> Self {
        Self {
            ids: texts.iter().flat_map(|text| text.ids.clone()).collect(),
            types: texts.iter().flat_map(|text| text.types.clone()).collect(),
            segments: Segments::new(texts.iter().map(|text| text.tokens())),
        }
    }
}
