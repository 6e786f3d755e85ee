//! MKQA: open questions with short answers in 26 languages (Longpre et al. 2021, arXiv 2007.15207).
//! Read from the published `mkqa.jsonl.gz`, which holds all languages, or from a file per language
//! of `{"question", "answers"}`. Questions without a correct answer are left out and counted in the
//! task's configuration, as in the SDRRL paper.

use corpus::language::Language;
use serde_json::{Map, Value, json};

use super::{Benchmark, Scoring, Source, Tasks, column, generated};
use crate::metric::question_answering::{Agreement, QuestionAnswering};
use crate::rows::{SkippedLine, tolerated};
use crate::task::generation::{AnswerPart, Generation, Question};
use crate::task::{Series, Skill};

/// See the module.
pub const MKQA: Benchmark = Benchmark {
    name: "mkqa",
    paper: "Longpre et al. 2021, arXiv 2007.15207",
    files: |language| {
        let code = code(language).unwrap_or_default();
        [
            "mkqa.jsonl.gz".to_owned(),
            "mkqa.jsonl".to_owned(),
            format!("mkqa-{code}.jsonl"),
        ]
        .into()
    },
    covers: |language| code(language).is_some(),
    of_source: true,
    scorings: &[Scoring::Generation],
    placeholders: &["{language}", "{question}"],
    load,
};

/// Longer answers are no short answers.
const BUDGET: usize = 32;

/// The data set's codes, where they are not those of ISO 639-1.
const OWN_CODES: [(&str, &str); 5] = [
    ("zho_Hans", "zh_cn"),
    ("zho_Hant", "zh_tw"),
    ("yue_Hant", "zh_hk"),
    ("nob_Latn", "no"),
    ("zsm_Latn", "ms"),
];

/// Languages with a code of ISO 639-1.
const CODES: [&str; 21] = [
    "ar", "da", "de", "en", "es", "fi", "fr", "he", "hu", "it", "ja", "ko", "km", "nl", "pl", "pt",
    "ru", "sv", "th", "tr", "vi",
];

fn code(language: Language) -> Option<&'static str> {
    let own = OWN_CODES.iter().find(|(code, _)| *code == language.code());
    let iso = || {
        let dialects = language.iso639_3() != "arb" && language.iso639_1() == Some("ar");
        let known = language.iso639_1().filter(|iso| CODES.contains(iso));
        known.filter(|_| !dialects)
    };
    own.map(|(_, code)| *code).or_else(iso)
}

fn load(source: &mut Source<'_>) -> Tasks {
    let language = source.language;
    let code = code(language).unwrap_or_default();
    let path = (source.file)(language);
    let (mut questions, mut bad, mut left_out) = (Vec::new(), Vec::new(), 0);
    for (line, row) in corpus::labelled::records(&path)? {
        match row.and_then(|row| question(&row, code, language, source.prompt)) {
            Ok(Some(question)) => questions.push(question),
            Ok(None) => left_out += 1,
            Err(reason) => bad.push(SkippedLine {
                path: path.clone(),
                line: line as usize,
                reason,
            }),
        }
    }
    tolerated(&path, questions.len() + left_out, bad, source.skipped)?;
    let solved = source.chosen(&mut questions)?;
    let title = format!("MKQA, {}", language.everyday_name());
    let name = format!("mkqa_{code}");
    let series = Series::of("MKQA", ["f1", "em"]).averaged(Skill::Generation, "f1");
    let metric = |agreement| Box::new(QuestionAnswering::new(agreement, language));
    let task = generated(source, name, title, ("f1", "F1"), series);
    Ok(vec![Box::new(Generation {
        version: 1,
        language,
        configuration: Map::from_iter([
            (
                "prompt".to_owned(),
                json!(prompt("{question}", language, source.prompt)),
            ),
            ("questions_without_answer".to_owned(), left_out.into()),
        ]),
        solved,
        questions,
        metrics: vec![
            ("f1", metric(Agreement::F1)),
            ("em", metric(Agreement::Exact)),
        ],
        part: source.part.unwrap_or(AnswerPart::FirstLine),
        budget: source.budget.or(Some(BUDGET)),
        ..task
    })])
}

fn prompt(question: &str, language: Language, template: Option<&str>) -> String {
    let template = template.unwrap_or(
        "Answer the question in {language} with a few words, without a sentence around them.\n{question}",
    );
    let named = template.replace("{language}", language.everyday_name());
    named.replace("{question}", question)
}

/// The question of a row; `None` if it has no correct answer.
fn question(
    row: &Map<String, Value>,
    code: &str,
    language: Language,
    template: Option<&str>,
) -> Result<Option<Question>, String> {
    let (text, answers) = match row.get("queries") {
        Some(queries) => (
            queries.get(code).and_then(Value::as_str).map(str::to_owned),
            row.get("answers").and_then(|answers| answers.get(code)),
        ),
        None => (Some(column(row, "question")?), row.get("answers")),
    };
    let text = text.ok_or_else(|| format!("`queries` has no text for {code:?}"))?;
    let Some(answers) = answers else {
        return Err(format!(
            "no `answers`; found the fields {}",
            row.keys().cloned().collect::<Vec<_>>().join(", ")
        ));
    };
    let Value::Array(answers) = answers else {
        return Err(format!("`answers` must be a list, not {answers}"));
    };
    let mut references = Vec::new();
    for answer in answers {
        match answer {
            Value::String(text) => references.push(text.clone()),
            Value::Null => {}
            Value::Object(answer) => {
                // Unanswerable questions, and those with long answers, have no text.
                if let Some(Value::String(text)) = answer.get("text") {
                    references.push(text.clone());
                    let aliases = answer.get("aliases").and_then(Value::as_array);
                    let aliases = aliases.into_iter().flatten().filter_map(Value::as_str);
                    references.extend(aliases.map(str::to_owned));
                }
            }
            other => {
                return Err(format!(
                    "an answer must be a text or an object with `text`, not {other}"
                ));
            }
        }
    }
    references.retain(|answer| !answer.trim().is_empty());
    if references.is_empty() {
        return Ok(None);
    }
    let id = row
        .get("example_id")
        .or(row.get("id"))
        .cloned()
        .unwrap_or_default();
    let doc = [("id", id), ("question", Value::from(text.clone()))];
    Ok(Some(Question {
        doc: doc
            .map(|(key, value)| (key.to_owned(), value))
            .into_iter()
            .collect(),
        prompt: prompt(&text, language, template),
        references,
    }))
}
