//! Removes blank and repetitive stretches from a text, and takes snippets out of a long one
//! (`CheapSqueezeInplace` and `SelectTextGivenBeginAndSize` of the reference implementation).

/// Size in bytes of the chunks that are kept or dropped as a whole.
const CHUNK: usize = 48;
/// Number of spaces from which a chunk is dropped: 30 %.
const MANY_SPACES: usize = CHUNK * 30 / 100;
/// Number of predicted bytes from which a chunk is dropped: 40 %.
const MANY_PREDICTED: usize = CHUNK * 40 / 100;
/// Maximum distance in bytes at which the end of a word is looked for.
const WORD_SCAN: usize = 32;
/// Number of snippets that represent a long text.
const SNIPPETS: usize = 5;

/// Squeezes cleaned text in place.
pub(super) fn squeeze(text: &mut Vec<u8>) {
    let length = text.len();
    // The reference implementation reads one byte past the end, where it has a NUL.
    text.push(0);
    let mut predictor = Predictor::new();
    let (mut from, mut to) = (0, 0);
    let mut skipping = false;
    while from < length {
        let mut end = (from + CHUNK).min(length);
        while is_continuation(text[end]) {
            end += 1;
        }
        let spaces = count_spaces(&text[from..end]);
        let predicted = predictor.count(&text[from..end]);
        if spaces >= MANY_SPACES || predicted >= MANY_PREDICTED {
            if !skipping {
                to -= back_to_space(text, to);
                if to == 0 {
                    text[0] = b' ';
                    to = 1;
                }
                skipping = true;
            }
        } else {
            if skipping {
                from += forward_to_space(&text[from..end]);
                skipping = false;
            }
            text.copy_within(from..end, to);
            to += end - from;
        }
        from = end;
    }
    text.truncate(to);
}

/// The text itself or, if it is longer than `most` bytes, snippets spread over it.
pub(super) fn select(text: Vec<u8>, most: usize) -> Vec<u8> {
    if text.len() <= most {
        return text;
    }
    let skip = (text.len() - most) / (SNIPPETS + 1);
    let mut selected = Vec::with_capacity(most + SNIPPETS);
    let mut at = 0;
    for _ in 0..SNIPPETS {
        at = boundary(&text, at, skip);
        let end = boundary(&text, at, most / SNIPPETS);
        selected.extend_from_slice(&text[at..end]);
        selected.push(b' ');
        at = end;
    }
    selected
}

/// The last character boundary at most `bytes` after `from`.
fn boundary(text: &[u8], from: usize, bytes: usize) -> usize {
    let mut end = (from + bytes).min(text.len());
    while end > from && end < text.len() && is_continuation(text[end]) {
        end -= 1;
    }
    end
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// Number of spaces in the bytes, not counting the remainder of a division by four.
fn count_spaces(chunk: &[u8]) -> usize {
    let counted = &chunk[..chunk.len() & !3];
    counted.iter().filter(|&&byte| byte == b' ').count()
}

/// Bytes from the beginning of a word to `end`; from the beginning of a character if no word begins
/// nearby.
fn back_to_space(text: &[u8], end: usize) -> usize {
    let limit = end.min(WORD_SCAN);
    let to_word = (0..limit).find(|n| text[end - n - 1] == b' ');
    let to_character = || (0..limit).find(|n| !is_continuation(text[end - n]));
    to_word.or_else(to_character).unwrap_or(0)
}

/// Bytes to the beginning of the next word; to the next character if no word is nearby.
fn forward_to_space(chunk: &[u8]) -> usize {
    let near = &chunk[..chunk.len().min(WORD_SCAN)];
    let to_word = near.iter().position(|&byte| byte == b' ').map(|n| n + 1);
    let to_character = || near.iter().position(|&byte| !is_continuation(byte));
    to_word.or_else(to_character).unwrap_or(0)
}

/// Predicts each character from the hash of the characters before it: a measure of repetition.
struct Predictor {
    hash: usize,
    table: Vec<u32>,
}

impl Predictor {
    fn new() -> Self {
        Self {
            hash: 0,
            table: vec![0; 4096],
        }
    }

    /// Bytes of the characters of `chunk` that were predicted.
    fn count(&mut self, chunk: &[u8]) -> usize {
        let mut predicted = 0;
        let mut rest = chunk;
        while let Some(&first) = rest.first() {
            let length = match first {
                0..0xc0 => 1,
                0xc0..0xe0 => 2,
                0xe0..0xf0 => 3,
                _ => 4,
            };
            let (character, behind) = rest.split_at(length.min(rest.len()));
            rest = behind;
            // As in the reference implementation, the first byte of three is shifted by 16 and the
            // second by 8.
            let code = character
                .iter()
                .fold(0, |code, &byte| code << 8 | u32::from(byte));
            let place = &mut self.table[self.hash];
            if *place == code {
                predicted += length;
            }
            *place = code;
            self.hash = (self.hash << 4 ^ code as usize) & 0xfff;
        }
        predicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squeezed(text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        squeeze(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn repetition_is_taken_out_and_the_rest_stays() {
        let prose =
            " the quick brown fox jumps over the lazy dog and runs into the deep dark wood ";
        assert_eq!(squeezed(prose), prose);
        let repeated = " ha".repeat(100);
        assert!(squeezed(&format!("{repeated} ")).len() < 60);
        assert_eq!(squeezed(""), "");
    }

    #[test]
    fn characters_stay_whole() {
        for filler in ["é", "ไทย", "漢字", "𐍈𐌰"] {
            let text = format!(" {} word ", filler.repeat(300));
            let mut bytes = text.into_bytes();
            squeeze(&mut bytes);
            let selected = select(bytes.clone(), 101);
            assert!(String::from_utf8(bytes).is_ok());
            assert!(String::from_utf8(selected).is_ok());
        }
    }
}
