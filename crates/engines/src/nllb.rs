//! NLLB-200: one model that translates between 200 languages.
//!
//! `models` has the network and its beam search; this module maps languages and splits sentences
//! that are too long for the model.

mod config;

use std::path::Path;
use std::sync::Mutex;

use corpus::language::Language;
use corpus::seam::{EngineError, EngineIdentity, Translator};
use corpus::text::budget;
use corpus::text::unknown_words::is_flattened;
use models::Precision;
use models::beam_search::{BeamOptions, EarlyStopping};
use models::{ComputeDevice, ModelIdentity, TranslationModel};

pub use config::NllbConfig;

const ENGINE: &str = "nllb";

/// Maximum number of pieces of a source: translations get worse beyond the lengths of the training
/// data.
const WINDOW: usize = 200;

/// Settings of an NLLB model and its search. The default precision is bfloat16.
#[derive(Debug, Clone, PartialEq)]
pub struct NllbOptions {
    /// Number format of the weights.
    pub weights: Precision,
    /// Device of the model.
    pub device: ComputeDevice,
    /// The search, whose forced first token becomes that of the target language.
    pub search: BeamOptions,
}

impl Default for NllbOptions {
    fn default() -> Self {
        Self {
            weights: Precision::Bf16,
            device: ComputeDevice::Cpu,
            search: BeamOptions::default(),
        }
    }
}

/// An NLLB-200 model.
pub struct NllbTranslator {
    model: TranslationModel,
    options: NllbOptions,
    identity: EngineIdentity,
    /// A batch uses all cores, so batches run one at a time.
    running: Mutex<()>,
}

impl NllbTranslator {
    /// Loads the Hugging Face directory `folder`.
    pub fn load(folder: &Path, options: NllbOptions) -> Result<Self, EngineError> {
        let error = |error: &dyn std::fmt::Display| EngineError::new(ENGINE, error.to_string());
        options.search.check().map_err(|e| error(&e))?;
        let device = options.device.open().map_err(|e| error(&e))?;
        let model =
            TranslationModel::load(folder, options.weights, &device).map_err(|e| error(&e))?;
        let identity = identity(&model.identity, &options);
        Ok(Self {
            model,
            options,
            identity,
            running: Mutex::new(()),
        })
    }

    /// Number of the model's languages.
    pub fn languages(&self) -> usize {
        self.model.tokenizer.languages().len()
    }

    /// Fails with the name of the language if the model lacks one of the two.
    pub fn check(&self, from: Language, to: Language) -> Result<(), EngineError> {
        self.language(from)?;
        self.language(to)?;
        Ok(())
    }

    fn language(&self, language: Language) -> Result<u32, EngineError> {
        let token = self.model.tokenizer.language(language.code());
        token.map_err(|error| EngineError::new(ENGINE, error.to_string()))
    }

    /// The sentence, split into parts if it has more than [`WINDOW`] pieces. Blank sentences have
    /// no parts.
    fn within_window<'s>(&self, sentence: &'s str) -> Result<Vec<&'s str>, EngineError> {
        let sentence = sentence.trim();
        if sentence.is_empty() {
            return Ok(Vec::new());
        }
        let fits = |text: &str| -> Result<bool, EngineError> {
            if text.len() <= WINDOW {
                return Ok(true); // A piece nearly always has at least a byte.
            }
            let pieces = self.model.tokenizer.pieces(text);
            let pieces = pieces.map_err(|error| EngineError::new(ENGINE, error.to_string()))?;
            Ok(pieces.len() <= WINDOW)
        };
        let mut budget = WINDOW;
        loop {
            let parts = budget::split(sentence, 0..sentence.len(), budget, &[]);
            let mut all_fit = true;
            for part in &parts {
                all_fit = all_fit && fits(&sentence[part.clone()])?;
            }
            if budget == 1 || all_fit {
                return Ok(parts.into_iter().map(|part| &sentence[part]).collect());
            }
            budget = (budget * 3 / 4).max(1);
        }
    }

    /// Translates with `search`, with the target language as forced first token.
    fn search(
        &self,
        sentences: &[String],
        from: Language,
        to: Language,
        search: &BeamOptions,
    ) -> Result<Vec<String>, EngineError> {
        let error = |error: &dyn std::fmt::Display| EngineError::new(ENGINE, error.to_string());
        let source = self.language(from)?;
        let search = BeamOptions {
            forced_bos: Some(self.language(to)?),
            ..search.clone()
        };
        let tokenizer = &self.model.tokenizer;
        let mut sources = Vec::new();
        let mut parts_of = Vec::with_capacity(sentences.len());
        for sentence in sentences {
            let parts = self.within_window(sentence)?;
            parts_of.push(parts.len());
            for part in parts {
                sources.push(tokenizer.encode(part, source).map_err(|e| error(&e))?);
            }
        }
        let _alone = self
            .running
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let hypotheses = self.model.search(&sources, &search, &mut |_| {});
        let mut hypotheses = hypotheses.into_iter();
        parts_of
            .into_iter()
            .map(|parts| {
                let texts = hypotheses.by_ref().take(parts);
                let texts = texts.map(|hypothesis| tokenizer.decode(&hypothesis.ids));
                let texts: Vec<String> = texts.collect::<Result<_, _>>().map_err(|e| error(&e))?;
                Ok(texts.join(" ").trim().to_owned())
            })
            .collect()
    }
}

impl Translator for NllbTranslator {
    fn identity(&self) -> EngineIdentity {
        self.identity.clone()
    }

    fn translate(
        &self,
        sentences: &[String],
        from: Language,
        to: Language,
    ) -> Result<Vec<String>, EngineError> {
        self.search(sentences, from, to, &self.options.search)
    }

    fn translate_again(
        &self,
        sentences: &[String],
        from: Language,
        to: Language,
        no_repeat_ngram_size: usize,
    ) -> Result<Option<Vec<String>>, EngineError> {
        let search = BeamOptions {
            no_repeat_ngram_size,
            ..self.options.search.clone()
        };
        self.search(sentences, from, to, &search).map(Some)
    }

    fn unknown_characters(
        &self,
        characters: &[char],
        _: Language,
        _: Language,
    ) -> Result<Vec<char>, EngineError> {
        let mut unknown = Vec::new();
        for &character in characters {
            let known = self.model.tokenizer.knows(character);
            if is_flattened(character)
                || !known.map_err(|error| EngineError::new(ENGINE, error.to_string()))?
            {
                unknown.push(character);
            }
        }
        Ok(unknown)
    }
}

fn identity(model: &ModelIdentity, options: &NllbOptions) -> EngineIdentity {
    EngineIdentity {
        engine: ENGINE.into(),
        model: model.path.display().to_string(),
        revision: model.revision.clone(),
        parameters: parameters(options),
        licence: model.licence.clone(),
    }
}

/// Everything that affects a translation, so not the number of sentences in parallel.
fn parameters(options: &NllbOptions) -> String {
    let search = &options.search;
    let weights = options.weights;
    let early_stopping = match search.early_stopping {
        EarlyStopping::WhenUnlikely => "false",
        EarlyStopping::AtOnce => "true",
        EarlyStopping::Never => "never",
    };
    format!(
        "{weights} beam_size={} max_new_tokens={} length_penalty={} early_stopping={early_stopping} \
         no_repeat_ngram_size={} repetition_penalty={} window={WINDOW}",
        search.beam_size,
        search.max_new_tokens,
        search.length_penalty,
        search.no_repeat_ngram_size,
        search.repetition_penalty
    )
}
