//! XCOPA: which of two sentences is the cause or the effect of a premise, in 11 languages and, from
//! COPA, in English (Ponti et al. 2020, arXiv 2005.00333). Read from the published JSON Lines.
//!
//! By log-likelihood, with the prompt of lm-evaluation-harness' `xcopa_*`: the premise without its
//! full stop, `because` or `therefore`, and the choice in lower case.

use corpus::language::Language;
use serde_json::{Map, Value};

use super::{Benchmark, Scoring, Source, Tasks, column};
use crate::rows::{SkippedLine, tolerated};
use crate::task::multiple_choice::{Item, MultipleChoice};

/// See the module.
pub const XCOPA: Benchmark = Benchmark {
    name: "xcopa",
    paper: "Ponti et al. 2020, arXiv 2005.00333",
    files: |language| {
        let iso = connective(language).map_or("", |words| words.iso);
        [
            format!("data/{iso}/test.{iso}.jsonl"),
            format!("{iso}/test.{iso}.jsonl"),
            format!("test.{iso}.jsonl"),
        ]
        .into()
    },
    covers: |language| connective(language).is_some(),
    of_source: true,
    scorings: &[Scoring::LogLikelihood],
    placeholders: &[],
    load,
};

/// Words between premise and choice in one language.
struct Connective {
    code: &'static str,
    /// The language in the data set and in the harness's names of tasks.
    iso: &'static str,
    cause: &'static str,
    effect: &'static str,
}

#[rustfmt::skip]
const CONNECTIVES: [Connective; 12] = [
    Connective { code: "eng_Latn", iso: "en", cause: "because", effect: "therefore" },
    Connective { code: "est_Latn", iso: "et", cause: "sest", effect: "seetõttu" },
    Connective { code: "hat_Latn", iso: "ht", cause: "poukisa", effect: "donk sa" },
    Connective { code: "ita_Latn", iso: "it", cause: "perché", effect: "quindi" },
    Connective { code: "ind_Latn", iso: "id", cause: "karena", effect: "maka" },
    Connective { code: "quy_Latn", iso: "qu", cause: "imataq", effect: "chaymi" },
    Connective { code: "swh_Latn", iso: "sw", cause: "kwa sababu", effect: "kwa hiyo" },
    Connective { code: "zho_Hans", iso: "zh", cause: "因为", effect: "所以" },
    Connective { code: "tam_Taml", iso: "ta", cause: "காரணமாக", effect: "எனவே" },
    Connective { code: "tha_Thai", iso: "th", cause: "เพราะ", effect: "ดังนั้น" },
    Connective { code: "tur_Latn", iso: "tr", cause: "çünkü", effect: "bu yüzden" },
    Connective { code: "vie_Latn", iso: "vi", cause: "bởi vì", effect: "vì vậy" },
];

fn connective(language: Language) -> Option<&'static Connective> {
    CONNECTIVES
        .iter()
        .find(|words| words.code == language.code())
}

fn load(source: &mut Source<'_>) -> Tasks {
    let language = source.language;
    let words = connective(language).expect("a language that XCOPA covers");
    let path = (source.file)(language);
    let (mut items, mut bad) = (Vec::new(), Vec::new());
    for (line, row) in corpus::labelled::records(&path)? {
        match row.and_then(|row| item(&row, words)) {
            Ok(item) => items.push(item),
            Err(reason) => bad.push(SkippedLine {
                path: path.clone(),
                line: line as usize,
                reason,
            }),
        }
    }
    tolerated(&path, items.len(), bad, source.skipped)?;
    let solved = source.chosen(&mut items)?;
    Ok(vec![Box::new(MultipleChoice {
        name: source.task_name(XCOPA.name, words.iso),
        version: 1,
        language,
        labels: ["1", "2"].map(str::to_owned).into(),
        scoring: source.scoring,
        normalised: false,
        classes: false,
        solved,
        items,
        presentation: source.presentation("XCOPA"),
    })])
}

fn item(row: &Map<String, Value>, words: &Connective) -> Result<Item, String> {
    let premise = column(row, "premise")?;
    let connective = match column(row, "question")?.as_str() {
        "cause" => words.cause,
        "effect" => words.effect,
        other => {
            return Err(format!(
                "`question` must be \"cause\" or \"effect\", not {other:?}"
            ));
        }
    };
    let label = row
        .get("label")
        .map(|label| label.to_string().replace('"', ""));
    let correct = match label.as_deref() {
        Some("0") => 0,
        Some("1") => 1,
        other => {
            return Err(format!(
                "`label` must be 0 or 1, not {}",
                other.unwrap_or("missing")
            ));
        }
    };
    let lowered = |choice: String| {
        let mut characters = choice.chars();
        let first: String = characters
            .next()
            .into_iter()
            .flat_map(char::to_lowercase)
            .collect();
        format!("{first}{}", characters.as_str())
    };
    let choices = vec![
        lowered(column(row, "choice1")?),
        lowered(column(row, "choice2")?),
    ];
    let mut stem = premise.trim().to_owned();
    stem.pop();
    Ok(Item {
        doc: Map::from_iter([("premise".to_owned(), Value::from(premise))]),
        prompt: format!("{stem} {connective}"),
        choices,
        correct,
    })
}
