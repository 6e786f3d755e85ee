//! What ROUGE calls a word.

use std::fmt;

use corpus::language::Language;
use corpus::text::words::WordFinder;

/// Splits a text into words.
pub enum RougeTokenizer {
    /// `rouge-score`: runs of ASCII letters and digits, in lower case; for English.
    Ascii,
    /// `xl-sum`: XL-Sum's, for any language. In lower case, without punctuation; letters and digits
    /// are apart, and Chinese characters are words. Where words are written without spaces, a
    /// dictionary finds them ([`WordFinder`]; XL-Sum has one program for each such language).
    Multilingual(Option<WordFinder>),
}

impl fmt::Debug for RougeTokenizer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl RougeTokenizer {
    /// XL-Sum's for `language`.
    pub fn multilingual(language: Language) -> Self {
        let finder = language.writes_without_spaces();
        RougeTokenizer::Multilingual(finder.then(|| WordFinder::new(language)))
    }

    /// Name in the signature.
    pub fn name(&self) -> &'static str {
        match self {
            RougeTokenizer::Ascii => "rouge-score",
            RougeTokenizer::Multilingual(None) => "xl-sum",
            RougeTokenizer::Multilingual(Some(_)) => "xl-sum-icu",
        }
    }

    /// The words of `text`, in order.
    pub fn words(&self, text: &str) -> Vec<String> {
        let text = text.to_lowercase();
        match self {
            RougeTokenizer::Ascii => text
                .split(|character: char| !character.is_ascii_alphanumeric())
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect(),
            RougeTokenizer::Multilingual(finder) => {
                let text = without_punctuation(&text);
                match finder {
                    None => by_kind(&text),
                    Some(finder) => segmented(&text, finder),
                }
            }
        }
    }
}

/// The words that `finder` finds, and what is between them by kind.
fn segmented(text: &str, finder: &WordFinder) -> Vec<String> {
    let (mut words, mut end) = (Vec::new(), 0);
    for range in finder.words(text) {
        words.extend(by_kind(&text[end..range.start]));
        words.push(text[range.clone()].to_owned());
        end = range.end;
    }
    words.extend(by_kind(&text[end..]));
    words
}

/// `text` with spaces for punctuation, ASCII symbols included, and without control characters.
fn without_punctuation(text: &str) -> String {
    let characters = text.chars().filter_map(|character| match character {
        '\t' | '\n' | '\r' => Some(' '),
        '\0' | '\u{fffd}' => None,
        other if other.is_control() => None,
        other if other.is_whitespace() || is_punctuation(other) => Some(' '),
        other => Some(other),
    });
    characters.collect()
}

/// Whether BERT's tokenizer calls `character` punctuation: ASCII symbols and Unicode's category P.
fn is_punctuation(character: char) -> bool {
    let is_in_unicode = || PUNCTUATION.is_match(character.encode_utf8(&mut [0; 4]));
    character.is_ascii_punctuation() || !character.is_ascii() && is_in_unicode()
}

static PUNCTUATION: std::sync::LazyLock<regex::Regex> =
    std::sync::LazyLock::new(|| regex::Regex::new(r"^\p{P}$").expect("a valid pattern"));

/// Kinds of characters that are never in one word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Space,
    Digit,
    Letter,
    /// A word of its own.
    Single,
}

/// Words: runs of letters with their marks, runs of digits, and single Chinese characters and
/// symbols.
fn by_kind(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut last = Kind::Space;
    for character in text.chars() {
        let kind = match character {
            c if c.is_whitespace() => Kind::Space,
            c if is_chinese(c) => Kind::Single,
            c if c.is_numeric() => Kind::Digit,
            c if c.is_alphabetic() => Kind::Letter,
            // Marks belong to the letter before them.
            c if MARK.is_match(c.encode_utf8(&mut [0; 4])) && last == Kind::Letter => Kind::Letter,
            _ => Kind::Single,
        };
        match words.last_mut() {
            Some(word) if kind == last && matches!(kind, Kind::Digit | Kind::Letter) => {
                word.push(character);
            }
            _ if kind != Kind::Space => words.push(character.to_string()),
            _ => {}
        }
        last = kind;
    }
    words
}

static MARK: std::sync::LazyLock<regex::Regex> =
    std::sync::LazyLock::new(|| regex::Regex::new(r"^\p{M}$").expect("a valid pattern"));

/// Whether a character is in one of the blocks of CJK ideographs.
fn is_chinese(character: char) -> bool {
    matches!(
        u32::from(character),
        0x3400..=0x4dbf
            | 0x4e00..=0x9fff
            | 0xf900..=0xfaff
            | 0x20000..=0x2a6df
            | 0x2a700..=0x2ceaf
            | 0x2f800..=0x2fa1f
    )
}
