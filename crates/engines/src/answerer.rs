//! The engines that answer instructions.

use crate::choice::engines;
use crate::engine_config::AnswererConfig;
use crate::local_llm::LocalAnswerConfig;
use crate::openai::OpenAiAnswerConfig;

engines! {
    /// `[answer]`: the LLM's own answers to the instructions (section 3.2.1).
    pub enum AnswerEngine: AnswererConfig in "answer", default "local" {
        /// The run's model, on this machine.
        "local" => Local(LocalAnswerConfig),
        /// A server with the OpenAI chat API.
        "openai" => OpenAi(OpenAiAnswerConfig),
    }
}
