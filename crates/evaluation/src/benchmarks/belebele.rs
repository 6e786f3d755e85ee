//! BELEBELE: a question about a passage of FLORES-200 with four answers, in 122 language variants
//! (Bandarkar et al. 2024, arXiv 2308.16884). Read from the published JSON Lines.
//!
//! By log-likelihood, the letters are compared after passage, question and answers, with the prompt
//! and measures of lm-evaluation-harness' `belebele_*`. By generation, the prompt is that of the
//! authors' repository (`sample_zero_shot_instructions.md`).

use corpus::language::Language;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Benchmark, Scoring, Source};
use crate::rows::MaterialError;
use crate::task::Task;
use crate::task::multiple_choice::{Item, MultipleChoice};

/// See the module.
pub const BELEBELE: Benchmark = Benchmark {
    name: "belebele",
    paper: "Bandarkar et al. 2024, arXiv 2308.16884",
    file: "{code}.jsonl",
    covers: |_| true,
    scorings: &[Scoring::LogLikelihood, Scoring::Generation],
    load,
};

const LETTERS: [&str; 4] = ["A", "B", "C", "D"];

/// A published row.
#[derive(Deserialize)]
struct Row {
    link: String,
    question_number: u64,
    flores_passage: String,
    question: String,
    mc_answer1: String,
    mc_answer2: String,
    mc_answer3: String,
    mc_answer4: String,
    /// `"1"` to `"4"`.
    correct_answer_num: String,
    /// FLORES-200 code of the language.
    dialect: String,
}

impl Row {
    fn prompt(&self, scoring: Scoring) -> String {
        let (passage, question) = (&self.flores_passage, self.question.trim());
        let [a, b, c, d] = [
            &self.mc_answer1,
            &self.mc_answer2,
            &self.mc_answer3,
            &self.mc_answer4,
        ];
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
}

fn load(source: &mut Source<'_>) -> Result<Box<dyn Task>, MaterialError> {
    let (language, scoring) = (source.language, source.scoring);
    let (solved, items) = source.rows(|line| item(line, language, scoring))?;
    Ok(Box::new(MultipleChoice {
        name: source.task_name(BELEBELE.name, language.code()),
        version: 1,
        language,
        labels: LETTERS.map(str::to_owned).into(),
        scoring,
        normalised: true,
        classes: false,
        solved,
        items,
        presentation: source.presentation("BELEBELE"),
    }))
}

fn item(line: &str, language: Language, scoring: Scoring) -> Result<Option<Item>, String> {
    let row: Row = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if row.dialect != language.code() {
        return Ok(None);
    }
    let correct = ["1", "2", "3", "4"]
        .iter()
        .position(|number| *number == row.correct_answer_num)
        .ok_or("`correct_answer_num` is not \"1\" to \"4\"")?;
    let id = format!("{}#{}", row.link, row.question_number);
    Ok(Some(Item {
        doc: Map::from_iter([("id".to_owned(), Value::from(id))]),
        prompt: row.prompt(scoring),
        choices: LETTERS.map(str::to_owned).into(),
        correct,
    }))
}
