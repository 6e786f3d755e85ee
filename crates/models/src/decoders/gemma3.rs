//! Gemma 3 (Gemma team 2025, arXiv 2503.19786), text model: blocks with norms before and after
//! attention and MLP, GeGLU, gains of 1 + weight, scaled embeddings, and sliding-window attention
//! in all but every sixth block. Reference: `modeling_gemma3.py` of Transformers.

use burn::Tensor;
use burn::module::Module;
use kernels::Gate;
use serde_json::{Map, Value, json};

use super::config_gguf::{ConfigGguf, GgufConfigError};
use super::config_json::{ConfigJson, of_shape};
use super::gguf_metadata::cannot;
use super::stack::{Stack, StackBlock};
use super::tensor_names::{Conversion, TensorNames};
use super::{Architecture, GgufMetadata, Shape};
use crate::checkpoint::CheckpointError;
use crate::config_error::ConfigError;
use crate::gguf;
use crate::layers::{
    AttentionPlan, Block, GatedMlp, Linear, Loader, Pass, RmsNorm, RopeScaling, SelfAttention,
    attention_and_mlp, inverse_frequencies,
};

/// Distance between blocks that attend to the whole sequence.
const PATTERN: usize = 6;

/// The configuration of a text-only Gemma 3. Names are those of `config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct Gemma3Config {
    /// Its sizes.
    pub shape: Shape,
    /// ε of the norms.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies of blocks that attend to the whole sequence.
    pub rope_theta: f64,
    /// Scaling of those frequencies.
    pub rope_scaling: Option<RopeScaling>,
    /// Base of the rotary frequencies of blocks with a sliding window.
    pub rope_local_base_freq: f64,
    /// Scores are divided by the square root of this.
    pub query_pre_attn_scalar: usize,
    /// Size of the sliding window, in tokens.
    pub sliding_window: usize,
    /// Whether each block has a window.
    pub is_sliding: Vec<bool>,
}

impl Gemma3Config {
    fn check(self) -> Result<Self, ConfigError> {
        self.shape.check()?;
        self.shape.check_rotary()?;
        if self.is_sliding.len() != self.shape.num_hidden_layers {
            return Err(ConfigError::Inconsistent(format!(
                "`layer_types` names {} of {} layers",
                self.is_sliding.len(),
                self.shape.num_hidden_layers
            )));
        }
        if self.sliding_window == 0 {
            return Err(ConfigError::Inconsistent("`sliding_window` is 0".into()));
        }
        Ok(self)
    }
}

/// For each of so many blocks, whether it has a window if every `pattern`th has none.
fn windows(layers: usize, pattern: usize) -> Vec<bool> {
    let pattern = pattern.max(1);
    (0..layers.min(1 << 12))
        .map(|index| (index + 1) % pattern != 0)
        .collect()
}

/// What the scores of a published model of this shape are divided by the square root of: only the
/// largest, with 62 blocks, has a scale other than that given by its head size.
fn scaled_by(shape: &Shape) -> usize {
    match shape.num_hidden_layers {
        62 => shape.hidden_size / shape.num_attention_heads,
        _ => shape.head_dim,
    }
}

impl Architecture for Gemma3Config {
    type Decoder = Gemma3;

    const MODEL_TYPES: &'static [&'static str] = &["gemma3_text"];
    const GGUF_ARCHITECTURES: &'static [&'static str] = &["gemma3"];

    fn from_json(json: &ConfigJson) -> Result<Self, ConfigError> {
        json.check_activation("hidden_activation", "gelu_pytorch_tanh")?;
        let none = "no published text-only Gemma 3 uses it";
        json.check_unset(&[
            ("attention_bias", json!(false), none),
            ("attn_logit_softcapping", Value::Null, none),
            ("final_logit_softcapping", Value::Null, none),
            ("use_bidirectional_attention", json!(false), none),
        ])?;
        let rope = json.rope()?;
        let of = |kind: &str| rope.get(kind).and_then(Value::as_object).cloned();
        let global = of("full_attention").unwrap_or_else(|| rope.clone());
        let local = of("sliding_attention").unwrap_or_default();
        if RopeScaling::from_json(&local)?.is_some() {
            return Err(ConfigError::Unsupported {
                key: "rope_parameters",
                value: "a scaling of sliding_attention".into(),
                supported: "only the frequencies of full_attention can be scaled",
            });
        }
        let theta = |of: &Map<String, Value>, key, default| json.theta(of, key, default);
        let shape = json.shape(true)?;
        let is_sliding = match json.get::<Vec<String>>("layer_types")? {
            Some(types) => {
                let kinds = types.iter().map(|kind| match kind.as_str() {
                    "sliding_attention" => Ok(true),
                    "full_attention" => Ok(false),
                    other => Err(ConfigError::Unsupported {
                        key: "layer_types",
                        value: format!("{other:?}"),
                        supported: "use \"sliding_attention\" or \"full_attention\"",
                    }),
                });
                kinds.collect::<Result<_, _>>()?
            }
            None => {
                let pattern = json.or("sliding_window_pattern", PATTERN)?;
                windows(shape.num_hidden_layers, pattern)
            }
        };
        Self {
            rms_norm_eps: json.positive("rms_norm_eps", 1e-6)?,
            rope_theta: theta(&global, "rope_theta", 1e6)?,
            rope_scaling: RopeScaling::from_json(&global)?,
            rope_local_base_freq: theta(&local, "rope_local_base_freq", 1e4)?,
            query_pre_attn_scalar: json.or("query_pre_attn_scalar", 256)?,
            sliding_window: json.or("sliding_window", 4096)?,
            is_sliding,
            shape,
        }
        .check()
    }

    fn to_json(&self) -> Result<Map<String, Value>, ConfigError> {
        let mut json = of_shape(&self.shape, "Gemma3ForCausalLM", "gemma3_text");
        let scaling = self.rope_scaling.as_ref().map(RopeScaling::to_json);
        let types = self.is_sliding.iter().map(|sliding| match sliding {
            true => "sliding_attention",
            false => "full_attention",
        });
        let keys = [
            ("hidden_activation", json!("gelu_pytorch_tanh")),
            ("rms_norm_eps", json!(self.rms_norm_eps)),
            ("rope_theta", json!(self.rope_theta)),
            ("rope_scaling", json!(scaling.transpose()?)),
            ("rope_local_base_freq", json!(self.rope_local_base_freq)),
            ("query_pre_attn_scalar", json!(self.query_pre_attn_scalar)),
            ("sliding_window", json!(self.sliding_window)),
            ("layer_types", json!(types.collect::<Vec<_>>())),
        ];
        json.extend(keys.map(|(key, value)| (key.to_owned(), value)));
        Ok(json)
    }

    /// Values missing in the file are the same as in llama.cpp.
    fn from_gguf(gguf: &ConfigGguf<'_>) -> Result<Self, GgufConfigError> {
        let shape = gguf.shape(3)?;
        let layers = shape.num_hidden_layers;
        let pattern = "attention.sliding_window_pattern";
        let is_sliding = match gguf.file.get(&gguf.key(pattern)) {
            Some(gguf::Value::Bools(windows)) => windows.clone(),
            _ => windows(layers, gguf.size(pattern)?.unwrap_or(PATTERN)),
        };
        let config = Self {
            rms_norm_eps: gguf.epsilon("attention.layer_norm_rms_epsilon")?,
            rope_theta: gguf.number("rope.freq_base")?.unwrap_or(1e6),
            rope_scaling: gguf.rope_scaling()?,
            rope_local_base_freq: gguf.number("rope.freq_base_swa")?.unwrap_or(1e4),
            query_pre_attn_scalar: scaled_by(&shape),
            sliding_window: gguf.required_size("attention.sliding_window")?,
            is_sliding,
            shape,
        };
        Ok(config.check()?)
    }

    fn to_gguf(&self) -> Result<GgufMetadata, ConfigError> {
        let layers = self.shape.num_hidden_layers;
        if self.is_sliding != windows(layers, PATTERN) {
            let every = "in llama.cpp every sixth block attends to the whole sequence";
            return Err(cannot("layer_types", "another pattern", every));
        }
        if self.query_pre_attn_scalar != scaled_by(&self.shape) {
            let own = "llama.cpp scales by the size of a head";
            return Err(cannot(
                "query_pre_attn_scalar",
                self.query_pre_attn_scalar,
                own,
            ));
        }
        let mut metadata = GgufMetadata::of_shape("gemma3", &self.shape);
        metadata.number("attention.layer_norm_rms_epsilon", self.rms_norm_eps);
        metadata.rotary(&self.shape, self.rope_theta, self.rope_scaling.as_ref());
        metadata.number("rope.freq_base_swa", self.rope_local_base_freq);
        metadata.size("attention.sliding_window", self.sliding_window);
        metadata.size("attention.sliding_window_pattern", PATTERN);
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
                ("post_attention_layernorm", "post_attention_norm"),
                ("pre_feedforward_layernorm", "ffn_norm"),
                ("post_feedforward_layernorm", "post_ffw_norm"),
            ],
            converted: |name| match name.ends_with("norm.weight") {
                true => Conversion::PlusOne,
                false => Conversion::Same,
            },
        }
    }

    fn load(&self, loader: &Loader<'_>) -> Result<Gemma3, CheckpointError> {
        let shape = &self.shape;
        let norm = |name: &str, width| loader.rms_norm(name, width, self.rms_norm_eps, true);
        let wide = |name: &str| norm(name, shape.hidden_size);
        let block = |index: usize, name: &str| {
            let window = self.is_sliding[index].then_some(self.sliding_window);
            let plan = AttentionPlan {
                scale: (1.0 / (self.query_pre_attn_scalar as f64).sqrt()) as f32,
                window,
                rotary: usize::from(window.is_none()),
                ..shape.attention()
            };
            let attention = SelfAttention::load(loader, &format!("{name}.self_attn"), plan)?;
            let head = |part: &str| norm(&format!("{name}.self_attn.{part}"), shape.head_dim);
            let sizes = [shape.hidden_size, shape.intermediate_size];
            let mlp = format!("{name}.mlp");
            Ok(Gemma3Block {
                self_attn: attention.with_norms(head("q_norm")?, head("k_norm")?),
                mlp: GatedMlp::load(loader, &mlp, sizes, false, Gate::GeluTanh)?,
                input_layernorm: wide(&format!("{name}.input_layernorm"))?,
                post_attention_layernorm: wide(&format!("{name}.post_attention_layernorm"))?,
                pre_feedforward_layernorm: wide(&format!("{name}.pre_feedforward_layernorm"))?,
                post_feedforward_layernorm: wide(&format!("{name}.post_feedforward_layernorm"))?,
            })
        };
        let local = inverse_frequencies(self.rope_local_base_freq, shape.head_dim, None);
        let scaling = self.rope_scaling.as_ref();
        let global = inverse_frequencies(self.rope_theta, shape.head_dim, scaling);
        let mut gemma = Stack::load(loader, shape, &[local, global], wide, block)?;
        gemma.embedding_scale = Some((shape.hidden_size as f64).sqrt() as f32);
        Ok(gemma)
    }
}

/// A Gemma 3 decoder.
pub type Gemma3 = Stack<Gemma3Block>;

/// Attention, then the MLP, each between two norms and with a residual connection.
#[derive(Module, Debug)]
pub struct Gemma3Block {
    /// Attention.
    pub self_attn: SelfAttention,
    /// MLP.
    pub mlp: GatedMlp,
    /// Norm before attention.
    pub input_layernorm: RmsNorm,
    /// Norm after attention.
    pub post_attention_layernorm: RmsNorm,
    /// Norm before the MLP.
    pub pre_feedforward_layernorm: RmsNorm,
    /// Norm after the MLP.
    pub post_feedforward_layernorm: RmsNorm,
}

impl Block for Gemma3Block {
    fn forward(&self, x: Tensor<2>, layer: usize, pass: &mut Pass<'_>) -> Tensor<2> {
        let normed = self.input_layernorm.input(x);
        let (attended, x) = self.self_attn.forward(normed, layer, pass);
        let x = x + self.post_attention_layernorm.forward(attended);
        let normed = self.pre_feedforward_layernorm.input(x);
        let (inner, x) = self.mlp.forward(normed, layer, pass);
        x + self.post_feedforward_layernorm.forward(inner)
    }
}

impl StackBlock for Gemma3Block {
    fn linears_mut(&mut self) -> Vec<(String, &mut Linear)> {
        attention_and_mlp(&mut self.self_attn, &mut self.mlp)
    }
}
