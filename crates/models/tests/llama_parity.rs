//! Llama against Transformers, rung by rung: hidden states and logits, loss, every gradient by
//! name, generated ids. Fixtures and their exporter: `reference/llama`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::Tensor;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients};
use kernels::{IGNORE, Segments, WeightFormat, linear_cross_entropy};
use models::checkpoint::Checkpoint;
use models::huggingface::SafetensorsCheckpoint;
use models::kernels;
use models::llama::{Llama, LlamaConfig, tensor_names};
use serde::Deserialize;

const VARIANTS: [&str; 5] = [
    "grouped_tied",
    "llama3_rope",
    "biases_linear_rope",
    "qwen2",
    "mistral_bf16_sharded",
];

#[derive(Deserialize)]
struct Expected {
    sequences: Vec<Vec<u32>>,
    targets: Vec<i64>,
    weights: Vec<f32>,
    loss: f32,
    generated: Vec<Vec<u32>>,
}

/// A tiny model and what Transformers computed with it.
struct Fixture {
    config: LlamaConfig,
    llama: Llama,
    expected: Expected,
    tensors: SafetensorsCheckpoint,
}

impl Fixture {
    fn load(variant: &str, device: &Device) -> Self {
        let folder = reference().join("llama").join(variant);
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        let config = LlamaConfig::from_json(&read("config.json")).unwrap();
        let weights = SafetensorsCheckpoint::open(&folder).unwrap();
        let expected = folder.join("expected.safetensors");
        Self {
            llama: Llama::load(&config, &weights, device).unwrap(),
            expected: serde_json::from_str(&read("expected.json")).unwrap(),
            tensors: SafetensorsCheckpoint::open_files(&folder, &[expected]).unwrap(),
            config,
        }
    }

    fn ids(&self) -> Vec<u32> {
        self.expected.sequences.concat()
    }

    fn segments(&self) -> Segments {
        Segments::new(self.expected.sequences.iter().map(Vec::len))
    }

    fn tensor(&self, name: &str) -> Vec<f32> {
        self.tensors
            .tensor(name, self.tensors.shape(name).unwrap())
            .unwrap()
    }

    fn loss(&self) -> (Tensor<1>, Vec<f32>) {
        let targets: Vec<u32> = self
            .expected
            .targets
            .iter()
            .map(|&target| u32::try_from(target).unwrap_or(IGNORE))
            .collect();
        let hidden = self.llama.forward(&self.ids(), &self.segments());
        let weight = self.llama.output_weight();
        let result = linear_cross_entropy(hidden, weight, &targets, &self.expected.weights);
        (result.loss, result.token_losses)
    }
}

fn reference() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reference")
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// Largest difference, relative to the largest expected value.
fn difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let scale = expected
        .iter()
        .fold(1e-3f32, |scale, value| scale.max(value.abs()));
    let largest = found
        .iter()
        .zip(expected)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max);
    largest / scale
}

#[test]
fn hidden_states_and_logits() {
    for variant in VARIANTS {
        let fixture = Fixture::load(variant, &Device::flex());
        let hidden = fixture.llama.forward(&fixture.ids(), &fixture.segments());
        let off = difference(&values(hidden.clone()), &fixture.tensor("hidden"));
        assert!(off < 1e-4, "{variant}: hidden states off by {off}");
        let off = difference(
            &values(fixture.llama.logits(hidden)),
            &fixture.tensor("logits"),
        );
        assert!(off < 1e-4, "{variant}: logits off by {off}");
    }
}

#[test]
fn loss() {
    for variant in VARIANTS {
        let fixture = Fixture::load(variant, &Device::flex());
        let (loss, token_losses) = fixture.loss();
        let off = difference(&values(loss), &[fixture.expected.loss]);
        assert!(off < 1e-5, "{variant}: loss off by {off}");
        let sum: f32 = token_losses
            .iter()
            .zip(&fixture.expected.weights)
            .map(|(loss, w)| loss * w)
            .sum();
        let off = difference(&[sum], &[fixture.expected.loss]);
        assert!(off < 1e-5, "{variant}: per-token losses off by {off}");
    }
}

/// Gradients of all parameters by the name of their tensor.
struct Collect<'a> {
    gradients: &'a Gradients,
    path: Vec<String>,
    found: BTreeMap<String, Option<Vec<f32>>>,
}

impl ModuleVisitor for Collect<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found.insert(
            self.path.join("."),
            param.val().grad(self.gradients).map(values),
        );
    }
}

fn gradients(llama: &Llama, loss: &Tensor<1>) -> BTreeMap<String, Option<Vec<f32>>> {
    let gradients = loss.backward();
    let mut collect = Collect {
        gradients: &gradients,
        path: Vec::new(),
        found: BTreeMap::new(),
    };
    llama.visit(&mut collect);
    collect.found
}

#[test]
fn every_gradient_by_name() {
    for variant in VARIANTS {
        let fixture = Fixture::load(variant, &Device::flex().autodiff());
        let found = gradients(&fixture.llama, &fixture.loss().0);
        let mut names = tensor_names(&fixture.config);
        names.sort();
        assert_eq!(
            found.keys().cloned().collect::<Vec<_>>(),
            names,
            "{variant}"
        );
        for (name, gradient) in found {
            let gradient = gradient.unwrap_or_else(|| panic!("{variant}: no gradient of {name}"));
            let off = difference(&gradient, &fixture.tensor(&format!("gradient.{name}")));
            assert!(off < 1e-4, "{variant}: gradient of {name} off by {off}");
        }
    }
}

/// Greedy continuation of all sequences side by side through the cache.
fn continue_greedily(llama: &Llama, sequences: &[Vec<u32>], new: usize) -> Vec<Vec<u32>> {
    let mut cache = llama.new_cache();
    let slots: Vec<_> = sequences.iter().map(|_| cache.open()).collect();
    let mut inputs = sequences.to_vec();
    let mut generated = vec![Vec::new(); sequences.len()];
    for _ in 0..new {
        let segments = Segments::new(inputs.iter().map(Vec::len));
        let hidden = llama.forward_cached(&inputs.concat(), &segments, &mut cache, &slots);
        let logits = values(llama.logits(hidden));
        let width = logits.len() / segments.tokens();
        for (row, last) in segments.last_tokens().into_iter().enumerate() {
            let start = last.unwrap() * width;
            let best = (0..width).max_by(|&a, &b| {
                logits[start + a]
                    .total_cmp(&logits[start + b])
                    .then(b.cmp(&a))
            });
            inputs[row] = vec![best.unwrap() as u32];
            generated[row].push(best.unwrap() as u32);
        }
    }
    generated
}

#[test]
fn generated_ids_alone_together_and_packed() {
    for variant in VARIANTS {
        let fixture = Fixture::load(variant, &Device::flex());
        let expected = &fixture.expected;
        let new = expected.generated[0].len();
        let together = continue_greedily(&fixture.llama, &expected.sequences, new);
        assert_eq!(together, expected.generated, "{variant}");
        let packed = fixture.llama.packed(WeightFormat::F32);
        assert_eq!(
            continue_greedily(&packed, &expected.sequences, new),
            together,
            "{variant}"
        );
        for (sequence, generated) in expected.sequences.iter().zip(&expected.generated) {
            let alone = continue_greedily(&fixture.llama, std::slice::from_ref(sequence), new);
            assert_eq!(alone, std::slice::from_ref(generated), "{variant}");
        }
    }
}

#[test]
fn cached_states_equal_uncached_ones() {
    for variant in VARIANTS {
        let fixture = Fixture::load(variant, &Device::flex());
        let ids = &fixture.expected.sequences[0];
        let whole = values(fixture.llama.forward(ids, &Segments::single(ids.len())));
        let mut cache = fixture.llama.new_cache();
        let slot = cache.open();
        let mut parts = Vec::new();
        for part in [&ids[..4], &ids[4..5], &ids[5..]] {
            let segments = Segments::single(part.len());
            let hidden = fixture
                .llama
                .forward_cached(part, &segments, &mut cache, &[slot]);
            parts.extend(values(hidden));
        }
        let off = difference(&parts, &whole);
        assert!(off < 1e-5, "{variant}: cached states off by {off}");
    }
}

#[test]
fn a_frozen_base_gets_no_gradient_and_every_adapter_one() {
    let device = Device::flex().autodiff();
    let mut fixture = Fixture::load("grouped_tied", &device);
    let before = fixture.loss().1;
    let lora = models::llama::LoraConfig {
        r: 4,
        ..Default::default()
    };
    fixture.llama = fixture.llama.apply_lora(&lora, 7).unwrap();
    assert_eq!(fixture.loss().1, before, "a fresh adapter changes nothing");

    let found = gradients(&fixture.llama, &fixture.loss().0);
    let (adapters, base): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|(name, _)| name.contains(".lora."));
    assert_eq!(
        adapters.len(),
        2 * 7 * 2,
        "two matrices for seven layers of two blocks"
    );
    for (name, gradient) in base {
        assert!(gradient.is_none(), "{name} is frozen but has a gradient");
    }
    for (name, gradient) in adapters {
        let gradient = gradient.unwrap_or_else(|| panic!("no gradient of {name}"));
        // B begins at zero, so A's first gradient is zero and B's is not.
        let moved = gradient.iter().any(|&value| value != 0.0);
        assert_eq!(moved, name.ends_with("lora_b"), "{name}");
    }
}

#[test]
fn a_merged_adapter_computes_what_it_computed_apart() {
    let mut fixture = Fixture::load("biases_linear_rope", &Device::flex());
    let plain = fixture.loss().1;
    fixture.llama = fixture.llama.apply_lora(&Default::default(), 7).unwrap();
    for block in &mut fixture.llama.model.layers {
        let lora = block.mlp.up_proj.lora.as_mut().unwrap();
        // B begins at zero; any other value makes the adapter act.
        lora.lora_b = Param::from_tensor(lora.lora_b.val() + 0.05);
    }
    let apart = fixture.loss().1;
    assert!(difference(&apart, &plain) > 1e-3, "the adapter must act");
    fixture.llama = fixture.llama.merge_lora();
    assert!(!fixture.llama.has_lora());
    let off = difference(&fixture.loss().1, &apart);
    assert!(off < 1e-5, "merged adapter off by {off}");
}
