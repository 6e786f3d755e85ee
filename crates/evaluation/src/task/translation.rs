//! Translation by instruction: the model is prompted in the words of Table 1, and its answer is
//! scored against the held-out sentence.

use corpus::language::Language;
use corpus::template;
use serde_json::json;

use super::generation::{AnswerPart, Generation, Question};
use super::{Headline, Presentation, SENTENCE, Series, object};
use crate::metric::bleu::Bleu;
use crate::metric::chrf::Chrf;

/// Translation of the first sentence of each pair; the second is the reference.
pub fn translation(
    from: Language,
    to: Language,
    pairs: &[(&str, &str)],
    part: AnswerPart,
    bleu: Bleu,
) -> Generation {
    let title = format!(
        "Translation, {} → {}",
        from.everyday_name(),
        to.everyday_name()
    );
    let series =
        Series::of("Translation of held-out pairs", ["bleu", "chrf++"]).translated_from(from);
    let presentation = Presentation {
        group: title.clone(),
        title,
        order: 200,
        headline: Some(Headline::new(
            "chrf++",
            format!("chrF++ into {}", to.everyday_name()),
        )),
        asked: Some(SENTENCE.to_owned()),
        series: Some(series),
        ..Presentation::default()
    };
    let question = |&(sentence, reference): &(&str, &str)| Question {
        doc: object([(SENTENCE, sentence.into())]),
        prompt: template::translation(sentence, from, to),
        references: vec![reference.to_owned()],
    };
    Generation {
        name: format!("translation_{}-{}", from.code(), to.code()),
        version: 2,
        language: to,
        translated_from: Some(from),
        configuration: object([
            ("from", from.code().into()),
            ("to", to.code().into()),
            (
                "prompt",
                json!(template::translation("{sentence}", from, to)),
            ),
        ]),
        solved: Vec::new(),
        questions: pairs.iter().map(question).collect(),
        metrics: vec![
            ("chrf++", Box::new(Chrf::plus_plus())),
            ("bleu", Box::new(bleu)),
        ],
        part,
        budget: None,
        presentation,
    }
}
