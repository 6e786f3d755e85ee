//! Evaluation of classifiers with small deterministic models: predictions, scores, comparisons,
//! translate-test, resuming, refusals.

mod grids;
mod refusals;
mod results;
mod resuming;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use corpus::labelled::{LabelledInput, LabelledRow};
use corpus::language::Language;
use corpus::progress::Silent;
use corpus::seam::{EngineError, EngineIdentity, TextClassifier, Translator};
use evaluation::classification::{
    ClassificationConfig, ClassificationError, ClassificationResults, Contender, ENCODER_ALONE,
    LLM_ZERO_SHOT, MT_LLM, TRANSLATE_TEST, TaskTest, TestLanguage, evaluate,
};
use evaluation::significance::Resampling;

const GERMAN: Language = Language::with_code("deu_Latn");

fn identity(engine: &str, revision: &str) -> EngineIdentity {
    EngineIdentity {
        engine: engine.to_owned(),
        model: format!("models/{engine}"),
        revision: revision.to_owned(),
        parameters: String::new(),
        licence: None,
    }
}

/// Finds a text's label by the word it has read there most often, and stops working after
/// `patience` calls.
struct Reader {
    words: BTreeMap<&'static str, usize>,
    labels: Vec<&'static str>,
    revision: &'static str,
    calls: Arc<AtomicUsize>,
    patience: usize,
}

impl Reader {
    /// An answer that it cannot read.
    const UNREADABLE: &str = "…";

    fn new(words: &[(&'static str, usize)], revision: &'static str) -> Self {
        Self {
            words: words.iter().copied().collect(),
            labels: vec!["good", "bad", "so-so"],
            revision,
            calls: Arc::default(),
            patience: usize::MAX,
        }
    }
}

impl TextClassifier for Reader {
    fn identity(&self) -> EngineIdentity {
        identity("reader", self.revision)
    }

    fn tasks(&self) -> Vec<String> {
        vec!["mood".to_owned(), "quiz".to_owned()]
    }

    fn labels(&self, task: &str) -> Option<Vec<String>> {
        match task {
            "mood" => Some(
                self.labels
                    .iter()
                    .map(|label| (*label).to_owned())
                    .collect(),
            ),
            "quiz" => Some(Vec::new()),
            _ => None,
        }
    }

    fn classify(
        &self,
        _: &str,
        inputs: &[LabelledInput],
        _: Option<Language>,
    ) -> Result<Vec<Vec<f32>>, EngineError> {
        if self.calls.fetch_add(1, Ordering::SeqCst) >= self.patience {
            return Err(EngineError::new("reader", "is tired"));
        }
        let classify = |input: &LabelledInput| {
            let (count, said) = match input {
                LabelledInput::Choices {
                    question, choices, ..
                } => {
                    if choices.iter().any(|choice| choice == Self::UNREADABLE) {
                        return Vec::new();
                    }
                    let named = choices.iter().position(|choice| question.contains(choice));
                    (choices.len(), named)
                }
                _ => {
                    let text = input.texts().join(" ");
                    let mut words = text.split(' ').rev();
                    (
                        self.labels.len(),
                        words.find_map(|word| self.words.get(word).copied()),
                    )
                }
            };
            let sure = |class| if Some(class) == said { 0.8 } else { 0.1 };
            let odds: Vec<f32> = (0..count).map(sure).collect();
            let sum: f32 = odds.iter().sum();
            odds.iter().map(|odd| odd / sum).collect()
        };
        Ok(inputs.iter().map(classify).collect())
    }
}

/// Translates word by word; has nothing to say about `???`.
struct Dictionary {
    calls: Arc<AtomicUsize>,
}

impl Translator for Dictionary {
    fn identity(&self) -> EngineIdentity {
        identity("dictionary", "1")
    }

    fn translate(
        &self,
        sentences: &[String],
        _: Language,
        _: Language,
    ) -> Result<Vec<String>, EngineError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let word = |word: &str| match word {
            "gut" => "good".to_owned(),
            "schlecht" => "bad".to_owned(),
            "nichts" => String::new(),
            other => other.to_owned(),
        };
        let translate = |sentence: &String| {
            let words: Vec<String> = sentence.split(' ').map(word).collect();
            words.join(" ").trim().to_owned()
        };
        Ok(sentences.iter().map(translate).collect())
    }
}

fn rows(texts: &[(&str, usize)]) -> Vec<LabelledRow> {
    let row = |(number, (text, label)): (usize, &(&str, usize))| LabelledRow {
        id: number.to_string(),
        input: LabelledInput::Single {
            text: (*text).to_owned(),
        },
        label: *label,
    };
    texts.iter().enumerate().map(row).collect()
}

fn test(task: &str, language: Language, labels: &[&str], rows: Vec<LabelledRow>) -> TaskTest {
    TaskTest {
        task: task.to_owned(),
        name: "diary".to_owned(),
        title: "Diary".to_owned(),
        source: Language::ENGLISH,
        language: TestLanguage {
            code: language.code().to_owned(),
            name: language.everyday_name().to_owned(),
            told: Some(language),
            is_proxy: false,
        },
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        rows,
        rejected: BTreeMap::from([("empty_text".to_owned(), 2)]),
    }
}

/// English and German rows whose labels are in another order than the models', one of them unknown
/// to the models.
fn sets() -> Vec<TaskTest> {
    let labels = ["bad", "good", "unheard of"];
    let english = [("all good", 1), ("all bad", 0), ("very good", 1), ("?", 2)];
    let german = [
        ("alles gut", 1),
        ("alles schlecht", 0),
        ("sehr gut", 1),
        ("gar nicht schlecht", 1),
        ("nichts", 0),
        ("leider schlecht", 0),
    ];
    vec![
        test("mood", Language::ENGLISH, &labels, rows(&english)),
        test("mood", GERMAN, &labels, rows(&german)),
    ]
}

/// A model of both languages, one of each, and the English one with translations.
fn contenders(translations: &Arc<AtomicUsize>) -> Vec<Contender<'static>> {
    let english = || Reader::new(&[("good", 0), ("bad", 1)], "english");
    let both = [
        ("good", 0),
        ("bad", 1),
        ("gut", 0),
        ("schlecht", 1),
        ("nichts", 1),
    ];
    let translator = Dictionary {
        calls: Arc::clone(translations),
    };
    vec![
        Contender::new(&TRANSLATE_TEST, english()).translating(Arc::new(translator), None),
        Contender::new(&LLM_ZERO_SHOT, english()),
        Contender::new(
            &ENCODER_ALONE,
            Reader::new(&[("good", 0), ("gut", 0)], "encoder"),
        ),
        Contender::new(&MT_LLM, Reader::new(&both, "stack")),
    ]
}

fn config() -> ClassificationConfig {
    ClassificationConfig {
        title: "A reader".to_owned(),
        batch_size: 2,
        resampling: Resampling {
            samples: 200,
            ..Resampling::default()
        },
    }
}

fn run(
    contenders: Vec<Contender<'_>>,
    sets: &[TaskTest],
    folder: &Path,
) -> Result<ClassificationResults, ClassificationError> {
    evaluate(contenders, sets, &config(), folder, &Silent)
}

/// Every file below `folder` with its content, but for locks.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if !path.ends_with(".lock") {
                let name = path
                    .strip_prefix(folder)
                    .expect("below")
                    .display()
                    .to_string();
                found.insert(name, std::fs::read(&path).expect("readable"));
            }
        }
    }
    found
}
