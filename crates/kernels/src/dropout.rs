//! Dropout whose mask is a function of a seed and the position, so that the backward pass
//! recomputes it instead of storing it.

use burn::Tensor;
use burn::tensor::TensorData;

use crate::cpu::parallel::{TASK, for_each_item, for_each_simd};
use crate::pool::Values;

/// Dropout (Srivastava et al. 2014): values that are not dropped are scaled up by 1 / (1 - share).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// Share of the values that become zero, in [0, 1).
    pub share: f64,
    /// The same seed drops the same positions.
    pub seed: u64,
}

impl Dropout {
    /// An independent mask for each `place`, e.g. the index of a layer.
    pub fn at(self, place: u64) -> Self {
        // SplitMix64 (Steele, Lea and Flood 2014).
        let mut bits = self.seed ^ place.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let seed = bits ^ (bits >> 31);
        Self { seed, ..self }
    }

    /// `x` without the dropped values.
    pub(crate) fn applied(self, x: &[f32]) -> Values {
        let mut dropped = Values::take(x.len());
        self.each(&mut dropped, x, copy_kept);
        dropped
    }

    /// Adds the values of `x` that are not dropped, scaled up, to `sum`.
    pub(crate) fn add_kept(self, sum: &mut [f32], x: &[f32]) {
        self.each(sum, x, add_kept);
    }

    fn each(self, y: &mut [f32], x: &[f32], part: impl Fn(&mut [f32], &[f32], Mask) + Sync) {
        let parts = y.chunks_mut(TASK).zip(x.chunks(TASK)).enumerate();
        for_each_item(parts, |(task, (y, x))| {
            let mask = Mask {
                first: (task * TASK / 2) as u32,
                key: (self.seed ^ (self.seed >> 32)) as u32,
                threshold: (self.share * 65536.0).round() as u32,
                factor: (1.0 / (1.0 - self.share)) as f32,
            };
            part(y, x, mask);
        });
    }
}

/// `x` [T, C] without the dropped values. Differentiable.
pub fn drop_out(x: Tensor<2>, dropout: Dropout) -> Tensor<2> {
    let shape = x.dims();
    let factors = dropout.applied(&vec![1.0; shape[0] * shape[1]]);
    let factors = TensorData::new(factors.to_vec(), shape);
    let device = x.device();
    x * Tensor::from_data(factors, &device)
}

/// The mask of a run of values whose first pair has number `first`.
#[derive(Debug, Clone, Copy)]
struct Mask {
    first: u32,
    key: u32,
    /// Number of values out of 2^16 that are dropped.
    threshold: u32,
    factor: f32,
}

/// Number of values whose factors are computed together; a constant number lets the compiler
/// vectorise.
const LANES: usize = 32;

impl Mask {
    /// The factors of this many values, whose first pair has number `first`. Each pair shares the
    /// 32 uniform bits that MurmurHash3's finaliser derives from its number.
    #[inline(always)]
    fn factors(self, first: u32) -> [f32; LANES] {
        let mut factors = [0.0; LANES];
        let (low, high) = factors.split_at_mut(LANES / 2);
        for ((low, high), pair) in low.iter_mut().zip(high).zip(0..LANES as u32 / 2) {
            let bits = mixed(first.wrapping_add(pair) ^ self.key);
            *low = self.factor_of(bits & 0xFFFF);
            *high = self.factor_of(bits >> 16);
        }
        factors
    }

    #[inline(always)]
    fn factor_of(self, bits: u32) -> f32 {
        if bits < self.threshold {
            0.0
        } else {
            self.factor
        }
    }
}

#[inline(always)]
fn mixed(mut bits: u32) -> u32 {
    bits = (bits ^ (bits >> 16)).wrapping_mul(0x85EB_CA6B);
    bits = (bits ^ (bits >> 13)).wrapping_mul(0xC2B2_AE35);
    bits ^ (bits >> 16)
}

for_each_simd! {
    fn copy_kept(y: &mut [f32], x: &[f32], mask: Mask) {
        let mut pair = mask.first;
        for (y, x) in y.chunks_mut(LANES).zip(x.chunks(LANES)) {
            let factors = mask.factors(pair);
            for ((y, x), factor) in y.iter_mut().zip(x).zip(factors) {
                *y = x * factor;
            }
            pair = pair.wrapping_add(LANES as u32 / 2);
        }
    }
}

for_each_simd! {
    fn add_kept(sum: &mut [f32], x: &[f32], mask: Mask) {
        let mut pair = mask.first;
        for (sum, x) in sum.chunks_mut(LANES).zip(x.chunks(LANES)) {
            let factors = mask.factors(pair);
            for ((sum, x), factor) in sum.iter_mut().zip(x).zip(factors) {
                *sum += x * factor;
            }
            pair = pair.wrapping_add(LANES as u32 / 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_the_share_and_keeps_the_mean() {
        let dropout = Dropout {
            share: 0.05,
            seed: 7,
        };
        let values = dropout.applied(&vec![1.0; 1 << 20]);
        let dropped = values.iter().filter(|&&v| v == 0.0).count() as f64 / values.len() as f64;
        // Four standard deviations of a share of a million draws.
        assert!((dropped - 0.05).abs() < 0.0009, "{dropped} dropped");
        assert!(values.iter().all(|&v| v == 0.0 || v == (1.0 / 0.95) as f32));
    }

    #[test]
    fn masks_of_places_are_independent() {
        let dropout = Dropout {
            share: 0.5,
            seed: 7,
        };
        let ones = vec![1.0; 1 << 16];
        let [a, b] = [0, 1].map(|place| dropout.at(place).applied(&ones));
        let both = a.iter().zip(&*b).filter(|(a, b)| **a > 0.0 && **b > 0.0);
        let share = both.count() as f64 / ones.len() as f64;
        assert!((share - 0.25).abs() < 0.008, "{share} kept by both");
    }

    #[test]
    fn the_sum_gets_what_was_kept() {
        let dropout = Dropout {
            share: 0.3,
            seed: 1,
        };
        let x: Vec<f32> = (0..40_001).map(|v| v as f32).collect();
        let mut sum = vec![1.0; x.len()];
        dropout.add_kept(&mut sum, &x);
        for (sum, kept) in sum.iter().zip(&*dropout.applied(&x)) {
            assert_eq!(*sum, 1.0 + kept);
        }
    }
}
