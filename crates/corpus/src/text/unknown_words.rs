//! Words that a translator cannot read: those with a letter or symbol that its vocabulary lacks.

use std::ops::Range;

use rustc_hash::FxHashSet;

/// Whether `character` can be missing in a vocabulary and matters if it is: a letter, digit or
/// symbol outside of ASCII. Punctuation and white space are left to the translator.
pub fn may_be_unknown(character: char) -> bool {
    !character.is_ascii() && (character.is_alphanumeric() || is_symbol(character))
}

/// Whether SentencePiece's normalisation makes other characters of `character`: subscripts and
/// superscripts become plain (`xᵢ`: `xi`), fractions three characters.
pub fn is_flattened(character: char) -> bool {
    matches!(
        character,
        '¼'..='¾' | '\u{1d62}'..='\u{1d6a}' | '\u{2070}'..='\u{209f}' | '\u{2150}'..='\u{215f}'
    )
}

/// Letterlike, mathematical and other symbols.
fn is_symbol(character: char) -> bool {
    matches!(character, '\u{2070}'..='\u{20cf}' | '\u{2100}'..='\u{2bff}')
}

/// Whether `character` is part of a word, combining marks included.
fn is_in_word(character: char) -> bool {
    let mark_or_joiner = matches!(
        character,
        '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}'
            | '\u{900}'..='\u{109f}' | '\u{1780}'..='\u{17d3}' | '\u{200c}' | '\u{200d}'
    );
    character.is_alphanumeric() || is_symbol(character) || mark_or_joiner
}

/// Byte ranges of the words in `text` that contain one of the `unknown` characters, in order.
/// Neighbours separated by a single space are one range.
pub fn unknown_words(text: &str, unknown: &FxHashSet<char>) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    if unknown.is_empty() || !text.chars().any(|c| unknown.contains(&c)) {
        return found;
    }
    let mut start = 0;
    while start < text.len() {
        let word = &text[start..];
        let length = word.find(|c| !is_in_word(c)).unwrap_or(word.len());
        if word[..length].chars().any(|c| unknown.contains(&c)) {
            match found.last_mut() {
                Some(last) if &text[last.end..start] == " " => last.end = start + length,
                _ => found.push(start..start + length),
            }
        }
        let next = word[length..].chars().next().map_or(0, char::len_utf8);
        start += length + next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_are_found_with_their_neighbours() {
        let unknown: FxHashSet<char> = "łźМосква你好∑ᵢσ".chars().collect();
        let words = |text: &'static str| -> Vec<&str> {
            unknown_words(text, &unknown)
                .into_iter()
                .map(|range| &text[range])
                .collect()
        };
        assert_eq!(words("Is it Łódź?"), ["Łódź"]);
        assert_eq!(
            words("It is written Москва, or 你好 你."),
            ["Москва", "你好 你"]
        );
        assert_eq!(words("The sum ∑ of all xᵢ"), ["∑", "xᵢ"]);
        assert_eq!(words("pão e café"), [""; 0]);
        // Combining marks belong to their word.
        assert_eq!(words("zł\u{301}o\u{301}ty here"), ["zł\u{301}o\u{301}ty"]);
    }

    #[test]
    fn punctuation_is_left_to_the_translator() {
        for c in ['a', ' ', '“', '…', '\u{200b}', '、', '！'] {
            assert!(!may_be_unknown(c), "{c:?}");
        }
        for c in ['ł', '你', '½', '∑', 'ᵢ', '٣'] {
            assert!(may_be_unknown(c), "{c:?}");
        }
        assert!(['½', '¾', 'ᵢ', '₂', '⅔'].into_iter().all(is_flattened));
        assert!(!['º', 'ª', 'é', '²'].into_iter().any(is_flattened));
    }
}
