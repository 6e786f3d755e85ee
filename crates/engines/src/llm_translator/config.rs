//! The configs of translation by local LLMs and by chat servers.

use corpus::sampling;
use corpus::seam::{Answerer, EngineError};
use corpus::source;
use models::{LanguageModel, Precision};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Form, LlmTranslator, TranslationExamples};
use crate::choice::KeyError;
use crate::engine_config::{TranslatorConfig, Translators};
use crate::http::{HttpOptions, MAX_FAILED_SHARE, ServerUrl, check_share};
use crate::local_llm::{self, LocalLlm, LocalLlmOptions};
use crate::model_ref::ModelRef;
use crate::openai::{self, OpenAiClient, OpenAiOptions};
use crate::opening::Opening;
use crate::template_ref::{self, TemplateRef};
use crate::translation_cache::Cache;

/// Share of unusable pairs above which the examples' corpus is refused.
const MAX_REJECTED: f64 = 0.1;

/// An LLM on this machine, asked in the words of the paper's Table 1. A base model continues the
/// `examples` as plain text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LlmTranslatorConfig {
    /// GGUF file, Hugging Face directory or PEFT adapter.
    #[schemars(extend("default-text" = "the run's `model`"))]
    pub model: Option<ModelRef>,
    /// Chat template of a model that brings none: `alpaca`, `chatml`, `llama2`, or a Jinja file.
    #[schemars(extend("default-text" = "none with `examples`, else the run's `template`, if `model` is the run's"))]
    pub template: Option<TemplateRef>,
    /// Number format of the weights.
    pub precision: Precision,
    /// Number of pairs of the parallel corpus shown before each sentence.
    pub examples: usize,
    /// Maximum number of tokens of a translated sentence.
    pub max_new_tokens: usize,
    /// Number of sentences translated in parallel.
    pub batch_size: usize,
}

impl Default for LlmTranslatorConfig {
    fn default() -> Self {
        Self {
            model: None,
            template: None,
            precision: Precision::Bf16,
            examples: 0,
            max_new_tokens: 256,
            batch_size: 32,
        }
    }
}

impl LlmTranslatorConfig {
    fn model<'a>(&'a self, opening: &Opening<'a>) -> Result<&'a ModelRef, EngineError> {
        local_llm::require(self.model.as_ref().or(opening.model))
    }

    /// What the LLM reads: plain text if it is a base model, there are examples, and no template is
    /// named for it here. That of the run is for questions, and base models follow examples better.
    fn form(&self, opening: &Opening<'_>) -> Result<Form, EngineError> {
        let may_be_text = self.examples > 0 && self.template.is_none();
        // A model that cannot be read is another check's.
        let is_base =
            may_be_text && matches!(LanguageModel::template_of(self.model(opening)?), Ok(None));
        Ok(if is_base { Form::Text } else { Form::Question })
    }

    fn template<'a>(&'a self, opening: &Opening<'a>) -> Option<&'a TemplateRef> {
        let own = self
            .model
            .as_ref()
            .is_none_or(|model| Some(model) == opening.model);
        let runs = opening.template.filter(|_| own);
        self.template.as_ref().or(runs)
    }
}

impl TranslatorConfig for LlmTranslatorConfig {
    fn check(&self, opening: &Opening<'_>) -> Result<(), KeyError> {
        if self.model.is_none() && opening.model.is_none() {
            return Err(KeyError::new("model", "name the LLM"));
        }
        check_examples(self.examples, opening)
    }

    fn check_files(&self, opening: &Opening<'_>) -> Result<(), EngineError> {
        if self.form(opening)? == Form::Text {
            return Ok(());
        }
        let template = template_ref::in_use(self.template(opening), self.model(opening)?);
        template.map(drop).map_err(|error| {
            let examples = match self.examples {
                0 => ", or examples = 5: sentence pairs, which a base model continues",
                _ => "",
            };
            local_llm::failed(format!("template: {error}{examples}"))
        })
    }

    fn open(&self, opening: &Opening<'_>, cache: &Cache) -> Result<Translators, EngineError> {
        let form = self.form(opening)?;
        let template = self.template(opening).filter(|_| form == Form::Question);
        let options = LocalLlmOptions {
            max_new_tokens: self.max_new_tokens,
            batch_size: self.batch_size,
            template: template_ref::text_of(template).map_err(local_llm::failed)?,
            seed: opening.seed,
            weights: self.precision,
            device: opening.device,
            ..LocalLlmOptions::default()
        };
        let llm = LocalLlm::open(self.model(opening)?, options)?;
        translators(llm, form, self.examples, opening, cache)
    }
}

/// An LLM behind a server with the OpenAI chat API, asked in the words of the paper's Table 1. The
/// key is read from `OPENAI_API_KEY`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct OpenAiTranslatorConfig {
    /// Address of the server, with or without `/v1`.
    #[schemars(extend("default-text" = "$OPENAI_BASE_URL"))]
    pub url: Option<ServerUrl>,
    /// Name of the model at the server, which lists its models at `/v1/models`.
    #[schemars(extend("default-text" = "required"))]
    pub server_model: Option<String>,
    /// Number of pairs of the parallel corpus shown before each sentence.
    pub examples: usize,
    /// Maximum number of tokens of a translated sentence.
    pub max_new_tokens: usize,
    /// Maximum number of parallel requests.
    pub in_flight: usize,
    /// Time limit of a request.
    pub timeout_seconds: u64,
    /// Number of times a failed request is retried.
    pub retries: usize,
    /// Maximum share of requests that may fail alone, e.g. refused by a content filter; each costs
    /// its row a translation. If more fail (and at least ten), the run stops.
    pub max_failed_share: f64,
}

impl Default for OpenAiTranslatorConfig {
    fn default() -> Self {
        Self {
            url: None,
            server_model: None,
            examples: 0,
            max_new_tokens: 256,
            in_flight: 8,
            timeout_seconds: 120,
            retries: 5,
            max_failed_share: MAX_FAILED_SHARE,
        }
    }
}

impl TranslatorConfig for OpenAiTranslatorConfig {
    fn check(&self, opening: &Opening<'_>) -> Result<(), KeyError> {
        openai::check_server_model(self.server_model.as_deref())?;
        self.url.as_ref().map_or(Ok(()), ServerUrl::check)?;
        check_share(self.max_failed_share)?;
        check_examples(self.examples, opening)
    }

    fn open(&self, opening: &Opening<'_>, cache: &Cache) -> Result<Translators, EngineError> {
        let options = OpenAiOptions {
            model: self.server_model.clone().unwrap_or_default(),
            max_new_tokens: self.max_new_tokens,
            seed: opening.seed,
            http: HttpOptions::of(
                self.timeout_seconds,
                self.retries,
                self.in_flight,
                self.max_failed_share,
            ),
            ..OpenAiOptions::default()
        };
        let llm = OpenAiClient::new(self.url.as_ref().map(ServerUrl::as_str), options)?;
        translators(llm, Form::Question, self.examples, opening, cache)
    }
}

fn check_examples(examples: usize, opening: &Opening<'_>) -> Result<(), KeyError> {
    let mut targets = opening.targets.iter();
    let missing = targets.find(|target| examples > 0 && !opening.parallel.contains_key(target));
    match missing.map(|target| target.code()) {
        None => Ok(()),
        Some(code) => Err(KeyError::new(
            "examples",
            format!(
                "they are pairs of the parallel corpus; add {code} = \"PATH\" under [data.parallel]"
            ),
        )),
    }
}

fn translators<A: Answerer + 'static>(
    llm: A,
    form: Form,
    examples: usize,
    opening: &Opening<'_>,
    cache: &Cache,
) -> Result<Translators, EngineError> {
    let examples = chosen(examples, opening)
        .map_err(|error| EngineError::new(llm.identity().engine, error.to_string()))?;
    let translator = LlmTranslator::new(llm).with_examples(examples);
    let translator = translator.with_form(form);
    Ok(Translators::both(cache.before(translator)))
}

/// `count` pairs of each parallel corpus, sampled with the seed, in both directions.
fn chosen(
    count: usize,
    opening: &Opening<'_>,
) -> Result<Vec<TranslationExamples>, source::SourceError> {
    let (from, seed) = (opening.source, opening.seed);
    let mut examples = Vec::new();
    for &target in opening.targets.iter().filter(|_| count > 0) {
        let Some(files) = opening.parallel.get(&target) else {
            continue;
        };
        let mut pairs = source::parallel(files, from, target, MAX_REJECTED)?.pairs;
        let key = |(source, _): &(String, String)| {
            sampling::shuffle_key(seed, "translation examples", source)
        };
        pairs.sort_by_cached_key(key);
        pairs.truncate(count);
        let back = pairs.iter().map(|(s, t)| (t.clone(), s.clone())).collect();
        for (from, to, pairs) in [(target, from, back), (from, target, pairs)] {
            examples.push(TranslationExamples { from, to, pairs });
        }
    }
    Ok(examples)
}
