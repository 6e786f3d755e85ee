//! The sentence that tells a question in one language to be answered in another.
//!
//! The paper does not say how a model told a Portuguese question with an English answer (TL) from
//! one with a Portuguese answer (TT).

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::language::Language;

/// A line a language: its code, "answer in English" and "answer in French" in it, and its name in
/// French. English and French are the source languages of the paper's experiments.
const TABLE: &str = include_str!("directives.tsv");

struct Row {
    answer_in_english: Option<&'static str>,
    answer_in_french: Option<&'static str>,
    name_in_french: &'static str,
}

const FRENCH: Language = Language::with_code("fra_Latn");

static ROWS: LazyLock<HashMap<Language, Row>> = LazyLock::new(|| {
    let row = |line: &'static str| {
        let mut columns = line.split('\t');
        let mut column = || {
            columns
                .next()
                .expect("a line of the table has four columns")
        };
        let language = Language::parse(column()).expect("the table names languages by their code");
        let mut sentence = || Some(column()).filter(|sentence| !sentence.is_empty());
        let (answer_in_english, answer_in_french) = (sentence(), sentence());
        (
            language,
            Row {
                answer_in_english,
                answer_in_french,
                name_in_french: column(),
            },
        )
    };
    TABLE.lines().skip(1).map(row).collect()
});

/// The sentence that asks for an answer in `answer`, for a question in `question`.
///
/// It is in the question's language if we know how to say it there, else in the source language;
/// else in English, which has a sentence for every language.
pub fn answer_in(answer: Language, question: Language, source: Language) -> String {
    [question, source]
        .into_iter()
        .find_map(|language| sentence(answer, language))
        .unwrap_or_else(|| format!("Answer in {}.", answer.everyday_name()))
}

fn sentence(answer: Language, within: Language) -> Option<String> {
    let row = ROWS.get(&within);
    if answer == Language::ENGLISH {
        row?.answer_in_english.map(str::to_owned)
    } else if within == Language::ENGLISH {
        Some(format!("Answer in {}.", answer.everyday_name()))
    } else if within == FRENCH {
        ROWS.get(&answer)
            .map(|row| format!("Réponds en {}.", row.name_in_french))
    } else if answer == FRENCH {
        row?.answer_in_french.map(str::to_owned)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn language(code: &str) -> Language {
        Language::parse(code).unwrap()
    }

    fn said(answer: &str, question: &str, source: &str) -> String {
        answer_in(language(answer), language(question), language(source))
    }

    #[test]
    fn is_in_the_language_of_the_question() {
        assert_eq!(said("eng", "por", "eng"), "Responda em inglês.");
        assert_eq!(said("por", "eng", "eng"), "Answer in Portuguese.");
        assert_eq!(said("nob", "eng", "eng"), "Answer in Norwegian.");
        assert_eq!(said("fra", "jpn", "fra"), "フランス語で答えてください。");
        assert_eq!(said("kor", "fra", "fra"), "Réponds en coréen.");
    }

    #[test]
    fn falls_back_to_the_source_language_and_to_english() {
        assert_eq!(said("eng", "wol", "eng"), "Answer in English.");
        assert_eq!(said("fra", "wol", "fra"), "Réponds en français.");
        assert_eq!(said("deu", "por", "deu"), "Answer in German.");
        assert_eq!(said("wol", "fra", "fra"), "Answer in Wolof.");
    }

    #[test]
    fn every_language_of_the_paper_has_its_own_sentences() {
        let paper = "ces dan ukr bul fin hun nob ind jpn kor por slv vie pol";
        for target in paper
            .split(' ')
            .chain(["spa", "deu", "tha", "khm"])
            .map(language)
        {
            for source in [Language::ENGLISH, FRENCH] {
                let in_target = sentence(source, target);
                assert!(in_target.is_some(), "{target} to {source}");
                assert_ne!(in_target, sentence(source, source));
                assert!(sentence(target, source).is_some(), "{source} to {target}");
            }
        }
    }
}
