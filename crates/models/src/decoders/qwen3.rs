//! Qwen 3 (Qwen team 2025, arXiv 2505.09388): Llama's block with norms of the queries and keys of
//! each head. Reference: `modeling_qwen3.py` of Transformers.

use kernels::Gate;
use serde_json::{Map, Value, json};

use super::config_gguf::{ConfigGguf, GgufConfigError};
use super::config_json::{ConfigJson, of_shape};
use super::gguf_metadata::cannot;
use super::llama::LlamaBlock;
use super::stack::Stack;
use super::tensor_names::{Conversion, TensorNames};
use super::{Architecture, GgufMetadata, Shape};
use crate::checkpoint::CheckpointError;
use crate::config_error::ConfigError;
use crate::layers::{
    AttentionPlan, GatedMlp, Loader, RopeScaling, SelfAttention, inverse_frequencies,
};

/// The configuration of Qwen 3. Names are those of `config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct Qwen3Config {
    /// Its sizes; the head size does not follow from the hidden size.
    pub shape: Shape,
    /// ε of the norms.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Scaling of the rotary frequencies.
    pub rope_scaling: Option<RopeScaling>,
    /// Bias on the layers of attention.
    pub attention_bias: bool,
}

impl Qwen3Config {
    fn check(self) -> Result<Self, ConfigError> {
        self.shape.check()?;
        self.shape.check_rotary()?;
        Ok(self)
    }
}

impl Architecture for Qwen3Config {
    type Decoder = Qwen3;

    const MODEL_TYPES: &'static [&'static str] = &["qwen3"];
    const GGUF_ARCHITECTURES: &'static [&'static str] = &["qwen3"];

    fn from_json(json: &ConfigJson) -> Result<Self, ConfigError> {
        json.check_activation("hidden_act", "silu")?;
        let windows = "no published Qwen 3 uses sliding windows";
        json.check_unset(&[("use_sliding_window", json!(false), windows)])?;
        let rope = json.rope()?;
        let mut shape = json.shape(false)?;
        shape.head_dim = json.or("head_dim", 128)?;
        Self {
            shape,
            rms_norm_eps: json.positive("rms_norm_eps", 1e-6)?,
            rope_theta: json.rope_theta(&rope)?,
            rope_scaling: RopeScaling::from_json(&rope)?,
            attention_bias: json.or("attention_bias", false)?,
        }
        .check()
    }

    fn to_json(&self) -> Result<Map<String, Value>, ConfigError> {
        let mut json = of_shape(&self.shape, "Qwen3ForCausalLM", "qwen3");
        let scaling = self.rope_scaling.as_ref().map(RopeScaling::to_json);
        let keys = [
            ("hidden_act", json!("silu")),
            ("rms_norm_eps", json!(self.rms_norm_eps)),
            ("rope_theta", json!(self.rope_theta)),
            ("rope_scaling", json!(scaling.transpose()?)),
            ("attention_bias", json!(self.attention_bias)),
        ];
        json.extend(keys.map(|(key, value)| (key.to_owned(), value)));
        Ok(json)
    }

    fn from_gguf(gguf: &ConfigGguf<'_>) -> Result<Self, GgufConfigError> {
        let config = Self {
            shape: gguf.shape(3)?,
            rms_norm_eps: gguf.epsilon("attention.layer_norm_rms_epsilon")?,
            rope_theta: gguf.number("rope.freq_base")?.unwrap_or(1e6),
            rope_scaling: gguf.rope_scaling()?,
            attention_bias: gguf.has("blk.0.attn_q.bias"),
        };
        Ok(config.check()?)
    }

    fn to_gguf(&self) -> Result<GgufMetadata, ConfigError> {
        if self.attention_bias {
            let none = "llama.cpp's Qwen 3 has no biases";
            return Err(cannot("attention_bias", true, none));
        }
        let mut metadata = GgufMetadata::of_shape("qwen3", &self.shape);
        metadata.number("attention.layer_norm_rms_epsilon", self.rms_norm_eps);
        metadata.rotary(&self.shape, self.rope_theta, self.rope_scaling.as_ref());
        metadata.without_divisors()
    }

    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn tensor_names(&self) -> TensorNames {
        TensorNames {
            outer: &[
                ("model.embed_tokens", "token_embd"),
                ("model.norm", "output_norm"),
                ("lm_head", "output"),
            ],
            blocks: "model.layers.",
            block: &[
                ("self_attn.q_proj", "attn_q"),
                ("self_attn.k_proj", "attn_k"),
                ("self_attn.v_proj", "attn_v"),
                ("self_attn.o_proj", "attn_output"),
                ("self_attn.q_norm", "attn_q_norm"),
                ("self_attn.k_norm", "attn_k_norm"),
                ("mlp.gate_proj", "ffn_gate"),
                ("mlp.up_proj", "ffn_up"),
                ("mlp.down_proj", "ffn_down"),
                ("input_layernorm", "attn_norm"),
                ("post_attention_layernorm", "ffn_norm"),
            ],
            converted: |_| Conversion::Same,
        }
    }

    fn load(&self, loader: &Loader<'_>) -> Result<Qwen3, CheckpointError> {
        let shape = &self.shape;
        let norm = |name: &str, width| loader.rms_norm(name, width, self.rms_norm_eps, false);
        let wide = |name: &str| norm(name, shape.hidden_size);
        let block = |_: usize, name: &str| {
            let plan = AttentionPlan {
                qkv_bias: self.attention_bias,
                output_bias: self.attention_bias,
                ..shape.attention()
            };
            let attention = SelfAttention::load(loader, &format!("{name}.self_attn"), plan)?;
            let head = |part: &str| norm(&format!("{name}.self_attn.{part}"), shape.head_dim);
            let sizes = [shape.hidden_size, shape.intermediate_size];
            Ok(LlamaBlock {
                self_attn: attention.with_norms(head("q_norm")?, head("k_norm")?),
                mlp: GatedMlp::load(loader, &format!("{name}.mlp"), sizes, false, Gate::Silu)?,
                input_layernorm: wide(&format!("{name}.input_layernorm"))?,
                post_attention_layernorm: wide(&format!("{name}.post_attention_layernorm"))?,
            })
        };
        let scaling = self.rope_scaling.as_ref();
        let frequencies = inverse_frequencies(self.rope_theta, shape.head_dim, scaling);
        Stack::load(loader, shape, &[frequencies], wide, block)
    }
}

/// A Qwen 3 decoder: Llama's blocks with norms in attention.
pub type Qwen3 = Stack<LlamaBlock>;
