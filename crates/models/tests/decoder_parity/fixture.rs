//! A tiny model and what Transformers computed with it.

use std::path::{Path, PathBuf};

use burn::Tensor;
use burn::tensor::Device;
use fixtures::assert_close;
use kernels::{IGNORE, Segments, linear_cross_entropy};
use models::Network;
use models::checkpoint::Checkpoint;
use models::decoders::Config;
use models::huggingface::SafetensorsCheckpoint;
use serde::Deserialize;

use crate::tensors::values;

#[derive(Deserialize)]
pub struct Expected {
    pub sequences: Vec<Vec<u32>>,
    targets: Vec<i64>,
    weights: Vec<f32>,
    loss: f32,
    pub generated: Vec<Vec<u32>>,
}

pub struct Fixture {
    /// For messages.
    pub name: String,
    pub network: Network,
    pub expected: Expected,
    tensors: SafetensorsCheckpoint,
}

impl Fixture {
    /// The model of `reference/name`, and its expectations.
    pub fn load(name: &str, device: &Device) -> Self {
        let folder = reference(name);
        let weights = SafetensorsCheckpoint::open(&folder).unwrap();
        let network = Network::load(&config(&folder.join("config.json")), &weights, device);
        Self::of(network.unwrap(), name)
    }

    /// `network` with the expectations of `reference/name`.
    pub fn of(network: Network, name: &str) -> Self {
        let folder = reference(name);
        let expected = std::fs::read_to_string(folder.join("expected.json")).unwrap();
        let tensors = [folder.join("expected.safetensors")];
        Self {
            name: name.to_owned(),
            network,
            expected: serde_json::from_str(&expected).unwrap(),
            tensors: SafetensorsCheckpoint::open_files(&folder, &tensors).unwrap(),
        }
    }

    /// The ids of all sequences, one after the other.
    pub fn ids(&self) -> Vec<u32> {
        self.expected.sequences.concat()
    }

    pub fn segments(&self) -> Segments {
        Segments::new(self.expected.sequences.iter().map(Vec::len))
    }

    pub fn shape(&self, name: &str) -> &[usize] {
        self.tensors.shape(name).unwrap()
    }

    pub fn tensor(&self, name: &str) -> Vec<f32> {
        self.tensors.tensor(name, self.shape(name)).unwrap()
    }

    /// The parameters of which there are gradients, sorted.
    pub fn trained(&self) -> Vec<String> {
        let names = self.tensors.names().into_iter();
        let mut names: Vec<String> = names
            .filter_map(|name| name.strip_prefix("gradient.").map(str::to_owned))
            .collect();
        names.sort();
        names
    }

    pub fn hidden(&self) -> Tensor<2> {
        self.network.forward(&self.ids(), &self.segments())
    }

    /// The loss, and its share of each token.
    pub fn loss(&self) -> (Tensor<1>, Vec<f32>) {
        let targets = self.expected.targets.iter();
        let targets: Vec<u32> = targets
            .map(|&target| u32::try_from(target).unwrap_or(IGNORE))
            .collect();
        let weight = self.network.output_weight();
        let weights = &self.expected.weights;
        let result = linear_cross_entropy(self.hidden(), weight, &targets, weights);
        (result.loss, result.token_losses)
    }

    pub fn check_hidden_states_and_logits(&self) {
        let hidden = self.hidden();
        assert_close(
            &values(hidden.clone()),
            &self.tensor("hidden"),
            1e-4,
            &format!("{}: hidden states", self.name),
        );
        assert_close(
            &values(self.network.logits(hidden)),
            &self.tensor("logits"),
            1e-4,
            &format!("{}: logits", self.name),
        );
    }

    pub fn check_loss(&self) {
        let (loss, token_losses) = self.loss();
        let expected = [self.expected.loss];
        let what = format!("{}: loss", self.name);
        assert_close(&values(loss), &expected, 1e-5, &what);
        let weighted = token_losses.iter().zip(&self.expected.weights);
        let sum: f32 = weighted.map(|(loss, weight)| loss * weight).sum();
        let what = format!("{}: losses of the tokens", self.name);
        assert_close(&[sum], &expected, 1e-5, &what);
    }
}

pub fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../reference")
        .join(name)
}

pub fn config(path: &Path) -> Config {
    Config::from_json(&std::fs::read_to_string(path).unwrap()).unwrap()
}
