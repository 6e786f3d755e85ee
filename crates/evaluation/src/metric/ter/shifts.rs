//! The number of edits of TER: word edits after the block shifts that save most of them, found
//! greedily with the limits of Tercom and sacrebleu.

use std::collections::HashMap;

/// Longest block that is shifted, in words.
const MAX_SHIFT_SIZE: usize = 10;
/// Longest distance of a shift, in words.
const MAX_SHIFT_DISTANCE: usize = 50;
/// Half the width of the band of the distance matrix that is computed.
const BEAM: usize = 25;
/// Number of shifts that are tried for a segment.
const MAX_CANDIDATES: usize = 1000;

/// An operation that makes the reference out of the hypothesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edit {
    Keep,
    Substitute,
    Insert,
    Delete,
}

/// The number of edits from `hypothesis` to `reference`, both split into words.
pub fn edits(hypothesis: &[&str], reference: &[&str]) -> usize {
    if reference.is_empty() {
        return hypothesis.len();
    }
    let (reference, mut hypothesis) = numbered(reference, hypothesis);
    let (mut shifts, mut checked) = (0, 0);
    loop {
        let best = best_shift(&hypothesis, &reference, &mut checked);
        match best {
            Some((gain, shifted)) if checked < MAX_CANDIDATES && gain > 0 => {
                shifts += 1;
                hypothesis = shifted;
            }
            _ => return shifts + distance(&hypothesis, &reference).0,
        }
    }
}

/// The words as numbers.
fn numbered(reference: &[&str], hypothesis: &[&str]) -> (Vec<u32>, Vec<u32>) {
    let mut ids = HashMap::new();
    let mut id = |word: &&str| {
        let next = ids.len() as u32;
        *ids.entry((*word).to_owned()).or_insert(next)
    };
    let reference = reference.iter().map(&mut id).collect();
    (reference, hypothesis.iter().map(id).collect())
}

/// Order of shifts: edits saved, length, start and target, the latter two negative.
type Order = (i64, usize, i64, i64);

/// The shift of a block of the hypothesis that saves most edits, with the number it saves; of equals
/// the longest block, then the earliest, then the earliest target. `checked` counts the tries.
fn best_shift(
    hypothesis: &[u32],
    reference: &[u32],
    checked: &mut usize,
) -> Option<(i64, Vec<u32>)> {
    let (before, trace) = distance(hypothesis, reference);
    let alignment = Alignment::of(&trace);
    let mut best: Option<(Order, Vec<u32>)> = None;
    for (start, target, length) in matches(hypothesis, reference) {
        let is_right = |wrong: &[bool], from: usize| !wrong[from..from + length].contains(&true);
        let aligned = alignment.of_reference[target];
        // Both sides must be wrong, and the block must move.
        if is_right(&alignment.hypothesis_wrong, start)
            || is_right(&alignment.reference_wrong, target)
            || (start as i64..(start + length) as i64).contains(&aligned)
        {
            continue;
        }
        let mut previous = None;
        for offset in 0..=length {
            // From the place before the target to that of the block's last word but one.
            let position = (target + offset).checked_sub(1);
            let to = match position.map(|at| alignment.of_reference.get(at)) {
                None => 0,
                Some(Some(at)) => (at + 1) as usize,
                Some(None) => break,
            };
            if previous.replace(to) == Some(to) {
                continue;
            }
            let shifted = shift(hypothesis, start, length, to);
            let gain = before as i64 - distance(&shifted, reference).0 as i64;
            let order = (gain, length, -(start as i64), -(to as i64));
            *checked += 1;
            if best.as_ref().is_none_or(|(highest, _)| order > *highest) {
                best = Some((order, shifted));
            }
        }
        if *checked >= MAX_CANDIDATES {
            break;
        }
    }
    best.map(|((gain, ..), shifted)| (gain, shifted))
}

/// Blocks of words that occur in both: (start in the hypothesis, start in the reference, length).
fn matches(hypothesis: &[u32], reference: &[u32]) -> Vec<(usize, usize, usize)> {
    let mut found = Vec::new();
    for start in 0..hypothesis.len() {
        for target in 0..reference.len() {
            if target.abs_diff(start) > MAX_SHIFT_DISTANCE {
                continue;
            }
            let pairs = hypothesis[start..].iter().zip(&reference[target..]);
            let alike = pairs
                .take(MAX_SHIFT_SIZE)
                .take_while(|(one, other)| one == other);
            found.extend((1..=alike.count()).map(|length| (start, target, length)));
        }
    }
    found
}

/// `words` with the block of `length` words at `start` moved to `to`.
fn shift(words: &[u32], start: usize, length: usize, to: usize) -> Vec<u32> {
    let block = &words[start..start + length];
    let parts: [&[u32]; 4] = if to < start {
        [
            &words[..to],
            block,
            &words[to..start],
            &words[start + length..],
        ]
    } else if to > start + length {
        [
            &words[..start],
            &words[start + length..to],
            block,
            &words[to..],
        ]
    } else {
        let end = (length + to).min(words.len());
        let after = &words[start + length..end.max(start + length)];
        [
            &words[..start],
            after,
            block,
            &words[end.max(start + length)..],
        ]
    };
    parts.concat()
}

/// The alignment of a trace.
struct Alignment {
    /// The position in the hypothesis of each word of the reference; −1 before the first.
    of_reference: Vec<i64>,
    reference_wrong: Vec<bool>,
    hypothesis_wrong: Vec<bool>,
}

impl Alignment {
    fn of(trace: &[Edit]) -> Alignment {
        let mut alignment = Alignment {
            of_reference: Vec::new(),
            reference_wrong: Vec::new(),
            hypothesis_wrong: Vec::new(),
        };
        let mut position = -1;
        for edit in trace {
            let is_wrong = *edit != Edit::Keep;
            if *edit != Edit::Insert {
                position += 1;
                alignment.hypothesis_wrong.push(is_wrong);
            }
            if *edit != Edit::Delete {
                alignment.of_reference.push(position);
                alignment.reference_wrong.push(is_wrong);
            }
        }
        alignment
    }
}

/// The edit distance near the diagonal, and the operations: those that make the reference, with
/// `Delete` for a word of the hypothesis that is left out.
fn distance(hypothesis: &[u32], reference: &[u32]) -> (usize, Vec<Edit>) {
    const UNKNOWN: usize = usize::MAX / 2;
    let (rows, width) = (hypothesis.len(), reference.len() + 1);
    let mut costs = vec![(UNKNOWN, Edit::Keep); (rows + 1) * width];
    for (column, cell) in costs[..width].iter_mut().enumerate() {
        *cell = (column, Edit::Insert);
    }
    let ratio = match rows {
        0 => 1.0,
        rows => reference.len() as f64 / rows as f64,
    };
    let beam = match (BEAM as f64) < ratio / 2.0 {
        true => (ratio / 2.0 + BEAM as f64).ceil() as usize,
        false => BEAM,
    };
    for row in 1..=rows {
        let diagonal = (row as f64 * ratio).floor() as usize;
        let last = if row == rows {
            width
        } else {
            width.min(diagonal + beam)
        };
        for column in diagonal.saturating_sub(beam)..last {
            let (above, here) = ((row - 1) * width + column, row * width + column);
            if column == 0 {
                costs[here] = (costs[above].0 + 1, Edit::Delete);
                continue;
            }
            let (same, edit) = match hypothesis[row - 1] == reference[column - 1] {
                true => (0, Edit::Keep),
                false => (1, Edit::Substitute),
            };
            // The first of equals: the order decides which shifts are tried.
            let options = [
                (costs[above - 1].0 + same, edit),
                (costs[above].0 + 1, Edit::Delete),
                (costs[here - 1].0 + 1, Edit::Insert),
            ];
            for option in options {
                if option.0 < costs[here].0 {
                    costs[here] = option;
                }
            }
        }
    }
    let mut trace = Vec::new();
    let (mut row, mut column) = (rows, reference.len());
    while row > 0 || column > 0 {
        let edit = costs[row * width + column].1;
        trace.push(edit);
        row -= usize::from(edit != Edit::Insert);
        column -= usize::from(edit != Edit::Delete);
    }
    trace.reverse();
    (costs[(rows + 1) * width - 1].0, trace)
}
