//! Rotary position embedding (Su et al. 2021) in the half-split layout of Hugging Face.

use std::sync::Arc;

use burn::Tensor;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::TensorData;
use burn_flex::FlexTensor;

use crate::cpu::parallel::{for_each_item, for_each_simd, rows_per_task};
use crate::flex::{dims, is_fast, owned};

/// Cosines and sines of every position, shared by all layers.
///
/// Rope scaling (linear, Llama 3, YaRN …) is expressed by the inverse frequencies; the kernels do
/// not know the schemes.
#[derive(Debug, Clone)]
pub struct RotaryTable {
    inverse_frequencies: Arc<[f32]>,
    scaling: f32,
    /// `[positions, head_dim / 2]` each.
    cosines: Arc<[f32]>,
    sines: Arc<[f32]>,
}

impl RotaryTable {
    /// A table for positions `0..positions`.
    ///
    /// `inverse_frequencies` has head_dim / 2 values, `base^(-2i / head_dim)` in the plain scheme;
    /// `scaling` multiplies cosines and sines (1 except in YaRN and LongRoPE).
    pub fn new(inverse_frequencies: &[f32], scaling: f32, positions: usize) -> Self {
        let angles = || {
            (0..positions).flat_map(|position| {
                inverse_frequencies
                    .iter()
                    .map(move |frequency| position as f32 * frequency)
            })
        };
        Self {
            inverse_frequencies: inverse_frequencies.into(),
            scaling,
            cosines: angles().map(|angle| angle.cos() * scaling).collect(),
            sines: angles().map(|angle| angle.sin() * scaling).collect(),
        }
    }

    /// The plain scheme: frequencies `theta^(-2i / head_dim)`.
    pub fn plain(theta: f64, head_dim: usize, positions: usize) -> Self {
        let frequencies: Vec<f32> = (0..head_dim / 2)
            .map(|i| theta.powf(-2.0 * i as f64 / head_dim as f64) as f32)
            .collect();
        Self::new(&frequencies, 1.0, positions)
    }

    /// Number of positions in the table.
    pub fn positions(&self) -> usize {
        self.cosines.len() / self.half().max(1)
    }

    /// Size of the heads that it rotates.
    pub fn head_dim(&self) -> usize {
        2 * self.half()
    }

    /// The table extended to cover `0..positions`; unchanged if it already does.
    pub fn covering(self, positions: usize) -> Self {
        if positions <= self.positions() {
            return self;
        }
        Self::new(&self.inverse_frequencies, self.scaling, positions)
    }

    fn half(&self) -> usize {
        self.inverse_frequencies.len()
    }

    /// Cosines and sines of one position, head_dim / 2 each.
    pub(crate) fn row(&self, position: u32) -> (&[f32], &[f32]) {
        let start = position as usize * self.half();
        let range = start..start + self.half();
        (&self.cosines[range.clone()], &self.sines[range])
    }
}

/// Rotates each head of `x` [T, H, D] by the angles of its token's position.
///
/// Dimensions i and i + D/2 form a pair (`rotate_half` in Transformers).
///
/// # Panics
/// If `positions` does not have T values, a position is beyond the table, or D differs from that of
/// the table.
pub fn rotary(x: Tensor<3>, table: &RotaryTable, positions: &[u32]) -> Tensor<3> {
    check(&x, table, positions);
    if !is_fast(&x) {
        return portable(x, table, positions);
    }
    let turn = Turn {
        table: table.clone(),
        positions: positions.into(),
        backwards: false,
    };
    Tensor::from_dispatch(<Dispatch as RotaryKernel>::rotary(x.into_dispatch(), turn))
}

/// [`rotary`] in Burn's tensor operations.
pub fn portable(x: Tensor<3>, table: &RotaryTable, positions: &[u32]) -> Tensor<3> {
    let [tokens, heads, head_dim] = x.dims();
    let half = head_dim / 2;
    let gather = |select: fn(&RotaryTable, u32) -> &[f32]| {
        let values: Vec<f32> = positions
            .iter()
            .flat_map(|&position| select(table, position).iter().copied())
            .collect();
        Tensor::<3>::from_data(TensorData::new(values, [tokens, 1, half]), &x.device())
    };
    let cosines = gather(|table, position| table.row(position).0);
    let sines = gather(|table, position| table.row(position).1);

    let low = x.clone().slice([0..tokens, 0..heads, 0..half]);
    let high = x.slice([0..tokens, 0..heads, half..head_dim]);
    let rotated_low = low.clone() * cosines.clone() - high.clone() * sines.clone();
    let rotated_high = high * cosines + low * sines;
    Tensor::cat(vec![rotated_low, rotated_high], 2)
}

/// Angles for the rows of one tensor.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    pub table: RotaryTable,
    pub positions: Arc<[u32]>,
    /// Rotates by the negative angles: the transpose of the rotation, used for gradients.
    pub backwards: bool,
}

impl Turn {
    /// Rotates heads laid out as [T, H, D], with `width` = H · D elements per token.
    pub fn apply(&self, heads: &mut [f32], width: usize) {
        let tokens = rows_per_task(width);
        let direction = if self.backwards { -1.0 } else { 1.0 };
        let parts = heads.chunks_mut((tokens * width).max(1));
        for_each_item(
            parts.zip(self.positions.chunks(tokens)),
            |(rows, positions)| {
                for (row, &position) in rows.chunks_exact_mut(width).zip(positions) {
                    let (cosines, sines) = self.table.row(position);
                    rotate(row, cosines, sines, direction);
                }
            },
        );
    }
}

#[backend_extension(Flex, Autodiff)]
trait RotaryKernel: Backend {
    fn rotary(x: FloatTensor<Self>, turn: Turn) -> FloatTensor<Self>;
}

impl RotaryKernel for Flex {
    fn rotary(x: FlexTensor, turn: Turn) -> FlexTensor {
        let shape: [usize; 3] = dims(&x);
        let mut x = owned(x);
        turn.apply(x.storage_mut::<f32>(), shape[1] * shape[2]);
        x
    }
}

impl<C: CheckpointStrategy> RotaryKernel for Autodiff<Flex, C> {
    fn rotary(x: FloatTensor<Self>, turn: Turn) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        match RotaryBackward
            .prepare::<C>([node])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(preparation) => {
                let back = Turn {
                    backwards: !turn.backwards,
                    ..turn.clone()
                };
                preparation.finish(back, Flex::rotary(x, turn))
            }
            OpsKind::UnTracked(preparation) => preparation.finish(Flex::rotary(x, turn)),
        }
    }
}

#[derive(Debug)]
struct RotaryBackward;

impl Backward<Flex, 1> for RotaryBackward {
    type State = Turn;

    fn backward(self, ops: Ops<Turn, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node);
        let [node] = ops.parents;
        if let Some(node) = node {
            grads.register::<Flex>(node.id, Flex::rotary(gradient, ops.state));
        }
    }
}

for_each_simd! {
    /// All heads of one token, in place.
    fn rotate(heads: &mut [f32], cosines: &[f32], sines: &[f32], direction: f32) {
        let half = cosines.len();
        for head in heads.chunks_exact_mut(2 * half) {
            let (low, high) = head.split_at_mut(half);
            let angles = cosines.iter().zip(sines);
            for ((low, high), (cosine, sine)) in low.iter_mut().zip(high).zip(angles) {
                let (a, b, sine) = (*low, *high, direction * sine);
                *low = a * cosine - b * sine;
                *high = b * cosine + a * sine;
            }
        }
    }
}

fn check(x: &Tensor<3>, table: &RotaryTable, positions: &[u32]) {
    let [tokens, _, head_dim] = x.dims();
    assert_eq!(positions.len(), tokens, "one position for each token");
    assert_eq!(
        head_dim,
        table.head_dim(),
        "head size of the input and of the table"
    );
    let furthest = positions.iter().max().map_or(0, |&p| p as usize + 1);
    assert!(
        furthest <= table.positions(),
        "position {} is beyond the rotary table's {}",
        furthest.saturating_sub(1),
        table.positions()
    );
}
