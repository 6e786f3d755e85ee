//! Rows and sentences that an evaluation set has, too.

use serde_json::{Value, json};

use crate::decontamination::EvaluationIndex;
use crate::record::Translated;
use crate::rejected::Rejected;

const REASON: &str = "contaminated";

/// The rejection of a row of which an evaluation set has any text, in either language. The row
/// goes as a whole: its other texts tell of the same.
pub(super) fn of_row(evaluation: Option<&EvaluationIndex>, row: &Translated) -> Option<Rejected> {
    let evaluation = evaluation?;
    let texts = [
        ("question", Some(&row.question)),
        ("answer", Some(&row.answer)),
        ("generated", row.generated.as_ref()),
    ];
    let sides = texts.into_iter().flat_map(|(field, text)| {
        let source = text.map(|text| text.source.as_str());
        let translation = text.and_then(|text| text.translation.as_deref());
        [
            (field.to_owned(), source),
            (format!("{field}.translation"), translation),
        ]
    });
    let (field, detail) = sides
        .filter_map(|(field, text)| Some((field, detail(evaluation, text?)?)))
        .next()?;
    Some(Rejected {
        id: row.id.clone(),
        stage: "mix".into(),
        field,
        reason: REASON.into(),
        detail,
        row: serde_json::to_value(row).unwrap_or_default(),
    })
}

/// The same of sentences that belong together.
pub(super) fn of_sentences(
    evaluation: Option<&EvaluationIndex>,
    id: &str,
    field: &str,
    sentences: &[&str],
) -> Option<Rejected> {
    let evaluation = evaluation?;
    let detail = sentences
        .iter()
        .find_map(|sentence| detail(evaluation, sentence))?;
    let row = match sentences {
        [source, translation] => json!({ "source": source, "translation": translation }),
        _ => Value::from(sentences.concat()),
    };
    Some(Rejected {
        id: id.to_owned(),
        stage: "mix".into(),
        field: field.into(),
        reason: REASON.into(),
        detail,
        row,
    })
}

fn detail(evaluation: &EvaluationIndex, text: &str) -> Option<String> {
    let overlap = evaluation.overlap(text)?;
    Some(format!("{} has {:?}", overlap.set, overlap.run))
}
