//! Computes the common beginnings of examples once.
//!
//! Every prompt begins with the same text of the chat template, and the transfer set asks each
//! question twice, once for an answer in either language. The tokens before the first supervised
//! token have no loss of their own, so a common beginning can be a segment that several examples
//! continue: the loss stays exact, and its gradient flows back into the shared tokens from all of
//! them.

use std::ops::Range;

use super::encode::Encoded;

/// Minimum number of common tokens worth a segment of their own.
const LEAST_SHARED: usize = 8;

/// Part of an example's tokens: a segment of the flat batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Index of an example that has these tokens.
    pub example: usize,
    /// Range of the tokens in that example.
    pub tokens: Range<usize>,
    /// The preceding node; always earlier in the list.
    pub parent: Option<usize>,
}

/// The segments of `examples` and, for each example, the node with the rest of its tokens,
/// including all supervised ones.
pub fn tree(examples: &[&Encoded]) -> (Vec<Node>, Vec<usize>) {
    let mut order: Vec<usize> = (0..examples.len()).collect();
    order.sort_by_key(|&index| (shareable(examples[index]), index));
    let mut tree = Tree {
        examples,
        nodes: Vec::new(),
        leaves: vec![0; examples.len()],
    };
    tree.grow(&order, 0, None);
    (tree.nodes, tree.leaves)
}

/// Each example as a separate segment.
pub fn flat(examples: &[&Encoded]) -> (Vec<Node>, Vec<usize>) {
    let nodes = examples.iter().enumerate().map(|(example, encoded)| Node {
        example,
        tokens: 0..encoded.input_tokens(),
        parent: None,
    });
    (nodes.collect(), (0..examples.len()).collect())
}

/// The tokens of an example that can be shared: those whose next token is not supervised.
pub fn shareable(example: &Encoded) -> &[u32] {
    &example.ids[..example.answer_start - 1]
}

/// Number of shareable tokens that two examples have in common.
pub fn common(a: &Encoded, b: &Encoded) -> usize {
    let pairs = shareable(a).iter().zip(shareable(b));
    pairs.take_while(|(a, b)| a == b).count()
}

struct Tree<'a> {
    examples: &'a [&'a Encoded],
    nodes: Vec<Node>,
    leaves: Vec<usize>,
}

impl Tree<'_> {
    /// Adds `group`, sorted examples whose first `depth` tokens are those of `parent` and its
    /// ancestors.
    fn grow(&mut self, group: &[usize], depth: usize, parent: Option<usize>) {
        let examples = self.examples;
        let is_near =
            |a: &usize, b: &usize| common(examples[*a], examples[*b]) >= depth + LEAST_SHARED;
        for alike in group.chunk_by(is_near) {
            let first = alike[0];
            let shared = (alike.windows(2))
                .map(|pair| common(examples[pair[0]], examples[pair[1]]))
                .min();
            match shared {
                Some(shared) => {
                    let node = self.add(first, depth..shared, parent);
                    self.grow(alike, shared, Some(node));
                }
                None => {
                    let rest = depth..examples[first].input_tokens();
                    self.leaves[first] = self.add(first, rest, parent);
                }
            }
        }
    }

    fn add(&mut self, example: usize, tokens: Range<usize>, parent: Option<usize>) -> usize {
        self.nodes.push(Node {
            example,
            tokens,
            parent,
        });
        self.nodes.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corpus::record::Subset;

    /// A prompt of these tokens and an answer of three tokens.
    fn example(prompt: impl IntoIterator<Item = u32>) -> Encoded {
        let mut ids: Vec<u32> = prompt.into_iter().collect();
        let answer_start = ids.len();
        ids.extend([900, 901, 902]);
        Encoded {
            id: String::new(),
            subset: Subset::LL,
            ids,
            answer_start,
            teacher_prompt: None,
        }
    }

    fn tokens_along(nodes: &[Node], examples: &[&Encoded], leaf: usize) -> Vec<u32> {
        let mut path: Vec<&Node> = std::iter::successors(Some(&nodes[leaf]), |node| {
            node.parent.map(|parent| &nodes[parent])
        })
        .collect();
        path.reverse();
        path.iter()
            .flat_map(|node| examples[node.example].ids[node.tokens.clone()].to_vec())
            .collect()
    }

    #[test]
    fn every_example_is_whole_along_its_path() {
        let template = 0..20;
        let question = |n: u32| template.clone().chain(n..n + 12);
        let examples = [
            example(question(100)),
            example(question(200).chain([50, 51])),
            example(question(100).chain([50, 51])),
            example(question(200)),
            example(300..305),
            example(question(100)),
        ];
        let examples: Vec<&Encoded> = examples.iter().collect();
        let (nodes, leaves) = tree(&examples);
        for (example, &leaf) in examples.iter().zip(&leaves) {
            let inputs = &example.ids[..example.input_tokens()];
            assert_eq!(tokens_along(&nodes, &examples, leaf), inputs);
            let first_supervised = example.answer_start - 1;
            assert!(nodes[leaf].tokens.contains(&first_supervised));
        }
        let computed: usize = nodes.iter().map(|node| node.tokens.len()).sum();
        // The template once and each question once, except for the last token of a prompt.
        let rests = [3, 5, 5, 3, 3].iter().sum::<usize>() + 7;
        assert!(computed <= 20 + 2 * 12 + rests, "{computed}");
    }

    #[test]
    fn what_is_supervised_is_never_shared() {
        let twins = [example(0..40), example(0..40)];
        let (nodes, leaves) = tree(&twins.iter().collect::<Vec<_>>());
        assert_ne!(leaves[0], leaves[1]);
        assert_eq!(nodes[0].tokens, 0..39);
        assert_eq!(nodes[leaves[0]].tokens, 39..42);
    }

    #[test]
    fn a_few_common_tokens_are_not_shared() {
        let examples = [example(0..7), example(0..9)];
        let (nodes, _) = tree(&examples.iter().collect::<Vec<_>>());
        assert!(nodes.iter().all(|node| node.parent.is_none()));
    }
}
