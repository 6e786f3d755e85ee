//! Validation of a config.

use corpus::filter::MinQuality;
use corpus::language::Language;
use corpus::ranges::{ConfigError, Ranges};
use engines::choice::KeyError;
use engines::engine_config::EstimatorConfig;

use super::{Config, Decontaminate};

impl Config {
    /// Checks what can be checked without opening a file.
    pub(super) fn check(&self) -> Result<(), String> {
        self.check_targets()?;
        // First of all: for a language that is not the run's, no other advice helps.
        self.check_languages()?;
        self.check_ranges().map_err(|error| error.to_string())?;
        self.check_engines()?;
        self.check_method()?;
        // Training would find its errors hours after the start of the run.
        self.train.validate().map_err(|error| error.to_string())?;
        self.mix.validate().map_err(|error| error.to_string())?;
        if let Some(section) = &self.reverse_instructions {
            section.check(self.source)?;
            if section.min_fit.is_some() && !self.answer.scores_texts() {
                return Err(
                    "reverse_instructions.min_fit: a server gives no probabilities of texts, by \
                     which the LLM would tell; remove the key, or set answer.engine = \"local\""
                        .into(),
                );
            }
        }
        if self.data.instructions.is_empty() {
            return Err("data.instructions: name at least one file".into());
        }
        for benchmark in &self.evaluate.benchmarks {
            let checked = benchmark.check(&self.languages());
            checked.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Checks the ranges of what one number decides.
    fn check_ranges(&self) -> Result<(), ConfigError> {
        self.filter.validate()?;
        let data = Ranges("data");
        data.share("max_rejected_fraction", self.data.max_rejected_fraction)?;
        let all = "at least 1; leave it out to use all rows";
        for (section, limit) in [("data", self.data.limit), ("evaluate", self.evaluate.limit)] {
            let limit = limit.unwrap_or(usize::MAX);
            Ranges(section).check("limit", limit, limit > 0, all)?;
        }
        let Decontaminate {
            words, characters, ..
        } = self.decontaminate;
        Ranges("decontaminate").count("words", words)?;
        Ranges("decontaminate").count("characters", characters)?;
        Ranges("code_switch").share("probability", self.code_switch.probability)?;
        Ranges("evaluate").share("copied_share", self.evaluate.copied_share)
    }

    fn check_targets(&self) -> Result<(), String> {
        if self.targets.is_empty() {
            return Err("targets: name at least one target language, e.g. [\"por_Latn\"]".into());
        }
        for (at, target) in self.targets.iter().enumerate() {
            if *target == self.source {
                return Err(format!("targets: {} is the source language", target.code()));
            }
            if self.targets[..at].contains(target) {
                return Err(format!("targets: {} is named twice", target.code()));
            }
        }
        Ok(())
    }

    fn check_engines(&self) -> Result<(), String> {
        let of = |section: &'static str| move |error: KeyError| format!("{section}.{error}");
        let (translate, quality) = (&self.translate.engine, &self.estimate_quality);
        self.answer.check().map_err(of("answer"))?;
        translate.check(&self.opening()).map_err(of("translate"))?;
        self.identify.check().map_err(of("identify"))?;
        if let Some(identify) = &self.evaluate.identify {
            identify.check().map_err(of("evaluate.identify"))?;
        }
        if let Some(comet) = &self.evaluate.comet {
            comet.check().map_err(of("evaluate.comet"))?;
        }
        quality.check().map_err(of("estimate_quality"))?;
        let native = self.native_text().map(|section| section.texts.keys());
        if let Some(target) =
            (native.into_iter().flatten()).find(|&&t| !translate.translates_back(t))
        {
            let code = target.code();
            return Err(format!(
                "translate.reverse_models: [reverse_instructions] needs a model that translates {code} back; \
                 add {code} = \"PATH\" under [translate.reverse_models]"
            ));
        }
        for &target in &self.targets {
            let code = target.code();
            if quality.translates_back() && !translate.translates_back(target) {
                return Err(format!(
                    "translate.reverse_models: the {} quality estimate needs a model that translates {code} back; \
                     add {code} = \"PATH\" under [translate.reverse_models], or set estimate_quality.engine = \"none\"",
                    quality.name()
                ));
            }
            let calibrated = matches!(self.filter.min_quality, Some(MinQuality::Quantile { .. }));
            if calibrated && !self.evaluate.pairs.contains_key(&target) {
                return Err(format!(
                    "filter.min_quality: a quantile needs human translations; name some with \
                     {code} = \"PATH\" under [evaluate.pairs], or set a score"
                ));
            }
        }
        Ok(())
    }

    /// Checks that every language used as a key belongs to the run.
    fn check_languages(&self) -> Result<(), String> {
        let sections = toml::Table::try_from(self).map_err(|error| error.to_string())?;
        let mut path = Vec::new();
        match self.unknown_language(&sections, &mut path) {
            Some(language) => Err(format!(
                "{}: {language} is neither the source nor one of the targets",
                path.join(".")
            )),
            None => Ok(()),
        }
    }

    /// The first key that is another language; `path` then leads to its table.
    fn unknown_language(&self, table: &toml::Table, path: &mut Vec<String>) -> Option<Language> {
        for (key, value) in table {
            // Only codes count, since a key such as `train` might be the name of a language.
            let language = Language::parse(key)
                .ok()
                .filter(|language| language.code() == key);
            if let Some(language) = language
                && language != self.source
                && !self.targets.contains(&language)
            {
                return Some(language);
            }
            if let toml::Value::Table(section) = value {
                path.push(key.clone());
                if let Some(unknown) = self.unknown_language(section, path) {
                    return Some(unknown);
                }
                path.pop();
            }
        }
        None
    }
}
