//! The config of Firefox models.

use std::collections::BTreeMap;
use std::sync::Arc;

use corpus::language::Language;
use corpus::seam::{EngineError, Translator};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ENGINE, FirefoxTranslator};
use crate::by_direction::ByDirection;
use crate::choice::KeyError;
use crate::engine_config::{TranslatorConfig, Translators};
use crate::model_ref::ModelRef;
use crate::opening::Opening;
use crate::translation_cache::Cache;

/// Firefox Translations models, one for each direction: about a hundred language pairs with
/// English. A model is a folder with `model.*.bin`, `vocab.*.spm` (or `srcvocab` and `trgvocab`)
/// and `lex.*.bin`, as published at <https://github.com/mozilla/firefox-translations-models>.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct FirefoxConfig {
    /// The model from the source language into each target language.
    #[schemars(extend("default-text" = "required"))]
    pub models: BTreeMap<Language, ModelRef>,
    /// The model from each target language into the source language, for the round-trip quality
    /// estimate and for induced dictionaries.
    pub reverse_models: BTreeMap<Language, ModelRef>,
}

/// A model with the direction it is named for.
struct Named<'a> {
    from: Language,
    to: Language,
    model: &'a ModelRef,
}

impl FirefoxConfig {
    fn there(&self, source: Language) -> impl Iterator<Item = Named<'_>> {
        let named = move |(&to, model)| Named {
            from: source,
            to,
            model,
        };
        self.models.iter().map(named)
    }

    fn back(&self, source: Language) -> impl Iterator<Item = Named<'_>> {
        let named = move |(&from, model)| Named {
            from,
            to: source,
            model,
        };
        self.reverse_models.iter().map(named)
    }
}

impl Named<'_> {
    /// The translator, whose model is loaded when it is first asked.
    fn open(&self) -> Result<impl Translator + use<>, EngineError> {
        let Self { from, to, model } = *self;
        model
            .check()
            .map_err(|message| EngineError::new(ENGINE, message))?;
        let (translator, direction) = FirefoxTranslator::open(model)?;
        match direction {
            Some((own_from, own_to)) if (own_from, own_to) != (from, to) => Err(EngineError::new(
                ENGINE,
                format!(
                    "{model}: this model translates {own_from} into {own_to}, not {from} into {to}; \
                     name the model of that direction"
                ),
            )),
            _ => Ok(translator),
        }
    }
}

fn by_direction<'a>(
    models: impl Iterator<Item = Named<'a>>,
    cache: &Cache,
) -> Result<Arc<dyn Translator>, EngineError> {
    let open = |named: Named<'a>| {
        let translator: Box<dyn Translator> = Box::new(cache.before(named.open()?));
        Ok((named.from, named.to, translator))
    };
    let translators = models.map(open).collect::<Result<_, EngineError>>()?;
    Ok(Arc::new(ByDirection::new(translators)))
}

impl TranslatorConfig for FirefoxConfig {
    fn check(&self, opening: &Opening<'_>) -> Result<(), KeyError> {
        let missing = opening
            .targets
            .iter()
            .find(|target| !self.models.contains_key(target));
        match missing.map(|target| target.code()) {
            None => Ok(()),
            Some(code) => Err(KeyError::new(
                "models",
                format!("no model into {code}; add {code} = \"PATH\" under [translate.models]"),
            )),
        }
    }

    fn check_files(&self, opening: &Opening<'_>) -> Result<(), EngineError> {
        let mut models = self.there(opening.source).chain(self.back(opening.source));
        models.try_for_each(|named| named.open().map(drop))
    }

    fn translates_back(&self, target: Language) -> bool {
        self.reverse_models.contains_key(&target)
    }

    fn is_cheap_on_words(&self) -> bool {
        true
    }

    fn open(&self, opening: &Opening<'_>, cache: &Cache) -> Result<Translators, EngineError> {
        let there = by_direction(self.there(opening.source), cache)?;
        let back = match self.reverse_models.is_empty() {
            true => None,
            false => Some(by_direction(self.back(opening.source), cache)?),
        };
        Ok(Translators { there, back })
    }
}
