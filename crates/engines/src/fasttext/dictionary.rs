//! Words, labels and hashed character n-grams of a fastText model (`Dictionary` of the reference
//! implementation).

use std::ops::Range;

use rustc_hash::FxHashMap;

use super::cursor::Cursor;

/// The word that ends every line, even if the text contains it.
const END_OF_LINE: &[u8] = b"</s>";
/// Prefix of labels; the file does not record it, and no published model changes it.
const LABEL_PREFIX: &[u8] = b"__label__";
/// An empty slot of the table.
const EMPTY: u32 = u32::MAX;

/// How texts become rows of the input matrix: the relevant subset of a model's arguments.
#[derive(Debug, Clone, Copy)]
pub(super) struct Features {
    /// Maximum number of words in a hashed n-gram; 1 means single words.
    pub(super) word_ngrams: usize,
    /// Number of hash buckets for n-grams.
    pub(super) buckets: usize,
    /// Minimum and maximum length of character n-grams; a maximum of 0 means none.
    pub(super) min_n: usize,
    pub(super) max_n: usize,
}

/// The dictionary of a model.
pub(super) struct Dictionary {
    /// Ranges of the words' and then the labels' bytes in the file.
    entries: Vec<Range<usize>>,
    words: usize,
    /// Occurrences of each label in the training data.
    pub(super) label_counts: Vec<i64>,
    /// Hash table with open addressing over all entries, keyed by the hash of their bytes.
    slots: Vec<u32>,
    /// In a pruned model: the new places of the remaining buckets.
    kept_buckets: Option<FxHashMap<u32, u32>>,
    features: Features,
}

impl Dictionary {
    pub(super) fn read(
        file: &[u8],
        cursor: &mut Cursor,
        features: Features,
    ) -> Result<Self, String> {
        let size = cursor.size("the number of entries")?;
        let words = cursor.size("the number of words")?;
        let labels = cursor.size("the number of labels")?;
        if words.checked_add(labels) != Some(size) || size >= EMPTY as usize {
            return Err(format!(
                "{words} words and {labels} labels do not add up to {size} entries"
            ));
        }
        cursor.i64("the number of tokens")?;
        let pruned = cursor.i64("the number of buckets left")?;
        // An entry takes at least ten bytes, so a larger count cannot be true.
        if size > cursor.remaining() / 10 {
            return Err(format!(
                "the file is truncated: {size} entries do not fit into it"
            ));
        }
        let mut entries = Vec::with_capacity(size);
        let mut label_counts = Vec::with_capacity(labels);
        for index in 0..size {
            let text = cursor.text("an entry of the dictionary")?;
            let count = cursor.i64("an entry's count")?;
            let is_label = cursor.i8("an entry's kind")? != 0;
            if is_label != (index >= words) {
                return Err(format!(
                    "entry {index} of the dictionary is a word among labels, or a label among words"
                ));
            }
            if is_label {
                label_counts.push(count);
            }
            entries.push(text);
        }
        let mut dictionary = Self {
            slots: Vec::new(),
            kept_buckets: kept_buckets(cursor, pruned)?,
            entries,
            words,
            label_counts,
            features,
        };
        dictionary.fill_slots(file);
        Ok(dictionary)
    }

    /// Whether buckets were dropped when the model was quantised.
    pub(super) fn is_pruned(&self) -> bool {
        self.kept_buckets.is_some()
    }

    /// Number of rows that the input matrix must have.
    pub(super) fn rows(&self) -> usize {
        let buckets = match &self.kept_buckets {
            Some(kept) => kept.values().max().map_or(0, |&last| last as usize + 1),
            None if self.features.max_n > 0 || self.features.word_ngrams > 1 => {
                self.features.buckets
            }
            None => 0,
        };
        self.words + buckets
    }

    /// The labels as written in the file, e.g. `__label__pt`.
    pub(super) fn labels<'f>(&self, file: &'f [u8]) -> Vec<&'f [u8]> {
        let labels = self.entries[self.words..].iter();
        labels.map(|range| &file[range.clone()]).collect()
    }

    /// Rows of the input matrix for `text` as a single line, including its end.
    pub(super) fn rows_of(&self, file: &[u8], text: &str, rows: &mut Vec<usize>) {
        rows.clear();
        let mut hashes = Vec::new();
        let mut marked = Vec::new();
        let tokens = text
            .as_bytes()
            .split(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | 0x0b | 0x0c | 0))
            .filter(|token| !token.is_empty())
            .take_while(|token| *token != END_OF_LINE);
        for token in tokens.chain([END_OF_LINE]) {
            let token_hash = hash(token);
            match self.find(file, token, token_hash) {
                Some(entry) if entry >= self.words => continue,
                None if token.starts_with(LABEL_PREFIX) => continue,
                Some(word) => {
                    rows.push(word);
                    if token != END_OF_LINE {
                        self.push_subwords(token, &mut marked, rows);
                    }
                }
                None if token == END_OF_LINE => {}
                None => self.push_subwords(token, &mut marked, rows),
            }
            // The reference implementation keeps hashes as signed numbers, whose sign survives the
            // widening.
            hashes.push(i64::from(token_hash as i32) as u64);
        }
        self.push_word_ngrams(&hashes, rows);
    }

    /// The character n-grams of `<word>`.
    fn push_subwords(&self, word: &[u8], marked: &mut Vec<u8>, rows: &mut Vec<usize>) {
        let Features { min_n, max_n, .. } = self.features;
        if max_n == 0 {
            return;
        }
        marked.clear();
        marked.push(b'<');
        marked.extend_from_slice(word);
        marked.push(b'>');
        let is_continuation = |byte: u8| byte & 0xc0 == 0x80;
        for start in 0..marked.len() {
            if is_continuation(marked[start]) {
                continue;
            }
            let (mut end, mut gram) = (start, Hash::new());
            for n in 1..=max_n {
                if end == marked.len() {
                    break;
                }
                gram.push(marked[end]);
                end += 1;
                while end < marked.len() && is_continuation(marked[end]) {
                    gram.push(marked[end]);
                    end += 1;
                }
                if n >= min_n && !(n == 1 && (start == 0 || end == marked.len())) {
                    self.push_bucket(u64::from(gram.0), rows);
                }
            }
        }
    }

    fn push_word_ngrams(&self, hashes: &[u64], rows: &mut Vec<usize>) {
        for start in 0..hashes.len() {
            let mut gram = hashes[start];
            let end = hashes.len().min(start + self.features.word_ngrams);
            for hash in hashes.get(start + 1..end).unwrap_or_default() {
                gram = gram.wrapping_mul(116_049_371).wrapping_add(*hash);
                self.push_bucket(gram, rows);
            }
        }
    }

    fn push_bucket(&self, hash: u64, rows: &mut Vec<usize>) {
        // Models with n-grams have buckets; this is checked when the model is read.
        let bucket = (hash % self.features.buckets.max(1) as u64) as u32;
        match &self.kept_buckets {
            None => rows.push(self.words + bucket as usize),
            Some(kept) => {
                if let Some(&bucket) = kept.get(&bucket) {
                    rows.push(self.words + bucket as usize);
                }
            }
        }
    }

    fn fill_slots(&mut self, file: &[u8]) {
        let size = (self.entries.len() * 2).next_power_of_two();
        self.slots = vec![EMPTY; size];
        for (index, range) in self.entries.iter().enumerate() {
            let text = &file[range.clone()];
            let mut slot = hash(text) as usize & (size - 1);
            // Of equal entries, the first counts.
            while self.slots[slot] != EMPTY {
                if &file[self.entries[self.slots[slot] as usize].clone()] == text {
                    break;
                }
                slot = (slot + 1) & (size - 1);
            }
            if self.slots[slot] == EMPTY {
                self.slots[slot] = index as u32;
            }
        }
    }

    fn find(&self, file: &[u8], text: &[u8], hash: u32) -> Option<usize> {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let entry = self.slots[slot];
            if entry == EMPTY {
                return None;
            }
            let entry = entry as usize;
            if &file[self.entries[entry].clone()] == text {
                return Some(entry);
            }
            slot = (slot + 1) & mask;
        }
    }
}

fn kept_buckets(cursor: &mut Cursor, count: i64) -> Result<Option<FxHashMap<u32, u32>>, String> {
    // -1 means that the model was not pruned.
    let Ok(count) = usize::try_from(count) else {
        return Ok(None);
    };
    if count > cursor.remaining() / 8 {
        return Err(format!(
            "the file is truncated: {count} buckets do not fit into it"
        ));
    }
    let mut kept = FxHashMap::with_capacity_and_hasher(count, Default::default());
    for _ in 0..count {
        let bucket = cursor.size("a bucket")?;
        let place = cursor.size("a bucket's place")?;
        kept.insert(bucket as u32, place as u32);
    }
    Ok(Some(kept))
}

/// FNV-1a as fastText implements it: bytes from 128 up are sign-extended.
#[derive(Clone, Copy)]
struct Hash(u32);

impl Hash {
    fn new() -> Self {
        Self(2_166_136_261)
    }

    fn push(&mut self, byte: u8) {
        self.0 = (self.0 ^ i32::from(byte as i8) as u32).wrapping_mul(16_777_619);
    }
}

fn hash(bytes: &[u8]) -> u32 {
    let mut hash = Hash::new();
    for &byte in bytes {
        hash.push(byte);
    }
    hash.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of `Dictionary::hash` for ASCII and for bytes with the sign bit.
    #[test]
    fn hashes_widen_bytes_with_their_sign() {
        assert_eq!(hash(b""), 2_166_136_261);
        assert_eq!(hash(b"a"), 0xe40c_292c);
        assert_ne!(hash("é".as_bytes()), 0);
        let unsigned = "é".bytes().fold(2_166_136_261u32, |h, b| {
            (h ^ u32::from(b)).wrapping_mul(16_777_619)
        });
        assert_ne!(hash("é".as_bytes()), unsigned);
    }
}
