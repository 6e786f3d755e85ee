//! A local LLM, which answers questions and scores texts.

mod config;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use corpus::answer::reasoning::without_reasoning;
use corpus::seam::{
    Answer, Answerer, EngineError, EngineIdentity, FinishReason, Prompt, Request, Speaker,
    TextScorer, TokenScores, Turn,
};
use models::Precision;
use models::chat_template::{ChatTemplate, Message};
use models::generation::{self, GenerationOptions, Sampling, generate_each};
use models::scoring::{ScoredSequence, log_probabilities, log_probabilities_of_alternatives};
use models::{ComputeDevice, LanguageModel, ModelIdentity, WeightForm};

pub(crate) use config::require;
pub use config::{LocalAnswerConfig, check_sampling};

/// Name of the engine in manifests and messages.
const ENGINE: &str = "local-llm";

/// Settings of a local LLM.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalLlmOptions {
    /// Maximum number of tokens of an answer.
    pub max_new_tokens: usize,
    /// Number of answers generated in parallel.
    pub batch_size: usize,
    /// System message; `None` leaves it to the chat template.
    pub system_prompt: Option<String>,
    /// Chat template, in Jinja, for a model that brings none.
    pub template: Option<String>,
    /// Choice of tokens.
    pub sampling: Sampling,
    /// Seed of random choices.
    pub seed: u64,
    /// Number format of the weights in memory; F32 is exact.
    pub weights: Precision,
    /// Device of the model.
    pub device: ComputeDevice,
}

impl Default for LocalLlmOptions {
    /// Greedy answers of at most 128 tokens, 16 in parallel, exact weights.
    fn default() -> Self {
        Self {
            max_new_tokens: 128,
            batch_size: 16,
            system_prompt: None,
            template: None,
            sampling: Sampling::Greedy,
            seed: 0,
            weights: Precision::F32,
            device: ComputeDevice::Cpu,
        }
    }
}

/// A language model in this process, loaded on first use: a stage that has nothing to do needs only
/// its identity.
pub struct LocalLlm {
    path: PathBuf,
    identity: ModelIdentity,
    model: OnceLock<LanguageModel>,
    options: LocalLlmOptions,
}

impl LocalLlm {
    /// The model at `path` (see [`LanguageModel::load`]).
    pub fn open(path: &Path, options: LocalLlmOptions) -> Result<Self, EngineError> {
        let identity = LanguageModel::identity_of(path).map_err(failed)?;
        Ok(Self {
            path: path.into(),
            identity: match &options.template {
                Some(template) => identity.with_template(template),
                None => identity,
            },
            model: OnceLock::new(),
            options,
        })
    }

    /// The model, packed for inference.
    pub fn model(&self) -> Result<&LanguageModel, EngineError> {
        if let Some(model) = self.model.get() {
            return Ok(model);
        }
        let device = self.options.device.open().map_err(failed)?;
        let form = WeightForm::Packed(self.options.weights);
        let mut model = LanguageModel::load_as(&self.path, &device, form).map_err(failed)?;
        if let Some(template) = &self.options.template {
            model = model.with_template(template).map_err(failed)?;
        }
        Ok(self.model.get_or_init(|| model))
    }

    fn template(&self) -> Result<&ChatTemplate, EngineError> {
        self.model()?.chat_template.as_ref().ok_or_else(|| {
            EngineError::new(
                ENGINE,
                format!(
                    "{} has no chat template and cannot answer; use a model tuned to follow \
                     instructions, or name a template",
                    self.path.display()
                ),
            )
        })
    }

    /// `turns` after the system prompt.
    fn conversation(&self, turns: &[Turn]) -> Vec<Message> {
        let system = self.options.system_prompt.as_ref().map(Message::system);
        let turns = turns.iter().map(|Turn { speaker, text }| match speaker {
            Speaker::User => Message::user(text),
            Speaker::Assistant => Message::assistant(text),
        });
        system.into_iter().chain(turns).collect()
    }

    fn prompt(&self, request: &Request) -> Result<generation::Prompt, EngineError> {
        let tokenizer = &self.model()?.tokenizer;
        let ids = match &request.prompt {
            Prompt::Chat(turns) => self
                .template()?
                .prompt(tokenizer, &self.conversation(turns))
                .map_err(failed)?,
            Prompt::Text(text) => ScoredSequence::plain(tokenizer, text).map_err(failed)?.ids,
        };
        Ok(generation::Prompt {
            ids,
            max_new_tokens: request.max_new_tokens,
            stop: request.stop.clone(),
        })
    }

    /// Context and scored tokens of each continuation.
    fn alternatives(&self, request: &Request) -> Result<Vec<ScoredSequence>, EngineError> {
        let tokenizer = &self.model()?.tokenizer;
        let sequence = |continuation: &String| match &request.prompt {
            Prompt::Text(text) => {
                ScoredSequence::continuation(tokenizer, text, continuation).map_err(failed)
            }
            Prompt::Chat(turns) => {
                let pair = self
                    .template()?
                    .prompt_and_answer(tokenizer, &self.conversation(turns), continuation)
                    .map_err(failed)?;
                let from = pair.prompt.len();
                Ok(ScoredSequence {
                    ids: [pair.prompt, pair.answer].concat(),
                    from,
                })
            }
        };
        request.continuations.iter().map(sequence).collect()
    }
}

pub(crate) fn failed(error: impl std::fmt::Display) -> EngineError {
    EngineError::new(ENGINE, error.to_string())
}

impl Answerer for LocalLlm {
    fn identity(&self) -> EngineIdentity {
        let LocalLlmOptions {
            max_new_tokens,
            system_prompt,
            sampling,
            seed,
            weights,
            ..
        } = &self.options;
        let sampling = match sampling {
            Sampling::Greedy => "greedy".to_owned(),
            Sampling::Random {
                temperature,
                top_k,
                top_p,
            } => {
                format!("temperature={temperature} top_k={top_k} top_p={top_p} seed={seed}")
            }
        };
        let system = match system_prompt {
            Some(prompt) => format!(" system={prompt:?}"),
            None => String::new(),
        };
        EngineIdentity {
            engine: ENGINE.into(),
            model: self.identity.path.display().to_string(),
            revision: self.identity.revision.clone(),
            parameters: format!(
                "{sampling} max_new_tokens={max_new_tokens} weights={weights:?}{system}"
            ),
            licence: self.identity.licence.clone(),
        }
    }

    fn answer(&self, requests: &[Request]) -> Result<Vec<Answer>, EngineError> {
        let prompts = requests
            .iter()
            .map(|request| self.prompt(request))
            .collect::<Result<Vec<_>, _>>()?;
        let options = GenerationOptions {
            max_new_tokens: self.options.max_new_tokens,
            batch_size: self.options.batch_size,
            sampling: self.options.sampling,
            seed: self.options.seed,
            ignore_stop_tokens: false,
        };
        let model = self.model()?;
        let generated = generate_each(model, &prompts, &options, &mut |_| {});
        (requests.iter().zip(generated))
            .map(|(request, generated)| {
                let text = model.tokenizer.decode(&generated.ids).map_err(failed)?;
                let text = without_reasoning(&text);
                let text = request.before_stop(text).unwrap_or(text);
                Ok(Answer {
                    text: text.trim().to_owned(),
                    finish_reason: match generated.finish_reason {
                        generation::FinishReason::Stop => FinishReason::Stop,
                        generation::FinishReason::Length => FinishReason::Length,
                    },
                    tokens: generated.ids.len(),
                })
            })
            .collect()
    }
}

impl TextScorer for LocalLlm {
    fn score(&self, requests: &[Request]) -> Result<Vec<Vec<TokenScores>>, EngineError> {
        let groups = requests
            .iter()
            .map(|request| self.alternatives(request))
            .collect::<Result<Vec<_>, _>>()?;
        let model = self.model()?;
        let scores = if groups.iter().all(|group| group.len() == 1) {
            let sequences = groups.concat();
            let scores = log_probabilities(model, &sequences, &mut |_| {});
            scores.into_iter().map(|score| vec![score]).collect()
        } else {
            log_probabilities_of_alternatives(model, &groups)
        };
        let scored = |log_probabilities| TokenScores { log_probabilities };
        let scores = scores.into_iter();
        Ok(scores
            .map(|group: Vec<Vec<f32>>| group.into_iter().map(scored).collect())
            .collect())
    }
}
