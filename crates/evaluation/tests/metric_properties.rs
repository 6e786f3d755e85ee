//! What holds of every text, whatever its script.

use std::sync::LazyLock;

use corpus::language::Language;
use evaluation::metric::bleu::Bleu;
use evaluation::metric::chrf::Chrf;
use evaluation::metric::question_answering::{Agreement, QuestionAnswering};
use evaluation::metric::rouge::{Rouge, RougeTokenizer, RougeUnit};
use evaluation::metric::ter::Ter;
use evaluation::metric::tokenizer::Tokenizer;
use evaluation::metric::{Metric, segment_statistics};
use evaluation::score::corpus_score;
use evaluation::task::overlap;
use proptest::prelude::*;
use regex::Regex;

fn metrics() -> Vec<Box<dyn Metric>> {
    let mut metrics: Vec<Box<dyn Metric>> =
        vec![Box::new(Chrf::new(0)), Box::new(Chrf::plus_plus())];
    for name in ["13a", "intl", "char", "zh", "none"] {
        metrics.push(Box::new(Bleu::new(
            Tokenizer::named(name, None).expect("a tokenizer"),
        )));
    }
    metrics
}

/// The substitutions of mteval-v13a.pl.
static MTEVAL: LazyLock<[(Regex, &str); 4]> = LazyLock::new(|| {
    [
        (r"([\{-~\[-` -&\(-\+:-@/])", " ${1} "),
        (r"([^0-9])([\.,])", "${1} ${2} "),
        (r"([\.,])([^0-9])", " ${1} ${2}"),
        (r"([0-9])(-)", "${1} ${2} "),
    ]
    .map(|(pattern, replacement)| (Regex::new(pattern).expect("a valid pattern"), replacement))
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn tokens_of_13a_are_those_of_the_originals_substitutions(line in "[a-c0-2.,/&<'\\- éब,।日]{0,24}") {
        let substituted = MTEVAL.iter().fold(format!(" {line} "), |line, (pattern, replacement)| {
            pattern.replace_all(&line, *replacement).into_owned()
        });
        let expected: Vec<&str> = substituted.split_whitespace().collect();
        prop_assert_eq!(Tokenizer::Mteval13a.tokenize(&line), expected.join(" "));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn scores_lie_between_0_and_100_and_do_not_depend_on_order(
        pairs in prop::collection::vec(("\\PC{0,40}", "\\PC{0,40}"), 1..6)
    ) {
        let (hypotheses, references): (Vec<String>, Vec<String>) = pairs.into_iter().unzip();
        let reversed = |texts: &[String]| texts.iter().rev().cloned().collect::<Vec<_>>();
        for metric in metrics() {
            let score = corpus_score(&*metric, &hypotheses, std::slice::from_ref(&references), None)
                .expect("equal lengths").score;
            prop_assert!((0.0..=100.0 + 1e-9).contains(&score), "{}: {score}", metric.name());
            let turned = corpus_score(&*metric, &reversed(&hypotheses), &[reversed(&references)], None)
                .expect("equal lengths").score;
            prop_assert!((score - turned).abs() < 1e-9);
        }
    }

    #[test]
    fn a_perfect_translation_matches_every_ngram(text in "\\PC{0,60}") {
        for metric in metrics() {
            let row = segment_statistics(&*metric, &[&text], &[vec![&text]]).expect("one segment").sums();
            let chrf = metric.name().starts_with("chrF");
            let pairs: Vec<(f64, f64)> = match chrf {
                true => row.chunks_exact(3).map(|order| (order[1], order[2])).collect(),
                false => (2..6).map(|order| (row[order + 4], row[order])).collect(),
            };
            for (total, matched) in pairs {
                prop_assert_eq!(total, matched, "{}", metric.name());
            }
        }
    }

    #[test]
    fn words_are_compared_within_their_bounds_and_a_text_is_its_own_match(
        one in "\\PC{0,60}", other in "\\PC{0,60}"
    ) {
        let of = |metric: &dyn Metric, hypothesis: &str, reference: &str| {
            metric.aggregate().score(&metric.statistics(hypothesis, &[reference]))
        };
        for language in [Language::PORTUGUESE, Language::parse("jpn_Jpan").expect("a language")] {
            let f1 = QuestionAnswering::new(Agreement::F1, language);
            prop_assert_eq!(of(&f1, &one, &one), 100.0);
            prop_assert!((0.0..=100.0).contains(&of(&f1, &one, &other)));
            for unit in [RougeUnit::Ngrams(1), RougeUnit::Subsequence] {
                let tokenizer = RougeTokenizer::multilingual(language);
                let words = tokenizer.words(&one).len();
                let rouge = Rouge { unit, tokenizer };
                prop_assert_eq!(of(&rouge, &one, &one), if words > 0 { 100.0 } else { 0.0 });
                let (forth, back) = (of(&rouge, &one, &other), of(&rouge, &other, &one));
                prop_assert!((0.0..=100.0).contains(&forth) && (forth - back).abs() < 1e-9);
            }
        }
        let ter = Ter::default();
        prop_assert_eq!(of(&ter, &one, &one), 0.0);
        prop_assert!(of(&ter, &one, &other) >= 0.0);
    }

    #[test]
    fn overlap_is_a_share_and_a_copy_is_all_of_it(answer in "\\PC{0,60}", question in "\\PC{0,60}") {
        prop_assert!((0.0..=1.0).contains(&overlap(&answer, &question)));
        let letters = answer.chars().any(char::is_alphanumeric);
        prop_assert_eq!(overlap(&answer, &answer), if letters { 1.0 } else { 0.0 });
    }
}
