//! Numbers that did not come through.

use super::Rule;
use super::pair::Pair;

/// Too many numbers of the source are not in the translation.
///
/// Numbers are compared as digits alone, since languages group and point them differently, in
/// any of the decimal digits of Unicode that languages of FLORES-200 write; those of one digit are
/// left out, since they may be spelt.
pub(super) struct NumbersLost {
    /// The largest share of the numbers that may be missing.
    pub(super) max_share: f64,
}

impl Rule for NumbersLost {
    fn reason(&self) -> &'static str {
        "numbers_lost"
    }

    fn fault(&self, pair: &Pair) -> Option<String> {
        let numbers = numbers(&pair.source.plain);
        if numbers.is_empty() {
            return None;
        }
        let mut translated = self::numbers(&pair.translation.plain);
        let mut lost = Vec::new();
        for number in &numbers {
            match translated.iter().position(|other| other == number) {
                Some(found) => {
                    translated.swap_remove(found);
                }
                None => lost.push(number.as_str()),
            }
        }
        (lost.len() as f64 > self.max_share * numbers.len() as f64)
            .then(|| format!("missing {}", lost.join(", ")))
    }
}

/// The numbers of two and more digits, as ASCII digits without separators.
fn numbers(text: &str) -> Vec<String> {
    let mut numbers = Vec::new();
    let mut number = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match decimal_digit(c) {
            Some(digit) => number.push(digit),
            // A separator belongs to the number if a digit follows.
            None if matches!(c, '.' | ',' | '\'' | '\u{a0}' | '\u{202f}' | '٬' | '٫')
                && !number.is_empty()
                && chars.peek().copied().and_then(decimal_digit).is_some() => {}
            None => finish(&mut number, &mut numbers),
        }
    }
    finish(&mut number, &mut numbers);
    numbers
}

fn finish(number: &mut String, numbers: &mut Vec<String>) {
    if number.len() > 1 {
        numbers.push(std::mem::take(number));
    }
    number.clear();
}

/// Zeros of the decimal digits in use: ASCII, Arabic, Persian, Devanagari, Bengali, Gurmukhi,
/// Gujarati, Odia, Tamil, Telugu, Kannada, Malayalam, Sinhala, Thai, Lao, Tibetan, Burmese, Shan,
/// N'Ko, Khmer, Ol Chiki, Meetei Mayek, full-width.
const ZEROS: [char; 23] = [
    '0', '٠', '۰', '०', '০', '੦', '૦', '୦', '௦', '౦', '೦', '൦', '෦', '๐', '໐', '༠', '၀', '႐', '߀',
    '០', '᱐', '꯰', '０',
];

fn decimal_digit(c: char) -> Option<char> {
    if c.is_ascii() {
        return c.is_ascii_digit().then_some(c);
    }
    ZEROS.iter().find_map(|&zero| {
        let value = u32::from(c)
            .checked_sub(u32::from(zero))
            .filter(|value| *value < 10)?;
        char::from_digit(value, 10)
    })
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn numbers_are_digits_without_separators() {
        assert_eq!(
            numbers("In 1969, 20,000.50 km at 5:30; 12/10."),
            ["1969", "2000050", "30", "12", "10"]
        );
        assert_eq!(numbers("20.000,50 ١٩٦٩ 一 ๑๒"), ["2000050", "1969", "12"]);
        assert_eq!(numbers("3 apples."), [] as [&str; 0]);
    }
}
