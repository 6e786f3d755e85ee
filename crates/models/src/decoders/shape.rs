//! The sizes that all decoders have.

use crate::config_error::{ConfigError, check_sizes};
use crate::layers::AttentionPlan;

/// The sizes of a decoder. Names are those of Llama's `config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// Rows of the token table.
    pub vocab_size: usize,
    /// Width C of the hidden states.
    pub hidden_size: usize,
    /// Width F inside the MLP.
    pub intermediate_size: usize,
    /// Number of blocks.
    pub num_hidden_layers: usize,
    /// Query heads H.
    pub num_attention_heads: usize,
    /// Key and value heads; a divisor of H (grouped-query attention).
    pub num_key_value_heads: usize,
    /// Size D of a head.
    pub head_dim: usize,
    /// Maximum sequence length.
    pub max_position_embeddings: usize,
    /// Whether the output layer is the token table.
    pub tie_word_embeddings: bool,
    /// Number of matrices [C, F] in an MLP: 3 if it has a gate, otherwise 2.
    pub mlp_matrices: usize,
    /// First token of a text, if any.
    pub bos_token_id: Option<u32>,
    /// Tokens that end a generation.
    pub eos_token_ids: Vec<u32>,
}

impl Shape {
    /// Hidden and inner size, layers, heads, key and value heads, and vocabulary; the output layer
    /// is separate from the token table.
    pub fn of_sizes([hidden, inner, layers, heads, kv_heads, vocabulary]: [usize; 6]) -> Self {
        Self {
            vocab_size: vocabulary,
            hidden_size: hidden,
            intermediate_size: inner,
            num_hidden_layers: layers,
            num_attention_heads: heads,
            num_key_value_heads: kv_heads,
            head_dim: hidden / heads.max(1),
            max_position_embeddings: 8192,
            tie_word_embeddings: false,
            mlp_matrices: 3,
            bos_token_id: None,
            eos_token_ids: Vec::new(),
        }
    }

    /// Attention with these sizes as in most models: to all previous tokens, without biases.
    pub(crate) fn attention(&self) -> AttentionPlan {
        AttentionPlan {
            width: self.hidden_size,
            heads: self.num_attention_heads,
            kv_heads: self.num_key_value_heads,
            head_dim: self.head_dim,
            qkv_bias: false,
            output_bias: false,
            scale: 1.0 / (self.head_dim as f32).sqrt(),
            window: None,
            rotary: 0,
        }
    }

    /// Fails if the sizes are inconsistent.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        // A model without blocks is allowed.
        let layers = self.num_hidden_layers.max(1);
        check_sizes(&[
            ("vocab_size", self.vocab_size, 1 << 28),
            ("hidden_size", self.hidden_size, 1 << 20),
            ("intermediate_size", self.intermediate_size, 1 << 24),
            ("num_hidden_layers", layers, 1 << 12),
            ("num_attention_heads", self.num_attention_heads, 1 << 16),
            ("num_key_value_heads", self.num_key_value_heads, 1 << 16),
            ("head_dim", self.head_dim, 1 << 16),
            (
                "max_position_embeddings",
                self.max_position_embeddings,
                1 << 26,
            ),
        ])?;
        if self.max_position_embeddings == 1 {
            return Err(ConfigError::Inconsistent(
                "`max_position_embeddings` is 1, so no token could see another; the minimum is 2"
                    .into(),
            ));
        }
        let (heads, kv_heads) = (self.num_attention_heads, self.num_key_value_heads);
        if !heads.is_multiple_of(kv_heads) {
            return Err(ConfigError::Inconsistent(format!(
                "`num_attention_heads` ({heads}) is not a multiple of `num_key_value_heads` \
                 ({kv_heads})"
            )));
        }
        Ok(())
    }

    /// Fails if rotary embedding, which pairs dimensions, cannot rotate the heads.
    pub(crate) fn check_rotary(&self) -> Result<(), ConfigError> {
        if self.head_dim.is_multiple_of(2) {
            return Ok(());
        }
        Err(ConfigError::Inconsistent(format!(
            "`head_dim` ({}) is odd: rotary embedding pairs its dimensions",
            self.head_dim
        )))
    }

    /// Number of weights of all blocks.
    pub fn block_weights(&self) -> usize {
        let (width, head) = (self.hidden_size, self.head_dim);
        let (queries, keys) = (self.num_attention_heads, self.num_key_value_heads);
        let attention = 2 * width * queries * head + 2 * width * keys * head;
        let mlp = self.mlp_matrices * width * self.intermediate_size;
        self.num_hidden_layers * (attention + mlp)
    }

    /// Number of weights of the token table and, if separate, the output layer.
    pub fn table_weights(&self) -> usize {
        let table = self.vocab_size * self.hidden_size;
        table * if self.tie_word_embeddings { 1 } else { 2 }
    }
}
