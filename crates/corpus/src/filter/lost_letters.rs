//! Words in a third script that a translator dropped: `Москва` in an English text on its way into
//! Portuguese.

use unicode_script::{Script, UnicodeScript};

use super::Rule;
use super::pair::Pair;
use super::script::scripts;

/// A word of the source in a script of neither language is missing from the translation. Words in
/// Latin letters are left out, because other scripts transliterate them.
pub(super) struct LostLetters;

impl Rule for LostLetters {
    fn reason(&self) -> &'static str {
        "lost_letters"
    }

    fn fault(&self, pair: &Pair) -> Option<String> {
        if pair.source.plain.is_ascii() {
            return None;
        }
        let mut expected = scripts(pair.source.language());
        expected.extend(scripts(pair.translation.language()));
        expected.extend([
            Script::Latin,
            Script::Common,
            Script::Inherited,
            Script::Unknown,
        ]);
        let foreign = |c: char| c.is_alphabetic() && !expected.contains(&c.script());
        let mut words = pair.source.plain.split(|c| !foreign(c));
        words
            .find(|word| !word.is_empty() && !pair.translation.text.contains(word))
            .map(|word| format!("{word:?} is missing"))
    }
}
