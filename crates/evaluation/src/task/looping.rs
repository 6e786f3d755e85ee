//! Answers that end in a loop.

/// Shortest repeated tail, in characters, that is a loop.
const SHORTEST: usize = 40;

/// Whether `text` ends in something said at least three times in a row, over at least 40
/// characters; the last repetition may be cut off.
pub fn is_looping(text: &str) -> bool {
    let tail: Vec<char> = text.trim_end().chars().rev().collect();
    (1..=tail.len() / 3).any(|period| {
        let repeated = tail
            .iter()
            .zip(&tail[period..])
            .take_while(|(one, other)| one == other)
            .count();
        repeated + period >= SHORTEST.max(3 * period)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_of_words_and_lines_are_found() {
        assert!(is_looping(&"de novo e ".repeat(12)));
        assert!(is_looping(&format!(
            "Uma lista:\n{}- o ",
            "- o mesmo item\n".repeat(4)
        )));
        assert!(is_looping(&"ééééé".repeat(10)));
    }

    #[test]
    fn ordinary_text_and_short_emphasis_are_not_loops() {
        assert!(!is_looping("Não, não, não! Isso está muito, muito errado."));
        assert!(!is_looping(
            "1. Um\n2. Dois\n3. Três\n4. Quatro\n5. Cinco\n6. Seis\n7. Sete"
        ));
        assert!(!is_looping(""));
    }
}
