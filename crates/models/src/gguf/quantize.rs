//! f32 values as GGML blocks: the inverse of [`super::dequantize`] for the formats that are written.
//!
//! Reference: `quants.py` of the `gguf` Python package, whose bytes these are.

use half::{bf16, f16};

use super::BlockFormat;

/// The bytes of `values` in `format`; rows must be whole blocks.
///
/// # Panics
/// If `format` is not F32, F16, BF16 or Q8_0, or the values are no whole number of blocks.
pub fn quantize(format: BlockFormat, values: &[f32]) -> Vec<u8> {
    assert!(values.len().is_multiple_of(format.block_size()));
    match format {
        BlockFormat::F32 => values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect(),
        BlockFormat::F16 => values
            .iter()
            .flat_map(|&value| f16::from_f32(value).to_le_bytes())
            .collect(),
        BlockFormat::BF16 => values
            .iter()
            .flat_map(|&value| bf16::from_f32(value).to_le_bytes())
            .collect(),
        BlockFormat::Q8_0 => values
            .chunks_exact(format.block_size())
            .flat_map(q8_0)
            .collect(),
        other => panic!("{other:?} is read, but not written"),
    }
}

/// A scale in half precision and 32 rounded multiples of it.
fn q8_0(block: &[f32]) -> impl Iterator<Item = u8> {
    let largest = block
        .iter()
        .fold(0.0f32, |most, value| most.max(value.abs()));
    let scale = largest / 127.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    let numbers = block
        .iter()
        .map(move |value| (value * inverse).round() as i8 as u8);
    f16::from_f32(scale)
        .to_le_bytes()
        .into_iter()
        .chain(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::dequantize;

    #[test]
    fn a_block_of_eight_bits_is_a_scale_and_rounded_multiples() {
        let mut values = [0.0f32; 64];
        values[0] = 127.0;
        values[1] = -127.0;
        values[2] = 2.5; // Halves are rounded away from zero.
        values[3] = -3.4;
        let bytes = quantize(BlockFormat::Q8_0, &values);
        assert_eq!(bytes.len(), 2 * 34);
        assert_eq!(bytes[..6], [0x00, 0x3c, 127, 129, 3, 253]);
        assert!(
            bytes[34..].iter().all(|&byte| byte == 0),
            "a block of zeros"
        );
        assert_eq!(
            dequantize(BlockFormat::Q8_0, &bytes)[..4],
            [127.0, -127.0, 3.0, -3.0]
        );
    }
}
