//! Scores of a learned metric: added to finished outputs, and kept apart from them.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use corpus::language::Language;
use corpus::progress::Silent;
use corpus::seam::{EngineError, EngineIdentity, ScoredTranslation, TranslationMetric};
use evaluation::grid::{self, Entry, Roles};
use evaluation::results::Results;
use evaluation::suite::{self, EvaluateConfig, EvaluateError, read_samples};
use evaluation::task::Subject;

use crate::{Accents, ENGLISH, PORTUGUESE, Scripted, identity, material, number, samples};

const FORTH: &str = "translation_eng_Latn-por_Latn";
const BACK: &str = "translation_por_Latn-eng_Latn";

/// Scores a translation by its length and, with references, takes away what it is longer or shorter
/// than its reference. Stops working after `patience` calls.
struct Lengths {
    revision: &'static str,
    with_references: bool,
    calls: AtomicUsize,
    patience: usize,
}

impl Lengths {
    fn new(revision: &'static str, with_references: bool) -> Self {
        Self {
            revision,
            with_references,
            calls: AtomicUsize::new(0),
            patience: usize::MAX,
        }
    }

    fn of(&self, translation: &str, reference: &str) -> f64 {
        let [own, other] = [translation, reference].map(|text| text.chars().count() as f64);
        match self.with_references {
            true => own / 64.0 - (own - other).abs() / 16.0,
            false => own / 64.0,
        }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl TranslationMetric for Lengths {
    fn identity(&self) -> EngineIdentity {
        identity("lengths", self.revision)
    }

    fn compares_with_references(&self) -> bool {
        self.with_references
    }

    fn score(
        &self,
        translations: &[ScoredTranslation<'_>],
        from: Language,
        to: Language,
    ) -> Result<Vec<f64>, EngineError> {
        if self.calls.fetch_add(1, Ordering::SeqCst) >= self.patience {
            return Err(EngineError::new("lengths", "the plug was pulled"));
        }
        assert!([(ENGLISH, PORTUGUESE), (PORTUGUESE, ENGLISH)].contains(&(from, to)));
        assert!(translations.iter().all(|one| !one.source.is_empty()));
        let score = |one: &ScoredTranslation<'_>| self.of(one.translation, one.reference);
        Ok(translations.iter().map(score).collect())
    }
}

fn subject<'s>(model: &'s Scripted, metric: Option<&'s Lengths>) -> Subject<'s> {
    Subject {
        answerer: model,
        scorer: Some(model),
        identifier: &Accents,
        metric: metric.map(|metric| metric as &dyn TranslationMetric),
    }
}

fn run(
    model: &Scripted,
    metric: Option<&Lengths>,
    folder: &Path,
) -> Result<Results, EvaluateError> {
    let (subject, config) = (subject(model, metric), EvaluateConfig::default());
    suite::evaluate(&subject, ENGLISH, &material(), &config, folder, &Silent)
}

fn model() -> Scripted {
    Scripted::new("1", usize::MAX)
}

fn asked(model: &Scripted) -> usize {
    model.calls.load(Ordering::SeqCst)
}

#[test]
fn a_learned_metric_is_a_measure_of_translations() {
    let folder = tempfile::tempdir().expect("a folder");
    let metric = Lengths::new("1", true);
    let results = run(&model(), Some(&metric), folder.path()).expect("evaluates");
    for task in [FORTH, BACK] {
        let samples = read_samples(&folder.path().join(Results::samples_file(task)));
        let scores = samples.iter().map(|sample| {
            let score = metric.of(&sample.filtered_resps[0], &sample.target);
            assert_eq!(sample.statistics["comet"], [score, 1.0]);
            score
        });
        let mean = scores.sum::<f64>() / samples.len() as f64;
        let found = number(&results, task, "comet");
        assert!((found - 100.0 * mean).abs() < 1e-9, "{found} and {mean}");
        let measures = &results.xldistill.tasks[task].measures;
        let keys: Vec<&str> = measures
            .iter()
            .map(|one| one.measure.key.as_str())
            .collect();
        assert_eq!(keys, ["chrf++", "bleu", "comet", "cut", "empty"]);
        let comet = &measures[2];
        assert!(comet.confidence.low <= comet.score && comet.score <= comet.confidence.high);
        let signature = &comet.measure.signature;
        assert!(
            signature.starts_with("nrefs:1|model:lengths@1|"),
            "{signature}"
        );
    }
    for (task, record) in &results.xldistill.tasks {
        let is_scored = record.measures.iter().any(|one| one.measure.key == "comet");
        assert_eq!(is_scored, task.starts_with("translation"), "{task}");
    }
    let engine = results
        .xldistill
        .metric
        .as_ref()
        .map(|one| one.engine.as_str());
    assert_eq!(engine, Some("lengths"));

    let entry = Entry {
        method: "sdrrl".to_owned(),
        model: None,
        targets: vec![PORTUGUESE],
        folder: folder.path().to_owned(),
    };
    let roles = Roles {
        methods: vec!["sdrrl".to_owned()],
        ..Roles::default()
    };
    let tables = grid::tables(&[entry], &roles);
    let comet = tables.iter().find(|table| table.measure == "COMET");
    let comet = comet.expect("a table of COMET");
    let cell = comet.blocks[0].rows[0].cells[0].as_ref().expect("a score");
    assert!((cell.score - number(&results, FORTH, "comet")).abs() < 1e-9);
    assert!(cell.confidence.is_some());
}

#[test]
fn a_metric_without_references_is_labelled_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let metric = Lengths::new("1", false);
    let results = run(&model(), Some(&metric), folder.path()).expect("evaluates");
    let measures = results.xldistill.tasks[FORTH].measures.iter();
    let own = measures.map(|one| &one.measure);
    let own = own.filter(|one| one.name.contains("without references"));
    let own: Vec<_> = own.collect();
    assert_eq!(own.len(), 1);
    assert_eq!(own[0].key, "cometkiwi");
    assert!(!own[0].signature.contains("nrefs"), "{}", own[0].signature);
}

#[test]
fn saved_outputs_are_scored_without_the_model() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let plain = run(&model(), None, path).expect("evaluates");
    let written = samples(path);
    assert!(plain.xldistill.metric.is_none());

    // A metric for the first time, then another one: nothing is asked again.
    let mut before = None;
    for revision in ["1", "2"] {
        let (silent, metric) = (model(), Lengths::new(revision, true));
        let scored = run(&silent, Some(&metric), path).expect("scores");
        assert_eq!((asked(&silent), metric.calls()), (0, 2), "{revision}");
        assert_eq!(scored.key(), key(Some(&metric)));
        assert_ne!(scored.key(), before);
        before = scored.key();
        assert_eq!(
            number(&scored, FORTH, "chrf++"),
            number(&plain, FORTH, "chrf++")
        );
        // The same again does nothing.
        let again = Lengths::new(revision, true);
        let file = std::fs::read(path.join(Results::FILE)).expect("results");
        run(&silent, Some(&again), path).expect("is there");
        assert_eq!((asked(&silent), again.calls()), (0, 0), "{revision}");
        assert_eq!(
            std::fs::read(path.join(Results::FILE)).expect("results"),
            file
        );
    }

    // Without one, the scores and the key are as they were.
    let silent = model();
    let last = run(&silent, None, path).expect("is there");
    assert_eq!(asked(&silent), 0);
    assert_eq!((last.key(), &last.results), (plain.key(), &plain.results));
    assert_eq!(last.key(), key(None));
    assert_eq!(samples(path).len(), written.len());
}

/// The key of complete results.
fn key(metric: Option<&Lengths>) -> Option<artefacts::Key> {
    let (model, config) = (model(), EvaluateConfig::default());
    let subject = subject(&model, metric);
    suite::key(&subject, ENGLISH, &material(), &config).ok()
}

#[test]
fn the_metric_can_come_after_all_outputs() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, config) = (folder.path(), EvaluateConfig::default());
    let (first, metric) = (model(), Lengths::new("1", true));
    let subject = subject(&first, Some(&metric));
    let outputs = suite::outputs(&subject, ENGLISH, &material(), &config, path, &Silent);
    assert!(!outputs.expect("evaluates").xldistill.complete);
    assert_eq!(metric.calls(), 0);
    let silent = model();
    let results = run(&silent, Some(&metric), path).expect("scores");
    assert_eq!((asked(&silent), metric.calls()), (0, 2));
    assert!(results.xldistill.complete);

    let whole = tempfile::tempdir().expect("a folder");
    let at_once = run(&model(), Some(&metric), whole.path()).expect("evaluates");
    assert_eq!(at_once.results, results.results);
    assert_eq!(samples(path), samples(whole.path()));
}

#[test]
fn a_killed_scoring_loses_no_outputs() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let file = path.join(Results::samples_file(BACK));
    let impatient = Lengths {
        patience: 1,
        ..Lengths::new("1", true)
    };
    let error = run(&model(), Some(&impatient), path).expect_err("the plug is pulled");
    assert!(error.to_string().contains(BACK), "{error}");
    let outputs = std::fs::read(&file).expect("outputs");
    let (silent, metric) = (model(), Lengths::new("1", true));
    let results = run(&silent, Some(&metric), path).expect("goes on");
    assert_eq!((asked(&silent), metric.calls()), (0, 1));

    // A kill after the results were written, before the scored samples were in their place.
    let scored = std::fs::read(&file).expect("scored outputs");
    assert_ne!(outputs, scored);
    std::fs::write(&file, &outputs).expect("writable");
    let again = run(&silent, Some(&metric), path).expect("goes on");
    assert_eq!(asked(&silent), 0);
    assert_eq!(again.results, results.results);
    assert_eq!(std::fs::read(&file).expect("scored outputs"), scored);

    // A kill after that, before the samples' file of the scoring was removed.
    let left = file.with_extension("jsonl.unfinished");
    std::fs::write(&left, &scored).expect("writable");
    run(&silent, Some(&metric), path).expect("is there");
    assert!(!left.exists() && asked(&silent) == 0);

    // Outputs that somebody edited are made again.
    std::fs::write(&file, "").expect("writable");
    run(&silent, Some(&metric), path).expect("evaluates");
    assert_eq!(asked(&silent), 1, "three pairs in a batch");
    assert_eq!(std::fs::read(&file).expect("scored outputs"), scored);
}
