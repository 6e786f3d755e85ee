//! TER against sacrebleu 2.6.0 and ROUGE against rouge-score 0.1.2 (`reference/metrics`), XL-Sum's
//! words, and MKQA's rules.

use corpus::language::Language;
use evaluation::metric::question_answering::{Agreement, QuestionAnswering};
use evaluation::metric::rouge::{Rouge, RougeTokenizer, RougeUnit};
use evaluation::metric::ter::Ter;
use evaluation::metric::{Metric, segment_statistics};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    segments: Vec<[String; 3]>,
    ter: Vec<TerCase>,
    ter_of_segments: Vec<f64>,
    rouge: Vec<RougeCase>,
}

#[derive(Deserialize)]
struct TerCase {
    references: usize,
    case_sensitive: bool,
    normalized: bool,
    no_punct: bool,
    asian_support: bool,
    score: f64,
    signature: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RougeCase {
    rouge1: f64,
    rouge2: f64,
    rouge_l: f64,
}

fn fixture() -> Fixture {
    let path = fixtures::reference("metrics").join("text_metrics.json");
    let text = std::fs::read_to_string(path).expect("the fixture is there");
    serde_json::from_str(&text).expect("as the exporter writes it")
}

fn close(ours: f64, theirs: f64, what: &str) {
    assert!(
        (ours - theirs).abs() <= 1e-4,
        "{what}: {ours} is not {theirs}"
    );
}

#[test]
fn ter_is_sacrebleus() {
    let fixture = fixture();
    let column = |at: usize| -> Vec<&str> {
        fixture
            .segments
            .iter()
            .map(|segment| segment[at].as_str())
            .collect()
    };
    let of_segments = fixture.segments.iter().zip(&fixture.ter_of_segments);
    for ([hypothesis, reference, _], expected) in of_segments {
        let counts = Ter::default().statistics(hypothesis, &[reference]);
        let score = Ter::default().aggregate().score(&counts);
        close(
            score,
            *expected,
            &format!("{hypothesis:?} for {reference:?}"),
        );
    }
    for case in &fixture.ter {
        let ter = Ter {
            case_sensitive: case.case_sensitive,
            normalized: case.normalized,
            no_punct: case.no_punct,
            asian_support: case.asian_support,
        };
        let references: Vec<_> = (1..=case.references).map(column).collect();
        let counts = segment_statistics(&ter, &column(0), &references).expect("counts");
        close(
            ter.aggregate().score(&counts.sums()),
            case.score,
            &case.signature,
        );
        assert_eq!(ter.signature(case.references).to_string(), case.signature);
    }
}

#[test]
fn rouge_is_rouge_scores() {
    let fixture = fixture();
    for ([hypothesis, reference, _], expected) in fixture.segments.iter().zip(&fixture.rouge) {
        let units = [
            (RougeUnit::Ngrams(1), expected.rouge1),
            (RougeUnit::Ngrams(2), expected.rouge2),
            (RougeUnit::Subsequence, expected.rouge_l),
        ];
        for (unit, expected) in units {
            let tokenizer = RougeTokenizer::Ascii;
            let rouge = Rouge { unit, tokenizer };
            let counts = rouge.statistics(hypothesis, &[reference]);
            let score = rouge.aggregate().score(&counts);
            close(
                score,
                100.0 * expected,
                &format!("{unit:?} of {hypothesis:?}"),
            );
        }
    }
}

#[test]
fn words_of_summaries_are_xl_sums() {
    let words = |language: &str, text: &str| {
        let language = Language::parse(language).expect("a language");
        RougeTokenizer::multilingual(language).words(text)
    };
    let text = "O presidente—de 65 anos—disse: “não!”; custa R$10mil (5%).";
    let expected = [
        "o",
        "presidente",
        "de",
        "65",
        "anos",
        "disse",
        "não",
        "custa",
        "r",
        "10",
        "mil",
        "5",
    ];
    assert_eq!(words("por_Latn", text), expected);
    // Combining marks stay with their letters, and Chinese characters are words.
    assert_eq!(words("hin_Deva", "हिन्दी में।"), ["हिन्दी", "में"]);
    assert_eq!(words("kor_Hang", "서울大学"), ["서울", "大", "学"]);
    let japanese = words("jpn_Jpan", "東京は2020年に、");
    assert!(
        japanese.contains(&"東京".to_owned()) && japanese.contains(&"2020".to_owned()),
        "{japanese:?}"
    );
}

#[test]
fn short_answers_agree_as_in_mkqas_script() {
    #[derive(Deserialize)]
    struct Row {
        language: String,
        prediction: String,
        answers: Vec<String>,
        f1: f64,
        exact_match: f64,
    }
    let path = fixtures::reference("metrics").join("mkqa.json");
    let text = std::fs::read_to_string(path).expect("the fixture is there");
    let rows: Vec<Row> = serde_json::from_str(&text).expect("as the exporter writes it");
    for row in &rows {
        let language = match row.language.as_str() {
            "zh_cn" => "zho_Hans",
            "zh_tw" => "zho_Hant",
            "zh_hk" => "yue_Hant",
            code => code,
        };
        let language = Language::parse(language).expect("a language");
        let answers: Vec<&str> = row.answers.iter().map(String::as_str).collect();
        for (agreement, expected) in [(Agreement::F1, row.f1), (Agreement::Exact, row.exact_match)]
        {
            let metric = QuestionAnswering::new(agreement, language);
            let ours = metric.statistics(&row.prediction, &answers)[0];
            let what = format!("{agreement:?} of {:?} in {}", row.prediction, row.language);
            close(ours, expected, &what);
        }
    }
    assert!(rows.len() > 60);
}

#[test]
fn short_answers_agree_by_mkqas_rules() {
    let score = |language: &str, answer: &str, correct: &[&str]| {
        let language = Language::parse(language).expect("a language");
        [Agreement::F1, Agreement::Exact].map(|agreement| {
            QuestionAnswering::new(agreement, language).statistics(answer, correct)[0]
        })
    };
    assert_eq!(score("eng_Latn", "The Beatles.", &["beatles"]), [1.0, 1.0]);
    // Articles are those of the language.
    assert_eq!(score("deu_Latn", "the Beatles", &["beatles"])[1], 0.0);
    assert_eq!(
        score("deu_Latn", "Eines der Häuser", &["häuser"]),
        [1.0, 1.0]
    );
    assert_eq!(score("deu_Latn", "einer", &[""]), [1.0, 1.0]);
    // French articles may be written onto the word; only ASCII punctuation is left out.
    assert_eq!(
        score("fra_Latn", "l'été", &["été"])[1],
        0.0,
        "the apostrophe goes first"
    );
    assert_eq!(score("pol_Latn", "„Lalka”", &["Lalka"])[1], 0.0);
    // Characters count where there are no spaces.
    assert_eq!(score("jpn_Jpan", "東京 都", &["東京都"]), [1.0, 1.0]);
    let [f1, exact] = score("jpn_Jpan", "東京", &["大阪", "東京都"]);
    assert!((f1 - 0.8).abs() < 1e-12 && exact == 0.0);
    // Words count as often as they occur in both; the best correct answer counts.
    let [f1, _] = score("swe_Latn", "nio nio nio", &["tio", "nio nio"]);
    assert!((f1 - 0.8).abs() < 1e-12);
    assert_eq!(score("eng_Latn", "", &["nine"]), [0.0, 0.0]);
}
