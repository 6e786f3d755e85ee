//! Numbers lost in translation.

use super::Rule;
use super::pair::Pair;

/// Too many numbers of the source are missing from the translation.
///
/// Only digits are compared, since languages group them and write decimal points differently; all
/// decimal digits of Unicode used by languages of FLORES-200 count. Single digits are left out,
/// since they may be spelt out. Roman numerals count: the 14th century is `o século XIV`.
pub(super) struct NumbersLost {
    /// Maximum share of the numbers that may be missing.
    pub(super) max_share: f64,
}

impl Rule for NumbersLost {
    fn reason(&self) -> &'static str {
        "numbers_lost"
    }

    fn key(&self) -> Option<&'static str> {
        Some("max_lost_numbers")
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
                None if has_roman(&pair.translation.plain, number) => {}
                None => lost.push(number.as_str()),
            }
        }
        (lost.len() as f64 > self.max_share * numbers.len() as f64)
            .then(|| format!("missing {}", lost.join(", ")))
    }
}

/// Whether `text` contains a number as a separate Roman numeral.
fn has_roman(text: &str, number: &str) -> bool {
    let numeral = match number.parse() {
        Ok(number @ 1..=3999) => roman(number),
        _ => return false,
    };
    text.split(|c: char| !c.is_alphanumeric())
        .any(|word| word == numeral)
}

fn roman(mut number: u32) -> String {
    const STEPS: [(u32, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    let mut numeral = String::new();
    for (value, letters) in STEPS {
        while number >= value {
            numeral.push_str(letters);
            number -= value;
        }
    }
    numeral
}

/// The numbers of two and more digits, as ASCII digits without separators.
fn numbers(text: &str) -> Vec<String> {
    let mut numbers = Vec::new();
    let mut number = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match decimal_digit(c) {
            Some(digit) => number.push(digit),
            // A separator belongs to the number if a digit follows it.
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
    use super::{has_roman, numbers, roman};

    #[test]
    fn numbers_are_digits_without_separators() {
        assert_eq!(
            numbers("In 1969, 20,000.50 km at 5:30; 12/10."),
            ["1969", "2000050", "30", "12", "10"]
        );
        assert_eq!(numbers("20.000,50 ١٩٦٩ 一 ๑๒"), ["2000050", "1969", "12"]);
        assert_eq!(numbers("3 apples."), [] as [&str; 0]);
    }

    #[test]
    fn centuries_may_be_roman() {
        assert_eq!(
            [14, 17, 20, 1999].map(roman),
            ["XIV", "XVII", "XX", "MCMXCIX"]
        );
        assert!(has_roman("desde o século XIV até hoje", "14"));
        assert!(!has_roman("desde o século XIV até hoje", "4"));
        assert!(!has_roman("desde o século XIV até hoje", "40000"));
    }
}
