//! `[reverse_instructions]`: instructions made backwards for native text.

use std::collections::BTreeMap;

use corpus::language::Language;
use corpus::placeholders;
use corpus::reverse_instructions::{DEFAULT_PROMPT, SolvedExample, TEXT, Writing};
use corpus::source::PassageOptions;
use corpus::source::plain_text::TextSource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Minimum fit of an instruction if the config says nothing.
const MIN_FIT: f64 = 0.05;

/// `[reverse_instructions]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReverseInstructions {
    /// Text by native writers in each target language: a file, a folder of files, or a pattern with
    /// `*` in the file name. `.jsonl`, `.json`, `.parquet`, `.csv` and `.tsv` have a document in the
    /// field or column `text`, other files a passage per line; all but Parquet also compressed with
    /// gzip. `{ path = "…", fields = ["body"] }` names other fields or columns. A document that is too
    /// long is read line by line.
    pub texts: BTreeMap<Language, TextSource>,
    /// Maximum number of passages drawn from the text of each language.
    pub limit: usize,
    /// Minimum length of a passage, in characters. Single sentences make poor answers.
    pub min_characters: usize,
    /// Maximum length of a passage, in characters. `train.max_length` tokens must hold passage and
    /// instruction.
    pub max_characters: usize,
    /// What the LLM is asked, in the source language, with `{text}` in place of the translated
    /// passage. `--dry-run` shows the default.
    #[schemars(extend("default-text" = "asks for one sentence that names the topic"))]
    pub prompt: String,
    /// Solved examples, shown to the LLM as earlier turns of the conversation: tables
    /// `[[reverse_instructions.examples]]` with `text` and `instruction`, in the source language.
    /// Small LLMs need them, and imitate the last one most.
    #[schemars(extend("default-text" = "four, in English"))]
    pub examples: Vec<SolvedExample>,
    /// Maximum number of tokens of an instruction. The engine and its other settings are those of
    /// `[answer]`.
    pub max_new_tokens: usize,
    /// Maximum number of consecutive words that an instruction may share with its passage.
    pub max_copied_words: usize,
    /// Minimum fit of an instruction: how much more probable it makes the translated passage than
    /// `generic_instruction` does, in nats per token. The LLM itself tells, unless it is behind a
    /// server: then this key is refused, and every instruction passes. -10 lets all of them pass, too.
    ///
    /// With SmolLM2-135M-Instruct, good instructions have 0.1 to 0.5, those of other passages -0.1.
    /// `fit` in the rows of the stage `instruct` shows it.
    #[schemars(extend("default-text" = "0.05; none if `answer.engine` is a server"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_fit: Option<f64>,
    /// An instruction that fits any text, in the source language.
    pub generic_instruction: String,
}

impl Default for ReverseInstructions {
    fn default() -> Self {
        Self {
            texts: BTreeMap::new(),
            limit: 1000,
            min_characters: 150,
            max_characters: 1200,
            prompt: DEFAULT_PROMPT.to_owned(),
            examples: SolvedExample::defaults(),
            max_new_tokens: 64,
            max_copied_words: 8,
            min_fit: None,
            generic_instruction: "Write a text.".to_owned(),
        }
    }
}

impl ReverseInstructions {
    /// How the LLM is asked.
    pub fn writing(&self) -> Writing {
        Writing {
            prompt: self.prompt.clone(),
            examples: self.examples.clone(),
            max_copied_words: self.max_copied_words,
        }
    }

    /// Minimum fit of an instruction, for an LLM that can tell.
    pub fn min_fit(&self) -> f64 {
        self.min_fit.unwrap_or(MIN_FIT)
    }

    /// Which passages are drawn.
    pub fn drawn(&self, seed: u64, max_rejected_fraction: f64) -> PassageOptions {
        PassageOptions {
            limit: self.limit,
            min_characters: self.min_characters,
            max_characters: self.max_characters,
            seed,
            max_rejected_fraction,
        }
    }

    /// Checks the values.
    pub(super) fn check(&self, source: Language) -> Result<(), String> {
        let error = |message: String| Err(format!("reverse_instructions.{message}"));
        if self.texts.is_empty() {
            return error("texts: name a file for at least one target language, e.g. texts.por_Latn = \"PATH\"".into());
        }
        if self.texts.contains_key(&source) {
            return error(format!(
                "texts: {} is the source language; only text in the target languages is learnt from",
                source.code()
            ));
        }
        for (key, value) in [
            ("limit", self.limit),
            ("max_new_tokens", self.max_new_tokens),
            ("max_copied_words", self.max_copied_words),
        ] {
            if value == 0 {
                return error(format!("{key} = 0: must be at least 1"));
            }
        }
        if !self.min_fit().is_finite() {
            return error(format!("min_fit = {} is not a number", self.min_fit()));
        }
        if self.min_characters > self.max_characters {
            return error(format!(
                "min_characters = {} is more than max_characters = {}",
                self.min_characters, self.max_characters
            ));
        }
        if !self.prompt.contains(TEXT) {
            return error(format!(
                "prompt: {TEXT} is missing, the place of the passage"
            ));
        }
        if self.generic_instruction.trim().is_empty() {
            return error("generic_instruction is empty; write one that fits any text".into());
        }
        for (key, template, known) in [
            ("prompt", &self.prompt, &[TEXT][..]),
            ("generic_instruction", &self.generic_instruction, &[]),
        ] {
            if let Some(unknown) = placeholders::unknown(template, known) {
                let advice = placeholders::advice(unknown, known);
                return error(format!("{key}: {advice}"));
            }
        }
        let defaults = Self::default();
        let in_english = self.prompt == defaults.prompt
            || self.examples == defaults.examples
            || self.generic_instruction == defaults.generic_instruction;
        if in_english && source != Language::ENGLISH {
            return error(format!(
                "prompt: the default prompt, examples and generic_instruction are in English; write \
                 all three in {}, so that the instructions are, too",
                source.everyday_name()
            ));
        }
        let empty = |example: &SolvedExample| {
            example.text.trim().is_empty() || example.instruction.trim().is_empty()
        };
        match self.examples.iter().position(empty) {
            Some(at) => error(format!(
                "examples: number {} lacks its text or its instruction",
                at + 1
            )),
            None => Ok(()),
        }
    }
}
