//! Rejects bad translations.

use std::collections::BTreeMap;

use anyhow::Result;
use artefacts::{Key, Place};
use corpus::calibration::Calibration;
use corpus::filter::{FilterStage, MinQuality};
use corpus::language::Language;
use corpus::record::Translated;
use corpus::seam::QualityEstimator;
use corpus::stage::{self, Inputs, StageOptions};

use super::translate;
use crate::checks::Checks;
use crate::run::Run;
use crate::sdrrl::config::Config;
use crate::stages::Stage;

/// Name of the stage.
pub const NAME: &str = "filter";

/// The stage.
pub struct Filter;

impl Stage<Config> for Filter {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "reject bad translations, with reasons"
    }

    fn depends_on(&self) -> &'static [&'static str] {
        &[translate::NAME]
    }

    fn shardable(&self) -> bool {
        true
    }

    fn check(&self, run: &Run<'_, Config>, checks: &mut Checks<'_>) -> Result<()> {
        let identify = &run.config.identify;
        let found = identify.check_files().map_err(Into::into);
        let found = found.and_then(|()| match checks.thorough {
            true => known_languages(run),
            false => Ok(identify.name().to_owned()),
        });
        checks.add("language identification", found)?;
        let estimate = &run.config.estimate_quality;
        let found = estimate.check_files().map_err(Into::into);
        let found = found.and_then(|()| match checks.thorough {
            true => Ok(match run.estimator()? {
                Some(estimator) => {
                    let identity = estimator.identity();
                    format!("{}, {}", identity.engine, identity.parameters)
                }
                None => "none".to_owned(),
            }),
            false => Ok(estimate.name().to_owned()),
        });
        checks.add("quality estimate", found)
    }

    fn most_shards(&self, run: &Run<'_, Config>) -> Result<u64> {
        prepared(run, &run.place_to_look(), |stage, inputs| {
            Ok(stage::most_shards(stage, inputs))
        })
    }

    fn key(&self, run: &Run<'_, Config>) -> Result<Key> {
        prepared(run, &run.place_to_look(), |stage, inputs| {
            Ok(stage::key(stage, inputs)?)
        })
    }

    fn work(&self, run: &Run<'_, Config>) -> Result<String> {
        prepared(run, &run.place()?, |stage, inputs| {
            run.rows(stage, inputs, StageOptions::default())
        })
    }
}

/// Does something with the stage and its inputs; calibrations are kept in `place`.
fn prepared<T>(
    run: &Run<'_, Config>,
    place: &Place,
    action: impl FnOnce(&FilterStage<'_>, &Inputs<'_, Translated>) -> Result<T>,
) -> Result<T> {
    let inputs = Inputs::stage(&run.folder(translate::NAME))?;
    with_filter(run, place, |stage| action(&stage, &inputs))
}

/// Does something with the filter of the config; calibrations are kept in `place`.
pub fn with_filter<T>(
    run: &Run<'_, Config>,
    place: &Place,
    action: impl FnOnce(FilterStage<'_>) -> Result<T>,
) -> Result<T> {
    let identifier = run.config.identify.open()?;
    let estimator = run.estimator()?;
    let stage = FilterStage::new(
        identifier.as_ref(),
        estimator.as_deref(),
        run.config.source,
        run.config.filter.clone(),
    )
    .with_min_quality(calibrated(run, place, estimator.as_deref())?);
    action(stage)
}

/// The minimum quality of each target, if the config sets a quantile.
fn calibrated(
    run: &Run<'_, Config>,
    place: &Place,
    estimator: Option<&dyn QualityEstimator>,
) -> Result<BTreeMap<Language, f64>> {
    let mut scores = BTreeMap::new();
    if let (Some(estimator), Some(MinQuality::Quantile { quantile })) =
        (estimator, run.config.filter.min_quality)
    {
        for pairs in run.human_translations()? {
            let (from, to) = (pairs.source, pairs.target);
            let calibration =
                Calibration::kept_in(place, estimator, &pairs.pairs, from, to, run.progress)?;
            scores.insert(to, calibration.quantile(quantile));
        }
    }
    Ok(scores)
}

/// Describes the identifier's languages, and those of the run that it does not know.
fn known_languages(run: &Run<'_, Config>) -> Result<String> {
    let identifier = run.config.identify.open()?;
    let known = Language::all()
        .filter(|language| identifier.knows(*language))
        .count();
    let unknown: Vec<&str> = run
        .config
        .languages()
        .into_iter()
        .filter(|language| !identifier.knows(*language))
        .map(Language::code)
        .collect();
    let name = run.config.identify.name();
    let known = format!("{name}, {known} languages of FLORES-200");
    Ok(match unknown.is_empty() {
        true => known,
        false => format!(
            "{known}; cannot identify {}, ignored for it",
            unknown.join(", ")
        ),
    })
}
