//! XNLI: whether a hypothesis follows from a premise, in 15 languages (Conneau et al. 2018, arXiv
//! 1809.05053). Read from the published `xnli.dev.tsv` or `xnli.test.tsv`, which hold all
//! languages, or from a file per language: premise TAB hypothesis TAB label.
//!
//! By log-likelihood of a cloze, `PREMISE, right? Yes, HYPOTHESIS`, with the words of
//! lm-evaluation-harness' `xnli_*` (including its Arabic `رقم`, "number", for "no"). The whole
//! sentence is scored; the shared beginning of the three is computed once.

use corpus::labelled::{self, LabelledInput, LabelledRow};
use corpus::language::Language;
use serde_json::{Map, Value};

use super::{Benchmark, Scoring, Source, Tasks};
use crate::task::multiple_choice::{Item, MultipleChoice};

/// See the module.
pub const XNLI: Benchmark = Benchmark {
    name: labelled::XNLI.name,
    paper: labelled::XNLI.paper,
    files: |_| vec!["xnli.test.tsv".to_owned()],
    covers: |language| cloze(language).is_some(),
    of_source: true,
    placeholders: &[],
    scorings: &[Scoring::LogLikelihood],
    load,
};

/// Words of the cloze in one language.
struct Cloze {
    code: &'static str,
    /// The language in the harness's names of tasks.
    iso: &'static str,
    /// Follows the premise, with a question mark.
    question: &'static str,
    /// In the order of the labels: entailment, neutral, contradiction.
    answers: [&'static str; 3],
}

#[rustfmt::skip]
const CLOZES: [Cloze; 15] = [
    Cloze { code: "arb_Arab", iso: "ar", question: "صحيح", answers: ["نعم", "لذا", "رقم"] },
    Cloze { code: "bul_Cyrl", iso: "bg", question: "правилно", answers: ["да", "така", "не"] },
    Cloze { code: "deu_Latn", iso: "de", question: "richtig", answers: ["Ja", "Auch", "Nein"] },
    Cloze { code: "ell_Grek", iso: "el", question: "σωστός", answers: ["Ναί", "Έτσι", "όχι"] },
    Cloze { code: "eng_Latn", iso: "en", question: "right", answers: ["Yes", "Also", "No"] },
    Cloze { code: "spa_Latn", iso: "es", question: "correcto", answers: ["Sí", "Asi que", "No"] },
    Cloze { code: "fra_Latn", iso: "fr", question: "correct", answers: ["Oui", "Aussi", "Non"] },
    Cloze { code: "hin_Deva", iso: "hi", question: "सही", answers: ["हाँ", "इसलिए", "नहीं"] },
    Cloze { code: "rus_Cyrl", iso: "ru", question: "правильно", answers: ["Да", "Так", "Нет"] },
    Cloze { code: "swh_Latn", iso: "sw", question: "sahihi", answers: ["Ndiyo", "Hivyo", "Hapana"] },
    Cloze { code: "tha_Thai", iso: "th", question: "ถูกต้อง", answers: ["ใช่", "ดังนั้น", "ไม่"] },
    Cloze { code: "tur_Latn", iso: "tr", question: "doğru", answers: ["Evet", "Böylece", "Hayır"] },
    Cloze { code: "urd_Arab", iso: "ur", question: "صحیح", answers: ["جی ہاں", "اس لئے", "نہیں"] },
    Cloze { code: "vie_Latn", iso: "vi", question: "đúng", answers: ["Vâng", "Vì vậy", "Không"] },
    Cloze { code: "zho_Hans", iso: "zh", question: "正确", answers: ["是的", "所以", "不是的"] },
];

fn cloze(language: Language) -> Option<&'static Cloze> {
    CLOZES.iter().find(|cloze| cloze.code == language.code())
}

fn load(source: &mut Source<'_>) -> Tasks {
    let language = source.language;
    let cloze = cloze(language).expect("a language that XNLI covers");
    let (solved, items) = source.rows(&labelled::XNLI)?;
    let items_of = |rows: Vec<LabelledRow>| rows.into_iter().map(|row| item(row, cloze)).collect();
    Ok(vec![Box::new(MultipleChoice {
        name: source.task_name(XNLI.name, cloze.iso),
        version: 1,
        language,
        labels: labelled::XNLI
            .labels
            .iter()
            .map(|&name| name.to_owned())
            .collect(),
        scoring: source.scoring,
        normalised: false,
        classes: true,
        solved: items_of(solved),
        items: items_of(items),
        presentation: source.presentation("XNLI"),
    })])
}

fn item(row: LabelledRow, cloze: &Cloze) -> Item {
    let LabelledInput::Pair {
        first: premise,
        second: hypothesis,
    } = row.input
    else {
        unreachable!("the rows of XNLI are pairs")
    };
    let choice = |answer| format!("{premise}, {}? {answer}, {hypothesis}", cloze.question);
    Item {
        choices: cloze.answers.map(choice).into(),
        doc: Map::from_iter([
            ("premise".to_owned(), Value::from(premise)),
            ("hypothesis".to_owned(), Value::from(hypothesis)),
        ]),
        prompt: String::new(),
        correct: row.label,
    }
}
