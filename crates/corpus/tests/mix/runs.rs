//! Equal bytes from equal inputs, no work done twice, and settings that are refused.

use corpus::mix::{HELD_OUT_FILE, MixConfig, MixInputs, mix};
use corpus::progress::Silent;
use corpus::record::{CodeSwitched, Subset};
use corpus::stage::{Inputs, Outcome, RowStage, StageError, StageOptions, run};

use crate::{ENGLISH, PORTUGUESE, mix_in, mix_of, pairs, rows};

#[test]
fn the_same_seed_gives_the_same_bytes_whatever_the_order_of_the_rows() {
    let mut rows = rows(80, PORTUGUESE);
    let first = mix_of(&rows, &pairs(), &MixConfig::default());
    rows.reverse();
    assert_eq!(
        mix_of(&rows, &pairs(), &MixConfig::default()).files,
        first.files
    );
    let order: Vec<_> = first.train.iter().map(|example| example.subset).collect();
    assert!(!order.is_sorted(), "shuffled");
    let other = mix_of(
        &rows,
        &pairs(),
        &MixConfig {
            seed: 1,
            ..MixConfig::default()
        },
    );
    assert_ne!(other.files[0], first.files[0]);
}

/// Hands on the rows of an earlier stage as its own.
struct Given;

impl RowStage for Given {
    type Input = CodeSwitched;
    type Output = CodeSwitched;

    fn name(&self) -> &'static str {
        "given"
    }

    fn version(&self) -> u32 {
        1
    }

    fn parameters(&self) -> serde_json::Value {
        serde_json::json!({})
    }

    fn process(&self, rows: &[CodeSwitched]) -> Result<Vec<Outcome<CodeSwitched>>, StageError> {
        Ok(rows.iter().cloned().map(Outcome::kept).collect())
    }
}

/// A stage's file is read in pieces, the first time only for what decides between y and ŷ.
#[test]
fn rows_of_a_file_give_the_same_as_rows_in_memory() {
    let rows = rows(4500, PORTUGUESE);
    let in_memory = mix_of(&rows, &pairs(), &MixConfig::default());
    let folder = tempfile::tempdir().unwrap();
    let stage = folder.path().join("given");
    let (inputs, options) = (Inputs::rows(&rows), StageOptions::default());
    run(&Given, &inputs, &stage, &options, &Silent).unwrap();
    let inputs = MixInputs {
        rows: Inputs::stage(&stage).unwrap(),
        source: ENGLISH,
        pairs: &pairs(),
        monolingual: &[],
        native: None,
        rejected: &[],
        evaluation: None,
    };
    let of_file = mix_in(&folder.path().join("mix"), &inputs, &MixConfig::default());
    assert!(in_memory.train.len() > 4096, "more than a piece");
    assert_eq!(of_file.files, in_memory.files);
    let answers = |mix: &crate::Mix| mix.manifest.results.details["answers"].clone();
    assert_eq!(answers(&of_file), answers(&in_memory));
}

#[test]
fn nothing_is_done_twice() {
    let (folder, rows, pairs) = (tempfile::tempdir().unwrap(), rows(20, PORTUGUESE), pairs());
    let inputs = MixInputs {
        rows: Inputs::rows(&rows),
        source: ENGLISH,
        pairs: &pairs,
        monolingual: &[],
        native: None,
        rejected: &[],
        evaluation: None,
    };
    let path = folder.path().join(HELD_OUT_FILE);
    let first = mix_in(folder.path(), &inputs, &MixConfig::default());
    let written = std::fs::metadata(&path).unwrap().modified().unwrap();
    let again = mix_in(folder.path(), &inputs, &MixConfig::default());
    assert_eq!(again.manifest, first.manifest);
    assert_eq!(
        std::fs::metadata(&path).unwrap().modified().unwrap(),
        written
    );
    std::fs::write(&path, "edited").unwrap();
    assert_eq!(
        mix_in(folder.path(), &inputs, &MixConfig::default()).files,
        first.files
    );
    let changed = mix_in(
        folder.path(),
        &MixInputs {
            pairs: &[],
            ..inputs
        },
        &MixConfig::default(),
    );
    assert!(changed.of(Subset::Mt).is_empty());
}

#[test]
fn impossible_settings_are_refused() {
    let refused = |config: MixConfig| {
        let inputs = MixInputs {
            rows: Inputs::rows(&[]),
            source: ENGLISH,
            pairs: &[],
            monolingual: &[],
            native: None,
            rejected: &[],
            evaluation: None,
        };
        mix(
            &inputs,
            &config,
            tempfile::tempdir().unwrap().path(),
            &Silent,
        )
        .unwrap_err()
        .to_string()
    };
    let default = MixConfig::default;
    assert!(
        refused(MixConfig {
            subsets: vec![],
            ..default()
        })
        .contains("LL, TL, LT, TT, mt, comp")
    );
    assert!(
        refused(MixConfig {
            generated_fraction: 1.5,
            ..default()
        })
        .contains("1.5")
    );
    assert!(
        refused(MixConfig {
            held_out_fraction: 1.0,
            ..default()
        })
        .contains("held_out_fraction")
    );
    assert!(refused(default()).contains("no rows"));
    let inputs = MixInputs {
        rows: Inputs::rows(&[]),
        source: ENGLISH,
        pairs: &[],
        monolingual: &[],
        native: None,
        rejected: &[],
        evaluation: None,
    };
    let error = mix(
        &inputs,
        &default(),
        tempfile::tempdir().unwrap().path(),
        &Silent,
    )
    .unwrap_err();
    assert!(matches!(error, StageError::Empty { .. }));
}
