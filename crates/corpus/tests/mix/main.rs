//! The transfer set: what is in which subset, and in which language.

mod answers;
mod native;
mod runs;
mod sentences;
mod separation;
mod subsets;

use std::collections::BTreeMap;
use std::path::Path;

use corpus::language::Language;
use corpus::mix::{
    HELD_OUT_FILE, MixConfig, MixInputs, SubsetSummary, TEST_FILE, TargetPairs, mix,
};
use corpus::progress::Silent;
use corpus::record::{CodeSwitched, Example, Subset, TextPair, Translated};
use corpus::stage::{Inputs, Manifest};

const ENGLISH: Language = Language::ENGLISH;
const PORTUGUESE: Language = Language::PORTUGUESE;
const THAI: Language = Language::with_code("tha_Thai");

fn text_pair(source: String, translation: Option<String>) -> TextPair {
    TextPair {
        source,
        translation,
    }
}

/// Row `n` in `target`: every text says what it is. Every third lacks T(x), every fourth T(y),
/// every fifth T(ŷ), every seventh ŷ.
fn row(n: usize, target: Language) -> CodeSwitched {
    let with = |divisor: usize, text: &str| {
        (!n.is_multiple_of(divisor)).then(|| format!("{text} {n} {target}"))
    };
    let question = text_pair(format!("x {n}"), with(3, "T(x)"));
    let translated = question.translation.is_some();
    let switched = |text: &str, there: bool| there.then(|| format!("switched {text} {n} {target}"));
    CodeSwitched {
        questions: [
            switched("LL", true),
            switched("TL", translated),
            switched("LT", true),
            switched("TT", translated),
        ],
        row: Translated {
            id: format!("id-{n}"),
            target,
            question,
            answer: text_pair(format!("y {n}"), with(4, "T(y)")),
            generated: (!n.is_multiple_of(7)).then(|| text_pair(format!("ŷ {n}"), with(5, "T(ŷ)"))),
        },
    }
}

fn rows(count: usize, target: Language) -> Vec<CodeSwitched> {
    (1..=count).map(|n| row(n, target)).collect()
}

fn pairs() -> Vec<TargetPairs> {
    let pair = |n| {
        (
            format!("Sentence number {n} is here."),
            format!("A frase número {n} está aqui."),
        )
    };
    vec![TargetPairs {
        target: PORTUGUESE,
        pairs: (0..60).map(pair).collect(),
    }]
}

struct Mix {
    train: Vec<Example>,
    held_out: Vec<Example>,
    test: Vec<Example>,
    manifest: Manifest,
    /// Training part, the two held-out parts, rejections.
    files: [String; 4],
}

fn read(folder: &Path, name: &str) -> (Vec<Example>, String) {
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    (
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
        text,
    )
}

fn mix_of(rows: &[CodeSwitched], pairs: &[TargetPairs], config: &MixConfig) -> Mix {
    let inputs = MixInputs {
        rows: Inputs::rows(rows),
        source: ENGLISH,
        pairs,
        monolingual: &[],
        native: None,
        rejected: &[],
        evaluation: None,
    };
    mix_in(tempfile::tempdir().unwrap().path(), &inputs, config)
}

fn mix_in(folder: &Path, inputs: &MixInputs<'_>, config: &MixConfig) -> Mix {
    let manifest = mix(inputs, config, folder, &Silent).unwrap();
    let (train, train_text) = read(folder, "part-00000-of-00001.jsonl");
    let (held_out, held_out_text) = read(folder, HELD_OUT_FILE);
    let (test, test_text) = read(folder, TEST_FILE);
    let rejected = std::fs::read_to_string(folder.join("rejected.jsonl")).unwrap();
    Mix {
        train,
        held_out,
        test,
        manifest,
        files: [train_text, held_out_text, test_text, rejected],
    }
}

fn without_held_out() -> MixConfig {
    MixConfig {
        held_out_fraction: 0.0,
        test_fraction: 0.0,
        ..MixConfig::default()
    }
}

impl Mix {
    fn of(&self, subset: Subset) -> Vec<&Example> {
        self.train
            .iter()
            .filter(|example| example.subset == subset)
            .collect()
    }

    fn summary(&self) -> BTreeMap<String, SubsetSummary> {
        serde_json::from_value(self.manifest.results.details["subsets"].clone()).unwrap()
    }
}
