//! Models with random weights: for tests, benchmarks and training from scratch.

use burn::tensor::Device;

use super::{Family, Llama, LlamaConfig, tensor_names};
use crate::linear::WeightForm;
use crate::random_weights::RandomWeights;

impl LlamaConfig {
    /// A Llama of hidden and inner size, layers, heads, key and value heads, and vocabulary: without
    /// biases, its output layer apart from its token table.
    pub fn of_sizes(
        [hidden, inner, layers, heads, kv_heads, vocabulary]: [usize; 6],
    ) -> LlamaConfig {
        LlamaConfig {
            family: Family::Llama,
            vocab_size: vocabulary,
            hidden_size: hidden,
            intermediate_size: inner,
            num_hidden_layers: layers,
            num_attention_heads: heads,
            num_key_value_heads: kv_heads,
            head_dim: hidden / heads.max(1),
            rms_norm_eps: 1e-5,
            rope_theta: 10_000.0,
            rope_scaling: None,
            max_position_embeddings: 8192,
            tie_word_embeddings: false,
            qkv_bias: false,
            output_bias: false,
            mlp_bias: false,
            bos_token_id: None,
            eos_token_ids: Vec::new(),
        }
    }
}

impl Llama {
    /// A model with weights from N(0, 0.02²), gains of 1 and biases of 0, as Transformers
    /// initialises it. The same seed gives the same weights everywhere.
    pub fn random(config: &LlamaConfig, seed: u64, device: &Device) -> Self {
        Self::random_as(config, seed, device, WeightForm::Parameters)
    }

    /// [`Llama::random`] with the blocks' weights in `form` as soon as they are drawn.
    pub fn random_as(config: &LlamaConfig, seed: u64, device: &Device, form: WeightForm) -> Self {
        let source = RandomWeights::new(tensor_names(config), seed);
        let llama = Self::load_as(config, &source, device, form);
        llama.unwrap_or_else(|error| unreachable!("random weights have every shape: {error}"))
    }
}
