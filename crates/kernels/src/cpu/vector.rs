//! Arithmetic that the compiler vectorises when it is inlined into a `for_each_simd!` body.

/// Lanes of a running sum: two AVX-512 registers, enough to hide the latency of an addition.
const LANES: usize = 32;

/// Σ a · b.
#[inline(always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    sum_of(a, b, |a, b| a * b)
}

/// Σ term(a, b).
#[inline(always)]
pub fn sum_of(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let (a_parts, b_parts) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = (a_parts.remainder().iter())
        .zip(b_parts.remainder())
        .map(|(&a, &b)| term(a, b))
        .sum();
    for (a, b) in a_parts.zip(b_parts) {
        for lane in 0..LANES {
            sums[lane] += term(a[lane], b[lane]);
        }
    }
    fold(sums, |a, b| a + b) + rest
}

/// The largest value; -∞ if there is none.
#[inline(always)]
pub fn max(values: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let mut best = [f32::NEG_INFINITY; LANES];
    let parts = values.chunks_exact(LANES);
    let rest = parts
        .remainder()
        .iter()
        .copied()
        .fold(f32::NEG_INFINITY, larger);
    for part in parts {
        for lane in 0..LANES {
            best[lane] = larger(best[lane], part[lane]);
        }
    }
    larger(fold(best, larger), rest)
}

/// Replaces each value v by exp(v · scale - shift); returns the sum.
#[inline(always)]
pub fn exp_sum(values: &mut [f32], scale: f32, shift: f32) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let mut parts = values.chunks_exact_mut(LANES);
    for part in &mut parts {
        for lane in 0..LANES {
            part[lane] = exp(part[lane] * scale - shift);
            sums[lane] += part[lane];
        }
    }
    // The rest also goes through a whole register: one by one, it would cost as much as everything
    // before.
    let rest = parts.into_remainder();
    let mut part = [0.0_f32; LANES];
    part[..rest.len()].copy_from_slice(rest);
    for lane in 0..LANES {
        part[lane] = exp(part[lane] * scale - shift);
        sums[lane] += if lane < rest.len() { part[lane] } else { 0.0 };
    }
    rest.copy_from_slice(&part[..rest.len()]);
    fold(sums, |a, b| a + b)
}

/// a += factor · b.
#[inline(always)]
pub fn add_scaled(a: &mut [f32], factor: f32, b: &[f32]) {
    for (a, b) in a.iter_mut().zip(b) {
        *a += factor * b;
    }
}

/// Combines lanes pairwise, always by the same tree.
#[inline(always)]
fn fold(lanes: [f32; LANES], combine: impl Fn(f32, f32) -> f32) -> f32 {
    // Through memory: if the compiler sees the tree together with the loop that filled the lanes,
    // it vectorises the tree, two lanes wide, and the loop with it.
    let lanes = std::hint::black_box(lanes);
    let sixteen: [f32; 16] = std::array::from_fn(|i| combine(lanes[i], lanes[i + 16]));
    let eight: [f32; 8] = std::array::from_fn(|i| combine(sixteen[i], sixteen[i + 8]));
    let four: [f32; 4] = std::array::from_fn(|i| combine(eight[i], eight[i + 4]));
    combine(combine(four[0], four[2]), combine(four[1], four[3]))
}

/// e^x to 2 ulp, without a branch; x is clamped to ±87.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    /// Adding it rounds to an integer and leaves that integer in the low mantissa bits.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts, so that n · ln 2 is subtracted exactly (Cody and Waite).
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = if x > 87.0 { 87.0 } else { x };
    let x = if x < -87.0 { -87.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    // Cephes' polynomial for e^r on |r| ≤ ln 2 / 2.
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 5e-1;
    let value = p * r * r + r + 1.0;
    f32::from_bits(value.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// The error function, without a branch: Abramowitz and Stegun 7.1.26, whose error is below
/// 1.5e-7 before rounding.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let mut p = 1.061_405_4;
    p = p * t - 1.453_152;
    p = p * t + 1.421_413_7;
    p = p * t - 0.284_496_74;
    p = p * t + 0.254_829_6;
    let tail = p * t * exp(-x * x);
    (1.0 - tail).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_exact_to_two_ulp() {
        for i in -8_700..=8_700 {
            let x = i as f32 / 100.0;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 2.4e-7, "exp({x}) is off by {error}");
        }
        assert!(exp(f32::NEG_INFINITY) < 1e-37);
    }

    /// erf by its Maclaurin series, in double precision.
    fn erf_series(x: f64) -> f64 {
        let mut term = x;
        let mut sum = x;
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    }

    #[test]
    fn erf_is_exact_to_four_parts_in_ten_million() {
        for i in -400..=400 {
            let x = i as f32 / 100.0;
            let error = (f64::from(erf(x)) - erf_series(f64::from(x))).abs();
            assert!(error < 4e-7, "erf({x}) is off by {error}");
        }
        assert_eq!(erf(30.0), 1.0);
        assert_eq!(erf(-30.0), -1.0);
    }

    #[test]
    fn reductions_take_any_length() {
        for length in [0, 1, 15, 17, 31, 32, 33, 97] {
            let values: Vec<f32> = (0..length).map(|i| (i as f32 * 0.7).sin()).collect();
            let exact: f64 = values.iter().map(|&v| f64::from(v).powi(2)).sum();
            assert!((f64::from(dot(&values, &values)) - exact).abs() < 1e-5);
            let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(max(&values), largest);
        }
    }
}
