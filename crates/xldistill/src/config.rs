//! The config of a run: what is done to which model, with which data and engines.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use corpus::{
    decontamination::NgramSizes, filter::MinQuality, language::Language, source::ParallelSource,
};
use engines::{http_translator::LanguageCodes, identifier::IdentifierEngine};
use evaluation::{suite::EvaluateConfig, task::translation::AnswerPart};
use serde::{Deserialize, Serialize};

use crate::config_file::{self, ConfigError};

/// One run, as its config file says it. `docs/config.md` explains every key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The LLM: a GGUF file, a Hugging Face directory, or a folder with one GGUF file.
    pub model: PathBuf,
    /// The language that the LLM is strong in.
    #[serde(default = "english")]
    pub source: Language,
    /// The languages it is to learn.
    pub targets: Vec<Language>,
    /// The run's folder.
    pub output: PathBuf,
    /// Decides every draw: the choice of answers, code-switching, the order of examples.
    #[serde(default)]
    pub seed: u64,
    /// What the LLM learns from.
    pub data: Data,
    /// How it answers the instructions.
    #[serde(default)]
    pub answer: Answer,
    /// What translates.
    #[serde(default)]
    pub translate: Translate,
    /// What identifies languages.
    #[serde(default)]
    pub identify: Identify,
    /// What estimates the quality of translations.
    #[serde(default)]
    pub estimate_quality: EstimateQuality,
    /// Which translations are rejected.
    #[serde(default)]
    pub filter: corpus::filter::FilterConfig,
    /// How words of the questions are replaced.
    #[serde(default)]
    pub code_switch: CodeSwitch,
    /// What must not be in the transfer set.
    #[serde(default)]
    pub decontaminate: Decontaminate,
    /// How the transfer set is put together.
    #[serde(default)]
    pub mix: corpus::mix::MixConfig,
    /// How the LLM is fine-tuned.
    #[serde(default)]
    pub train: training::TrainConfig,
    /// What is measured.
    #[serde(default)]
    pub evaluate: Evaluate,
}

/// `[data]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Files or folders of instructions in the source language: D of the paper.
    pub instructions: Vec<PathBuf>,
    /// Sentence pairs with each target language (source TAB target): P of the paper.
    #[serde(default)]
    pub parallel: BTreeMap<Language, ParallelSource>,
    /// Text in the target languages alone, a sentence a line: further completion tasks.
    #[serde(default)]
    pub monolingual: BTreeMap<Language, PathBuf>,
    /// Only so many instructions.
    #[serde(default)]
    pub limit: Option<usize>,
    /// The share of malformed rows over which the run stops.
    #[serde(default = "tenth")]
    pub max_rejected_fraction: f64,
}

/// `[answer]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answer {
    /// Who answers.
    pub engine: AnswerEngine,
    /// Most tokens of an answer; a longer one is cut off and rejected.
    pub max_new_tokens: usize,
    /// Questions answered side by side.
    pub batch_size: usize,
    /// System message, instead of the chat template's own.
    pub system: Option<String>,
    /// Address of the server; `OPENAI_BASE_URL` where none is named.
    pub url: Option<String>,
    /// The model's name at the server.
    pub server_model: Option<String>,
    /// Most requests to the server at a time.
    pub in_flight: usize,
    /// Longest time of a request.
    pub timeout_seconds: u64,
    /// How often a failed request is tried again.
    pub retries: usize,
}

impl Default for Answer {
    fn default() -> Self {
        Self {
            engine: AnswerEngine::Local,
            max_new_tokens: 256,
            batch_size: 16,
            system: None,
            url: None,
            server_model: None,
            in_flight: 16,
            timeout_seconds: 600,
            retries: 5,
        }
    }
}

/// Who answers the instructions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerEngine {
    /// The run's model, on this machine.
    #[default]
    Local,
    /// A server that speaks the OpenAI chat API.
    #[serde(rename = "openai")]
    OpenAi,
}

/// `[translate]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Translate {
    /// Which engine.
    pub engine: TranslateEngine,
    /// firefox: its model from the source language into each target language.
    pub models: BTreeMap<Language, PathBuf>,
    /// firefox: its model from each target language back into the source language: for the
    /// round-trip quality estimate and for induced dictionaries.
    pub reverse_models: BTreeMap<Language, PathBuf>,
    /// nllb: directory of the model, which serves all directions.
    pub model: Option<PathBuf>,
    /// nllb: how weights are held and multiplied.
    pub precision: TranslatePrecision,
    /// nllb: beams of the search.
    pub beam_size: usize,
    /// nllb: exponent of the length that scores are divided by.
    pub length_penalty: f64,
    /// nllb: no run of so many tokens occurs twice in a translation; 0 allows all.
    pub no_repeat_ngram_size: usize,
    /// nllb: above 1, tokens that occurred already become less probable.
    pub repetition_penalty: f32,
    /// llm: the LLM; the run's own where none is named.
    pub llm: Option<PathBuf>,
    /// llm, openai: how many pairs of the parallel corpus the LLM is shown before each sentence.
    pub examples: usize,
    /// nllb, llm, openai: most tokens of a translated sentence.
    pub max_new_tokens: usize,
    /// http, openai: address of the server.
    pub url: Option<String>,
    /// http, openai: the model's name at the server.
    pub server_model: Option<String>,
    /// http: how the server names languages.
    pub language_codes: LanguageCodes,
    /// http: sentences in a request; nllb, llm: sentences translated side by side.
    pub batch_size: usize,
    /// http, openai: most requests at a time.
    pub in_flight: usize,
    /// http, openai: longest time of a request.
    pub timeout_seconds: u64,
    /// http, openai: how often a failed request is tried again.
    pub retries: usize,
    /// File of the translations that are shared between runs; none where it is not named.
    pub cache: Option<PathBuf>,
}

impl Default for Translate {
    fn default() -> Self {
        Self {
            engine: TranslateEngine::Firefox,
            models: BTreeMap::new(),
            reverse_models: BTreeMap::new(),
            model: None,
            precision: TranslatePrecision::Bf16,
            beam_size: 4,
            length_penalty: 1.0,
            no_repeat_ngram_size: 0,
            repetition_penalty: 1.0,
            llm: None,
            examples: 0,
            max_new_tokens: 256,
            url: None,
            server_model: None,
            language_codes: LanguageCodes::Iso,
            batch_size: 32,
            in_flight: 8,
            timeout_seconds: 120,
            retries: 5,
            cache: None,
        }
    }
}

/// How the weights of a translation model are held and multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TranslatePrecision {
    /// 4 bytes a weight, exact.
    F32,
    /// 2 bytes a weight.
    Bf16,
    /// 1 byte a weight.
    Int8,
}

/// Translation engines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TranslateEngine {
    /// Firefox/Bergamot student models.
    #[default]
    Firefox,
    /// NLLB-200: one model of all directions.
    Nllb,
    /// A server of NeMo Curator's `nmt` contract.
    Http,
    /// An LLM on this machine: the run's own, or another.
    Llm,
    /// An LLM behind a server that speaks the OpenAI chat API.
    #[serde(rename = "openai")]
    OpenAi,
}

impl TranslateEngine {
    /// Whether thousands of single words are translated in no time, as a dictionary is induced.
    pub fn is_cheap_on_words(self) -> bool {
        !matches!(self, TranslateEngine::Llm | TranslateEngine::OpenAi)
    }
}

/// `[identify]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Identify {
    /// Which engine.
    pub engine: IdentifierEngine,
    /// Its model: CLD3's `lang_id_nn_params.cc`, or a fastText `.bin` or `.ftz` file.
    pub model: Option<PathBuf>,
}

/// `[estimate_quality]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EstimateQuality {
    /// Which engine.
    pub engine: QualityEngine,
    /// The model of an engine that has one.
    pub model: Option<PathBuf>,
    /// Folder with the encoder's tokenizer and configuration, if they are not in the model's.
    pub encoder: Option<PathBuf>,
    /// Format of the encoder's weights.
    pub weights: EncoderWeights,
}

/// Formats of an encoder's weights in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EncoderWeights {
    /// 4 bytes a weight, exact.
    #[default]
    F32,
    /// 2 bytes a weight.
    Bf16,
}

/// Quality estimation engines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QualityEngine {
    /// chrF of the source and its translation translated back.
    #[default]
    RoundTrip,
    /// CometKiwi or another reference-free COMET model.
    #[serde(rename = "cometkiwi")]
    CometKiwi,
    /// No estimate: only the other filters reject.
    None,
}

/// `[code_switch]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CodeSwitch {
    /// p of Eq. 5: the probability with which a word that has a translation is replaced.
    pub probability: f64,
    /// Dictionaries from the source language into each target language: MUSE or TSV files, or
    /// dictd `.index` files. Induced by the translator where none is named.
    pub dictionaries: BTreeMap<Language, Vec<PathBuf>>,
    /// Dictionaries from each target language into the source language.
    pub reverse_dictionaries: BTreeMap<Language, Vec<PathBuf>>,
}

impl Default for CodeSwitch {
    fn default() -> Self {
        Self {
            probability: 0.15,
            dictionaries: BTreeMap::new(),
            reverse_dictionaries: BTreeMap::new(),
        }
    }
}

/// `[decontaminate]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Decontaminate {
    /// Whether rows that share text with an evaluation set are rejected.
    pub enabled: bool,
    /// Evaluation sets besides those of `[evaluate]`: files or folders of JSON, JSONL, TSV or lines.
    pub against: Vec<PathBuf>,
    /// Words in a row that must be shared.
    pub words: usize,
    /// Characters in a row that must be shared, in scripts without spaces.
    pub characters: usize,
}

impl Default for Decontaminate {
    fn default() -> Self {
        let NgramSizes { words, characters } = NgramSizes::default();
        Self {
            enabled: true,
            against: Vec::new(),
            words,
            characters,
        }
    }
}

/// `[evaluate]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Evaluate {
    /// Held-out questions with reference answers (JSONL of id, question, answer), by language.
    pub questions: BTreeMap<Language, PathBuf>,
    /// Held-out sentence pairs with each target language (source TAB target).
    pub pairs: BTreeMap<Language, PathBuf>,
    /// Plain text by language, a passage a line; the sentences of the pairs where none is named.
    pub texts: BTreeMap<Language, PathBuf>,
    /// Only so many questions, pairs and passages.
    pub limit: Option<usize>,
    /// Most tokens of an answer or translation.
    pub max_new_tokens: usize,
    /// Questions answered side by side.
    pub batch_size: usize,
    /// How much of an answer counts as a translation.
    pub translation_answer: AnswerPart,
    /// BLEU's tokenizer: 13a, intl, char, zh, none or flores200.
    pub bleu_tokenizer: String,
    /// The SentencePiece model of flores200.
    pub bleu_tokenizer_model: Option<PathBuf>,
    /// The share of an answer that must stand in its question to be a copy of it.
    pub copied_share: f64,
}

impl Default for Evaluate {
    fn default() -> Self {
        let EvaluateConfig {
            batch_size,
            translation_answer,
            bleu_tokenizer,
            bleu_tokenizer_model,
            copied_share,
            ..
        } = EvaluateConfig::default();
        Self {
            questions: BTreeMap::new(),
            pairs: BTreeMap::new(),
            texts: BTreeMap::new(),
            limit: None,
            max_new_tokens: 96,
            batch_size,
            translation_answer,
            bleu_tokenizer,
            bleu_tokenizer_model,
            copied_share,
        }
    }
}

impl Evaluate {
    /// How the tasks are run and scored.
    pub fn tasks(&self) -> EvaluateConfig {
        EvaluateConfig {
            batch_size: self.batch_size,
            translation_answer: self.translation_answer,
            bleu_tokenizer: self.bleu_tokenizer.clone(),
            bleu_tokenizer_model: self.bleu_tokenizer_model.clone(),
            copied_share: self.copied_share,
            ..EvaluateConfig::default()
        }
    }
}

fn english() -> Language {
    Language::ENGLISH
}

fn tenth() -> f64 {
    0.1
}

impl Config {
    /// Reads `path` with `overrides`, resolves relative paths from the config's folder, and checks
    /// what can be checked without opening a model.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Config, ConfigError> {
        let mut config: Config = config_file::read(path, overrides)?;
        config.seed_sections();
        config.resolve(path.parent().unwrap_or(Path::new("")));
        config
            .check()
            .map_err(|message| ConfigError(format!("{}: {message}", path.display())))?;
        Ok(config)
    }

    /// The run's seed holds wherever a section names none of its own.
    fn seed_sections(&mut self) {
        for seed in [&mut self.mix.seed, &mut self.train.seed] {
            if *seed == 0 {
                *seed = self.seed;
            }
        }
    }

    fn resolve(&mut self, base: &Path) {
        let paths = [&mut self.model, &mut self.output].into_iter();
        let lists = self
            .code_switch
            .dictionaries
            .values_mut()
            .chain(self.code_switch.reverse_dictionaries.values_mut())
            .flatten();
        let parallel = self
            .data
            .parallel
            .values_mut()
            .flat_map(|source| match source {
                ParallelSource::File(path) => vec![path],
                ParallelSource::Aligned { source, target } => vec![source, target],
            });
        let maps = [
            &mut self.data.monolingual,
            &mut self.translate.models,
            &mut self.translate.reverse_models,
            &mut self.evaluate.questions,
            &mut self.evaluate.pairs,
            &mut self.evaluate.texts,
        ];
        let paths = paths
            .chain(&mut self.data.instructions)
            .chain(&mut self.decontaminate.against)
            .chain(&mut self.translate.llm)
            .chain(&mut self.translate.cache)
            .chain(lists)
            .chain(parallel)
            .chain(&mut self.evaluate.bleu_tokenizer_model)
            .chain(&mut self.identify.model)
            .chain(&mut self.estimate_quality.model)
            .chain(&mut self.estimate_quality.encoder)
            .chain(&mut self.translate.model)
            .chain(maps.into_iter().flat_map(BTreeMap::values_mut));
        for path in paths {
            *path = tidy(&base.join(&*path));
        }
    }

    fn check(&self) -> Result<(), String> {
        if self.targets.is_empty() {
            return Err("targets: name at least one target language, e.g. [\"por_Latn\"]".into());
        }
        for (at, target) in self.targets.iter().enumerate() {
            if *target == self.source {
                return Err(format!("targets: {} is the source language", target.code()));
            }
            if self.targets[..at].contains(target) {
                return Err(format!("targets: {} is named twice", target.code()));
            }
            self.check_direction(*target)?;
        }
        let identify = &self.identify;
        match (identify.engine, &identify.model) {
            (IdentifierEngine::Whatlang, Some(_)) => {
                return Err(
                    "identify.model: whatlang takes none; set identify.engine to \"cld3\" or \"fasttext\""
                        .into(),
                );
            }
            (IdentifierEngine::Cld3 | IdentifierEngine::FastText, None) => {
                return Err(format!(
                    "identify.model: the engine {} needs a model",
                    identify.engine.name()
                ));
            }
            _ => {}
        }
        self.check_servers()?;
        let quality = &self.estimate_quality;
        if quality.engine == QualityEngine::CometKiwi && quality.model.is_none() {
            return Err(
                "estimate_quality.model: name the folder of the CometKiwi model (hparams.yaml and \
                 checkpoints/model.ckpt)"
                    .into(),
            );
        }
        if self.translate.engine == TranslateEngine::Nllb && self.translate.model.is_none() {
            return Err(
                "translate.model: name the Hugging Face directory of an NLLB-200 model".into(),
            );
        }
        if self.data.instructions.is_empty() {
            return Err("data.instructions: name at least one file".into());
        }
        let known =
            |language: &Language| *language == self.source || self.targets.contains(language);
        let named = [
            ("data.parallel", keys(&self.data.parallel)),
            ("data.monolingual", keys(&self.data.monolingual)),
            ("translate.models", keys(&self.translate.models)),
            (
                "translate.reverse_models",
                keys(&self.translate.reverse_models),
            ),
            (
                "code_switch.dictionaries",
                keys(&self.code_switch.dictionaries),
            ),
            (
                "code_switch.reverse_dictionaries",
                keys(&self.code_switch.reverse_dictionaries),
            ),
            ("evaluate.questions", keys(&self.evaluate.questions)),
            ("evaluate.pairs", keys(&self.evaluate.pairs)),
            ("evaluate.texts", keys(&self.evaluate.texts)),
        ];
        for (section, languages) in named {
            if let Some(unknown) = languages.iter().find(|language| !known(language)) {
                return Err(format!(
                    "{section}: {} is neither the source nor one of the targets",
                    unknown.code()
                ));
            }
        }
        if let Some(MinQuality::Quantile { quantile }) = self.filter.min_quality
            && !(0.0..1.0).contains(&quantile)
        {
            return Err(format!(
                "filter.min_quality: the quantile {quantile} is not from 0 up to below 1"
            ));
        }
        if self.decontaminate.words == 0 || self.decontaminate.characters == 0 {
            return Err("decontaminate: words and characters must be at least 1".into());
        }
        let probability = self.code_switch.probability;
        if !(0.0..=1.0).contains(&probability) {
            return Err(format!(
                "code_switch.probability: {probability} is not between 0 and 1"
            ));
        }
        Ok(())
    }
}

impl Config {
    /// Checks what the engines need of one target language.
    fn check_direction(&self, target: Language) -> Result<(), String> {
        let code = target.code();
        let translate = &self.translate;
        if translate.engine == TranslateEngine::Firefox && !translate.models.contains_key(&target) {
            return Err(format!(
                "translate.models: no model into {code}; add {code} = \"PATH\" under [translate.models]"
            ));
        }
        let translates_back = match translate.engine {
            TranslateEngine::Firefox => translate.reverse_models.contains_key(&target),
            TranslateEngine::Nllb
            | TranslateEngine::Http
            | TranslateEngine::Llm
            | TranslateEngine::OpenAi => true,
        };
        if self.estimate_quality.engine == QualityEngine::RoundTrip && !translates_back {
            return Err(format!(
                "translate.reverse_models: the round-trip quality estimate needs a model from {code} back; \
                 add {code} = \"PATH\" under [translate.reverse_models], or set estimate_quality.engine = \"none\""
            ));
        }
        let calibrated = matches!(self.filter.min_quality, Some(MinQuality::Quantile { .. }));
        if calibrated && !self.evaluate.pairs.contains_key(&target) {
            return Err(format!(
                "filter.min_quality: a quantile is of human translations; name some with \
                 {code} = \"PATH\" under [evaluate.pairs], or set a score"
            ));
        }
        if translate.examples > 0 && !self.data.parallel.contains_key(&target) {
            return Err(format!(
                "translate.examples: they are taken of the parallel corpus; add {code} = \"PATH\" \
                 under [data.parallel]"
            ));
        }
        Ok(())
    }

    /// Checks that servers have an address and their models a name.
    fn check_servers(&self) -> Result<(), String> {
        let translate = &self.translate;
        if translate.engine == TranslateEngine::Http && translate.url.is_none() {
            return Err(
                "translate.url: name the server, e.g. translate.url = \"http://localhost:8000\""
                    .into(),
            );
        }
        let asked = [
            (
                "translate",
                translate.engine == TranslateEngine::OpenAi,
                &translate.server_model,
            ),
            (
                "answer",
                self.answer.engine == AnswerEngine::OpenAi,
                &self.answer.server_model,
            ),
        ];
        for (section, asked, model) in asked {
            if asked && model.is_none() {
                return Err(format!(
                    "{section}.server_model: name the model as the server knows it (it lists its models at /v1/models)"
                ));
            }
        }
        Ok(())
    }
}

fn keys<T>(map: &BTreeMap<Language, T>) -> Vec<Language> {
    map.keys().copied().collect()
}

/// `a/b/../c` as `a/c`, so that messages and manifests are readable.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for component in path.components() {
        match component {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir
                if tidy.file_name().is_some_and(|name| name != "..") =>
            {
                tidy.pop();
            }
            component => tidy.push(component),
        }
    }
    tidy
}
