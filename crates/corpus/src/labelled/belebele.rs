//! BELEBELE: a question about a passage of FLORES-200 with four answers, in 122 language variants
//! (Bandarkar et al. 2024, arXiv 2308.16884). Read from the published JSON Lines of a language, and
//! from the tab-separated training set that the authors' `assemble_training_set.py` writes.
//!
//! NLLB-200 lacks the romanised variants; the same language in its own script stands in for them.
//! (The MT-LLM paper's code leaves the unknown token in place of the language.)

use super::data_set::{DataSet, SetLanguage};
use super::layout::{Input, Layout};

/// See the module.
pub const BELEBELE: DataSet = DataSet {
    name: "belebele",
    paper: "Bandarkar et al. 2024, arXiv 2308.16884",
    labels: &[],
    layouts: |_| {
        let test = Layout {
            input: Input::Choices {
                passage: "flores_passage",
                question: "question",
                choices: vec!["mc_answer1", "mc_answer2", "mc_answer3", "mc_answer4"],
            },
            label: "correct_answer_num",
            id: vec!["link", "question_number"],
            language: Some("dialect"),
        };
        let training = Layout {
            input: Input::Choices {
                passage: "passage",
                question: "question",
                choices: vec!["answer1", "answer2", "answer3", "answer4"],
            },
            label: "correct_answer_num",
            id: vec![],
            language: None,
        };
        vec![test, training]
    },
    headerless: &[],
    quoted: true,
    languages: &[
        SetLanguage::proxy("arb_Latn", "Arabic (romanised)", "arb_Arab"),
        SetLanguage::proxy("ben_Latn", "Bengali (romanised)", "ben_Beng"),
        SetLanguage::proxy("hin_Latn", "Hindi (romanised)", "hin_Deva"),
        SetLanguage::proxy("npi_Latn", "Nepali (romanised)", "npi_Deva"),
        SetLanguage::proxy("sin_Latn", "Sinhala (romanised)", "sin_Sinh"),
        SetLanguage::proxy("urd_Latn", "Urdu (romanised)", "urd_Arab"),
    ],
};
