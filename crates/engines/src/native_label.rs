//! A language identifier's own labels, before they are mapped to languages and before abstention,
//! for comparison with the reference implementations.

use corpus::seam::LanguageIdentifier;

/// An engine's own label for a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NativeLabel<'e> {
    /// The label, e.g. `pt` or `ru-Latn`.
    pub label: &'e str,
    /// Its probability in [0, 1].
    pub probability: f64,
}

/// A language identifier with its own labels.
pub trait NativeLabels: LanguageIdentifier {
    /// The most probable label; `None` if the engine returns none.
    fn native_label(&self, text: &str) -> Option<NativeLabel<'_>>;
}
