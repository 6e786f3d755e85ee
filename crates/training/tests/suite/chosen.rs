//! What the model writes while it is trained: measured, and to choose the checkpoint by.

use std::path::Path;

use artefacts::training::{Interval, Metric, TrainSummary};
use corpus::language::Language;
use corpus::progress::Silent;
use corpus::record::{Example, Subset};
use corpus::seam::{EngineIdentity, Identification, LanguageIdentifier};
use training::fine_tune::{
    ChooseBy, Method, Places, TrainConfig, TrainError, WrittenMeasure, fine_tune, provenance,
    unmeasured,
};

use crate::resume::ten_steps;
use crate::tiny;

/// Takes every text with "lisboa" for Portuguese, and others for English.
struct Lisbon;

impl LanguageIdentifier for Lisbon {
    fn identity(&self) -> EngineIdentity {
        unimplemented!("nothing is kept")
    }

    fn identify(&self, text: &str) -> Identification {
        let language = match text.contains("lisboa") {
            true => Language::PORTUGUESE,
            false => Language::ENGLISH,
        };
        Identification::Identified {
            language,
            probability: 1.0,
        }
    }
}

/// Trains in `folder` on the examples whose subset is not among `held_out`.
fn train_in(
    folder: &Path,
    config: &TrainConfig,
    held_out: &[Subset],
) -> Result<TrainSummary, TrainError> {
    train_on(folder, tiny::examples(), config, held_out)
}

fn train_on(
    folder: &Path,
    examples: Vec<Example>,
    config: &TrainConfig,
    held_out: &[Subset],
) -> Result<TrainSummary, TrainError> {
    let is_held_out = |example: &Example| held_out.contains(&example.subset);
    let (held_out, train): (Vec<_>, Vec<_>) = examples.into_iter().partition(is_held_out);
    let places = Places {
        folder,
        teacher: folder,
        output: &folder.join("model"),
    };
    let identifier: &dyn LanguageIdentifier = &Lisbon;
    fine_tune(
        tiny::model(),
        &train,
        &held_out,
        config,
        &places,
        Some(identifier),
        &Silent,
    )
}

/// An evaluation after every second step.
fn config(choose_by: ChooseBy, measure: &[WrittenMeasure]) -> TrainConfig {
    TrainConfig {
        choose_by,
        measure: measure.to_vec(),
        evaluate_every: 2,
        ..ten_steps(Method::Full)
    }
}

/// Each evaluation's values of `measure`, with their intervals.
fn measured(folder: &Path, measure: &str) -> Vec<(usize, f64, Option<Interval>)> {
    let metrics = Metric::read_all(folder).unwrap();
    let values = metrics.iter().filter_map(|metric| match metric {
        Metric::Evaluation {
            step,
            losses,
            intervals,
            ..
        } => {
            let interval = intervals.get(measure).copied();
            Some((*step, *losses.get(measure)?, interval))
        }
        Metric::Train { .. } => None,
    });
    values.collect()
}

/// Each evaluation's values of `measure`, and the step of the exported parameters.
fn trained(
    choose_by: ChooseBy,
    held_out: &[Subset],
    measure: &str,
) -> Result<(Vec<(usize, f64)>, usize), TrainError> {
    let folder = tempfile::tempdir().unwrap();
    let summary = train_in(folder.path(), &config(choose_by, &[]), held_out)?;
    let values = measured(folder.path(), measure).into_iter();
    let values = values.map(|(step, value, _)| (step, value));
    Ok((values.collect(), summary.best_step))
}

const BOTH: [WrittenMeasure; 2] = [WrittenMeasure::OffTarget, WrittenMeasure::Chrf];

#[test]
fn answers_are_measured_without_choosing_by_them() {
    let [plain, curious] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let (plain, curious) = (plain.path(), curious.path());
    let unchanged = train_in(plain, &config(ChooseBy::Loss, &[]), &[Subset::TT]).unwrap();
    let summary = train_in(curious, &config(ChooseBy::Loss, &BOTH), &[Subset::TT]).unwrap();
    assert_eq!(measured(plain, "off_target"), []);
    let weights = |folder: &Path| std::fs::read(folder.join("model/model.safetensors")).unwrap();
    assert_eq!(weights(plain), weights(curious), "nothing else is learnt");
    assert_eq!(unchanged.best_step, summary.best_step);
    for measure in ["off_target", "chrf++"] {
        let values = measured(curious, measure);
        let steps: Vec<usize> = values.iter().map(|(step, ..)| *step).collect();
        assert_eq!(steps, [0, 2, 4, 6, 8, 10], "the model before training, too");
        for (_, value, interval) in values {
            let interval = interval.unwrap();
            assert_eq!(interval.answers, 2);
            assert!(interval.low <= value && value <= interval.high);
        }
    }
    assert_eq!(summary.warnings, unchanged.warnings);
}

#[test]
fn translations_are_asked_for_chrf_alone() {
    let folder = tempfile::tempdir().unwrap();
    let held_out = [Subset::TT, Subset::Mt];
    let answers = |measure: &[WrittenMeasure], name| {
        let config = config(ChooseBy::Loss, measure);
        let folder = folder.path().join(measure.len().to_string());
        train_in(&folder, &config, &held_out).unwrap();
        let values = measured(&folder, name);
        values
            .first()
            .map(|(_, _, interval)| interval.unwrap().answers)
    };
    assert_eq!(answers(&BOTH[..1], "off_target"), Some(2));
    assert_eq!(answers(&BOTH[..1], "chrf++"), None);
    assert_eq!(answers(&BOTH, "chrf++"), Some(7));
    assert_eq!(answers(&BOTH, "off_target"), Some(2));
}

#[test]
fn several_languages_are_measured_each() {
    let folder = tempfile::tempdir().unwrap();
    let german = Language::parse("deu_Latn").unwrap();
    let mut examples = tiny::examples();
    let is_open = |example: &&mut Example| example.subset == Subset::TT;
    examples.iter_mut().find(is_open).unwrap().answer_language = german;
    let config = config(ChooseBy::Loss, &BOTH[..1]);
    train_on(folder.path(), examples, &config, &[Subset::TT]).unwrap();
    for (name, answers) in [
        ("off_target", 2),
        ("deu_Latn.off_target", 1),
        ("por_Latn.off_target", 1),
    ] {
        let values = measured(folder.path(), name);
        assert_eq!(values.len(), 6, "{name}");
        assert_eq!(values[0].2.unwrap().answers, answers, "{name}");
    }
    // The identifier takes everything for Portuguese or English.
    let german = measured(folder.path(), "deu_Latn.off_target");
    assert!(german.iter().all(|(_, share, _)| *share == 1.0));
}

#[test]
fn without_questions_a_measure_is_left_out_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(ChooseBy::Loss, &BOTH);
    let summary = train_in(folder.path(), &config, &[Subset::LL]).unwrap();
    let told = summary.warnings.iter();
    let told: Vec<&String> = told.filter(|one| one.contains("train.measure")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    let warning = "train.measure: off-target and chrf++ are not measured: there are no held-out";
    assert!(told[0].starts_with(warning), "{told:?}");
    assert_eq!(measured(folder.path(), "off_target"), []);
    let note = unmeasured(folder.path(), &config, &summary).unwrap();
    assert_eq!(note, None, "training again would not help");
}

#[test]
fn a_finished_training_is_not_repeated_to_be_measured() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, curious) = (config(ChooseBy::Loss, &[]), config(ChooseBy::Loss, &BOTH));
    let key = |config| provenance(config, "revision", &[], &[]).key();
    assert_eq!(key(&plain), key(&curious));
    let summary = train_in(folder.path(), &plain, &[Subset::TT]).unwrap();
    assert_eq!(
        train_in(folder.path(), &curious, &[Subset::TT]).unwrap(),
        summary
    );
    assert_eq!(measured(folder.path(), "off_target"), []);
    let note = unmeasured(folder.path(), &curious, &summary).unwrap();
    let note = note.unwrap();
    assert!(
        note.contains("without measuring off-target and chrf++"),
        "{note}"
    );
    assert_eq!(unmeasured(folder.path(), &plain, &summary).unwrap(), None);
}

#[test]
fn the_best_writer_is_kept() {
    let (chrf, best) = trained(ChooseBy::Chrf, &[Subset::TT], "chrf++").unwrap();
    assert_eq!(
        chrf.len(),
        1 + 5,
        "before the first step and after every second"
    );
    let after = &chrf[1..];
    let highest = after.iter().map(|(_, chrf)| *chrf).fold(0.0, f64::max);
    assert!(after.iter().all(|(_, chrf)| (0.0..=100.0).contains(chrf)));
    let of_best = after.iter().find(|(step, _)| *step == best).unwrap();
    assert_eq!(of_best.1, highest, "{after:?}");
}

#[test]
fn the_writer_of_the_target_language_is_kept() {
    let (shares, best) = trained(ChooseBy::OffTarget, &[Subset::TT], "off_target").unwrap();
    let after = &shares[1..];
    assert!(
        after
            .iter()
            .all(|(_, share)| [0.0, 0.5, 1.0].contains(share)),
        "{after:?}"
    );
    let lowest = after.iter().map(|(_, share)| *share).fold(1.0, f64::min);
    let of_best = after.iter().find(|(step, _)| *step == best).unwrap();
    assert_eq!(of_best.1, lowest, "{after:?}");
}

#[test]
fn without_target_language_questions_there_is_nothing_to_choose_by() {
    let error = trained(ChooseBy::Chrf, &[Subset::LL], "chrf++")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("train.choose_by = \"chrf++\" needs held-out questions"),
        "{error}"
    );
    assert!(error.contains("mix.held_out_fraction"), "{error}");
}
