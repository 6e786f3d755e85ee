//! A model's tensors by the names they are stored under.

use std::borrow::Cow;

use burn::Tensor;
use burn::module::{Module, ModuleVisitor, Param};
use half::{bf16, f16};
use safetensors::{Dtype, View};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::decoders::Network;
use crate::layers::Linear;
use crate::parameter_path::ParameterPath;

/// The number format of stored weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StoredFormat {
    /// Single precision: exactly what was trained.
    #[default]
    F32,
    /// bfloat16: half the size.
    BF16,
    /// Half precision: half the size; large values overflow.
    F16,
}

impl StoredFormat {
    /// Bytes per weight.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::BF16 | Self::F16 => 2,
        }
    }

    /// Name in `config.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::BF16 => "bfloat16",
            Self::F16 => "float16",
        }
    }
}

/// A tensor on its device, and the shape it is stored in.
pub(crate) struct Values {
    flat: Tensor<1>,
    shape: Vec<usize>,
}

impl Values {
    pub fn new<const D: usize>(tensor: Tensor<D>) -> Self {
        let shape = tensor.dims().to_vec();
        let count = shape.iter().product::<usize>();
        Self {
            flat: tensor.without_autodiff().reshape([count]),
            shape,
        }
    }
}

impl Values {
    /// Its shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values in row-major order.
    pub fn to_vec(&self) -> Vec<f32> {
        let data = self.flat.clone().into_data().convert::<f32>();
        data.iter::<f32>().collect()
    }
}

/// A tensor as it goes to the file; converted only when it is written.
pub(super) struct Stored<'a> {
    pub values: &'a Values,
    pub format: StoredFormat,
}

impl View for Stored<'_> {
    fn dtype(&self) -> Dtype {
        match self.format {
            StoredFormat::F32 => Dtype::F32,
            StoredFormat::BF16 => Dtype::BF16,
            StoredFormat::F16 => Dtype::F16,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.values.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let numbers = self.values.to_vec().into_iter();
        match self.format {
            StoredFormat::F32 => numbers.flat_map(f32::to_le_bytes).collect(),
            StoredFormat::BF16 => numbers
                .flat_map(|number| bf16::from_f32(number).to_le_bytes())
                .collect(),
            StoredFormat::F16 => numbers
                .flat_map(|number| f16::from_f32(number).to_le_bytes())
                .collect(),
        }
    }

    fn data_len(&self) -> usize {
        let bytes = if self.format == StoredFormat::F32 {
            4
        } else {
            2
        };
        self.values.shape.iter().product::<usize>() * bytes
    }
}

/// All tensors of a model without adapters, by name.
pub(super) fn tensors(network: &Network) -> Vec<(String, Values)> {
    let mut collect = Collect {
        network,
        path: ParameterPath::default(),
        found: Vec::new(),
    };
    network.visit(&mut collect);
    collect.found
}

struct Collect<'a> {
    network: &'a Network,
    path: ParameterPath,
    found: Vec<(String, Values)>,
}

impl ModuleVisitor for Collect<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self.path.name();
        let values = match self.network.stores_transposed(&name) {
            true => Values::new(param.val().swap_dims(0, 1)),
            false => Values::new(param.val()),
        };
        self.found.push((name, values));
    }
}

/// The adapter of one layer.
pub(crate) struct Adapter {
    pub layer: String,
    pub a: Values,
    pub b: Values,
    pub rank: usize,
    pub scale: f64,
    pub dropout: f64,
}

/// All adapters of a model's linear layers, given by name.
pub(crate) fn adapters(layers: Vec<(String, Linear)>) -> Vec<Adapter> {
    let adapted = layers.into_iter();
    let adapted = adapted.filter_map(|(layer, linear)| Some((layer, linear.lora?)));
    adapted
        .map(|(layer, lora)| Adapter {
            layer,
            rank: lora.lora_a.dims()[0],
            a: Values::new(lora.lora_a.val()),
            b: Values::new(lora.lora_b.val()),
            scale: lora.scale,
            dropout: lora.dropout,
        })
        .collect()
}
