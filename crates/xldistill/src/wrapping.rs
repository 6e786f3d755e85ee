//! Notes in lines that fit a terminal.

/// `text` in lines of at most `width` columns, broken between words; a longer word stays whole.
/// Further lines stand below the text of the first, as in `      answer  60 rows …`.
pub fn wrapped(text: &str, width: usize) -> String {
    let lines = text.split('\n').map(|line| {
        // A line of a file, with marks below it.
        if line.starts_with("  | ") {
            return line.to_owned();
        }
        let words = line.trim_start();
        let begins = line.len() - words.len();
        // A name and two spaces, or a list item, begin a column of their own.
        let indent = match words.find("  ") {
            Some(end) if begins + end < width / 3 => {
                begins + end + words[end..].len() - words[end..].trim_start().len()
            }
            _ if words.starts_with("- ") => begins + 2,
            _ if begins > 0 => begins,
            _ => 2,
        };
        let mut shown = String::new();
        let mut used = 0;
        for (number, word) in line.split(' ').enumerate() {
            let length = word.chars().count();
            if number > 0 && used > indent && used + 1 + length > width && length > 0 {
                shown.truncate(shown.trim_end().len());
                shown.push('\n');
                shown += &" ".repeat(indent);
                used = indent;
            } else if number > 0 {
                shown.push(' ');
                used += 1;
            }
            shown += word;
            used += length;
        }
        shown
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_broken_between_words_below_their_text() {
        let note =
            "      answer  60 rows in, 60 out, 27 texts rejected (cut_off 26, looping 1)  (53s)";
        assert_eq!(
            wrapped(note, 80),
            "      answer  60 rows in, 60 out, 27 texts rejected (cut_off 26, looping 1)\n              (53s)"
        );
        assert_eq!(wrapped(note, 120), note);
        let path = format!(
            "error: {} does not exist\n  | a line {}",
            "x/".repeat(60),
            "y".repeat(90)
        );
        let shown = wrapped(&path, 40);
        assert_eq!(
            shown,
            format!(
                "error:\n  {}\n  does not exist\n  | a line {}",
                "x/".repeat(60),
                "y".repeat(90)
            )
        );
        for width in 20..100 {
            let text = "warning: 0 % of the questions have the LLM's own answer: raise it";
            let lines = wrapped(text, width);
            assert!(
                lines.lines().all(|line| line.chars().count() <= width),
                "{lines}"
            );
            assert_eq!(lines.split_whitespace().collect::<Vec<_>>().join(" "), text);
        }
    }
}
