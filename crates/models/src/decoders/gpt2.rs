//! GPT-2 (Radford et al. 2019): learned positions, layer norms, and queries, keys and values from a
//! single layer. Reference: `modeling_gpt2.py` of Transformers.

use burn::Tensor;
use burn::module::Module;
use kernels::{Activation, Input, Linears};
use serde_json::{Map, Value, json};

use super::config_gguf::{ConfigGguf, GgufConfigError};
use super::config_json::{ConfigJson, object, one_or_many};
use super::tensor_names::{Conversion, TensorNames};
use super::{Architecture, Decoder, GgufMetadata, Shape};
use crate::checkpoint::CheckpointError;
use crate::config_error::ConfigError;
use crate::layers::{Block, Embedding, LayerNorm, Linear, Loader, Pass, run_blocks};

/// The layers that checkpoints store as [in, out]: each is a `Conv1D` of Transformers.
const TRANSPOSED: [&str; 3] = ["c_attn.weight", "c_proj.weight", "c_fc.weight"];

/// Prefix of all tensor names except that of the output layer; published checkpoints omit it.
const ROOT: &str = "transformer.";

/// The configuration of GPT-2.
#[derive(Debug, Clone, PartialEq)]
pub struct Gpt2Config {
    /// Its sizes.
    pub shape: Shape,
    /// ε of the norms.
    pub layer_norm_epsilon: f64,
}

impl Architecture for Gpt2Config {
    type Decoder = Gpt2;

    const MODEL_TYPES: &'static [&'static str] = &["gpt2"];
    const GGUF_ARCHITECTURES: &'static [&'static str] = &["gpt2"];
    const LEARNED_POSITIONS: bool = true;

    fn from_json(json: &ConfigJson) -> Result<Self, ConfigError> {
        json.check_activation("activation_function", "gelu_new")?;
        let plain = "only the attention of the published GPT-2 is supported";
        json.check_unset(&[
            ("scale_attn_weights", json!(true), plain),
            ("scale_attn_by_inverse_layer_idx", json!(false), plain),
            ("add_cross_attention", json!(false), plain),
        ])?;
        let (width, heads): (usize, usize) = (json.required("n_embd")?, json.required("n_head")?);
        if !width.is_multiple_of(heads.max(1)) {
            return Err(ConfigError::Inconsistent(format!(
                "`n_embd` ({width}) is not a multiple of `n_head` ({heads})"
            )));
        }
        let shape = Shape {
            vocab_size: json.required("vocab_size")?,
            hidden_size: width,
            intermediate_size: json.or("n_inner", width.saturating_mul(4))?,
            num_hidden_layers: json.required("n_layer")?,
            num_attention_heads: heads,
            num_key_value_heads: heads,
            head_dim: width / heads.max(1),
            max_position_embeddings: json.required("n_positions")?,
            tie_word_embeddings: json.or("tie_word_embeddings", true)?,
            mlp_matrices: 2,
            bos_token_id: json.get("bos_token_id")?,
            eos_token_ids: json.eos_token_ids()?,
        };
        shape.check()?;
        Ok(Self {
            shape,
            layer_norm_epsilon: json.positive("layer_norm_epsilon", 1e-5)?,
        })
    }

    fn to_json(&self) -> Result<Map<String, Value>, ConfigError> {
        let shape = &self.shape;
        Ok(object(json!({
            "architectures": ["GPT2LMHeadModel"],
            "model_type": "gpt2",
            "vocab_size": shape.vocab_size,
            "n_embd": shape.hidden_size,
            "n_inner": shape.intermediate_size,
            "n_layer": shape.num_hidden_layers,
            "n_head": shape.num_attention_heads,
            "n_positions": shape.max_position_embeddings,
            "activation_function": "gelu_new",
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "tie_word_embeddings": shape.tie_word_embeddings,
            "bos_token_id": shape.bos_token_id,
            "eos_token_id": one_or_many(&shape.eos_token_ids),
        })))
    }

    fn from_gguf(gguf: &ConfigGguf<'_>) -> Result<Self, GgufConfigError> {
        Ok(Self {
            shape: gguf.shape(2)?,
            layer_norm_epsilon: gguf.epsilon("attention.layer_norm_epsilon")?,
        })
    }

    fn to_gguf(&self) -> Result<GgufMetadata, ConfigError> {
        let mut metadata = GgufMetadata::of_shape("gpt2", &self.shape);
        metadata.number("attention.layer_norm_epsilon", self.layer_norm_epsilon);
        Ok(metadata)
    }

    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn tensor_names(&self) -> TensorNames {
        TensorNames {
            outer: &[
                ("transformer.wte", "token_embd"),
                ("transformer.wpe", "position_embd"),
                ("transformer.ln_f", "output_norm"),
                ("lm_head", "output"),
            ],
            blocks: "transformer.h.",
            block: &[
                ("ln_1", "attn_norm"),
                ("attn.c_attn", "attn_qkv"),
                ("attn.c_proj", "attn_output"),
                ("ln_2", "ffn_norm"),
                ("mlp.c_fc", "ffn_up"),
                ("mlp.c_proj", "ffn_down"),
            ],
            converted: |name| match Self::is_transposed(name) {
                true => Conversion::Transposed,
                false => Conversion::Same,
            },
        }
    }

    fn load(&self, loader: &Loader<'_>) -> Result<Gpt2, CheckpointError> {
        loader.root(ROOT, "transformer.wte.weight");
        let shape = &self.shape;
        let (width, inner) = (shape.hidden_size, shape.intermediate_size);
        let norm = |name: String| loader.layer_norm(&name, width, self.layer_norm_epsilon);
        let linear = |name: String, size| loader.transposed_linear(&name, size, true);
        let block = |index: usize| {
            let name = format!("transformer.h.{index}");
            Ok(Gpt2Block {
                ln_1: norm(format!("{name}.ln_1"))?,
                attn: Gpt2Attention {
                    c_attn: linear(format!("{name}.attn.c_attn"), [3 * width, width])?,
                    c_proj: linear(format!("{name}.attn.c_proj"), [width, width])?,
                    heads: shape.num_attention_heads,
                },
                ln_2: norm(format!("{name}.ln_2"))?,
                mlp: Gpt2Mlp {
                    c_fc: linear(format!("{name}.mlp.c_fc"), [inner, width])?,
                    c_proj: linear(format!("{name}.mlp.c_proj"), [width, inner])?,
                },
            })
        };
        let layers = (0..shape.num_hidden_layers).map(block);
        let table = [shape.vocab_size, width];
        let positions = [shape.max_position_embeddings, width];
        Ok(Gpt2 {
            transformer: Gpt2Trunk {
                h: layers.collect::<Result<_, _>>()?,
                wte: loader.embedding("transformer.wte", table)?,
                wpe: loader.embedding("transformer.wpe", positions)?,
                ln_f: norm("transformer.ln_f".into())?,
            },
            lm_head: loader.output_layer(
                "lm_head",
                table,
                shape.tie_word_embeddings,
                "transformer.wte",
            )?,
        })
    }

    fn is_buffer(name: &str) -> bool {
        name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias")
    }

    fn is_transposed(name: &str) -> bool {
        TRANSPOSED.iter().any(|layer| name.ends_with(layer))
    }
}

/// A GPT-2 with its output layer.
#[derive(Module, Debug)]
pub struct Gpt2 {
    /// Everything below the output layer.
    pub transformer: Gpt2Trunk,
    /// Output layer; `None` if it is the token table.
    pub lm_head: Option<Linear>,
}

/// Everything below the output layer.
#[derive(Module, Debug)]
pub struct Gpt2Trunk {
    /// Token table.
    pub wte: Embedding,
    /// Positions.
    pub wpe: Embedding,
    /// Blocks, first to last.
    pub h: Vec<Gpt2Block>,
    /// Norm of the last block's output.
    pub ln_f: LayerNorm,
}

/// Attention, then the MLP, each with a preceding norm and a residual connection.
#[derive(Module, Debug)]
pub struct Gpt2Block {
    /// Norm before attention.
    pub ln_1: LayerNorm,
    /// Attention.
    pub attn: Gpt2Attention,
    /// Norm before the MLP.
    pub ln_2: LayerNorm,
    /// MLP.
    pub mlp: Gpt2Mlp,
}

/// Attention, with queries, keys and values from one layer.
#[derive(Module, Debug)]
pub struct Gpt2Attention {
    /// Queries, keys and values [3·C, C].
    pub c_attn: Linear,
    /// Output [C, C].
    pub c_proj: Linear,
    /// H.
    pub heads: usize,
}

/// MLP with GELU.
#[derive(Module, Debug)]
pub struct Gpt2Mlp {
    /// In [F, C].
    pub c_fc: Linear,
    /// Out [C, F].
    pub c_proj: Linear,
}

impl Block for Gpt2Block {
    fn forward(&self, x: Tensor<2>, layer: usize, pass: &mut Pass<'_>) -> Tensor<2> {
        let attention = &self.attn;
        let Linears {
            outputs: [qkv],
            source: x,
        } = Linear::each([&attention.c_attn], self.ln_1.input(x), pass.mask(layer, 0));
        let ([tokens, width], heads) = (x.dims(), attention.heads);
        let qkv = qkv.reshape([tokens, 3 * heads, width / heads]);
        let part = |index: usize| qkv.clone().slice_dim(1, index * heads..(index + 1) * heads);
        let scale = 1.0 / ((width / heads) as f32).sqrt();
        let attended = pass.attend([part(0), part(1), part(2)], layer, scale, None);
        let attended = Input::Plain(attended.reshape([tokens, width]));
        let x = attention.c_proj.onto(attended, x, pass.mask(layer, 3));

        let Linears {
            outputs: [inner],
            source: x,
        } = Linear::each([&self.mlp.c_fc], self.ln_2.input(x), pass.mask(layer, 4));
        let inner = Input::Activated {
            x: inner,
            activation: Activation::GeluTanh,
        };
        self.mlp.c_proj.last_onto(inner, x, pass.mask(layer, 6))
    }
}

impl Decoder for Gpt2 {
    fn embed(&self, ids: &[u32], positions: &[u32]) -> Tensor<2> {
        self.embed_states(self.transformer.wte.forward(ids), positions)
    }

    fn embed_states(&self, states: Tensor<2>, positions: &[u32]) -> Tensor<2> {
        states + self.transformer.wpe.forward(positions)
    }

    fn forward(&self, embedded: Tensor<2>, pass: &mut Pass<'_>) -> Tensor<2> {
        let hidden = run_blocks(&self.transformer.h, embedded, pass);
        self.transformer.ln_f.forward(hidden)
    }

    fn token_table(&self) -> &Embedding {
        &self.transformer.wte
    }

    fn output_layer(&self) -> &Option<Linear> {
        &self.lm_head
    }

    fn output_layer_mut(&mut self) -> &mut Option<Linear> {
        &mut self.lm_head
    }

    fn linears_mut(&mut self) -> Vec<(String, &mut Linear)> {
        let blocks = self.transformer.h.iter_mut().enumerate();
        let of_block = blocks.flat_map(|(index, block)| {
            let layers = [
                ("attn.c_attn", &mut block.attn.c_attn),
                ("attn.c_proj", &mut block.attn.c_proj),
                ("mlp.c_fc", &mut block.mlp.c_fc),
                ("mlp.c_proj", &mut block.mlp.c_proj),
            ];
            layers.map(|(name, layer)| (format!("{ROOT}h.{index}.{name}"), layer))
        });
        of_block.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    #[test]
    fn learned_positions_end() {
        let config = r#"{"model_type": "gpt2", "vocab_size": 9, "n_embd": 8, "n_head": 2,
            "n_layer": 1, "n_positions": 48}"#;
        let config = Config::from_json(config).unwrap();
        assert_eq!(config.longest_sequence(), Some(48));
    }
}
