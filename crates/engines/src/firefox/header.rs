//! Checks the header of a Marian binary model before its sizes are trusted.

/// Version of the binary format that the engine reads.
const VERSION: u64 = 1;

/// Number of rows of the target embedding: the vocabulary size the model was trained with.
///
/// Fails with a reason if the file is not a model, has another version or is truncated.
pub(super) fn vocabulary_size(file: &[u8]) -> Result<usize, String> {
    let mut reader = Reader { file, at: 0 };
    let version = reader.u64()?;
    if version != VERSION {
        return Err(format!(
            "it begins with {version:#x}, not with version {VERSION} of Marian's binary format"
        ));
    }
    let items = reader.u64()? as usize;
    // Every item has a header of 32 bytes.
    if items > file.len() / 32 {
        return Err(format!("it claims {items} tensors in {} bytes", file.len()));
    }
    let mut headers = Vec::with_capacity(items);
    for _ in 0..items {
        headers.push([reader.u64()?, reader.u64()?, reader.u64()?, reader.u64()?]);
    }
    let mut names = Vec::with_capacity(items);
    for [name_length, ..] in &headers {
        let name = reader.take(*name_length)?;
        let end = name.iter().position(|&b| b == 0).unwrap_or(name.len());
        names.push(String::from_utf8_lossy(&name[..end]));
    }
    let mut vocabulary = None;
    for (name, [_, _, dimensions, _]) in names.iter().zip(&headers) {
        let shape = reader.take(dimensions.saturating_mul(4))?;
        if matches!(name.as_ref(), "Wemb" | "decoder_Wemb") && shape.len() >= 4 {
            let rows = i32::from_le_bytes([shape[0], shape[1], shape[2], shape[3]]);
            vocabulary = usize::try_from(rows).ok();
        }
    }
    let padding = reader.u64()?;
    reader.take(padding)?;
    for (name, [.., length]) in names.iter().zip(&headers) {
        reader.take(*length).map_err(|_| {
            format!(
                "it ends inside tensor {name} ({} bytes); download it again",
                file.len()
            )
        })?;
    }
    vocabulary.ok_or_else(|| "it has no embedding (Wemb)".into())
}

struct Reader<'a> {
    file: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: u64) -> Result<&'a [u8], String> {
        let end = usize::try_from(length)
            .ok()
            .and_then(|length| self.at.checked_add(length));
        let bytes = end.and_then(|end| self.file.get(self.at..end));
        let bytes = bytes
            .ok_or_else(|| format!("it ends inside its header ({} bytes)", self.file.len()))?;
        self.at += bytes.len();
        Ok(bytes)
    }

    fn u64(&mut self) -> Result<u64, String> {
        let bytes = self.take(8)?;
        Ok(u64::from_le_bytes(
            bytes.try_into().expect("8 bytes were taken"),
        ))
    }
}
