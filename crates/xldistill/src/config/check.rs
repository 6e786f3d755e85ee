//! Whether the keys of a config agree with each other.

use std::collections::BTreeMap;

use corpus::{filter::MinQuality, language::Language};
use engines::identifier::IdentifierEngine;

use super::{AnswerEngine, Config, QualityEngine, TranslateEngine};

impl Config {
    /// Checks what can be checked without opening a file.
    pub(super) fn check(&self) -> Result<(), String> {
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
            self.check_direction(*target)?;
        }
        let identify = &self.identify;
        match (identify.engine, &identify.model) {
            (IdentifierEngine::Whatlang, Some(_)) => {
                return Err(
                    "identify.model: whatlang takes none; set identify.engine to \"cld3\" or \"fasttext\""
                        .into(),
                );
            }
            (IdentifierEngine::Cld3 | IdentifierEngine::FastText, None) => {
                return Err(format!(
                    "identify.model: the engine {} needs a model",
                    identify.engine.name()
                ));
            }
            _ => {}
        }
        self.check_servers()?;
        // Training comes last: hours after the run began.
        self.train.validate().map_err(|error| error.to_string())?;
        let quality = &self.estimate_quality;
        if quality.engine == QualityEngine::CometKiwi && quality.model.is_none() {
            return Err(
                "estimate_quality.model: name the folder of the CometKiwi model (hparams.yaml and \
                 checkpoints/model.ckpt)"
                    .into(),
            );
        }
        if self.translate.engine == TranslateEngine::Nllb && self.translate.model.is_none() {
            return Err(
                "translate.model: name the Hugging Face directory of an NLLB-200 model".into(),
            );
        }
        if self.data.instructions.is_empty() {
            return Err("data.instructions: name at least one file".into());
        }
        let known =
            |language: &Language| *language == self.source || self.targets.contains(language);
        let named = [
            ("data.parallel", keys(&self.data.parallel)),
            ("data.monolingual", keys(&self.data.monolingual)),
            ("translate.models", keys(&self.translate.models)),
            (
                "translate.reverse_models",
                keys(&self.translate.reverse_models),
            ),
            (
                "code_switch.dictionaries",
                keys(&self.code_switch.dictionaries),
            ),
            (
                "code_switch.reverse_dictionaries",
                keys(&self.code_switch.reverse_dictionaries),
            ),
            ("evaluate.questions", keys(&self.evaluate.questions)),
            ("evaluate.pairs", keys(&self.evaluate.pairs)),
            ("evaluate.texts", keys(&self.evaluate.texts)),
        ];
        for (section, languages) in named {
            if let Some(unknown) = languages.iter().find(|language| !known(language)) {
                return Err(format!(
                    "{section}: {} is neither the source nor one of the targets",
                    unknown.code()
                ));
            }
        }
        if let Some(MinQuality::Quantile { quantile }) = self.filter.min_quality
            && !(0.0..1.0).contains(&quantile)
        {
            return Err(format!(
                "filter.min_quality: the quantile {quantile} is not from 0 up to below 1"
            ));
        }
        if self.decontaminate.words == 0 || self.decontaminate.characters == 0 {
            return Err("decontaminate: words and characters must be at least 1".into());
        }
        let probability = self.code_switch.probability;
        if !(0.0..=1.0).contains(&probability) {
            return Err(format!(
                "code_switch.probability: {probability} is not between 0 and 1"
            ));
        }
        Ok(())
    }

    /// Checks what the engines need of one target language.
    fn check_direction(&self, target: Language) -> Result<(), String> {
        let code = target.code();
        let translate = &self.translate;
        if translate.engine == TranslateEngine::Firefox && !translate.models.contains_key(&target) {
            return Err(format!(
                "translate.models: no model into {code}; add {code} = \"PATH\" under [translate.models]"
            ));
        }
        let translates_back = match translate.engine {
            TranslateEngine::Firefox => translate.reverse_models.contains_key(&target),
            TranslateEngine::Nllb
            | TranslateEngine::Http
            | TranslateEngine::Llm
            | TranslateEngine::OpenAi => true,
        };
        if self.estimate_quality.engine == QualityEngine::RoundTrip && !translates_back {
            return Err(format!(
                "translate.reverse_models: the round-trip quality estimate needs a model from {code} back; \
                 add {code} = \"PATH\" under [translate.reverse_models], or set estimate_quality.engine = \"none\""
            ));
        }
        let calibrated = matches!(self.filter.min_quality, Some(MinQuality::Quantile { .. }));
        if calibrated && !self.evaluate.pairs.contains_key(&target) {
            return Err(format!(
                "filter.min_quality: a quantile is of human translations; name some with \
                 {code} = \"PATH\" under [evaluate.pairs], or set a score"
            ));
        }
        if translate.examples > 0 && !self.data.parallel.contains_key(&target) {
            return Err(format!(
                "translate.examples: they are taken of the parallel corpus; add {code} = \"PATH\" \
                 under [data.parallel]"
            ));
        }
        Ok(())
    }

    /// Checks that servers have an address and their models a name.
    fn check_servers(&self) -> Result<(), String> {
        let translate = &self.translate;
        if translate.engine == TranslateEngine::Http && translate.url.is_none() {
            return Err(
                "translate.url: name the server, e.g. translate.url = \"http://localhost:8000\""
                    .into(),
            );
        }
        let asked = [
            (
                "translate",
                translate.engine == TranslateEngine::OpenAi,
                &translate.server_model,
            ),
            (
                "answer",
                self.answer.engine == AnswerEngine::OpenAi,
                &self.answer.server_model,
            ),
        ];
        for (section, asked, model) in asked {
            if asked && model.is_none() {
                return Err(format!(
                    "{section}.server_model: name the model as the server knows it (it lists its models at /v1/models)"
                ));
            }
        }
        Ok(())
    }
}

fn keys<T>(map: &BTreeMap<Language, T>) -> Vec<Language> {
    map.keys().copied().collect()
}
