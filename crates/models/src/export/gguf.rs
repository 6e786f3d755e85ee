//! Writing a model as a GGUF file, for llama.cpp and the programs built on it.

use std::fmt;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::str::FromStr;

use super::ExportError;
use super::files::Folder;
use super::weights::{self, Values};
use crate::decoders::{ROPE_DIVISORS, TensorNames};
use crate::gguf::{BlockFormat, TensorSource, Value, write};
use crate::language_model::LanguageModel;
use crate::layers::NamedLinears;

/// The number format of the matrices in a GGUF file. Vectors are in single precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GgufNumbers {
    /// Single precision: exactly the model.
    F32,
    /// Half precision: half the size; large values overflow.
    F16,
    /// bfloat16: half the size.
    Bf16,
    /// 8 bits and a scale for each 32 values.
    Q8_0,
}

impl GgufNumbers {
    const ALL: [(Self, &'static str); 4] = [
        (Self::F32, "f32"),
        (Self::F16, "f16"),
        (Self::Bf16, "bf16"),
        (Self::Q8_0, "q8_0"),
    ];

    /// The format of a tensor of this shape. Rows that are no whole number of blocks stay in half
    /// precision, as in llama.cpp's converter.
    fn of(self, name: &str, shape: &[usize]) -> BlockFormat {
        let width = shape.last().copied().unwrap_or(1);
        if shape.len() < 2 || name.starts_with("position_embd") {
            return BlockFormat::F32;
        }
        match self {
            Self::F32 => BlockFormat::F32,
            Self::F16 => BlockFormat::F16,
            Self::Bf16 => BlockFormat::BF16,
            Self::Q8_0 if width.is_multiple_of(BlockFormat::Q8_0.block_size()) => BlockFormat::Q8_0,
            Self::Q8_0 => BlockFormat::F16,
        }
    }

    /// llama.cpp's number for the whole file (`llama_ftype`).
    fn file_type(self) -> i64 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q8_0 => 7,
            Self::Bf16 => 32,
        }
    }
}

impl fmt::Display for GgufNumbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = Self::ALL.into_iter();
        f.write_str(
            all.find(|(format, _)| format == self)
                .map_or("", |(_, name)| name),
        )
    }
}

impl FromStr for GgufNumbers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = Self::ALL.into_iter();
        let found = all.find(|(_, name)| name.eq_ignore_ascii_case(text));
        found
            .map(|(format, _)| format)
            .ok_or_else(|| format!("{text:?} is not a number format; use f32, f16, bf16 or q8_0"))
    }
}

/// Writes a GGUF file called `name` into `directory`: weights with adapters merged, tokenizer, chat
/// template. What llama.cpp would compute otherwise is an error.
pub fn save_gguf(
    model: &LanguageModel,
    directory: &Path,
    name: &str,
    numbers: GgufNumbers,
) -> Result<(), ExportError> {
    super::check_whole(&model.network)?;
    let config = model.network.config();
    let of_config = config.to_gguf()?;
    let shape = config.shape();
    let heads = [shape.num_attention_heads, shape.num_key_value_heads];
    let divisors = of_config.rope_divisors.clone();

    let text = |text: &str| Value::Text(text.to_owned());
    let mut metadata = vec![
        (
            "general.architecture".to_owned(),
            text(of_config.architecture),
        ),
        ("general.type".to_owned(), text("model")),
        (
            "general.name".to_owned(),
            text(name.trim_end_matches(".gguf")),
        ),
        (
            "general.file_type".to_owned(),
            Value::Integer(numbers.file_type()),
        ),
        ("general.quantization_version".to_owned(), Value::Integer(2)),
    ];
    if let Some(licence) = &model.identity.licence {
        metadata.push(("general.license".to_owned(), text(licence)));
    }
    let keys = of_config.keys.into_iter();
    metadata.extend(keys.map(|(key, value)| (format!("{}.{key}", of_config.architecture), value)));
    let eos = model.tokenizer.eos_id();
    let end_of_turn = model
        .stop_tokens
        .iter()
        .copied()
        .find(|id| Some(*id) != eos);
    metadata.extend(model.tokenizer.to_gguf(shape.vocab_size, end_of_turn)?);
    if let Some(template) = &model.chat_template {
        metadata.push((
            "tokenizer.chat_template".to_owned(),
            text(template.source()),
        ));
    }

    let merged = model.network.clone().merge_lora();
    let names = config.tensor_names();
    let stored = weights::tensors(&merged);
    let mut tensors: Vec<_> = stored
        .iter()
        .filter_map(|(name, values)| source(name, values, &names, heads, numbers))
        .collect();
    if let Some(divisors) = divisors {
        tensors.push(TensorSource {
            name: ROPE_DIVISORS.to_owned(),
            shape: vec![divisors.len()],
            format: BlockFormat::F32,
            values: Box::new(move || divisors.clone()),
        });
    }
    let folder = Folder::create(directory)?;
    folder.stream(name, |file| {
        let mut out = BufWriter::new(file);
        write(&mut out, &metadata, &tensors)?;
        out.flush()
    })
}

/// A tensor under its GGUF name and in its layout. All tensors of an architecture have a name.
fn source<'v>(
    name: &str,
    values: &'v Values,
    names: &TensorNames,
    heads: [usize; 2],
    numbers: GgufNumbers,
) -> Option<TensorSource<'v>> {
    let stored = names.gguf(name);
    debug_assert!(stored.is_some(), "{name}");
    let stored = stored?;
    let conversion = (names.converted)(name);
    let rows = values.shape()[0];
    let shape = conversion.shape(values.shape());
    Some(TensorSource {
        format: numbers.of(&stored, &shape),
        name: stored,
        shape,
        values: Box::new(move || conversion.applied(values.to_vec(), rows, heads)),
    })
}
