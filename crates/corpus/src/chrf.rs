//! chrF and chrF++, the character n-gram F-score (Popović 2015, 2017), as sacrebleu 2.6 computes it.
//!
//! Both the round-trip quality estimate and the evaluation use this implementation. White space is
//! removed before character n-grams are counted, and only orders that occur in both texts enter the
//! average ("effective order"): sacrebleu's `nc:6|nw:0|space:no|eff:yes`, `nw:2` for chrF++.

use std::iter::Sum;
use std::ops::AddAssign;

use rustc_hash::FxHashMap;

/// Order of character n-grams of both chrF and chrF++.
pub const CHAR_ORDER: usize = 6;
/// Order of word n-grams of chrF++; chrF uses 0.
pub const WORD_ORDER_PLUS_PLUS: usize = 2;
/// Weight of recall against precision.
pub const BETA: f64 = 2.0;

/// Counts of one n-gram order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OrderCounts {
    /// n-grams of the hypothesis; 0 if the reference has none of this order.
    pub hypothesis: u64,
    /// n-grams of the reference.
    pub reference: u64,
    /// Matching n-grams, clipped by their count in the reference.
    pub matched: u64,
}

/// Sufficient statistics of chrF: the sum over all sentences gives the corpus score.
///
/// ```
/// use corpus::chrf::{BETA, CHAR_ORDER, ChrfStatistics};
/// let mut corpus = ChrfStatistics::new("the cat sat", "the cat sits", CHAR_ORDER, 0);
/// corpus += &ChrfStatistics::new("a dog", "a dog", CHAR_ORDER, 0);
/// assert!(corpus.score(BETA) > 60.0 && corpus.score(BETA) < 100.0);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChrfStatistics {
    orders: Vec<OrderCounts>,
}

impl ChrfStatistics {
    /// Statistics of one hypothesis against one reference: character orders 1 to `char_order`,
    /// then word orders 1 to `word_order`.
    pub fn new(hypothesis: &str, reference: &str, char_order: usize, word_order: usize) -> Self {
        let mut orders = Vec::with_capacity(char_order + word_order);
        count_matches(
            &characters(hypothesis),
            &characters(reference),
            char_order,
            &mut orders,
        );
        if word_order > 0 {
            let mut ids = FxHashMap::default();
            let hypothesis = word_ids(hypothesis, &mut ids);
            let reference = word_ids(reference, &mut ids);
            count_matches(&hypothesis, &reference, word_order, &mut orders);
        }
        Self { orders }
    }

    /// Counts per order: characters first, then words.
    pub fn orders(&self) -> &[OrderCounts] {
        &self.orders
    }

    /// The F-score in 0..=100; `beta` weighs recall against precision ([`BETA`]).
    pub fn score(&self, beta: f64) -> f64 {
        let (mut precision, mut recall, mut effective) = (0.0, 0.0, 0u32);
        for order in &self.orders {
            if order.hypothesis > 0 && order.reference > 0 {
                precision += order.matched as f64 / order.hypothesis as f64;
                recall += order.matched as f64 / order.reference as f64;
                effective += 1;
            }
        }
        if effective == 0 || precision + recall == 0.0 {
            return 0.0;
        }
        let (precision, recall) = (
            precision / f64::from(effective),
            recall / f64::from(effective),
        );
        let factor = beta * beta;
        100.0 * ((1.0 + factor) * precision * recall / (factor * precision + recall))
    }
}

impl From<Vec<OrderCounts>> for ChrfStatistics {
    /// Statistics counted earlier, e.g. read from a file.
    fn from(orders: Vec<OrderCounts>) -> Self {
        Self { orders }
    }
}

impl AddAssign<&ChrfStatistics> for ChrfStatistics {
    fn add_assign(&mut self, other: &ChrfStatistics) {
        if self.orders.len() < other.orders.len() {
            self.orders
                .resize(other.orders.len(), OrderCounts::default());
        }
        for (sum, order) in self.orders.iter_mut().zip(&other.orders) {
            sum.hypothesis += order.hypothesis;
            sum.reference += order.reference;
            sum.matched += order.matched;
        }
    }
}

impl<'a> Sum<&'a ChrfStatistics> for ChrfStatistics {
    fn sum<I: Iterator<Item = &'a ChrfStatistics>>(sentences: I) -> Self {
        sentences.fold(Self::default(), |mut sum, sentence| {
            sum += sentence;
            sum
        })
    }
}

/// Upper bound of the chrF of two texts, at a fraction of the cost: enough to show that they are
/// not alike.
///
/// Every matching n-gram of order four or more contains a matching trigram of its own, and trigrams
/// counted by hash match at least as often as the trigrams themselves.
pub fn upper_bound(hypothesis: &str, reference: &str, beta: f64) -> f64 {
    let mut open = [0_u32; TRIGRAM_BUCKETS];
    let reference = each_trigram(reference, &mut open, |open| *open += 1);
    let mut matched = 0;
    let hypothesis = each_trigram(hypothesis, &mut open, |open| {
        if *open > 0 {
            *open -= 1;
            matched += 1;
        }
    });
    let order = |order: u64| {
        let [hypothesis, reference] =
            [hypothesis, reference].map(|n| (n + 1).saturating_sub(order));
        let most = if order < 3 { u64::MAX } else { matched };
        OrderCounts {
            hypothesis: if reference > 0 { hypothesis } else { 0 },
            reference,
            matched: most.min(hypothesis).min(reference),
        }
    };
    let orders: Vec<OrderCounts> = (1..=CHAR_ORDER as u64).map(order).collect();
    ChrfStatistics { orders }.score(beta)
}

const TRIGRAM_BUCKETS: usize = 1 << 12;

/// Calls `visit` with the bucket of every character trigram; returns the number of characters.
fn each_trigram(
    text: &str,
    buckets: &mut [u32; TRIGRAM_BUCKETS],
    mut visit: impl FnMut(&mut u32),
) -> u64 {
    let (mut trigram, mut length) = (0_u64, 0);
    for c in text.chars().filter(|&c| !is_space(c)) {
        // A character takes 21 bits.
        trigram = ((trigram << 21) & ((1 << 63) - 1)) | u64::from(c);
        length += 1;
        if length >= 3 {
            let hash = trigram.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            visit(&mut buckets[(hash >> 52) as usize]);
        }
    }
    length
}

/// Counts all orders up to `max_order` of two symbol sequences.
///
/// An n-gram is identified by the number of its first n-1 symbols and its last symbol, so that
/// every order costs one map lookup per position, and no n-gram is ever copied or confused by a
/// hash collision.
fn count_matches(
    hypothesis: &[u32],
    reference: &[u32],
    max_order: usize,
    orders: &mut Vec<OrderCounts>,
) {
    let mut hypothesis_names = vec![0u32; hypothesis.len()];
    let mut reference_names = vec![0u32; reference.len()];
    let mut names: FxHashMap<u64, u32> = FxHashMap::default();
    let mut open: Vec<u64> = Vec::new();
    for order in 1..=max_order {
        names.clear();
        open.clear();
        let reference_count = (reference.len() + 1).saturating_sub(order);
        let hypothesis_count = (hypothesis.len() + 1).saturating_sub(order);
        for start in 0..reference_count {
            let key = key(reference_names[start], reference[start + order - 1]);
            let next = names.len() as u32;
            let name = *names.entry(key).or_insert(next);
            if name == next {
                open.push(0);
            }
            open[name as usize] += 1;
            reference_names[start] = name;
        }
        let mut matched = 0;
        for start in 0..hypothesis_count {
            let name = match hypothesis_names[start] {
                ABSENT => ABSENT,
                prefix => {
                    let key = key(prefix, hypothesis[start + order - 1]);
                    names.get(&key).copied().unwrap_or(ABSENT)
                }
            };
            if name != ABSENT && open[name as usize] > 0 {
                open[name as usize] -= 1;
                matched += 1;
            }
            hypothesis_names[start] = name;
        }
        orders.push(OrderCounts {
            hypothesis: if reference_count > 0 {
                hypothesis_count as u64
            } else {
                0
            },
            reference: reference_count as u64,
            matched,
        });
    }
}

/// Number of a hypothesis n-gram that the reference lacks; no longer n-gram that begins with it can
/// match either.
const ABSENT: u32 = u32::MAX;

fn key(prefix: u32, last: u32) -> u64 {
    u64::from(prefix) << 32 | u64::from(last)
}

/// White space according to Python's `str.split`: Unicode's, and the four separator control
/// characters.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

fn characters(text: &str) -> Vec<u32> {
    text.chars()
        .filter(|&c| !is_space(c))
        .map(u32::from)
        .collect()
}

fn word_ids<'a>(text: &'a str, ids: &mut FxHashMap<&'a str, u32>) -> Vec<u32> {
    words(text)
        .into_iter()
        .map(|word| {
            let next = ids.len() as u32;
            *ids.entry(word).or_insert(next)
        })
        .collect()
}

/// Words with one leading or trailing ASCII punctuation mark split off, as in chrF++; the trailing
/// mark takes precedence, and `(hi)` gives `(hi` and `)`.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for word in text.split(is_space).filter(|word| !word.is_empty()) {
        let (mut chars, bytes) = (word.chars(), word.as_bytes());
        if chars.next().is_some() && chars.next().is_none() {
            words.push(word);
        } else if bytes[bytes.len() - 1].is_ascii_punctuation() {
            words.extend([&word[..word.len() - 1], &word[word.len() - 1..]]);
        } else if bytes[0].is_ascii_punctuation() {
            words.extend([&word[..1], &word[1..]]);
        } else {
            words.push(word);
        }
    }
    words
}
