//! Scores of sequences that begin alike, such as the choices of a question after its passage.

use std::ops::Range;

use kernels::{Segments, linear_cross_entropy};

use super::{ScoredSequence, TOKENS_PER_PASS, log_probabilities};
use crate::language_model::LanguageModel;

/// Natural-log probability of each scored token, for each sequence of each group; the tokens that
/// all sequences of a group begin with are computed once.
///
/// If a sequence is beyond the model's context, those of its group are computed one by one, each
/// without the first tokens that do not fit (as in lm-evaluation-harness), or in windows if scored
/// tokens would be among them ([`log_probabilities`]).
pub fn log_probabilities_of_alternatives(
    model: &LanguageModel,
    groups: &[Vec<ScoredSequence>],
) -> Vec<Vec<Vec<f32>>> {
    // The last token is predicted and not read.
    let longest = model.config.max_position_embeddings + 1;
    let mut results: Vec<Vec<Vec<f32>>> = Vec::with_capacity(groups.len());
    let mut trees = Vec::new();
    for (group, sequences) in groups.iter().enumerate() {
        results.push(vec![Vec::new(); sequences.len()]);
        if sequences
            .iter()
            .all(|sequence| sequence.ids.len() <= longest)
        {
            trees.push(Tree::new(group, 0, sequences, 0));
            continue;
        }
        for (number, sequence) in sequences.iter().enumerate() {
            let cut = sequence.ids.len().saturating_sub(longest);
            let sequence = std::slice::from_ref(sequence);
            if cut > 0 && sequence[0].from <= cut {
                let windows = log_probabilities(model, sequence, &mut |_| {});
                results[group][number] = windows.concat();
            } else {
                trees.push(Tree::new(group, number, sequence, cut));
            }
        }
    }
    let mut rest = trees.as_slice();
    while !rest.is_empty() {
        let mut tokens = 0;
        let fits = rest.iter().take_while(|tree| {
            tokens += tree.tokens();
            tokens <= TOKENS_PER_PASS
        });
        let (pass, later) = rest.split_at(fits.count().max(1));
        score(model, pass, &mut results);
        rest = later;
    }
    results
}

/// Sequences of a group as a beginning that they continue.
struct Tree<'a> {
    /// Which group.
    group: usize,
    /// Position of the first sequence in its group.
    first: usize,
    /// The tokens that all read before they part; the token after them is the same, too.
    root: &'a [u32],
    branches: Vec<Branch<'a>>,
}

struct Branch<'a> {
    /// Tokens from the root's end to the last.
    ids: &'a [u32],
    /// Positions of the scored tokens, counted from the root's beginning.
    scored: Range<usize>,
}

impl<'a> Tree<'a> {
    /// `sequences` without their first `cut` tokens, which are not scored.
    fn new(group: usize, first: usize, sequences: &'a [ScoredSequence], cut: usize) -> Self {
        let ids = || sequences.iter().map(|sequence| &sequence.ids[cut..]);
        let one = ids().next().unwrap_or_default();
        let alike = ids().fold(one.len(), |alike, other| {
            let pairs = one[..alike].iter().zip(other);
            pairs.take_while(|(token, other)| token == other).count()
        });
        // Every branch keeps two tokens: one that is read and one that is predicted.
        let shortest = ids().map(<[u32]>::len).min().unwrap_or(0);
        let end = alike.saturating_sub(1).min(shortest.saturating_sub(2));
        let branches = sequences.iter().zip(ids()).map(|(sequence, ids)| {
            let from = sequence.from.saturating_sub(cut).max(1);
            Branch {
                ids: &ids[end..],
                scored: from.min(ids.len())..ids.len(),
            }
        });
        Self {
            group,
            first,
            root: &one[..end],
            branches: branches.collect(),
        }
    }

    fn tokens(&self) -> usize {
        self.root.len()
            + self
                .branches
                .iter()
                .map(|branch| branch.ids.len())
                .sum::<usize>()
    }
}

/// One forward pass over `trees`.
fn score(model: &LanguageModel, trees: &[Tree<'_>], results: &mut [Vec<Vec<f32>>]) {
    let (mut ids, mut nodes) = (Vec::new(), Vec::new());
    for tree in trees {
        let root = nodes.len();
        nodes.push((tree.root.len(), None));
        ids.extend_from_slice(tree.root);
        for branch in &tree.branches {
            // The last token is predicted and never read.
            let read = branch.ids.len().saturating_sub(1);
            nodes.push((read, Some(root)));
            ids.extend_from_slice(&branch.ids[..read]);
        }
    }
    if ids.is_empty() {
        return;
    }
    let segments = Segments::tree(nodes);
    let mut targets = vec![kernels::IGNORE; ids.len()];
    // Row of the token that predicts each scored position.
    let mut rows: Vec<(usize, usize, usize)> = Vec::new();
    let mut segment = 0;
    for tree in trees {
        let root = segments.range(segment);
        for (number, branch) in tree.branches.iter().enumerate() {
            let own = segments.range(segment + 1 + number);
            for position in branch.scored.clone() {
                let before = position - 1;
                let row = match before.checked_sub(root.len()) {
                    None => root.start + before,
                    Some(within) => own.start + within,
                };
                targets[row] = match position.checked_sub(root.len()) {
                    None => tree.root[position],
                    Some(within) => branch.ids[within],
                };
                rows.push((tree.group, tree.first + number, row));
            }
        }
        segment += 1 + tree.branches.len();
    }
    let weights = vec![1.0; ids.len()];
    let losses = kernels::together(&model.network.device(), || {
        let hidden = model.network.forward(&ids, &segments);
        let output_weight = model.network.output_weight();
        linear_cross_entropy(hidden, output_weight, &targets, &weights).token_losses
    });
    for (group, number, row) in rows {
        results[group][number].push(-losses[row]);
    }
}
