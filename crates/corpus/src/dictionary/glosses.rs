//! What people write into a cell of a dictionary: "limão, lima; cidra", "1. rio (m)", "casa f.".

/// Marks of gender and number that follow a word.
const MARKS: [&str; 9] = ["m", "f", "m.", "f.", "n.", "pl.", "adj.", "adv.", "v."];

/// The words in a cell, without numbers of senses, brackets, and marks of grammar.
pub(super) fn words(cell: &str) -> Vec<String> {
    let text = without_brackets(cell);
    let senses = text.split([',', ';', '/', '|', '，', '；', '、']);
    let words = senses.map(bare).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

fn bare(sense: &str) -> &str {
    let numbered = sense
        .trim()
        .trim_start_matches(|c: char| c.is_ascii_digit());
    let mut word = match numbered.strip_prefix(['.', ')']) {
        Some(rest) => rest.trim(),
        None => sense.trim(),
    };
    while let Some((before, last)) = word.rsplit_once(char::is_whitespace)
        && MARKS.contains(&last)
    {
        word = before.trim_end();
    }
    word.trim_end_matches(['.', '!', '?'])
}

/// `text` without anything in brackets: grammar, pronunciation, usage.
pub(super) fn without_brackets(text: &str) -> String {
    let mut depth = 0usize;
    text.chars()
        .filter(|c| match c {
            '(' | '[' | '<' | '{' | '（' => {
                depth += 1;
                false
            }
            ')' | ']' | '>' | '}' | '）' => {
                depth = depth.saturating_sub(1);
                false
            }
            _ => depth == 0,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_split_into_bare_words() {
        assert_eq!(words("limão, lima; cidra"), ["limão", "lima", "cidra"]);
        assert_eq!(words("1. rio (m)"), ["rio"]);
        assert_eq!(words("casa f. / lar m"), ["casa", "lar"]);
        assert_eq!(words("vitamina c; 3D; (archaic)"), ["vitamina c", "3D"]);
        assert_eq!(words("ser [v], estar"), ["ser", "estar"]);
    }
}
