//! A tiny encoder and what Transformers computed with it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::Tensor;
use burn::tensor::{Device, TensorData};
use fixtures::reference;
use kernels::Segments;
use models::NamedLinears;
use models::WeightForm;
use models::checkpoint::Checkpoint;
use models::encoders::{EncoderModel, EncoderNetwork};
use models::huggingface::SafetensorsCheckpoint;
use serde::Deserialize;

use crate::ENCODERS;

#[derive(Deserialize)]
pub struct Expected {
    pub sequences: Vec<Sequence>,
    pub loss: f32,
    pub adapted_loss: f32,
    pub tokenized: Vec<Tokenized>,
}

/// A sequence of the forward pass.
#[derive(Deserialize)]
pub struct Sequence {
    pub ids: Vec<u32>,
    pub types: Vec<u32>,
}

/// A text or pair and its ids.
#[derive(Deserialize)]
pub struct Tokenized {
    pub first: String,
    pub second: Option<String>,
    pub language: Option<String>,
    pub max_length: Option<usize>,
    pub ids: Vec<u32>,
    pub types: Vec<u32>,
    pub truncated: bool,
}

pub struct Fixture {
    /// For messages.
    pub name: &'static str,
    pub model: EncoderModel,
    pub expected: Expected,
    tensors: SafetensorsCheckpoint,
}

impl Fixture {
    pub fn load(name: &'static str, device: &Device) -> Self {
        Self::load_as(name, device, WeightForm::Parameters)
    }

    pub fn load_as(name: &'static str, device: &Device, form: WeightForm) -> Self {
        let expected = std::fs::read_to_string(reference("encoders/expected.json")).unwrap();
        let mut expected: BTreeMap<String, Expected> = serde_json::from_str(&expected).unwrap();
        Self {
            name,
            model: EncoderModel::load_as(folder(name), device, form).unwrap(),
            expected: expected.remove(name).unwrap(),
            tensors: stored(&format!("{name}.safetensors")),
        }
    }

    pub fn shape(&self, name: &str) -> &[usize] {
        self.tensors.shape(name).unwrap()
    }

    pub fn tensor(&self, name: &str) -> Vec<f32> {
        self.tensors.tensor(name, self.shape(name)).unwrap()
    }

    /// The names of the gradients that begin with `prefix`, without it, sorted.
    pub fn gradients(&self, prefix: &str) -> Vec<String> {
        let names = self.tensors.names().into_iter();
        let mut names: Vec<String> = names
            .filter_map(|name| name.strip_prefix(prefix).map(str::to_owned))
            .collect();
        names.sort();
        names
    }

    /// The sequences laid end to end: ids, types, and where each is.
    pub fn batch(&self) -> (Vec<u32>, Vec<u32>, Segments) {
        let sequences = &self.expected.sequences;
        let ids = sequences.iter().flat_map(|sequence| sequence.ids.clone());
        let types = sequences.iter().flat_map(|sequence| sequence.types.clone());
        let segments = Segments::new(sequences.iter().map(|sequence| sequence.ids.len()));
        (ids.collect(), types.collect(), segments)
    }

    /// Last hidden states of `network` for the sequences.
    pub fn hidden(&self, network: &EncoderNetwork) -> Tensor<2> {
        let (ids, types, segments) = self.batch();
        network.forward(&ids, &types, &segments)
    }

    /// The fixture's loss of hidden states.
    pub fn loss(&self, hidden: Tensor<2>) -> Tensor<1> {
        let [tokens, width] = hidden.dims();
        let weights = TensorData::new(self.tensor("weights"), [tokens, width]);
        (hidden.clone() * Tensor::from_data(weights, &hidden.device())).sum()
    }

    /// The network with the adapter of the fixture, attached by PEFT's names.
    pub fn adapted(&self) -> EncoderNetwork {
        let adapter = stored(&format!("{}_adapter/adapter_model.safetensors", self.name));
        let mut names = adapter.names();
        let device = self.model.network.device();
        let network = self.model.network.clone().map_linears(|layer, linear| {
            let matrices = ["lora_A", "lora_B"].map(|part| {
                let name = format!("base_model.model.{layer}.{part}.weight");
                names.retain(|left| *left != name);
                let shape = adapter.shape(&name).unwrap().to_vec();
                let values = adapter.tensor(&name, &shape).unwrap();
                Tensor::<2>::from_data(TensorData::new(values, shape), &device)
            });
            let [a, b] = matrices;
            linear.with_adapter(a, b, 2.0, 0.0)
        });
        assert!(names.is_empty(), "{}: {names:?} found no layer", self.name);
        network
    }
}

/// The model directory of a fixture.
pub fn folder(name: &str) -> PathBuf {
    let (_, folder) = ENCODERS.iter().find(|(known, _)| *known == name).unwrap();
    reference(folder)
}

fn stored(file: &str) -> SafetensorsCheckpoint {
    let path = reference("encoders").join(file);
    SafetensorsCheckpoint::open_files(&path, std::slice::from_ref(&path)).unwrap()
}
