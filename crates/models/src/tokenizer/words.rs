//! Byte-level BPE word by word, with a cache of words.
//!
//! Tokenizers like GPT-2's split a text into words by a fixed pattern and tokenise each word
//! separately. Here the pattern is a loop over characters, and the ids of every word are cached,
//! which is many times faster than the general pipeline. That pipeline still tokenises new words,
//! and all text for other kinds of tokenizers.

use std::sync::{LazyLock, PoisonError, RwLock};

use rustc_hash::FxHashMap;
use tokenizers::utils::SysRegex;

/// Maximum number of cached words, and maximum length of a word in bytes.
const WORDS: usize = 1 << 16;
const LONGEST: usize = 64;

/// The words of one tokenizer.
#[derive(Debug)]
pub(super) struct WordCache {
    /// Whether each digit is a separate word.
    digits_apart: bool,
    /// Added tokens, which are found before the text is split into words, longest first.
    added: Vec<(Box<str>, u32)>,
    /// First bytes of the added tokens.
    begins_added: [bool; 256],
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The range in `ids` of each word.
    words: FxHashMap<Box<str>, (u32, u32)>,
    ids: Vec<u32>,
}

impl WordCache {
    /// The cache for a tokenizer that splits text by GPT-2's pattern; `None` for others.
    pub(super) fn new(tokenizer: &tokenizers::Tokenizer) -> Option<WordCache> {
        let digits_apart = cuts_digits_apart(tokenizer)?;
        let mut added = Vec::new();
        for (id, token) in tokenizer.get_added_tokens_decoder() {
            if token.single_word || token.lstrip || token.rstrip || token.normalized {
                return None;
            }
            added.push((token.content.clone().into_boxed_str(), id));
        }
        added.sort_by_key(|(token, _)| std::cmp::Reverse(token.len()));
        added.retain(|(token, _)| !token.is_empty());
        let mut begins_added = [false; 256];
        for (token, _) in &added {
            begins_added[usize::from(token.as_bytes()[0])] = true;
        }
        Some(WordCache {
            digits_apart,
            added,
            begins_added,
            known: RwLock::default(),
        })
    }

    /// Ids of `text` without surrounding special tokens; `None` if it contains characters whose
    /// kind is not known here.
    pub(super) fn encode(
        &self,
        text: &str,
        tokenizer: &tokenizers::Tokenizer,
    ) -> Option<tokenizers::Result<Vec<u32>>> {
        // Characters of the first plane take at most three bytes.
        if text.bytes().any(|byte| byte >= 0xf0) {
            return None;
        }
        let mut words = Words {
            cache: self,
            tokenizer,
            ids: Vec::with_capacity(text.len() / 3 + 4),
        };
        Some(words.add(text).map(|()| words.ids))
    }

    /// The first added token in `text` at or after `from`: its range and id.
    fn find_added(&self, text: &str, from: usize) -> Option<(usize, usize, u32)> {
        let bytes = text.as_bytes();
        (from..bytes.len())
            .filter(|&at| self.begins_added[usize::from(bytes[at])])
            .find_map(|at| {
                let found =
                    |(token, _): &&(Box<str>, u32)| bytes[at..].starts_with(token.as_bytes());
                let (token, id) = self.added.iter().find(found)?;
                Some((at, at + token.len(), *id))
            })
    }
}

/// Whether the tokenizer splits digits; `None` if it does not split text as assumed here.
fn cuts_digits_apart(tokenizer: &tokenizers::Tokenizer) -> Option<bool> {
    use tokenizers::{ModelWrapper, PreTokenizerWrapper};
    let exact = match tokenizer.get_model() {
        ModelWrapper::BPE(bpe) => bpe.dropout.is_none_or(|dropout| dropout == 0.0),
        _ => false,
    };
    if !exact || tokenizer.get_normalizer().is_some() {
        return None;
    }
    let bytes = |part: &PreTokenizerWrapper| match part {
        PreTokenizerWrapper::ByteLevel(bytes) => bytes.use_regex && !bytes.add_prefix_space,
        _ => false,
    };
    match tokenizer.get_pre_tokenizer()? {
        PreTokenizerWrapper::Sequence(sequence) => match sequence.as_ref() {
            [PreTokenizerWrapper::Digits(digits), last] if bytes(last) => {
                digits.individual_digits.then_some(true)
            }
            [only] if bytes(only) => Some(false),
            _ => None,
        },
        only => bytes(only).then_some(false),
    }
}

/// A text being converted to ids.
struct Words<'a> {
    cache: &'a WordCache,
    tokenizer: &'a tokenizers::Tokenizer,
    ids: Vec<u32>,
}

impl Words<'_> {
    fn add(&mut self, text: &str) -> tokenizers::Result<()> {
        let mut at = 0;
        while let Some((start, end, id)) = self.cache.find_added(text, at) {
            self.add_plain(&text[at..start])?;
            self.ids.push(id);
            at = end;
        }
        self.add_plain(&text[at..])
    }

    /// Adds a text that contains no added tokens.
    fn add_plain(&mut self, text: &str) -> tokenizers::Result<()> {
        if !self.cache.digits_apart {
            return self.add_words(text);
        }
        let mut start = 0;
        for (at, digit) in text.match_indices(char::is_numeric) {
            self.add_words(&text[start..at])?;
            start = at + digit.len();
            self.add_words(digit)?;
        }
        self.add_words(&text[start..])
    }

    /// Splits a text into words and adds them.
    fn add_words(&mut self, text: &str) -> tokenizers::Result<()> {
        let mut at = 0;
        let cache = self.cache;
        let mut known = cache.known.read().unwrap_or_else(PoisonError::into_inner);
        while at < text.len() {
            let end = word_end(text, at);
            let word = &text[at..end];
            at = end;
            if let Some(&(start, count)) = known.words.get(word) {
                let ids = start as usize..(start + count) as usize;
                self.ids.extend_from_slice(&known.ids[ids]);
                continue;
            }
            drop(known);
            let encoding = self.tokenizer.encode_fast(word, false)?;
            self.ids.extend_from_slice(encoding.get_ids());
            cache.remember(word, encoding.get_ids());
            known = cache.known.read().unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }
}

impl WordCache {
    fn remember(&self, word: &str, ids: &[u32]) {
        if word.len() > LONGEST {
            return;
        }
        // Even if another thread panicked, an entry is inserted completely or not at all.
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.words.len() < WORDS && !known.words.contains_key(word) {
            let place = (known.ids.len() as u32, ids.len() as u32);
            known.ids.extend_from_slice(ids);
            known.words.insert(word.into(), place);
        }
    }
}

/// The character classes of GPT-2's pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Letter,
    Number,
    Space,
    Other,
}

/// The class of every character of the first plane, according to the pattern's own engine.
static KINDS: LazyLock<Box<[Kind]>> = LazyLock::new(|| {
    let all: String = ('\0'..='\u{ffff}').collect();
    let mut kinds = vec![Kind::Other; 1 << 16].into_boxed_slice();
    for (pattern, kind) in [
        (r"\s", Kind::Space),
        (r"\p{L}", Kind::Letter),
        (r"\p{N}", Kind::Number),
    ] {
        let pattern = SysRegex::new(pattern).expect("the patterns are constants");
        for (start, end) in pattern.find_iter(&all) {
            for c in all[start..end].chars() {
                kinds[c as usize] = kind;
            }
        }
    }
    kinds
});

/// The class and length of the character at `at`; `None` at the end.
#[inline]
fn kind_at(text: &str, at: usize, kinds: &[Kind]) -> Option<(Kind, usize)> {
    let &byte = text.as_bytes().get(at)?;
    if byte < 0x80 {
        return Some((kinds[usize::from(byte)], 1));
    }
    let c = text[at..].chars().next()?;
    let kind = kinds.get(c as usize).copied().unwrap_or(Kind::Other);
    Some((kind, c.len_utf8()))
}

/// End of the word that begins at `at`, by the pattern `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+|
/// ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
fn word_end(text: &str, at: usize) -> usize {
    let kinds: &[Kind] = &KINDS;
    let bytes = text.as_bytes();
    if bytes[at] == b'\'' {
        let rest = &bytes[at + 1..];
        let endings: [&[u8]; 7] = [b"s", b"t", b"re", b"ve", b"m", b"ll", b"d"];
        if let Some(ending) = endings.iter().find(|ending| rest.starts_with(ending)) {
            return at + 1 + ending.len();
        }
    }
    let run = |mut at: usize, kind: Kind| {
        while let Some((found, length)) = kind_at(text, at, kinds)
            && found == kind
        {
            at += length;
        }
        at
    };
    let start = at + usize::from(bytes[at] == b' ');
    match kind_at(text, start, kinds) {
        Some((kind, length)) if kind != Kind::Space => return run(start + length, kind),
        _ => {}
    }
    // White space: all of it at the end of the text, otherwise all but the last character, which
    // may belong to the next word.
    let end = run(at, Kind::Space);
    if end == text.len() {
        return end;
    }
    let last = text[at..end].chars().next_back().map_or(0, char::len_utf8);
    if end - last > at { end - last } else { end }
}

#[cfg(test)]
mod tests;
