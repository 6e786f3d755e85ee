//! The name that was probably meant.

/// Similarity (Jaro-Winkler) above which a name counts as misspelt.
const SIMILAR: f64 = 0.8;

/// The one of `known` that is nearest to `unknown`, if one is near.
pub fn nearest<'k>(unknown: &str, known: &[&'k str]) -> Option<&'k str> {
    known
        .iter()
        .map(|name| (strsim::jaro_winkler(unknown, name), *name))
        .filter(|(similarity, _)| *similarity > SIMILAR)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_found_and_another_word_is_not() {
        let known = ["belebele", "xnli", "xcopa"];
        assert_eq!(nearest("beleble", &known), Some("belebele"));
        assert_eq!(nearest("xnl", &known), Some("xnli"));
        assert_eq!(nearest("mmlu", &known), None);
    }
}
