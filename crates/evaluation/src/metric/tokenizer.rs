//! BLEU tokenizers, named as in sacrebleu.

mod chinese;
mod international;
mod mteval;
mod sentencepiece;

use std::path::{Path, PathBuf};

use corpus::language::Language;

pub use sentencepiece::{SentencePiece, SentencePieceError};

/// Tokenization before n-grams are counted.
#[derive(Debug)]
pub enum Tokenizer {
    /// `none`: white space only.
    None,
    /// `13a`: mteval-v13a, WMT's and sacrebleu's default.
    Mteval13a,
    /// `intl`: mteval-v14 with Unicode punctuation and symbols.
    International,
    /// `char`: every character.
    Characters,
    /// `zh`: every Chinese character; the rest as `13a`.
    Chinese,
    /// `flores101`, `flores200` or another SentencePiece model ("spBLEU").
    SentencePiece(Box<SentencePiece>),
}

/// Error returned when a tokenizer is not available.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// Not a name of sacrebleu's, or one that is not supported.
    #[error(
        "unknown tokenizer \"{0}\"; use auto, 13a, intl, char, zh, none, flores101 or flores200"
    )]
    Unknown(String),
    /// A SentencePiece tokenizer without its model.
    #[error(
        "tokenizer {name} needs its SentencePiece model: {looked} does not exist; pass the path \
         of the model, or let sacrebleu download it once (`sacrebleu --tokenize {name}`)"
    )]
    ModelMissing {
        /// `flores101` or `flores200`.
        name: String,
        /// Path where it was expected.
        looked: PathBuf,
    },
    /// The model cannot be read.
    #[error(transparent)]
    SentencePiece(#[from] SentencePieceError),
}

/// The name that stands for the tokenizer of the language.
pub const AUTO: &str = "auto";

/// The name of the tokenizer with which BLEU says something about `language`: `zh` for Chinese, `char`
/// for Japanese, Korean and other languages written without spaces, and `13a`. sacrebleu's command
/// line chooses in the same way, with MeCab for Japanese and Korean.
pub fn name_for(language: Language) -> &'static str {
    match language.script() {
        "Hans" | "Hant" => "zh",
        "Hang" | "Kore" => "char",
        _ if language.writes_without_spaces() => "char",
        _ => "13a",
    }
}

/// [`name_for`] the language in which most letters of `lines` are, as far as their script tells.
pub fn name_for_text<'l>(lines: impl IntoIterator<Item = &'l str>) -> &'static str {
    let (mut han, mut unspaced, mut other) = (0usize, 0usize, 0usize);
    for c in lines
        .into_iter()
        .flat_map(str::chars)
        .filter(|c| c.is_alphabetic())
    {
        match c {
            '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}' => {
                han += 1
            }
            // Thai to Tibetan, Burmese, Hangul, Khmer, kana.
            '\u{e00}'..='\u{109f}'
            | '\u{1100}'..='\u{11ff}'
            | '\u{1780}'..='\u{17ff}'
            | '\u{3040}'..='\u{30ff}'
            | '\u{ac00}'..='\u{d7af}' => unspaced += 1,
            _ => other += 1,
        }
    }
    match han + unspaced > other {
        false => "13a",
        // A Japanese text has a third of kana and more; a Chinese one has a name at most.
        true if unspaced * 10 > han => "char",
        true => "zh",
    }
}

impl Tokenizer {
    /// The tokenizer called `name`; [`AUTO`] is that of `language`.
    pub fn of_language(
        name: &str,
        model: Option<&Path>,
        language: Language,
    ) -> Result<Self, TokenizerError> {
        match name {
            AUTO => Self::named(name_for(language), None),
            name => Self::named(name, model),
        }
    }

    /// The tokenizer called `name`.
    ///
    /// `flores101` and `flores200` are read from `model`, or from sacrebleu's cache (`$SACREBLEU`
    /// or `~/.sacrebleu`, in `models/`).
    ///
    /// ```
    /// use evaluation::metric::tokenizer::Tokenizer;
    /// let tokenizer = Tokenizer::named("13a", None)?;
    /// assert_eq!(tokenizer.tokenize("It costs $3.50, really."), "It costs $ 3.50 , really .");
    /// # Ok::<(), evaluation::metric::tokenizer::TokenizerError>(())
    /// ```
    pub fn named(name: &str, model: Option<&Path>) -> Result<Self, TokenizerError> {
        Ok(match name {
            "none" => Tokenizer::None,
            "13a" => Tokenizer::Mteval13a,
            "intl" => Tokenizer::International,
            "char" => Tokenizer::Characters,
            "zh" => Tokenizer::Chinese,
            "flores101" | "flores200" => {
                let path = match model {
                    Some(path) => path.to_owned(),
                    None => sacrebleu_model(name),
                };
                if !path.exists() {
                    return Err(TokenizerError::ModelMissing {
                        name: name.to_owned(),
                        looked: path,
                    });
                }
                Tokenizer::SentencePiece(Box::new(SentencePiece::load(name, &path)?))
            }
            _ => return Err(TokenizerError::Unknown(name.to_owned())),
        })
    }

    /// Name in the signature.
    pub fn name(&self) -> &str {
        match self {
            Tokenizer::None => "none",
            Tokenizer::Mteval13a => "13a",
            Tokenizer::International => "intl",
            Tokenizer::Characters => "char",
            Tokenizer::Chinese => "zh",
            Tokenizer::SentencePiece(model) => model.name(),
        }
    }

    /// The tokens of `line`, joined by spaces.
    pub fn tokenize(&self, line: &str) -> String {
        match self {
            Tokenizer::None => line.to_owned(),
            Tokenizer::Mteval13a => mteval::tokenize(line),
            Tokenizer::International => international::tokenize(line),
            Tokenizer::Characters => {
                let mut spaced = String::with_capacity(2 * line.len());
                for character in line.chars().filter(|&character| !is_space(character)) {
                    if !spaced.is_empty() {
                        spaced.push(' ');
                    }
                    spaced.push(character);
                }
                spaced
            }
            Tokenizer::Chinese => chinese::tokenize(line),
            Tokenizer::SentencePiece(model) => model.tokenize(line),
        }
    }
}

/// Path at which sacrebleu caches the model of `name`.
fn sacrebleu_model(name: &str) -> PathBuf {
    let folder = std::env::var_os("SACREBLEU")
        .map(PathBuf::from)
        .unwrap_or_else(|| {
            PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".sacrebleu")
        });
    let file = match name {
        "flores101" => "sacrebleu_tokenizer_spm.model",
        _ => "flores200sacrebleuspm",
    };
    folder.join("models").join(file)
}

/// White space according to Python's `str.split`: Unicode's, and the four separator control
/// characters.
pub(crate) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// Splits like Python's `str.split`.
pub(crate) fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|token| !token.is_empty())
}

/// Tokens joined by single spaces.
fn squeeze(text: &str) -> String {
    let mut squeezed = String::with_capacity(text.len());
    for token in split(text) {
        if !squeezed.is_empty() {
            squeezed.push(' ');
        }
        squeezed.push_str(token);
    }
    squeezed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tokenizer_follows_the_language() {
        for (code, text, name) in [
            ("zho_Hans", "今天天气很好，我们去 Beijing。", "zh"),
            ("yue_Hant", "今日天氣好好。", "zh"),
            ("jpn_Jpan", "今日は天気がとても良いです。", "char"),
            ("kor_Hang", "오늘은 날씨가 매우 좋다.", "char"),
            ("tha_Thai", "วันนี้อากาศดีมาก", "char"),
            ("por_Latn", "O tempo está bom em 北京.", "13a"),
            ("rus_Cyrl", "Сегодня хорошая погода.", "13a"),
        ] {
            assert_eq!(name_for(Language::with_code(code)), name, "{code}");
            assert_eq!(name_for_text([text, ""]), name, "{text}");
        }
        assert_eq!(name_for_text(["123", ""]), "13a");
        let chinese = Language::with_code("zho_Hans");
        let named = |name| {
            Tokenizer::of_language(name, None, chinese)
                .expect("no model")
                .name()
                .to_owned()
        };
        assert_eq!([named(AUTO), named("13a")], ["zh", "13a"]);
    }
}
