//! An LLM on this machine: answers questions and scores texts with a model loaded from disk.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use corpus::seam::{
    Answer, Answerer, EngineError, EngineIdentity, FinishReason, ScoredText, TextScorer,
    TokenScores,
};
use models::chat_template::{ChatTemplate, Message};
use models::generation::{self, GenerationOptions, Sampling, generate};
use models::kernels::WeightFormat;
use models::scoring::{ScoredSequence, log_probabilities};
use models::{ComputeDevice, LanguageModel, ModelIdentity, WeightForm};

/// Name of the engine in manifests and messages.
const ENGINE: &str = "local-llm";

/// How the model is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalLlmOptions {
    /// Tokens after which an answer is cut off.
    pub max_new_tokens: usize,
    /// Answers that are written side by side.
    pub batch_size: usize,
    /// What the model is told before each question; `None` leaves it to the chat template.
    pub system_prompt: Option<String>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Seed of random choices.
    pub seed: u64,
    /// Format of the weights in memory; F32 is exact.
    pub weights: WeightFormat,
    /// Where the model computes.
    pub device: ComputeDevice,
}

impl Default for LocalLlmOptions {
    /// Greedy answers of at most 128 tokens, 16 side by side, exact weights.
    fn default() -> Self {
        Self {
            max_new_tokens: 128,
            batch_size: 16,
            system_prompt: None,
            sampling: Sampling::Greedy,
            seed: 0,
            weights: WeightFormat::F32,
            device: ComputeDevice::Cpu,
        }
    }
}

/// A language model in this process, loaded when it is first asked: a stage that has nothing to do
/// needs to know only what the model is.
pub struct LocalLlm {
    path: PathBuf,
    identity: ModelIdentity,
    model: OnceLock<LanguageModel>,
    options: LocalLlmOptions,
}

impl LocalLlm {
    /// The model at `path` (see [`LanguageModel::load`]).
    pub fn open(path: &Path, options: LocalLlmOptions) -> Result<Self, EngineError> {
        Ok(Self {
            path: path.into(),
            identity: LanguageModel::identity_of(path).map_err(failed)?,
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
        let model = LanguageModel::load_as(&self.path, &device, form).map_err(failed)?;
        Ok(self.model.get_or_init(|| model))
    }

    fn template(&self) -> Result<&ChatTemplate, EngineError> {
        self.model()?.chat_template.as_ref().ok_or_else(|| {
            EngineError::new(
                ENGINE,
                format!(
                    "{} has no chat template and cannot answer; use a model tuned to follow \
                     instructions, or add a chat_template.jinja to its directory",
                    self.path.display()
                ),
            )
        })
    }

    /// The conversation in which `question` is asked.
    fn conversation(&self, question: &str) -> Vec<Message> {
        let system = self.options.system_prompt.as_ref().map(Message::system);
        system
            .into_iter()
            .chain([Message::user(question)])
            .collect()
    }

    fn scored_sequence(&self, text: &ScoredText) -> Result<ScoredSequence, EngineError> {
        let tokenizer = &self.model()?.tokenizer;
        match text {
            ScoredText::Plain(text) => ScoredSequence::plain(tokenizer, text).map_err(failed),
            ScoredText::Chat { question, answer } => {
                let pair = self
                    .template()?
                    .prompt_and_answer(tokenizer, &self.conversation(question), answer)
                    .map_err(failed)?;
                let from = pair.prompt.len();
                Ok(ScoredSequence {
                    ids: [pair.prompt, pair.answer].concat(),
                    from,
                })
            }
        }
    }
}

fn failed(error: impl std::fmt::Display) -> EngineError {
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

    fn answer(&self, questions: &[String]) -> Result<Vec<Answer>, EngineError> {
        let template = self.template()?;
        let tokenizer = &self.model()?.tokenizer;
        let prompts = questions
            .iter()
            .map(|question| template.prompt(tokenizer, &self.conversation(question)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(failed)?;
        let options = GenerationOptions {
            max_new_tokens: self.options.max_new_tokens,
            batch_size: self.options.batch_size,
            sampling: self.options.sampling,
            seed: self.options.seed,
            ignore_stop_tokens: false,
        };
        generate(self.model()?, &prompts, &options, &mut |_| {})
            .into_iter()
            .map(|generated| {
                Ok(Answer {
                    text: tokenizer
                        .decode(&generated.ids)
                        .map_err(failed)?
                        .trim()
                        .to_owned(),
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
    fn score(&self, texts: &[ScoredText]) -> Result<Vec<TokenScores>, EngineError> {
        let sequences = texts
            .iter()
            .map(|text| self.scored_sequence(text))
            .collect::<Result<Vec<_>, _>>()?;
        let scores = log_probabilities(self.model()?, &sequences, &mut |_| {});
        Ok(scores
            .into_iter()
            .map(|log_probabilities| TokenScores { log_probabilities })
            .collect())
    }
}
