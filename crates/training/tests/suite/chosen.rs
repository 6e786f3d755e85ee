//! The checkpoint that is chosen by what the model writes.

use artefacts::training::Metric;
use corpus::language::Language;
use corpus::progress::Silent;
use corpus::record::{Example, Subset};
use corpus::seam::{EngineIdentity, Identification, LanguageIdentifier};
use training::fine_tune::{ChooseBy, Method, Places, TrainConfig, TrainError, fine_tune};

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

/// Trains on the examples whose subset is not among `held_out`, and returns each evaluation's values
/// of `measure`, and the step of the exported parameters.
fn trained(
    choose_by: ChooseBy,
    held_out: &[Subset],
    measure: &str,
) -> Result<(Vec<(usize, f64)>, usize), TrainError> {
    let folder = tempfile::tempdir().unwrap();
    let is_held_out = |example: &Example| held_out.contains(&example.subset);
    let (held_out, train): (Vec<_>, Vec<_>) = tiny::examples().into_iter().partition(is_held_out);
    let config = TrainConfig {
        choose_by,
        evaluate_every: 2,
        ..ten_steps(Method::Full)
    };
    let places = Places {
        folder: folder.path(),
        teacher: folder.path(),
        output: &folder.path().join("model"),
    };
    let identifier: &dyn LanguageIdentifier = &Lisbon;
    let summary = fine_tune(
        tiny::model(),
        &train,
        &held_out,
        &config,
        &places,
        Some(identifier),
        &Silent,
    )?;
    let metrics = Metric::read_all(folder.path()).unwrap();
    let values = metrics.iter().filter_map(|metric| match metric {
        Metric::Evaluation { step, losses, .. } => Some((*step, *losses.get(measure)?)),
        Metric::Train { .. } => None,
    });
    Ok((values.collect(), summary.best_step))
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
