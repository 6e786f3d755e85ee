//! Parameters of CLD3's network, read from the C++ source in which Google publishes them
//! (`lang_id_nn_params.cc`): arrays of numbers and nothing else.
//!
//! The reader is strict: anything but an array of the expected type, name and size is an error that
//! names the line.

use std::collections::HashMap;

use super::script;
use super::source::{Array, Values, read_arrays};

/// Embedding tables: bigrams, quadgrams, relevant scripts, script, trigrams, unigrams.
pub(super) const TABLES: usize = 6;
/// The embedding table of relevant scripts.
pub(super) const RELEVANT_SCRIPTS: usize = 2;
/// The embedding table of the script.
pub(super) const SCRIPT: usize = 3;
/// Rows of the table of relevant scripts.
pub(super) const RELEVANT_SCRIPT_ROWS: usize = 12;
/// Rows of the table of scripts: one per script, and one for Hangul.
const SCRIPT_ROWS: usize = script::COUNT + 1;

/// A table of embeddings: one byte per value and one scale per row.
pub(super) struct Embeddings {
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Row-major; 128 stands for zero.
    weights: Vec<u8>,
    scales: Vec<f32>,
}

impl Embeddings {
    /// Adds `weight` times row `row` to `sum`, which has as many columns.
    pub(super) fn add(&self, row: usize, weight: f32, sum: &mut [f32]) {
        let weight = weight * self.scales[row];
        let values = &self.weights[row * self.columns..][..self.columns];
        for (sum, &value) in sum.iter_mut().zip(values) {
            *sum += (f32::from(value) - 128.0) * weight;
        }
    }
}

/// A layer of `inputs` × `outputs` weights and `outputs` biases.
pub(super) struct Layer {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// Row-major: the outputs of the first input first.
    pub(super) weights: Vec<f32>,
    pub(super) biases: Vec<f32>,
}

/// All parameters of the network.
pub(super) struct Parameters {
    pub(super) embeddings: [Embeddings; TABLES],
    /// Offset of each table's sum in the hidden layer's input.
    pub(super) offsets: [usize; TABLES],
    pub(super) hidden: Layer,
    pub(super) softmax: Layer,
}

impl Parameters {
    /// Reads the source text of the parameters; `labels` is the expected number of languages.
    /// Errors begin with the line they concern.
    pub(super) fn read(source: &str, labels: usize) -> Result<Self, String> {
        let mut arrays = Arrays(read_arrays(source)?);
        let rows = arrays.sizes("kEmbeddingsNumRows", TABLES)?;
        let columns = arrays.sizes("kEmbeddingsNumCols", TABLES)?;
        let offsets = arrays.sizes("kConcatOffsetValues", TABLES)?;
        let mut embeddings = Vec::with_capacity(TABLES);
        let mut end = 0;
        for table in 0..TABLES {
            let (rows, columns) = (rows[table], columns[table]);
            if offsets[table] != end || rows == 0 || columns == 0 {
                return Err(format!(
                    "embedding table {table} of {rows} rows and {columns} columns does not lie at {end} \
                     but at {} (kConcatOffsetValues)",
                    offsets[table]
                ));
            }
            let fixed = match table {
                RELEVANT_SCRIPTS => RELEVANT_SCRIPT_ROWS,
                SCRIPT => SCRIPT_ROWS,
                _ => rows,
            };
            if rows != fixed {
                return Err(format!(
                    "embedding table {table} has {rows} rows; expected {fixed} (kEmbeddingsNumRows)"
                ));
            }
            end += columns;
            embeddings.push(Embeddings {
                rows,
                columns,
                weights: arrays.bytes(
                    &format!("kEmbeddingsWeights{table}"),
                    rows.saturating_mul(columns),
                )?,
                scales: arrays.bfloats(&format!("kEmbeddingsQuantScales{table}"), rows)?,
            });
        }
        let hidden = arrays.layer("kHidden", end)?;
        let softmax = arrays.layer("kSoftmax", hidden.outputs)?;
        if softmax.outputs != labels {
            return Err(format!(
                "it has {} languages; expected {labels}: it belongs to another version of CLD3",
                softmax.outputs
            ));
        }
        let embeddings = <[Embeddings; TABLES]>::try_from(embeddings)
            .map_err(|_| "not six embedding tables".to_owned())?;
        Ok(Self {
            embeddings,
            offsets: std::array::from_fn(|table| offsets[table]),
            hidden,
            softmax,
        })
    }
}

/// The arrays of the file by name.
struct Arrays(HashMap<String, Array>);

impl Arrays {
    fn take(&mut self, name: &str) -> Result<Array, String> {
        self.0
            .remove(name)
            .ok_or_else(|| format!("the array {name} is missing"))
    }

    fn integers(&mut self, name: &str, count: usize, largest: u32) -> Result<Vec<u32>, String> {
        let array = self.take(name)?;
        let line = array.line;
        let Values::Integers(values) = array.values else {
            return Err(format!("line {line}: {name} holds floats, not integers"));
        };
        check_count(name, line, values.len(), count)?;
        match values.iter().position(|&value| value > largest) {
            Some(place) => Err(format!(
                "line {line}: value {place} of {name} is {}; at most {largest} is expected",
                values[place]
            )),
            None => Ok(values),
        }
    }

    /// Counts and offsets.
    fn sizes(&mut self, name: &str, count: usize) -> Result<Vec<usize>, String> {
        let values = self.integers(name, count, 1 << 24)?;
        Ok(values.into_iter().map(|value| value as usize).collect())
    }

    fn bytes(&mut self, name: &str, count: usize) -> Result<Vec<u8>, String> {
        let values = self.integers(name, count, u32::from(u8::MAX))?;
        Ok(values.into_iter().map(|value| value as u8).collect())
    }

    /// Scales are stored as the upper halves of 32-bit floats.
    fn bfloats(&mut self, name: &str, count: usize) -> Result<Vec<f32>, String> {
        let values = self.integers(name, count, u32::from(u16::MAX))?;
        let wide = |value: u32| f32::from_bits(value << 16);
        let values: Vec<f32> = values.into_iter().map(wide).collect();
        check_finite(name, &values)?;
        Ok(values)
    }

    fn floats(&mut self, name: &str, count: usize) -> Result<Vec<f32>, String> {
        let array = self.take(name)?;
        let line = array.line;
        let Values::Floats(values) = array.values else {
            return Err(format!("line {line}: {name} holds integers, not floats"));
        };
        check_count(name, line, values.len(), count)?;
        check_finite(name, &values)?;
        Ok(values)
    }

    fn layer(&mut self, name: &str, inputs: usize) -> Result<Layer, String> {
        let rows = self.sizes(&format!("{name}NumRows"), 1)?[0];
        let outputs = self.sizes(&format!("{name}NumCols"), 1)?[0];
        let biases = self.sizes(&format!("{name}BiasNumRows"), 1)?[0];
        if rows != inputs || outputs == 0 || biases != outputs {
            return Err(format!(
                "{name}: {rows} × {outputs} weights and {biases} biases for {inputs} inputs"
            ));
        }
        Ok(Layer {
            inputs,
            outputs,
            weights: self.floats(&format!("{name}Weights0"), inputs.saturating_mul(outputs))?,
            biases: self.floats(&format!("{name}BiasWeights0"), outputs)?,
        })
    }
}

fn check_finite(name: &str, values: &[f32]) -> Result<(), String> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(place) => Err(format!("value {place} of {name} is {}", values[place])),
    }
}

fn check_count(name: &str, line: usize, found: usize, expected: usize) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!(
        "line {line}: {name} has {found} values; expected {expected}"
    ))
}
