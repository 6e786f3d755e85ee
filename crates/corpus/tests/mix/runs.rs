//! Equal bytes from equal inputs, no work done twice, and settings that are refused.

use corpus::mix::{HELD_OUT_FILE, MixConfig, MixInputs, mix};
use corpus::progress::Silent;
use corpus::record::Subset;
use corpus::stage::{Inputs, StageError};

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
