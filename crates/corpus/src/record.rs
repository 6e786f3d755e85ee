//! The types that travel from one stage to the next: one question and what becomes of it.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::language::Language;

/// A row of a stage's file.
pub trait Row: Serialize + DeserializeOwned + Clone + Send + Sync {
    /// The identifier of the instruction or pair that the row came of.
    fn id(&self) -> &str;
}

/// One instruction of the data set D with its given answer, in the source language (section 3.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instruction {
    /// Stable identifier: the row's own `id`, or the hash of its content.
    pub id: String,
    /// The question x, as the user would type it (Alpaca's `instruction` and `input` joined).
    pub question: String,
    /// The given answer y.
    pub answer: String,
}

impl Row for Instruction {
    fn id(&self) -> &str {
        &self.id
    }
}

/// An instruction with the LLM's own answer ŷ beside the given one: one row of G (section 3.2.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "AnsweredColumns")]
pub struct Answered {
    /// The instruction, unchanged.
    #[serde(flatten)]
    pub instruction: Instruction,
    /// ŷ; `None` if the LLM's answer was rejected (empty, cut off, looping).
    pub generated: Option<String>,
}

/// [`Answered`] as its file has it: reading a flattened structure costs several times as much.
#[derive(Deserialize)]
struct AnsweredColumns {
    id: String,
    question: String,
    answer: String,
    generated: Option<String>,
}

impl From<AnsweredColumns> for Answered {
    fn from(columns: AnsweredColumns) -> Answered {
        Answered {
            instruction: Instruction {
                id: columns.id,
                question: columns.question,
                answer: columns.answer,
            },
            generated: columns.generated,
        }
    }
}

impl Row for Answered {
    fn id(&self) -> &str {
        &self.instruction.id
    }
}

/// A text in the source language and its translation T(text).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextPair {
    /// Text in the source language.
    pub source: String,
    /// Its translation into the target language; `None` once it was rejected.
    pub translation: Option<String>,
}

/// An answered instruction in one target language: one row of the translate and filter stages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Translated {
    /// Identifier of the instruction; unique together with `target`.
    pub id: String,
    /// The language that was translated into.
    pub target: Language,
    /// x and T(x).
    pub question: TextPair,
    /// y and T(y).
    pub answer: TextPair,
    /// ŷ and T(ŷ), if the LLM gave an answer.
    pub generated: Option<TextPair>,
}

impl Row for Translated {
    fn id(&self) -> &str {
        &self.id
    }
}

/// A translated row whose questions were code-switched (section 3.2.3).
///
/// Each of the four subsets draws its own replacements, so that the same question is seen in
/// several forms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "CodeSwitchedColumns")]
pub struct CodeSwitched {
    /// The row as the filter left it.
    #[serde(flatten)]
    pub row: Translated,
    /// Code-switched question of LL, TL, LT and TT, in this order; `None` if the subset lacks
    /// its translation.
    pub questions: [Option<String>; 4],
}

/// [`CodeSwitched`] as its file has it.
#[derive(Deserialize)]
struct CodeSwitchedColumns {
    id: String,
    target: Language,
    question: TextPair,
    answer: TextPair,
    generated: Option<TextPair>,
    questions: [Option<String>; 4],
}

impl From<CodeSwitchedColumns> for CodeSwitched {
    fn from(columns: CodeSwitchedColumns) -> CodeSwitched {
        CodeSwitched {
            row: Translated {
                id: columns.id,
                target: columns.target,
                question: columns.question,
                answer: columns.answer,
                generated: columns.generated,
            },
            questions: columns.questions,
        }
    }
}

impl Row for CodeSwitched {
    fn id(&self) -> &str {
        &self.row.id
    }
}

/// A text of a native writer, to be the answer of an instruction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// The hash of language and text.
    pub id: String,
    /// Its language.
    pub target: Language,
    /// The text.
    pub passage: String,
}

impl Passage {
    /// The passage of this text.
    pub fn new(target: Language, passage: String) -> Passage {
        let hash = blake3::hash(passage.as_bytes()).to_hex();
        Passage {
            id: format!("native/{target}/{}", &hash[..16]),
            target,
            passage,
        }
    }
}

impl Row for Passage {
    fn id(&self) -> &str {
        &self.id
    }
}

/// A passage in the source language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackTranslated {
    /// That of the passage.
    pub id: String,
    /// The language of the passage.
    pub target: Language,
    /// The passage, unchanged.
    pub passage: String,
    /// Its translation into the source language.
    pub translation: String,
}

impl Row for BackTranslated {
    fn id(&self) -> &str {
        &self.id
    }
}

/// A passage with the instruction that it answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instructed {
    /// That of the passage.
    pub id: String,
    /// The language of the passage.
    pub target: Language,
    /// The passage, unchanged.
    pub passage: String,
    /// Its translation into the source language.
    pub translation: String,
    /// The instruction, in the source language.
    pub instruction: String,
    /// How much more probable the instruction makes the translation, in nats per token
    /// ([`Fit`](crate::reverse_instructions::Fit)); `None` if the LLM cannot tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<f64>,
}

impl Row for Instructed {
    fn id(&self) -> &str {
        &self.id
    }
}

/// The subsets of the transfer set: U = {LL, TL, LT, TT, mt, comp} (section 3.2.5), and native text.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Subset {
    /// Question and answer in the source language.
    LL,
    /// Question in the target language, answer in the source language.
    TL,
    /// Question in the source language, answer in the target language.
    LT,
    /// Question and answer in the target language.
    TT,
    /// Translation in both directions from the parallel corpus.
    #[serde(rename = "mt")]
    Mt,
    /// Completion of target-language sentences.
    #[serde(rename = "comp")]
    Comp,
    /// Native text as the answer of an instruction made backwards; needs `[reverse_instructions]`.
    #[serde(rename = "native")]
    Native,
}

impl Subset {
    /// The subsets of the paper, U, in its order.
    pub const PAPER: [Subset; 6] = [
        Subset::LL,
        Subset::TL,
        Subset::LT,
        Subset::TT,
        Subset::Mt,
        Subset::Comp,
    ];

    /// All subsets: those of the paper, in its order, then others.
    pub const ALL: [Subset; 7] = [
        Subset::LL,
        Subset::TL,
        Subset::LT,
        Subset::TT,
        Subset::Mt,
        Subset::Comp,
        Subset::Native,
    ];

    /// The name used in files, logs and reports.
    pub fn name(self) -> &'static str {
        match self {
            Subset::LL => "LL",
            Subset::TL => "TL",
            Subset::LT => "LT",
            Subset::TT => "TT",
            Subset::Mt => "mt",
            Subset::Comp => "comp",
            Subset::Native => "native",
        }
    }
}

/// One row of the transfer set, ready to be encoded and trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// Stable identifier, unique in the transfer set.
    pub id: String,
    /// The subset d of U that the row belongs to.
    pub subset: Subset,
    /// Language of the question.
    pub question_language: Language,
    /// Language of the answer.
    pub answer_language: Language,
    /// The user's message.
    pub question: String,
    /// The answer that is trained on.
    pub answer: String,
    /// For an example that a teacher's distributions teach: the plain question in the source
    /// language, which the teacher is asked instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher_question: Option<String>,
}

impl Example {
    /// The language of its question or answer that is not `source`; `source` if both are.
    pub fn target(&self, source: Language) -> Language {
        match self.question_language == source {
            true => self.answer_language,
            false => self.question_language,
        }
    }
}

impl Row for Example {
    fn id(&self) -> &str {
        &self.id
    }
}
