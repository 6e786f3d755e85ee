//! Changes to binary formats that keep their outer form, so that what is inside is reached.

use std::io::{Cursor, Read, Write};

use serde_json::Value;

use crate::bytes::{NUMBERS, damage};
use crate::chance::Chance;
use crate::json;

/// A safetensors file whose header is changed as JSON.
pub fn safetensors(chance: &mut Chance, bytes: &mut Vec<u8>, other: &[u8]) {
    let header = bytes
        .first_chunk()
        .map(|size| u64::from_le_bytes(*size) as usize);
    let header = header.and_then(|size| bytes.get(8..8 + size).map(<[u8]>::to_vec));
    let Some(mut header) = header.filter(|_| !chance.once_in(3)) else {
        return damage(chance, bytes, other);
    };
    let data = bytes.split_off(8 + header.len());
    json::change(chance, &mut header);
    *bytes = [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat();
    if chance.once_in(4) {
        not_a_number(chance, bytes);
    }
}

/// Puts NaN or infinity somewhere.
fn not_a_number(chance: &mut Chance, bytes: &mut [u8]) {
    let at = chance.below(bytes.len()) & !3;
    let value = chance
        .of(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY])
        .to_le_bytes();
    if let Some(place) = bytes.get_mut(at..at + 4) {
        place.copy_from_slice(&value);
    }
}

/// A field in the head of a GGUF file.
#[derive(Clone)]
struct Field {
    start: usize,
    end: usize,
    is_text: bool,
}

/// Where the fields of a GGUF file's head are (ggml's `gguf.md`, version 3), as far as it can be
/// followed.
struct GgufHead<'a> {
    bytes: &'a [u8],
    at: usize,
    fields: Vec<Field>,
}

impl GgufHead<'_> {
    fn number(&mut self, width: usize) -> Option<u64> {
        let bytes = self.bytes.get(self.at..self.at + width)?;
        self.fields.push(Field {
            start: self.at,
            end: self.at + width,
            is_text: false,
        });
        self.at += width;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        )
    }

    fn text(&mut self) -> Option<()> {
        let start = self.at;
        let length = self.number(8)?;
        self.fields.pop();
        let end = self.at.checked_add(usize::try_from(length).ok()?)?;
        self.bytes.get(..end)?;
        self.fields.push(Field {
            start,
            end,
            is_text: true,
        });
        self.at = end;
        Some(())
    }

    fn value(&mut self, kind: u64) -> Option<()> {
        match kind {
            0 | 1 | 7 => self.number(1).map(drop),
            2 | 3 => self.number(2).map(drop),
            4..=6 => self.number(4).map(drop),
            10..=12 => self.number(8).map(drop),
            8 => self.text(),
            9 => {
                let kind = self.number(4)?;
                let count = self.number(8)?;
                // Of a long list, the first fields are enough.
                for index in 0..count {
                    let known = self.fields.len();
                    self.value(kind)?;
                    if index > 4 {
                        self.fields.truncate(known);
                    }
                }
                Some(())
            }
            _ => None,
        }
    }

    fn head(&mut self) -> Option<()> {
        self.number(4)?;
        self.number(4)?;
        let tensors = self.number(8)?;
        for _ in 0..self.number(8)? {
            self.text()?;
            let kind = self.number(4)?;
            self.value(kind)?;
        }
        for _ in 0..tensors {
            self.text()?;
            for _ in 0..self.number(4)? {
                self.number(8)?;
            }
            self.number(4)?;
            self.number(8)?;
        }
        Some(())
    }
}

/// A GGUF file with other numbers, names and texts in its head.
pub fn gguf(chance: &mut Chance, bytes: &mut Vec<u8>, other: &[u8]) {
    if chance.once_in(4) {
        return damage(chance, bytes, other);
    }
    for _ in 0..1 + chance.below(3) {
        let mut head = GgufHead {
            bytes,
            at: 0,
            fields: Vec::new(),
        };
        // What could be followed is enough.
        let _ = head.head();
        let fields = head.fields;
        if fields.is_empty() {
            return;
        }
        let field = chance.of(&fields).clone();
        let with = if field.is_text {
            let texts: Vec<&Field> = fields.iter().filter(|field| field.is_text).collect();
            let donor = chance.of(&texts);
            let mut text = bytes[donor.start + 8..donor.end].to_vec();
            if chance.once_in(2) {
                damage(chance, &mut text, &[]);
            }
            [&(text.len() as u64).to_le_bytes()[..], &text].concat()
        } else {
            let width = field.end - field.start;
            let old = bytes[field.start..field.end].to_vec();
            match chance.below(3) {
                0 => chance.of(&NUMBERS).to_le_bytes()[..width].to_vec(),
                1 => vec![old[0].wrapping_add(*chance.of(&[1, 2, 255])); 1]
                    .into_iter()
                    .chain(old[1..].iter().copied())
                    .collect(),
                _ => (0..width).map(|_| chance.byte()).collect(),
            }
        };
        bytes.splice(field.start..field.end, with);
    }
}

/// A file of `torch.save` whose pickle is changed, in an archive that is whole.
pub fn pytorch(chance: &mut Chance, bytes: &mut Vec<u8>, other: &[u8]) {
    let whole = !chance.once_in(3);
    match whole.then(|| entries(bytes)).flatten() {
        None => damage(chance, bytes, other),
        Some(mut entries) => {
            let pickles = entries
                .iter_mut()
                .filter(|(name, _)| name.ends_with("data.pkl"));
            for (_, pickle) in pickles {
                pickle_opcodes(chance, pickle);
            }
            *bytes = archive(&entries);
        }
    }
}

/// What a pickle is made of, besides texts and numbers: opcodes of all protocols.
fn pickle_opcodes(chance: &mut Chance, pickle: &mut Vec<u8>) {
    const OPCODES: &[u8] = b"(.012FIJKLMNRSTUVXabcdeghilmnopqrstu}]{\x80\x81\x82\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95";
    for _ in 0..1 + chance.below(4) {
        let at = chance.below(pickle.len());
        match chance.below(3) {
            0 => pickle.splice(at..at, [*chance.of(OPCODES)]).for_each(drop),
            1 => pickle[at..]
                .iter_mut()
                .take(1)
                .for_each(|byte| *byte = *chance.of(OPCODES)),
            _ => damage(chance, pickle, &[]),
        }
    }
}

/// The entries of a zip archive, which PyTorch stores uncompressed.
fn entries(bytes: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut entries = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).ok()?;
        let name = entry.name().ok()?.into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).ok()?;
        entries.push((name, content));
    }
    Some(entries)
}

fn archive(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        let stored = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored);
        writer.start_file(name.as_str(), stored).expect("an entry");
        writer.write_all(content).expect("in memory");
    }
    writer.finish().expect("in memory").into_inner()
}

/// A `tokenizer.json`: most of its values are its vocabulary, so that is left as it is two times out
/// of three.
pub fn tokenizer(chance: &mut Chance, bytes: &mut Vec<u8>) {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(mut value) if value.is_object() && !chance.once_in(8) => {
            let model = value["model"].take();
            json::change_value(chance, &mut value);
            if let Some(parts) = value.as_object_mut() {
                let mut model = model;
                if chance.once_in(3) {
                    json::change_value(chance, &mut model);
                }
                parts.insert("model".into(), model);
            }
            *bytes = value.to_string().into_bytes();
        }
        _ => json::change(chance, bytes),
    }
}
