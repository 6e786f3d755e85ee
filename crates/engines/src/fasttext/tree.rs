//! The Huffman tree of hierarchical softmax (`HierarchicalSoftmaxLoss` of the reference
//! implementation). Leaves are labels; inner node `labels + i` uses row `i` of the output matrix.

/// A binary tree over labels.
pub(super) struct Tree {
    labels: usize,
    /// Left and right child of each inner node.
    children: Vec<[usize; 2]>,
}

/// Count of a node that is not built yet.
const UNBUILT: i64 = 1_000_000_000_000_000;

impl Tree {
    /// The tree of labels with these counts, the most frequent first.
    pub(super) fn new(label_counts: &[i64]) -> Result<Self, String> {
        let labels = label_counts.len();
        let inner = labels.saturating_sub(1);
        let mut counts = label_counts.to_vec();
        counts.resize(labels + inner, UNBUILT);
        let mut children = Vec::with_capacity(inner);
        let (mut leaves, mut node) = (labels, labels);
        for built in labels..labels + inner {
            let mut least = || {
                if leaves > 0 && (node >= built || counts[leaves - 1] < counts[node]) {
                    leaves -= 1;
                    return Some(leaves);
                }
                node += 1;
                (node <= built).then_some(node - 1)
            };
            let (Some(left), Some(right)) = (least(), least()) else {
                return Err("the counts of the labels do not form a tree".into());
            };
            counts[built] = counts[left].saturating_add(counts[right]);
            children.push([left, right]);
        }
        Ok(Self { labels, children })
    }

    /// The most probable label and its probability; `logit` gives the dot product of the row of an
    /// inner node and the text.
    pub(super) fn best(&self, mut logit: impl FnMut(usize) -> f32) -> (usize, f32) {
        let mut best = (0, f32::NEG_INFINITY);
        let root = self.labels + self.children.len() - 1;
        let mut open = vec![(root, 0.0f32)];
        while let Some((node, score)) = open.pop() {
            // Scores only decrease on the way down.
            if score < best.1 {
                continue;
            }
            let Some(inner) = node.checked_sub(self.labels) else {
                if score > best.1 {
                    best = (node, score);
                }
                continue;
            };
            let right = 1.0 / (1.0 + (-logit(inner)).exp());
            let [left_child, right_child] = self.children[inner];
            // The more probable side is popped first, so that more of the other side can be pruned.
            let left = (left_child, score + log(1.0 - right));
            let right = (right_child, score + log(right));
            open.extend(if left.1 < right.1 {
                [left, right]
            } else {
                [right, left]
            });
        }
        (best.0, best.1.exp())
    }
}

/// Logarithm as in the reference implementation, bounded away from minus infinity.
fn log(x: f32) -> f32 {
    (x + 1e-5).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_labels_lie_deep() {
        let tree = Tree::new(&[8, 4, 2, 1]).unwrap();
        assert_eq!(tree.children, [[3, 2], [4, 1], [5, 0]]);
        // Always to the right: the root's right child is the most frequent label.
        let (label, probability) = tree.best(|_| 20.0);
        assert_eq!(label, 0);
        assert!(probability > 0.99);
        let (label, _) = tree.best(|_| -20.0);
        assert_eq!(label, 3);
    }

    #[test]
    fn strange_counts_make_a_tree_or_an_error() {
        for counts in [
            &[][..],
            &[0],
            &[i64::MAX, i64::MAX, i64::MAX],
            &[-5, -5, 7, i64::MIN],
        ] {
            if let Ok(tree) = Tree::new(counts)
                && !counts.is_empty()
            {
                let (label, _) = tree.best(|_| 0.3);
                assert!(label < counts.len());
            }
        }
    }
}
