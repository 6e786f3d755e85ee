//! BELEBELE: a question about a passage of FLORES-200 with four answers, in 122 language variants
//! (Bandarkar et al. 2024, arXiv 2308.16884). Read from the published JSON Lines.
//!
//! By log-likelihood, the letters are compared after passage, question and answers, with the prompt
//! and measures of lm-evaluation-harness' `belebele_*`. By generation, the prompt is that of the
//! authors' repository (`sample_zero_shot_instructions.md`).

use corpus::labelled::{self, LabelledInput, LabelledRow};
use serde_json::{Map, Value};

use super::{Benchmark, Scoring, Source, Tasks};
use crate::task::multiple_choice::{Item, MultipleChoice};

/// See the module.
pub const BELEBELE: Benchmark = Benchmark {
    name: labelled::BELEBELE.name,
    paper: labelled::BELEBELE.paper,
    files: |language| vec![format!("{}.jsonl", language.code())],
    covers: |_| true,
    of_source: true,
    placeholders: &[],
    scorings: &[Scoring::LogLikelihood, Scoring::Generation],
    load,
};

const LETTERS: [&str; 4] = ["A", "B", "C", "D"];

/// The prompt of a question.
fn prompt(passage: &str, question: &str, choices: &[String; 4], scoring: Scoring) -> String {
    let question = question.trim();
    let [a, b, c, d] = choices;
    match scoring {
        Scoring::LogLikelihood => {
            format!("P: {passage}\nQ: {question}\nA: {a}\nB: {b}\nC: {c}\nD: {d}\nAnswer:")
        }
        Scoring::Generation => format!(
            "Given the following passage, query, and answer choices, output the letter \
             corresponding to the correct answer.\n###\nPassage:\n{passage}\n###\nQuery:\n\
             {question}\n###\nChoices:\n(A) {a}\n(B) {b}\n(C) {c}\n(D) {d}\n###\nAnswer:\n"
        ),
    }
}

fn load(source: &mut Source<'_>) -> Tasks {
    let (language, scoring) = (source.language, source.scoring);
    let (solved, items) = source.rows(&labelled::BELEBELE)?;
    let items_of =
        |rows: Vec<LabelledRow>| rows.into_iter().map(|row| item(row, scoring)).collect();
    Ok(vec![Box::new(MultipleChoice {
        name: source.task_name(BELEBELE.name, language.code()),
        version: 1,
        language,
        labels: LETTERS.map(str::to_owned).into(),
        scoring,
        normalised: true,
        classes: false,
        solved: items_of(solved),
        items: items_of(items),
        presentation: source.presentation("BELEBELE"),
    })])
}

fn item(row: LabelledRow, scoring: Scoring) -> Item {
    let LabelledInput::Choices {
        passage,
        question,
        choices,
    } = row.input
    else {
        unreachable!("the rows of BELEBELE are questions")
    };
    let choices: [String; 4] = choices.try_into().expect("BELEBELE has four answers");
    Item {
        doc: Map::from_iter([("id".to_owned(), Value::from(row.id))]),
        prompt: prompt(&passage, &question, &choices, scoring),
        choices: LETTERS.map(str::to_owned).into(),
        correct: row.label,
    }
}
