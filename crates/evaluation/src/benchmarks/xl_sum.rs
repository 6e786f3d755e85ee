//! XL-Sum: a news article and its summary in one sentence, in 45 languages (Hasan et al. 2021, arXiv
//! 2106.13822). Read from the published `LANGUAGE_test.jsonl`. Scored with ROUGE-1, ROUGE-2 and
//! ROUGE-L on XL-Sum's words, without stemming.

use corpus::language::Language;
use serde_json::{Map, Value, json};

use super::{Benchmark, Scoring, Source, Tasks, column, generated};
use crate::metric::Metric;
use crate::metric::rouge::{Rouge, RougeTokenizer, RougeUnit};
use crate::rows::{SkippedLine, tolerated};
use crate::task::generation::{AnswerPart, Generation, Question};
use crate::task::{Series, Skill};

/// See the module.
pub const XL_SUM: Benchmark = Benchmark {
    name: "xlsum",
    paper: "Hasan et al. 2021, arXiv 2106.13822",
    files: |language| {
        let name = name(language).unwrap_or_default();
        [
            format!("{name}_test.jsonl"),
            format!("{name}/test.jsonl"),
            format!("{name}.jsonl"),
        ]
        .into()
    },
    covers: |language| name(language).is_some(),
    of_source: true,
    scorings: &[Scoring::Generation],
    placeholders: &["{language}", "{text}"],
    load,
};

/// Room for a long sentence.
const BUDGET: usize = 128;

/// Languages by FLORES-200 code, as the data set names them.
#[rustfmt::skip]
const NAMES: [(&str, &str); 43] = [
    ("amh_Ethi", "amharic"), ("arb_Arab", "arabic"), ("azj_Latn", "azerbaijani"),
    ("ben_Beng", "bengali"), ("mya_Mymr", "burmese"), ("zho_Hans", "chinese_simplified"),
    ("zho_Hant", "chinese_traditional"), ("eng_Latn", "english"), ("fra_Latn", "french"),
    ("gla_Latn", "scottish_gaelic"), ("guj_Gujr", "gujarati"), ("hau_Latn", "hausa"),
    ("hin_Deva", "hindi"), ("ibo_Latn", "igbo"), ("ind_Latn", "indonesian"),
    ("jpn_Jpan", "japanese"), ("run_Latn", "kirundi"), ("kor_Hang", "korean"),
    ("kir_Cyrl", "kyrgyz"), ("mar_Deva", "marathi"), ("npi_Deva", "nepali"),
    ("gaz_Latn", "oromo"), ("pbt_Arab", "pashto"), ("pes_Arab", "persian"),
    ("por_Latn", "portuguese"), ("pan_Guru", "punjabi"), ("rus_Cyrl", "russian"),
    ("srp_Cyrl", "serbian_cyrillic"), ("sin_Sinh", "sinhala"), ("som_Latn", "somali"),
    ("spa_Latn", "spanish"), ("swh_Latn", "swahili"), ("tam_Taml", "tamil"),
    ("tel_Telu", "telugu"), ("tha_Thai", "thai"), ("tir_Ethi", "tigrinya"),
    ("tur_Latn", "turkish"), ("ukr_Cyrl", "ukrainian"), ("urd_Arab", "urdu"),
    ("uzn_Latn", "uzbek"), ("vie_Latn", "vietnamese"), ("cym_Latn", "welsh"),
    ("yor_Latn", "yoruba"),
];

fn name(language: Language) -> Option<&'static str> {
    let found = NAMES.iter().find(|(code, _)| *code == language.code());
    found.map(|(_, name)| *name)
}

fn load(source: &mut Source<'_>) -> Tasks {
    let language = source.language;
    let path = (source.file)(language);
    let (mut questions, mut bad) = (Vec::new(), Vec::new());
    for (line, row) in corpus::labelled::records(&path)? {
        match row.and_then(|row| question(&row, language, source.prompt)) {
            Ok(question) => questions.push(question),
            Err(reason) => bad.push(SkippedLine {
                path: path.clone(),
                line: line as usize,
                reason,
            }),
        }
    }
    tolerated(&path, questions.len(), bad, source.skipped)?;
    let solved = source.chosen(&mut questions)?;
    let title = format!("XL-Sum, {}", language.everyday_name());
    let series = Series::of("XL-Sum", ["rouge1", "rougeL"]).averaged(Skill::Generation, "rougeL");
    let rouge = |unit| -> Box<dyn Metric> {
        let tokenizer = RougeTokenizer::multilingual(language);
        Box::new(Rouge { unit, tokenizer })
    };
    let name = format!("xlsum_{}", name(language).unwrap_or_default());
    let task = generated(source, name, title, ("rougeL", "ROUGE-L"), series);
    Ok(vec![Box::new(Generation {
        version: 1,
        language,
        configuration: Map::from_iter([(
            "prompt".to_owned(),
            json!(prompt("{text}", language, source.prompt)),
        )]),
        solved,
        questions,
        metrics: vec![
            ("rouge1", rouge(RougeUnit::Ngrams(1))),
            ("rouge2", rouge(RougeUnit::Ngrams(2))),
            ("rougeL", rouge(RougeUnit::Subsequence)),
        ],
        part: source.part.unwrap_or(AnswerPart::Whole),
        budget: source.budget.or(Some(BUDGET)),
        ..task
    })])
}

fn prompt(text: &str, language: Language, template: Option<&str>) -> String {
    let template =
        template.unwrap_or("Summarize the following text in one sentence in {language}.\n{text}");
    let named = template.replace("{language}", language.everyday_name());
    named.replace("{text}", text)
}

fn question(
    row: &Map<String, Value>,
    language: Language,
    template: Option<&str>,
) -> Result<Question, String> {
    let (text, summary) = (column(row, "text")?, column(row, "summary")?);
    if summary.trim().is_empty() {
        return Err("`summary` is empty".to_owned());
    }
    let prompt = prompt(&text, language, template);
    let id = row.get("id").cloned().unwrap_or_default();
    let doc = [("id", id), ("prompt", Value::from(prompt.clone()))];
    Ok(Question {
        doc: doc
            .map(|(key, value)| (key.to_owned(), value))
            .into_iter()
            .collect(),
        prompt,
        references: vec![summary],
    })
}
