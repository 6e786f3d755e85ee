//! GGML's block formats and their conversion to f32.
//!
//! Reference: `ggml-quants.c` of llama.cpp and the `gguf` Python package. Products are computed in
//! the same order, so the values are equal to the last bit.

use half::{bf16, f16};
use rayon::prelude::*;

/// Storage format of a tensor's values, in blocks of a fixed number of values. Its number is GGML's
/// type code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(non_camel_case_types)]
pub enum BlockFormat {
    /// IEEE single precision.
    F32 = 0,
    /// IEEE half precision.
    F16 = 1,
    /// bfloat16.
    BF16 = 30,
    /// 4 bits and a scale for 32 values.
    Q4_0 = 2,
    /// 4 bits, a scale and a minimum for 32 values.
    Q4_1 = 3,
    /// 5 bits and a scale for 32 values.
    Q5_0 = 6,
    /// 5 bits, a scale and a minimum for 32 values.
    Q5_1 = 7,
    /// 8 bits and a scale for 32 values.
    Q8_0 = 8,
    /// 2 bits, 16 sub-blocks of 16 values.
    Q2_K = 10,
    /// 3 bits, 16 sub-blocks of 16 values.
    Q3_K = 11,
    /// 4 bits, 8 sub-blocks of 32 values.
    Q4_K = 12,
    /// 5 bits, 8 sub-blocks of 32 values.
    Q5_K = 13,
    /// 6 bits, 16 sub-blocks of 16 values.
    Q6_K = 14,
}

/// Number of values in a block of the K formats.
const SUPER_BLOCK: usize = 256;

impl BlockFormat {
    /// The format for GGML's type code; `None` if it is not supported.
    pub fn from_code(code: u32) -> Option<Self> {
        Some(match code {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            6 => Self::Q5_0,
            7 => Self::Q5_1,
            8 => Self::Q8_0,
            10 => Self::Q2_K,
            11 => Self::Q3_K,
            12 => Self::Q4_K,
            13 => Self::Q5_K,
            14 => Self::Q6_K,
            30 => Self::BF16,
            _ => return None,
        })
    }

    /// GGML's type code.
    pub fn code(self) -> u32 {
        self as u32
    }

    /// Number of values in a block.
    pub fn block_size(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => 32,
            Self::Q2_K | Self::Q3_K | Self::Q4_K | Self::Q5_K | Self::Q6_K => SUPER_BLOCK,
        }
    }

    /// Number of bytes in a block.
    pub fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
            Self::Q2_K => 84,
            Self::Q3_K => 110,
            Self::Q4_K => 144,
            Self::Q5_K => 176,
            Self::Q6_K => 210,
        }
    }

    fn decoder(self) -> fn(&[u8], &mut [f32]) {
        match self {
            Self::F32 => |block, y| y[0] = f32::from_le_bytes(std::array::from_fn(|i| block[i])),
            Self::F16 => |block, y| y[0] = half_at(block, 0),
            Self::BF16 => |block, y| y[0] = bf16::from_le_bytes([block[0], block[1]]).to_f32(),
            Self::Q4_0 => q4_0,
            Self::Q4_1 => q4_1,
            Self::Q5_0 => q5_0,
            Self::Q5_1 => q5_1,
            Self::Q8_0 => q8_0,
            Self::Q2_K => q2_k,
            Self::Q3_K => q3_k,
            Self::Q4_K => q4_k,
            Self::Q5_K => q5_k,
            Self::Q6_K => q6_k,
        }
    }
}

/// The values of consecutive blocks as f32, converted in parallel.
///
/// # Panics
/// If `bytes` is not a whole number of blocks.
pub fn dequantize(format: BlockFormat, bytes: &[u8]) -> Vec<f32> {
    /// Number of blocks per parallel task.
    const CHUNK: usize = 4096;
    let (size, stored) = (format.block_size(), format.block_bytes());
    assert_eq!(
        bytes.len() % stored,
        0,
        "{format:?} data of {} bytes",
        bytes.len()
    );
    let decode = format.decoder();
    let mut values = vec![0.0; bytes.len() / stored * size];
    values
        .par_chunks_mut(CHUNK * size)
        .zip(bytes.par_chunks(CHUNK * stored))
        .for_each(|(values, bytes)| {
            for (y, block) in values
                .chunks_exact_mut(size)
                .zip(bytes.chunks_exact(stored))
            {
                decode(block, y);
            }
        });
    values
}

fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

fn q4_0(block: &[u8], y: &mut [f32]) {
    let scale = half_at(block, 0);
    for (i, &q) in block[2..18].iter().enumerate() {
        y[i] = (i32::from(q & 15) - 8) as f32 * scale;
        y[i + 16] = (i32::from(q >> 4) - 8) as f32 * scale;
    }
}

fn q4_1(block: &[u8], y: &mut [f32]) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    for (i, &q) in block[4..20].iter().enumerate() {
        y[i] = f32::from(q & 15) * scale + minimum;
        y[i + 16] = f32::from(q >> 4) * scale + minimum;
    }
}

/// The 32 values of a 5-bit block: `low` contains four bits of each, `high` the fifth.
fn five_bits(high: &[u8], low: &[u8]) -> [u8; 32] {
    let high = u32::from_le_bytes(std::array::from_fn(|i| high[i]));
    std::array::from_fn(|i| {
        let nibble = if i < 16 {
            low[i] & 15
        } else {
            low[i - 16] >> 4
        };
        nibble | (((high >> i) & 1) as u8) << 4
    })
}

fn q5_0(block: &[u8], y: &mut [f32]) {
    let scale = half_at(block, 0);
    for (y, q) in y.iter_mut().zip(five_bits(&block[2..6], &block[6..22])) {
        *y = (i32::from(q) - 16) as f32 * scale;
    }
}

fn q5_1(block: &[u8], y: &mut [f32]) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    for (y, q) in y.iter_mut().zip(five_bits(&block[4..8], &block[8..24])) {
        *y = f32::from(q) * scale + minimum;
    }
}

fn q8_0(block: &[u8], y: &mut [f32]) {
    let scale = half_at(block, 0);
    for (y, &q) in y.iter_mut().zip(&block[2..34]) {
        *y = f32::from(q as i8) * scale;
    }
}

fn q2_k(block: &[u8], y: &mut [f32]) {
    let (scales, quants) = (&block[..16], &block[16..80]);
    let (scale, minimum) = (half_at(block, 80), half_at(block, 82));
    for (i, y) in y.iter_mut().enumerate() {
        let (part, shift) = (i / 128, i % 128 / 32 * 2);
        let q = quants[part * 32 + i % 32] >> shift & 3;
        let sub = scales[i / 16];
        *y = scale * f32::from(sub & 15) * f32::from(q) - minimum * f32::from(sub >> 4);
    }
}

fn q3_k(block: &[u8], y: &mut [f32]) {
    let (high, quants, packed) = (&block[..32], &block[32..96], &block[96..108]);
    let scale = half_at(block, 108);
    // 16 scales of six bits: four low bits in bytes 0-7, two high bits in bytes 8-11.
    let scales: [i32; 16] = std::array::from_fn(|i| {
        let low = if i < 8 {
            packed[i] & 15
        } else {
            packed[i - 8] >> 4
        };
        let top = packed[8 + i % 4] >> (i / 4 * 2) & 3;
        i32::from(low | top << 4) - 32
    });
    for (i, y) in y.iter_mut().enumerate() {
        let (part, shift) = (i / 128, i % 128 / 32 * 2);
        let low = i32::from(quants[part * 32 + i % 32] >> shift & 3);
        let set = high[i % 32] >> (i / 32) & 1 == 1;
        *y = scale * scales[i / 16] as f32 * (low - if set { 0 } else { 4 }) as f32;
    }
}

/// Scale and minimum `index` of 8, six bits each, from the twelve bytes shared by Q4_K and Q5_K.
fn scale_and_minimum(packed: &[u8], index: usize) -> (f32, f32) {
    let (scale, minimum) = if index < 4 {
        (packed[index] & 63, packed[index + 4] & 63)
    } else {
        (
            packed[index + 4] & 15 | packed[index - 4] >> 6 << 4,
            packed[index + 4] >> 4 | packed[index] >> 6 << 4,
        )
    };
    (f32::from(scale), f32::from(minimum))
}

fn q4_k(block: &[u8], y: &mut [f32]) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    let (packed, quants) = (&block[4..16], &block[16..144]);
    for (sub, y) in y.chunks_exact_mut(32).enumerate() {
        let (s, m) = scale_and_minimum(packed, sub);
        let (s, m) = (scale * s, minimum * m);
        for (y, &q) in y.iter_mut().zip(&quants[sub / 2 * 32..]) {
            *y = s * f32::from(q >> (sub % 2 * 4) & 15) - m;
        }
    }
}

fn q5_k(block: &[u8], y: &mut [f32]) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    let (packed, high, quants) = (&block[4..16], &block[16..48], &block[48..176]);
    for (sub, y) in y.chunks_exact_mut(32).enumerate() {
        let (s, m) = scale_and_minimum(packed, sub);
        let (s, m) = (scale * s, minimum * m);
        for (i, (y, &q)) in y.iter_mut().zip(&quants[sub / 2 * 32..]).enumerate() {
            let q = q >> (sub % 2 * 4) & 15 | (high[i] >> sub & 1) << 4;
            *y = s * f32::from(q) - m;
        }
    }
}

fn q6_k(block: &[u8], y: &mut [f32]) {
    let (low, high, scales) = (&block[..128], &block[128..192], &block[192..208]);
    let scale = half_at(block, 208);
    for (i, y) in y.iter_mut().enumerate() {
        let (part, rest) = (i / 128, i % 128);
        let nibble = low[part * 64 + rest % 64] >> (rest / 64 * 4) & 15;
        let top = high[part * 32 + rest % 32] >> (rest / 32 * 2) & 3;
        let q = i32::from(nibble | top << 4) - 32;
        *y = scale * f32::from(scales[i / 16] as i8) * q as f32;
    }
}
