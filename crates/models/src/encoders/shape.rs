//! The sizes that all encoders have.

/// The sizes of an encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncoderShape {
    /// Rows V of the token table.
    pub vocab_size: usize,
    /// Width C of the hidden states.
    pub hidden_size: usize,
    /// Width F inside the feed-forward layers.
    pub intermediate_size: usize,
    /// Number of layers.
    pub layers: usize,
    /// Attention heads H.
    pub heads: usize,
    /// Maximum length of a sequence in tokens, special tokens included.
    pub max_tokens: usize,
}

impl EncoderShape {
    /// Number of weights of the token table.
    pub fn table_weights(&self) -> usize {
        self.vocab_size * self.hidden_size
    }

    /// Number of weights of the linear layers.
    pub fn layer_weights(&self) -> usize {
        self.layers * self.hidden_size * (4 * self.hidden_size + 2 * self.intermediate_size)
    }
}
