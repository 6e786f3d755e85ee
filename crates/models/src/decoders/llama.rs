//! The Llama family (Touvron et al. 2023, arXiv 2307.09288; Grattafiori et al. 2024, arXiv
//! 2407.21783): Llama, Mistral (Jiang et al. 2023, arXiv 2310.06825) and Qwen 2 (arXiv 2407.10671).
//! Reference: `modeling_llama.py` of Transformers.

use burn::Tensor;
use burn::module::Module;
use kernels::Gate;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::config_gguf::{ConfigGguf, GgufConfigError};
use super::config_json::{ConfigJson, of_shape};
use super::stack::{Stack, StackBlock};
use super::tensor_names::{Conversion, ROPE_DIVISORS, TensorNames};
use super::{Architecture, GgufMetadata, Shape};
use crate::checkpoint::CheckpointError;
use crate::config_error::ConfigError;
use crate::layers::{
    AttentionPlan, Block, GatedMlp, Linear, Loader, Pass, RmsNorm, RopeScaling, SelfAttention,
    attention_and_mlp, inverse_frequencies,
};

/// Conventions of a checkpoint in which members of the family differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Llama 2 and 3, SmolLM2, TinyLlama, SeaLLM 1 and other models of `model_type` "llama".
    Llama,
    /// Mistral and SeaLLM 2: Llama without biases, optionally with a sliding window.
    Mistral,
    /// Qwen 2 and 2.5, SeaLLMs 3: Llama with biases on the query, key and value layers.
    Qwen2,
}

impl Family {
    /// `model_type` and the class in `architectures` of `config.json`.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Llama => ("llama", "LlamaForCausalLM"),
            Self::Mistral => ("mistral", "MistralForCausalLM"),
            Self::Qwen2 => ("qwen2", "Qwen2ForCausalLM"),
        }
    }
}

/// The configuration of a decoder of the family. Names are those of `config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct LlamaConfig {
    /// Conventions of the checkpoint.
    pub family: Family,
    /// Its sizes.
    pub shape: Shape,
    /// ε of the norms.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Scaling of the rotary frequencies.
    pub rope_scaling: Option<RopeScaling>,
    /// Size of the sliding window in tokens, and the first block that uses it.
    pub sliding_window: Option<(usize, usize)>,
    /// Bias on the query, key and value layers.
    pub qkv_bias: bool,
    /// Bias on the output layer of attention.
    pub output_bias: bool,
    /// Bias on the layers of the MLP.
    pub mlp_bias: bool,
}

impl LlamaConfig {
    /// A Llama of this shape, without biases.
    pub fn of_shape(shape: Shape) -> Self {
        Self {
            family: Family::Llama,
            shape,
            rms_norm_eps: 1e-5,
            rope_theta: 10_000.0,
            rope_scaling: None,
            sliding_window: None,
            qkv_bias: false,
            output_bias: false,
            mlp_bias: false,
        }
    }

    fn check(self) -> Result<Self, ConfigError> {
        self.shape.check()?;
        self.shape.check_rotary()?;
        if let Some(scaling) = &self.rope_scaling {
            scaling.check(self.shape.head_dim)?;
        }
        Ok(self)
    }

    fn frequencies(&self) -> Vec<f32> {
        let scaling = self.rope_scaling.as_ref();
        inverse_frequencies(self.rope_theta, self.shape.head_dim, scaling)
    }
}

impl Architecture for LlamaConfig {
    type Decoder = Llama;

    const MODEL_TYPES: &'static [&'static str] = &["llama", "mistral", "qwen2"];
    const GGUF_ARCHITECTURES: &'static [&'static str] = &["llama", "qwen2"];

    fn from_json(json: &ConfigJson) -> Result<Self, ConfigError> {
        let family = match json.model_type()?.as_deref() {
            Some("mistral") => Family::Mistral,
            Some("qwen2") => Family::Qwen2,
            _ => Family::Llama,
        };
        json.check_activation("hidden_act", "silu")?;
        let whole = "partial rotary embedding is not supported";
        json.check_unset(&[("partial_rotary_factor", json!(1.0), whole)])?;
        let rope = json.rope()?;
        let attention_bias = json.or("attention_bias", false)?;
        let window = match (family, json.get("use_sliding_window")?) {
            (_, Some(false)) | (Family::Llama | Family::Qwen2, None) => None,
            _ => json.get("sliding_window")?,
        };
        let first_windowed = match family {
            Family::Qwen2 => json.or("max_window_layers", 28)?,
            Family::Llama | Family::Mistral => 0,
        };
        Self {
            family,
            shape: json.shape(false)?,
            rms_norm_eps: json.positive("rms_norm_eps", 1e-6)?,
            rope_theta: json.rope_theta(&rope)?,
            rope_scaling: RopeScaling::from_json(&rope)?,
            sliding_window: window.map(|window| (window, first_windowed)),
            qkv_bias: attention_bias || family == Family::Qwen2,
            output_bias: attention_bias && family == Family::Llama,
            mlp_bias: json.or("mlp_bias", false)? && family == Family::Llama,
        }
        .check()
    }

    fn to_json(&self) -> Result<Map<String, Value>, ConfigError> {
        let (model_type, class) = self.family.names();
        let mut json = of_shape(&self.shape, class, model_type);
        let mut set = |key: &str, value: Value| json.insert(key.to_owned(), value);
        let scaling = self.rope_scaling.as_ref().map(RopeScaling::to_json);
        set("hidden_act", json!("silu"));
        set("rms_norm_eps", json!(self.rms_norm_eps));
        set("rope_theta", json!(self.rope_theta));
        set("rope_scaling", json!(scaling.transpose()?));
        let window = self.sliding_window;
        match self.family {
            Family::Llama => {
                set("attention_bias", json!(self.qkv_bias));
                set("mlp_bias", json!(self.mlp_bias));
            }
            Family::Mistral => {
                set("sliding_window", json!(window.map(|(size, _)| size)));
            }
            Family::Qwen2 => {
                set("use_sliding_window", json!(window.is_some()));
                if let Some((size, first)) = window {
                    set("sliding_window", json!(size));
                    set("max_window_layers", json!(first));
                }
            }
        }
        Ok(json)
    }

    fn from_gguf(gguf: &ConfigGguf<'_>) -> Result<Self, GgufConfigError> {
        let shape = gguf.shape(3)?;
        let mut config = Self {
            family: match gguf.architecture.as_str() {
                "qwen2" => Family::Qwen2,
                _ => Family::Llama,
            },
            rms_norm_eps: gguf.epsilon("attention.layer_norm_rms_epsilon")?,
            rope_theta: gguf.number("rope.freq_base")?.unwrap_or(10_000.0),
            qkv_bias: gguf.has("blk.0.attn_q.bias"),
            output_bias: gguf.has("blk.0.attn_output.bias"),
            mlp_bias: gguf.has("blk.0.ffn_up.bias"),
            ..Self::of_shape(shape)
        }
        .check()?;
        config.rope_scaling = match gguf.file.tensors().get(ROPE_DIVISORS) {
            Some(info) => {
                let divisors = gguf.file.values(info);
                let (theta, head_dim) = (config.rope_theta, config.shape.head_dim);
                Some(RopeScaling::of_divisors(divisors, theta, head_dim)?)
            }
            None => gguf.rope_scaling()?,
        };
        Ok(config.check()?)
    }

    fn to_gguf(&self) -> Result<GgufMetadata, ConfigError> {
        let architecture = match self.family {
            Family::Qwen2 => "qwen2",
            Family::Llama | Family::Mistral => "llama",
        };
        let mut metadata = GgufMetadata::of_shape(architecture, &self.shape);
        metadata.number("attention.layer_norm_rms_epsilon", self.rms_norm_eps);
        metadata.rotary(&self.shape, self.rope_theta, self.rope_scaling.as_ref());
        if let Some((window, _)) = self.sliding_window {
            metadata.end_context_at(window);
        }
        match self.family {
            Family::Qwen2 => metadata.without_divisors(),
            Family::Llama | Family::Mistral => Ok(metadata),
        }
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
                ("mlp.gate_proj", "ffn_gate"),
                ("mlp.up_proj", "ffn_up"),
                ("mlp.down_proj", "ffn_down"),
                ("input_layernorm", "attn_norm"),
                ("post_attention_layernorm", "ffn_norm"),
            ],
            converted: match self.family {
                Family::Qwen2 => |_| Conversion::Same,
                Family::Llama | Family::Mistral => |name| match name.rsplit('.').nth(1) {
                    Some("q_proj") => Conversion::InterleavedQueries,
                    Some("k_proj") => Conversion::InterleavedKeys,
                    _ => Conversion::Same,
                },
            },
        }
    }

    fn load(&self, loader: &Loader<'_>) -> Result<Llama, CheckpointError> {
        let shape = &self.shape;
        let (width, epsilon) = (shape.hidden_size, self.rms_norm_eps);
        let norm = |name: &str| loader.rms_norm(name, width, epsilon, false);
        let block = |index: usize, name: &str| {
            let windowed = self.sliding_window.filter(|(_, first)| index >= *first);
            let plan = AttentionPlan {
                qkv_bias: self.qkv_bias,
                output_bias: self.output_bias,
                window: windowed.map(|(size, _)| size),
                ..shape.attention()
            };
            let sizes = [width, shape.intermediate_size];
            let mlp = format!("{name}.mlp");
            Ok(LlamaBlock {
                self_attn: SelfAttention::load(loader, &format!("{name}.self_attn"), plan)?,
                mlp: GatedMlp::load(loader, &mlp, sizes, self.mlp_bias, Gate::Silu)?,
                input_layernorm: norm(&format!("{name}.input_layernorm"))?,
                post_attention_layernorm: norm(&format!("{name}.post_attention_layernorm"))?,
            })
        };
        Stack::load(loader, shape, &[self.frequencies()], norm, block)
    }
}

/// A decoder of the family.
pub type Llama = Stack<LlamaBlock>;

/// Attention, then the MLP, each with a preceding norm and a residual connection.
#[derive(Module, Debug)]
pub struct LlamaBlock {
    /// Attention.
    pub self_attn: SelfAttention,
    /// MLP.
    pub mlp: GatedMlp,
    /// Norm before attention.
    pub input_layernorm: RmsNorm,
    /// Norm before the MLP.
    pub post_attention_layernorm: RmsNorm,
}

impl Block for LlamaBlock {
    fn forward(&self, x: Tensor<2>, layer: usize, pass: &mut Pass<'_>) -> Tensor<2> {
        let normed = self.input_layernorm.input(x);
        let x = self.self_attn.forward_onto(normed, layer, pass);
        let normed = self.post_attention_layernorm.input(x);
        self.mlp.last_onto(normed, layer, pass)
    }
}

impl StackBlock for LlamaBlock {
    fn linears_mut(&mut self) -> Vec<(String, &mut Linear)> {
        attention_and_mlp(&mut self.self_attn, &mut self.mlp)
    }
}
