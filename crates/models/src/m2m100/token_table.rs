//! The token table, with positions: what encoder and decoder read.

use burn::Tensor;
use burn::module::{Module, Param};
use kernels::{PackedLinear, Segments};

use super::M2m100Config;
use super::positions::Positions;
use crate::checkpoint::CheckpointError;
use crate::layers::{Loader, WeightForm};

/// Names under which checkpoints store the token table; they depend on the version that wrote the
/// checkpoint.
pub(super) const NAMES: [&str; 3] = [
    "shared.weight",
    "encoder.embed_tokens.weight",
    "decoder.embed_tokens.weight",
];

/// Embeds tokens: scaled rows of the token table, plus positions.
#[derive(Module, Debug)]
pub struct TokenTable {
    /// Token table [V, C]; empty in a packed model.
    pub weight: Param<Tensor<2>>,
    /// The token table in the form used for inference.
    #[module(skip)]
    pub(super) packed: Option<PackedLinear>,
    #[module(skip)]
    pub(super) positions: Positions,
    /// Factor of the rows.
    scale: f64,
}

impl TokenTable {
    /// Reads the table under the first of `names` that the checkpoint has.
    pub(crate) fn load(
        config: &M2m100Config,
        loader: &Loader<'_>,
        names: &[String],
        form: WeightForm,
    ) -> Result<Self, CheckpointError> {
        let shape = [config.vocab_size, config.d_model];
        let stored = names.iter().find(|name| loader.contains(name));
        let mut weight = loader.parameter(stored.unwrap_or(&names[0]), shape)?;
        let mut packed = None;
        if let WeightForm::Packed(format) = form {
            packed = Some(PackedLinear::new(weight.val(), None, format));
            weight = Param::from_tensor(Tensor::zeros([0, 0], loader.device));
        }
        Ok(Self {
            weight,
            packed,
            positions: Positions::new(config),
            scale: config.embedding_scale(),
        })
    }

    /// Names of the table, each after `prefix`.
    pub(crate) fn names(prefix: &str) -> Vec<String> {
        NAMES.iter().map(|name| format!("{prefix}{name}")).collect()
    }

    /// Embeddings [T, C] of whole sequences.
    ///
    /// # Panics
    /// If an id is not below V.
    pub fn embed_sequences(&self, ids: &[u32], segments: &Segments) -> Tensor<2> {
        self.embed(ids, &self.positions.of_sequences(ids, segments))
    }

    /// Embeddings [T, C] of tokens at these places.
    pub(super) fn embed(&self, ids: &[u32], places: &[u32]) -> Tensor<2> {
        let rows = match &self.packed {
            Some(table) => table.rows(ids),
            None => kernels::embedding(self.weight.val(), ids),
        };
        let positions = self.positions.rows(places, &rows.device());
        rows * self.scale + positions
    }
}
