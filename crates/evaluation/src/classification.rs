//! Classification of labelled test sets, language by language, by the systems to be compared.
//!
//! A [`Contender`] is a [`System`] with its models. [`evaluate`] has each contender classify the
//! [`TaskTest`]s of its tasks and writes to the evaluation's folder, per test set,
//! `TASK/SET/SYSTEM/LANGUAGE.jsonl` with a [`Prediction`] per row, and [`ClassificationResults`]:
//! accuracy and macro-F1 with intervals, their means over languages, confusion, chance, paired tests
//! between the systems, and rows on which they differ. Predictions are resumed and reused like the samples of
//! [`crate::suite`]; [`score_again`] computes the scores of saved ones without a model.

mod comparison;
mod contender;
mod error;
mod mean;
mod plan;
mod prediction;
mod results;
mod run;
mod scores;
mod system;
mod test_set;
mod translation;
mod turn;

pub use comparison::{ChangedRow, Changes, Comparison, Said};
pub use contender::Contender;
pub use error::ClassificationError;
pub use mean::{LanguageMean, Lead};
pub use prediction::Prediction;
pub use results::{
    Chance, ClassificationResults, InputKind, SetResult, SystemRecord, SystemScores,
    TranslationRecord,
};
pub use run::{ClassificationConfig, evaluate, score_again};
pub(crate) use scores::statistics;
pub use scores::{ACCURACY, MACRO_F1};
pub use system::{
    ALL, CLASSIFIER, ENCODER_ALONE, FINE_TUNED_STACK, LLM_ZERO_SHOT, MT_LLM, MT_LLM_CENTRED,
    System, TRANSLATE_TEST,
};
pub use test_set::{TaskTest, TestLanguage};
