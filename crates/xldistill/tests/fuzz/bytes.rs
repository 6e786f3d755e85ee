//! Damage to bytes.

use crate::chance::Chance;

/// Numbers at which sizes, signs and products overflow.
pub const NUMBERS: [i64; 22] = [
    0,
    1,
    -1,
    2,
    7,
    8,
    31,
    32,
    33,
    255,
    256,
    65_535,
    1 << 20,
    0x0800_0000,
    i32::MAX as i64,
    i32::MIN as i64,
    u32::MAX as i64,
    1 << 32,
    1 << 40,
    1 << 62,
    i64::MAX,
    i64::MIN,
];

/// Damages `bytes` in a few places; `other` is another file of the kind.
pub fn damage(chance: &mut Chance, bytes: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..1 + chance.below(4) {
        let at = chance.place(bytes.len());
        let length = 1 + chance.place(64);
        let end = (at + length).min(bytes.len());
        match chance.below(9) {
            0 => bytes[at..]
                .iter_mut()
                .take(1)
                .for_each(|byte| *byte = chance.byte()),
            1 => bytes[at..]
                .iter_mut()
                .take(1)
                .for_each(|byte| *byte ^= 1 << chance.below(8)),
            2 | 3 => {
                let number = chance.of(&NUMBERS).to_le_bytes();
                let width = *chance.of(&[1, 2, 4, 8]);
                let end = (at + width).min(bytes.len());
                bytes[at..end].copy_from_slice(&number[..end - at]);
            }
            4 => drop(bytes.drain(at..end)),
            5 => {
                let repeated = bytes[at..end].to_vec();
                bytes.splice(at..at, repeated);
            }
            6 => {
                let inserted: Vec<u8> = (0..length).map(|_| chance.byte()).collect();
                bytes.splice(at..at, inserted);
            }
            7 if !other.is_empty() => {
                let from = chance.below(other.len());
                let to = (from + length).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            _ if chance.once_in(4) => bytes.truncate(at),
            _ => bytes[at..end]
                .iter_mut()
                .for_each(|byte| *byte = chance.byte()),
        }
    }
}
