//! What a language identifier says in its own words, before its label becomes a language of the
//! table and before it may abstain: for comparison with its reference implementation.

use corpus::seam::LanguageIdentifier;

/// An engine's own label of a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NativeLabel<'e> {
    /// The label, e.g. `pt` or `ru-Latn`.
    pub label: &'e str,
    /// Its probability in [0, 1].
    pub probability: f64,
}

/// A language identifier with labels of its own.
pub trait NativeLabels: LanguageIdentifier {
    /// The most probable label; `None` where the engine itself has none.
    fn native_label(&self, text: &str) -> Option<NativeLabel<'_>>;
}
