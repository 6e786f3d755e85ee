//! Changes to text, line by line and piece by piece.

use crate::bytes;
use crate::chance::Chance;

/// Changes a few lines or places of `content`; `pieces` mean something in its format.
pub fn change(chance: &mut Chance, content: &mut Vec<u8>, pieces: &[&str]) {
    for _ in 0..1 + chance.below(4) {
        let mut lines: Vec<Vec<u8>> = content
            .split_inclusive(|byte| *byte == b'\n')
            .map(<[u8]>::to_vec)
            .collect();
        let line = chance.below(lines.len());
        let at = chance.below(content.len() + 1);
        match chance.below(10) {
            0 if !lines.is_empty() => {
                let repeated = lines[line].clone();
                let times = chance.copies(400, repeated.len());
                lines.splice(line..line, std::iter::repeat_n(repeated, times));
                *content = lines.concat();
            }
            1 if !lines.is_empty() => {
                lines.remove(line);
                *content = lines.concat();
            }
            2 if !lines.is_empty() => {
                let other = chance.below(lines.len());
                lines.swap(line, other);
                *content = lines.concat();
            }
            3 => {
                let piece = *chance.of(&ANYWHERE);
                content.splice(at..at, piece.iter().copied());
            }
            4 if chance.once_in(8) => {
                let piece = chance.of(pieces).repeat(1 + chance.place(20_000));
                content.splice(at..at, piece.into_bytes());
            }
            5 => bytes::damage(chance, content, &[]),
            6 if chance.once_in(4) => *content = encoded(chance, content),
            7 => {
                let end = (at + chance.below(40)).min(content.len());
                content.drain(at..end);
            }
            _ => {
                let piece = chance.of(pieces).as_bytes();
                content.splice(at..at, piece.iter().copied());
            }
        }
    }
}

/// What means something in any text, or is none.
const ANYWHERE: [&[u8]; 14] = [
    b"\xEF\xBB\xBF",
    b"\xFF\xFE",
    b"\x00",
    b"\r\n",
    b"\r",
    b"\t",
    b"\"",
    b"\xC3",
    b"\xED\xA0\x80",
    b"\xE2\x80\xA8",
    b"\xF0\x9F\x98\x80",
    b"\x1F\x8B\x08",
    b"%00",
    b"</s>",
];

/// The same text in another encoding.
fn encoded(chance: &mut Chance, content: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(content).into_owned();
    match chance.below(4) {
        0 => [
            b"\xFF\xFE".to_vec(),
            text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ]
        .concat(),
        1 => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        2 => text.chars().map(|c| c as u8).collect(),
        _ => [b"\xEF\xBB\xBF", text.replace('\n', "\r\n").as_bytes()].concat(),
    }
}
