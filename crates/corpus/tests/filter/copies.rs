//! Copied sources.

use corpus::filter::{FilterConfig, FilterStage};
use corpus::language::Language;
use corpus::record::Translated;
use corpus::seam::{EngineError, EngineIdentity, QualityEstimator};
use corpus::stage::RowStage;

use crate::{ENGLISH, Keyword, PORTUGUESE, identity, row};

/// Says of every pair that it is perfect: the worst estimator there is.
struct Credulous;

impl QualityEstimator for Credulous {
    fn identity(&self) -> EngineIdentity {
        identity("credulous")
    }

    fn estimate(
        &self,
        pairs: &[(String, String)],
        _: Language,
        _: Language,
    ) -> Result<Vec<f64>, EngineError> {
        Ok(vec![1.0; pairs.len()])
    }
}

/// Copied sources do not pass, whatever the quality estimator says and though the language
/// identifier abstains: estimators are known to give them 0.8 in close languages.
fn refuses_copies(from: Language, sources: &[&str]) {
    let stage = FilterStage::new(&Keyword, Some(&Credulous), from, FilterConfig::default());
    let copy = |source: &&str| row((source, source), ("Yes.", "Sim."), PORTUGUESE);
    let rows: Vec<Translated> = sources.iter().map(copy).collect();
    let outcomes = stage.process(&rows).expect("filtering");
    let passed: Vec<&str> = outcomes
        .iter()
        .filter_map(|outcome| outcome.outputs[0].question.translation.as_deref())
        .collect();
    assert_eq!(
        passed,
        [""; 0],
        "{from}: {} of {}",
        passed.len(),
        rows.len()
    );
}

#[test]
fn copied_sources_do_not_pass() {
    refuses_copies(
        ENGLISH,
        &[
            "The scientist said that the results were encouraging.",
            "\"We now have 4-month-old mice that are non-diabetic that used to be diabetic,\" he added.",
            "Dr. Ehud Ur cautioned that the research is still in its early days.",
        ],
    );
}

mod with_data {
    use super::*;

    #[test]
    #[ignore = "needs data sets: make test-data"]
    fn copied_sentences_of_flores_do_not_pass() {
        for code in ["eng_Latn", "fra_Latn", "jpn_Jpan"] {
            let path = fixtures::data(&format!("flores/devtest/{code}.txt"));
            let text = std::fs::read_to_string(path).expect("FLORES");
            let sources: Vec<&str> = text.lines().collect();
            assert_eq!(sources.len(), 1012);
            refuses_copies(Language::with_code(code), &sources);
        }
    }
}
