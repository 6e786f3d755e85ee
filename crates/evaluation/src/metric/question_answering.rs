//! F1 of words and exact match of short answers, with the normalisation that MKQA defines for each
//! of its languages (Longpre et al. 2021, arXiv 2007.15207): lower case, without ASCII punctuation,
//! without articles. Where words are written without spaces, the characters are compared.

use std::collections::HashMap;

use corpus::language::Language;
use regex::Regex;

use super::{Aggregate, IMPLEMENTATION, Metric, Signature};

/// How an answer is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// F1 of the words.
    F1,
    /// Whether all is the same.
    Exact,
}

/// The agreement of an answer with the best of several correct ones.
#[derive(Debug, Clone)]
pub struct QuestionAnswering {
    agreement: Agreement,
    language: Language,
    articles: Option<Regex>,
}

/// Articles that are left out, by language; where a word may be written onto its article, they
/// need not end at a word's end.
const ARTICLES: [(&str, &str); 15] = [
    ("eng_Latn", r"\b(?:a|an|the)\b"),
    ("spa_Latn", r"\b(?:un|una|unos|unas|el|la|los|las)\b"),
    ("vie_Latn", r"\b(?:của|là|cái|chiếc|những)\b"),
    ("deu_Latn", r"\b(?:ein|eine[nmsr]?|de[rnms]|die|das)\b"),
    ("arb_Arab", "ال"),
    ("nld_Latn", r"\b(?:een|het|de[rsn]?)\b"),
    ("swe_Latn", r"\b(?:en|ett)\b"),
    ("dan_Latn", r"\b(?:en|et)\b"),
    ("nob_Latn", r"\b(?:en|et|ei)\b"),
    ("nno_Latn", r"\b(?:en|et|ei)\b"),
    ("fra_Latn", r"\b(?:le|la|l'|les|du|de|d'|des|un|une|des)"),
    ("por_Latn", r"\b(?:o|a|os|as|um|uma|uns|umas)\b"),
    (
        "ita_Latn",
        r"\b(?:il|lo|la|l'|i|gli|le|del|dello|della|dell'|dei|degli|degl'|delle|un'|uno|una|un)",
    ),
    ("fin_Latn", r"\b(?:se|yks|yksi)\b"),
    ("hun_Latn", r"\b(?:a|az|egy)\b"),
];

/// Languages whose answers are compared by characters.
const BY_CHARACTER: [&str; 6] = [
    "zho_Hans", "zho_Hant", "yue_Hant", "jpn_Jpan", "tha_Thai", "khm_Khmr",
];

impl QuestionAnswering {
    /// The comparison of answers in `language`.
    pub fn new(agreement: Agreement, language: Language) -> Self {
        let articles = ARTICLES.iter().find(|(code, _)| *code == language.code());
        let articles = articles.map(|(_, pattern)| Regex::new(pattern).expect("a valid pattern"));
        Self {
            agreement,
            language,
            articles,
        }
    }

    /// The words that count.
    fn words(&self, text: &str) -> Vec<String> {
        let mut text = text.to_lowercase();
        text.retain(|character| !character.is_ascii_punctuation());
        if let Some(articles) = &self.articles {
            text = articles.replace_all(&text, " ").into_owned();
        }
        match BY_CHARACTER.contains(&self.language.code()) {
            true => {
                let characters = text.chars().filter(|character| !character.is_whitespace());
                characters.map(String::from).collect()
            }
            false => text.split_whitespace().map(str::to_owned).collect(),
        }
    }

    fn score(&self, answer: &[String], correct: &[String]) -> f64 {
        if self.agreement == Agreement::Exact || answer.is_empty() || correct.is_empty() {
            return f64::from(answer == correct);
        }
        let mut left: HashMap<&String, usize> = HashMap::new();
        for word in correct {
            *left.entry(word).or_default() += 1;
        }
        let mut common = 0;
        for word in answer {
            if let Some(count) = left.get_mut(word).filter(|count| **count > 0) {
                *count -= 1;
                common += 1;
            }
        }
        2.0 * f64::from(common) / (answer.len() + correct.len()) as f64
    }
}

impl Metric for QuestionAnswering {
    fn name(&self) -> String {
        match self.agreement {
            Agreement::F1 => "F1".to_owned(),
            Agreement::Exact => "exact match".to_owned(),
        }
    }

    /// `[agreement, 1]`, with the correct answer that agrees best.
    fn statistics(&self, hypothesis: &str, references: &[&str]) -> Vec<f64> {
        let answer = self.words(hypothesis);
        let scores = references.iter();
        let scores = scores.map(|correct| self.score(&answer, &self.words(correct)));
        vec![scores.fold(0.0, f64::max), 1.0]
    }

    fn aggregate(&self) -> Aggregate {
        Aggregate::Ratio { scale: 100.0 }
    }

    fn signature(&self, _references: usize) -> Signature {
        Signature::without_references()
            .with("norm", "mkqa")
            .with("lang", self.language.code())
            .with("impl", IMPLEMENTATION)
    }
}
