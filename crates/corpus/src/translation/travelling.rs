//! The form in which a sentence travels to a translator and back.

use std::borrow::Cow;

use rustc_hash::FxHashSet;

use crate::language::Language;
use crate::text::capitals;
use crate::text::segment::{Segment, Sentence};
use crate::text::unknown_words::unknown_words;

/// A sentence as the translator sees it: what must not change is replaced by placeholders, words
/// that the translator cannot read included, and capitals are small letters.
pub(super) struct Travelling<'s> {
    form: Cow<'s, Sentence<'s>>,
    in_capitals: bool,
    from: Language,
    to: Language,
}

impl<'s> Travelling<'s> {
    /// `sentence` on its way from `from` into `to`; the translator cannot read words with one of
    /// the `unknown` characters.
    pub(super) fn new(
        sentence: &'s Sentence<'s>,
        unknown: &FxHashSet<char>,
        from: Language,
        to: Language,
    ) -> Self {
        let words = unknown_words(sentence.text, unknown);
        let form = match words.is_empty() {
            true => Cow::Borrowed(sentence),
            false => Cow::Owned(sentence.protecting(words)),
        };
        Self {
            in_capitals: capitals::in_capitals(form.outside()),
            form,
            from,
            to,
        }
    }

    /// Whether there is anything to translate.
    pub(super) fn has_words(&self) -> bool {
        self.form.has_words()
    }

    /// The text for the translator.
    pub(super) fn outward(&self) -> String {
        if !self.in_capitals {
            return self.form.masked().into_owned();
        }
        let masked = self
            .form
            .masked_with(|part| capitals::small(part, self.from));
        capitals::capitalised(&masked, self.from)
    }

    /// The translation with everything restored; `None` if a placeholder was lost, changed or
    /// repeated. Placeholders are capitals, so that restoring capitals does not change them.
    pub(super) fn homeward(&self, translation: &str) -> Option<String> {
        match self.in_capitals {
            true => self
                .form
                .restored(&capitals::capitals(translation, self.to)),
            false => self.form.restored(translation),
        }
    }

    /// The sentence in parts around its placeholders, for use if they did not survive.
    pub(super) fn parts(&self) -> Vec<Segment<'s>> {
        self.form.around_protected()
    }

    /// The text for the translator of one of the parts.
    pub(super) fn outward_part(&self, part: &str) -> String {
        match self.in_capitals {
            true => capitals::small(part, self.from),
            false => part.to_owned(),
        }
    }

    /// The translation of one of the parts.
    pub(super) fn homeward_part(&self, translation: &str) -> String {
        match self.in_capitals {
            true => capitals::capitals(translation.trim(), self.to),
            false => translation.trim().to_owned(),
        }
    }
}
