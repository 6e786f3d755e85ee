//! Leftovers of tokenizers, escapes and placeholders.

use super::Rule;
use super::pair::Pair;

/// Strings that only a broken pipeline writes.
const RESIDUE: [&str; 14] = [
    "&amp;", "&lt;", "&gt;", "&quot;", "&apos;", "&#39;", "<unk>", "</s>", "<pad>", "▁", "⁇",
    "@-@", "@@ ", "\u{fffd}",
];

/// The translation contains markup that its source does not.
pub(super) struct MarkupResidue;

impl Rule for MarkupResidue {
    fn reason(&self) -> &'static str {
        "markup_residue"
    }

    fn fault(&self, pair: &Pair) -> Option<String> {
        let (source, translation) = (pair.source.text, pair.translation.text);
        let residue = RESIDUE
            .into_iter()
            .find(|mark| translation.contains(mark) && !source.contains(mark));
        if let Some(mark) = residue {
            return Some(format!("{mark:?}"));
        }
        // Brackets used by code and tags: their number changes if a translator drops a backtick or
        // writes a tag of its own.
        ['<', '>', '{', '}', '`', '|'].into_iter().find_map(|mark| {
            let (before, after) = (
                source.matches(mark).count(),
                translation.matches(mark).count(),
            );
            (before != after)
                .then(|| format!("{before} {mark:?} in the source, {after} in the translation"))
        })
    }
}
