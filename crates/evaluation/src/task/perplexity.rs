//! Perplexity of plain text: how well the model predicts a language.

use std::ops::Range;

use corpus::language::Language;
use corpus::seam::{EngineError, Request};
use serde_json::{Map, Value, json};

use super::{
    Headline, IMPLEMENTATION, Measure, Presentation, Sample, Series, Subject, Task, object,
};
use crate::metric::{Aggregate, Signature};

/// Perplexity of passages in one language, each scored separately.
///
/// Perplexity per token depends on the tokenizer; perplexity per byte is comparable between models.
/// The loss is the mean of −ln p over all tokens.
#[derive(Debug)]
pub struct Perplexity<'a> {
    language: Language,
    passages: &'a [String],
}

impl<'a> Perplexity<'a> {
    /// Perplexity of `passages` in `language`.
    pub fn new(language: Language, passages: &'a [String]) -> Self {
        Self { language, passages }
    }
}

impl Task for Perplexity<'_> {
    fn name(&self) -> String {
        format!("perplexity_{}", self.language.code())
    }

    fn version(&self) -> u32 {
        1
    }

    fn language(&self) -> Language {
        self.language
    }

    fn configuration(&self) -> Value {
        json!({ "language": self.language.code() })
    }

    fn len(&self) -> usize {
        self.passages.len()
    }

    fn document(&self, index: usize) -> (Map<String, Value>, String) {
        (Map::new(), self.passages[index].clone())
    }

    fn measures(&self) -> Vec<Measure> {
        let measure = |key: &str, name: &str, unit: &str, aggregate| Measure {
            key: key.to_owned(),
            name: name.to_owned(),
            signature: Signature::without_references()
                .with("unit", unit)
                .with("bos", "tokenizer")
                .with("impl", IMPLEMENTATION)
                .to_string(),
            aggregate,
            higher_is_better: Some(false),
            unit: String::new(),
        };
        vec![
            measure(
                "token_perplexity",
                "perplexity per token",
                "token",
                Aggregate::ExpRatio,
            ),
            measure(
                "byte_perplexity",
                "perplexity per byte",
                "byte",
                Aggregate::ExpRatio,
            ),
            measure(
                "loss",
                "loss per token",
                "token",
                Aggregate::Ratio { scale: 1.0 },
            ),
        ]
    }

    fn presentation(&self) -> Presentation {
        let language = self.language.everyday_name();
        let title = format!("{language} text");
        Presentation {
            group: title.clone(),
            title,
            order: 300,
            headline: Some(Headline::new(
                "token_perplexity",
                format!("Perplexity of {language} text"),
            )),
            series: Some(Series::of("Plain text", ["byte_perplexity"])),
            ..Presentation::default()
        }
    }

    fn needs_scorer(&self) -> bool {
        true
    }

    fn evaluate(
        &self,
        subject: &Subject<'_>,
        range: Range<usize>,
    ) -> Result<Vec<Sample>, EngineError> {
        let texts: Vec<Request> = self.passages[range.clone()]
            .iter()
            .map(|passage| Request::text("").with_continuations([passage]))
            .collect();
        let losses = subject.losses(&texts)?;
        Ok(range
            .zip(losses)
            .map(|(index, (loss, tokens))| {
                let (doc, target) = self.document(index);
                let bytes = target.len() as f64;
                Sample {
                    doc_id: index,
                    doc,
                    target,
                    resps: Vec::new(),
                    filtered_resps: Vec::new(),
                    statistics: [
                        ("token_perplexity".to_owned(), vec![loss, tokens]),
                        ("byte_perplexity".to_owned(), vec![loss, bytes]),
                        ("loss".to_owned(), vec![loss, tokens]),
                    ]
                    .into(),
                    observed: object([("tokens", tokens.into())]),
                }
            })
            .collect())
    }
}
