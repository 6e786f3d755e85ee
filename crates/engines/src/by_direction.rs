//! Several single-direction translators behind one seam, for runs with several target languages.

use corpus::language::Language;
use corpus::seam::{EngineError, EngineIdentity, Translator};

/// Selects the translator of the requested direction.
pub struct ByDirection {
    translators: Vec<(Language, Language, Box<dyn Translator>)>,
}

impl ByDirection {
    /// Translators with the direction (from, to) of each.
    pub fn new(translators: Vec<(Language, Language, Box<dyn Translator>)>) -> Self {
        Self { translators }
    }

    fn of(&self, from: Language, to: Language) -> Result<&dyn Translator, EngineError> {
        let of_direction =
            |&&(own_from, own_to, _): &&(Language, Language, _)| own_from == from && own_to == to;
        match self.translators.iter().find(of_direction) {
            Some((_, _, translator)) => Ok(translator.as_ref()),
            None => Err(EngineError::new(
                "translator",
                format!("no model translates {from} into {to}; name one under [translate]"),
            )),
        }
    }
}

impl Translator for ByDirection {
    /// A single translator keeps its identity; several are listed in order.
    fn identity(&self) -> EngineIdentity {
        let identities: Vec<EngineIdentity> = self
            .translators
            .iter()
            .map(|(_, _, translator)| translator.identity())
            .collect();
        let joined = |part: fn(&EngineIdentity) -> &str| {
            let mut parts: Vec<&str> = identities.iter().map(part).collect();
            parts.dedup();
            parts.join(", ")
        };
        EngineIdentity {
            engine: joined(|identity| &identity.engine),
            model: joined(|identity| &identity.model),
            revision: joined(|identity| &identity.revision),
            parameters: joined(|identity| &identity.parameters),
            licence: identities
                .iter()
                .find_map(|identity| identity.licence.clone()),
        }
    }

    fn translate(
        &self,
        sentences: &[String],
        from: Language,
        to: Language,
    ) -> Result<Vec<String>, EngineError> {
        self.of(from, to)?.translate(sentences, from, to)
    }

    fn translate_again(
        &self,
        sentences: &[String],
        from: Language,
        to: Language,
        no_repeat_ngram_size: usize,
    ) -> Result<Option<Vec<String>>, EngineError> {
        self.of(from, to)?
            .translate_again(sentences, from, to, no_repeat_ngram_size)
    }

    fn unknown_characters(
        &self,
        characters: &[char],
        from: Language,
        to: Language,
    ) -> Result<Vec<char>, EngineError> {
        self.of(from, to)?.unknown_characters(characters, from, to)
    }
}
