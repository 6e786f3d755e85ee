//! Words as they are typed in a POSIX shell.

use std::borrow::Cow;

/// `word`, quoted if a shell would read it otherwise.
pub fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,+%@".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => Cow::Borrowed(word),
        false => Cow::Owned(format!("'{}'", word.replace('\'', r"'\''"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_if_a_shell_would_read_it_otherwise() {
        for plain in ["data.limit=6", "--shard", "run/é-1", "a:b,c+d%e@f"] {
            assert_eq!(quoted(plain), plain);
        }
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("a run/model"), "'a run/model'");
        assert_eq!(quoted("a=[\"x\"]"), "'a=[\"x\"]'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
