//! `xldistill score mkqa`: short answers, each with its correct ones.

use std::io::Write;
use std::path::Path;

use anyhow::{Result, bail};
use corpus::language::Language;
use evaluation::metric::Metric;
use evaluation::metric::question_answering::{Agreement, QuestionAnswering};
use evaluation::task::Sample;
use serde_json::{Value, json};

use crate::lines;

/// Prints F1 and exact match of the predictions in the file at `path`.
///
/// # Errors
/// A line that is no object with `answers` and `prediction`, named by its number.
pub fn run(path: &Path, language: Language, as_json: bool) -> Result<()> {
    let (mut rows, mut without_answer) = (Vec::new(), 0);
    for (index, line) in lines::of_file(path)?.iter().enumerate() {
        match row(line) {
            Ok((answers, _)) if answers.is_empty() => without_answer += 1,
            Ok(row) => rows.push(row),
            Err(reason) => bail!("{}:{}: {reason}", path.display(), index + 1),
        }
    }
    if rows.is_empty() {
        bail!("{}: no question with a correct answer", path.display());
    }
    let scores = [Agreement::F1, Agreement::Exact].map(|agreement| {
        let metric = QuestionAnswering::new(agreement, language);
        let mut sums = [0.0, 0.0];
        for (answers, prediction) in &rows {
            let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
            let counts = metric.statistics(prediction, &answers);
            sums.iter_mut()
                .zip(counts)
                .for_each(|(sum, count)| *sum += count);
        }
        let signature = metric.signature(1).to_string();
        (metric.name(), metric.aggregate().score(&sums), signature)
    });
    let mut out = std::io::stdout().lock();
    if as_json {
        let scores = scores.map(|(name, score, signature)| {
            json!({
                "name": name, "score": score, "signature": signature, "questions": rows.len(),
                "questions_without_answer": without_answer,
            })
        });
        writeln!(out, "{}", json!(scores))?;
        return Ok(());
    }
    for (name, score, signature) in scores {
        writeln!(out, "{name}|{signature} = {score:.2}")?;
    }
    let left_out = match without_answer {
        0 => String::new(),
        count => format!("; {count} without a correct answer left out"),
    };
    writeln!(out, "{} questions{left_out}", rows.len())?;
    Ok(())
}

/// The correct answers and the prediction of a line.
fn row(line: &str) -> Result<(Vec<String>, String), String> {
    let row: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if let Ok(sample) = serde_json::from_value::<Sample>(row.clone()) {
        let all = sample.doc.get("references").and_then(Value::as_array);
        let all = all.map(|all| {
            all.iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        });
        let prediction = sample.filtered_resps.into_iter().next().unwrap_or_default();
        return Ok((all.unwrap_or_else(|| vec![sample.target]), prediction));
    }
    let found = || match row.as_object() {
        Some(row) => format!(
            "found {}",
            row.keys().cloned().collect::<Vec<_>>().join(", ")
        ),
        None => "the line is no object".to_owned(),
    };
    let Some(answers) = row.get("answers") else {
        return Err(format!("no field `answers`: a list of texts; {}", found()));
    };
    let Some(prediction) = row.get("prediction") else {
        return Err(format!("no field `prediction`: a text; {}", found()));
    };
    let Some(prediction) = prediction.as_str() else {
        return Err(format!("`prediction` must be a text, not {prediction}"));
    };
    let Some(answers) = answers.as_array() else {
        return Err(format!("`answers` must be a list of texts, not {answers}"));
    };
    let text = |answer: &Value| {
        let text = answer.as_str().map(str::to_owned);
        text.ok_or_else(|| format!("an answer must be a text, not {answer}"))
    };
    let answers = answers.iter().filter(|answer| !answer.is_null()).map(text);
    Ok((answers.collect::<Result<_, _>>()?, prediction.to_owned()))
}
