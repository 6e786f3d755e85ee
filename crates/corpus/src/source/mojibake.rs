//! Letters that were written as UTF-8 and read as Windows-1252: "maÃ§Ã£" for "maçã".

/// Windows-1252 from 0x80 to 0x9F; unassigned bytes are kept as control characters, as browsers do.
const SPECIAL: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8D}Ž\u{8F}\u{90}‘’“”•–—˜™š›œ\u{9D}žŸ";

/// Places that have to look decoded wrongly before a text counts as such: a single one may be
/// chance, or a text about encodings.
const MIN_PLACES: usize = 2;

/// The first of several places of `text` that look decoded wrongly, and what they stand for.
pub(super) fn find(text: &str) -> Option<(String, String)> {
    if text.is_ascii() {
        return None;
    }
    let mut places = text.char_indices().filter_map(|(at, first)| {
        let length = match first {
            'Ã' | 'Ä' | 'Å' | 'Î' | 'Ï' | 'Ð' | 'Ñ' => 2,
            'â' => 3,
            _ => return None,
        };
        let found: String = text[at..].chars().take(length).collect();
        let bytes: Option<Vec<u8>> = found.chars().map(byte).collect();
        let meant = String::from_utf8(bytes?).ok()?;
        let letter = meant
            .chars()
            .next()
            .filter(|_| meant.chars().count() == 1)?;
        is_common(letter).then_some((found, meant))
    });
    let first = places.next()?;
    places.nth(MIN_PLACES - 2).map(|_| first)
}

/// The byte that Windows-1252 reads as `letter`.
fn byte(letter: char) -> Option<u8> {
    match letter {
        '\u{A0}'..='\u{FF}' => Some(letter as u8),
        _ => {
            let at = SPECIAL.chars().position(|special| special == letter)?;
            Some(0x80 + at as u8)
        }
    }
}

/// Letters of Latin, Greek and Cyrillic, quotation marks and dashes.
fn is_common(letter: char) -> bool {
    matches!(letter, 'À'..='ſ' | 'Ά'..='ώ' | 'Ѐ'..='ӿ' | '‐'..='…' | '€')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_decoded_wrongly_is_found() {
        let found = find("Ela comprou duas maÃ§Ã£s.").unwrap();
        assert_eq!(found, ("Ã§".to_owned(), "ç".to_owned()));
        assert_eq!(find("â€œHiâ€\u{9d}").unwrap().1, "“");
        assert_eq!(find("ÐœÐ¾ÑÐºÐ²Ð°").unwrap().1, "М");
    }

    #[test]
    fn text_that_is_right_is_not() {
        for text in [
            "maçãs",
            "CAFÉ» «À",
            "Ð and Ñ",
            "NÃO, PÃO",
            "Ä€",
            "É assim.",
            "Ã£ is mojibake",
        ] {
            assert_eq!(find(text), None, "{text}");
        }
    }
}
