//! Stretches of the source that were left as they are.

use rustc_hash::FxHashSet;

use super::Rule;
use super::pair::{Pair, Text};

/// The translation shares too many words in a row with its source. Of all noise in parallel text,
/// what was left untranslated harms a model that is trained on it most (Khayrallah and Koehn 2018,
/// arXiv 1805.12282); a stretch inside a long text passes for a translation with the other rules.
///
/// Names and titles are shared for good reason, so the limit should be above their length.
pub(super) struct CopiedStretch {
    /// Maximum number of words in a row that may be shared; `None` sets no limit.
    pub(super) max: Option<usize>,
}

impl Rule for CopiedStretch {
    fn reason(&self) -> &'static str {
        "copied_stretch"
    }

    fn key(&self) -> Option<&'static str> {
        Some("max_copied_words")
    }

    fn fault(&self, pair: &Pair) -> Option<String> {
        let length = self.max?.saturating_add(1);
        let words = |text: &Text| text.words().map(str::to_lowercase).collect::<Vec<_>>();
        let (source, translation) = (words(&pair.source), words(&pair.translation));
        let stretches: FxHashSet<&[String]> = source.windows(length).collect();
        let copied = translation
            .windows(length)
            .find(|stretch| stretches.contains(stretch))?;
        Some(format!("{:?} is the source's", copied.join(" ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::pair::Analyser;
    use crate::language::Language;

    #[test]
    fn a_stretch_of_the_source_is_found_if_it_is_longer_than_a_name() {
        let analyser = Analyser::new(Language::ENGLISH, Language::PORTUGUESE);
        let fault = |max, translation| {
            let source = "He read The New York Times. Then he went out into the rain again.";
            CopiedStretch { max }.fault(&analyser.pair(source, translation))
        };
        let name = "Ele leu The New York Times. Depois saiu de novo para a chuva.";
        let half = "Ele leu o jornal. Then he went out into the rain again.";
        assert_eq!(fault(Some(4), name), None);
        let found = fault(Some(4), half);
        assert_eq!(
            found.as_deref(),
            Some("\"then he went out into\" is the source's")
        );
        assert_eq!(fault(Some(8), half), None);
        assert_eq!(fault(None, half), None);
    }
}
