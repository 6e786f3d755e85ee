//! Quality estimates and the thresholds of the config.

use corpus::filter::{FilterConfig, FilterStage, MinQuality};
use corpus::seam::{EngineIdentity, Identification, LanguageIdentifier};
use corpus::stage::RowStage;

use crate::{ENGLISH, Keyword, PORTUGUESE, Stated, reason, row};

#[test]
fn quality_is_the_mean_of_lines_by_length() {
    let source = "A first line of text\nA second line of text";
    assert_eq!(
        reason(source, "Uma primeira linha 0.9\nUma segunda linha 0.8"),
        None
    );
    assert_eq!(
        reason(source, "Uma primeira linha 0.9\nUma segunda linha 0.6"),
        Some("low_quality")
    );
}

#[test]
fn without_an_estimator_quality_is_not_judged() {
    let stage = FilterStage::new(&Keyword, None, ENGLISH, FilterConfig::default());
    let row = row(
        ("Good day to you.", "Bom dia para você 0.1"),
        ("Yes.", "Sim."),
        PORTUGUESE,
    );
    let outcome = stage.process(&[row]).expect("filtering").remove(0);
    assert!(outcome.rejections.is_empty());
}

#[test]
fn thresholds_are_read_from_a_config_and_unknown_keys_refused() {
    let config: FilterConfig = serde_json::from_str(r#"{"min_quality": 0.7}"#).expect("a config");
    assert_eq!(
        config,
        FilterConfig {
            min_quality: Some(MinQuality::Score(0.7)),
            ..FilterConfig::default()
        }
    );
    assert!(serde_json::from_str::<FilterConfig>(r#"{"minimum_quality": 0.7}"#).is_err());
}

#[test]
fn the_key_that_sets_a_threshold_is_known_by_the_reason() {
    let stage = FilterStage::new(&Keyword, Some(&Stated), ENGLISH, FilterConfig::default());
    for (reason, key) in [
        ("low_quality", Some("filter.min_quality")),
        ("numbers_lost", Some("filter.max_lost_numbers")),
        ("wrong_language", Some("filter.min_language_probability")),
        ("protected_lost", None),
    ] {
        assert_eq!(stage.key_of(reason).as_deref(), key, "{reason}");
    }
}

#[test]
fn a_probability_of_1_turns_language_identification_off() {
    let config = FilterConfig {
        min_language_probability: Some(1.0),
        ..FilterConfig::default()
    };
    assert_eq!(config.validate(), Ok(()));
    let untranslated = [row(
        ("It is good of them.", "It was nice of you, he said."),
        ("Yes.", "Yes, it is."),
        PORTUGUESE,
    )];
    let reasons = |config| {
        let stage = FilterStage::new(&Sure, None, ENGLISH, config);
        let outcome = stage.process(&untranslated).expect("filtering").remove(0);
        let reasons = outcome.rejections.into_iter();
        reasons
            .map(|rejection| rejection.reason)
            .collect::<Vec<_>>()
    };
    assert_eq!(reasons(FilterConfig::default()), ["wrong_language"; 2]);
    assert!(reasons(config).is_empty());
}

/// Takes every text for English, with probability 1.
struct Sure;

impl LanguageIdentifier for Sure {
    fn identity(&self) -> EngineIdentity {
        Keyword.identity()
    }

    fn identify(&self, _: &str) -> Identification {
        Identification::Identified {
            language: ENGLISH,
            probability: 1.0,
        }
    }
}

#[test]
fn a_quantile_is_a_score_of_the_direction() {
    let config: FilterConfig =
        serde_json::from_str(r#"{"min_quality": {"quantile": 0.1}}"#).expect("a config");
    let stage = || FilterStage::new(&Keyword, Some(&Stated), ENGLISH, config.clone());
    let rows = [row(
        ("It is good.", "É bom 0.5"),
        ("Yes.", "Sim."),
        PORTUGUESE,
    )];
    let error = stage()
        .process(&rows)
        .expect_err("nothing is calibrated")
        .to_string();
    assert!(error.contains("por_Latn was not calibrated"), "{error}");
    let passes = |score: f64| {
        let stage = stage().with_min_quality([(PORTUGUESE, score)].into());
        let outcome = stage.process(&rows).expect("filtering").remove(0);
        outcome.outputs[0].question.translation.is_some()
    };
    assert!(passes(0.5) && !passes(0.51));
    let parameters = |score| {
        stage()
            .with_min_quality([(PORTUGUESE, score)].into())
            .parameters()
    };
    assert_ne!(
        parameters(0.5),
        parameters(0.6),
        "what passes is part of a row's identity"
    );
    for wrong in [
        r#"{"min_quality": {"quantil": 0.1}}"#,
        r#"{"min_quality": "high"}"#,
    ] {
        let error = serde_json::from_str::<FilterConfig>(wrong)
            .expect_err("wrong")
            .to_string();
        assert!(error.contains("{ quantile = 0.1 }"), "{error}");
    }
}
