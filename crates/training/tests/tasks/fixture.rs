//! The tiny models of `reference/mt_llm/`, and tasks that they can read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use artefacts::training::Metric;
use burn::module::Param;
use burn::tensor::Device;
use corpus::labelled::{LabelledInput, LabelledRow, LabelledSet, TaskData};
use corpus::language::Language;
use corpus::progress::Progress;
use models::checkpoint::Checkpoint;
use models::encoders::EncoderModel;
use models::huggingface::SafetensorsCheckpoint;
use models::{
    Backbone, BackboneNetwork, BackboneSettings, LanguageModel, Linear, StackNetwork, WeightForm,
};
use serde_json::Value;
use training::Start;

pub fn device() -> Device {
    Device::flex().autodiff()
}

pub fn folder(name: &str) -> PathBuf {
    fixtures::reference("mt_llm").join(name)
}

pub fn expected() -> Value {
    let text = std::fs::read_to_string(folder("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// `nllb_llama.safetensors`.
pub struct Tensors(SafetensorsCheckpoint);

impl Tensors {
    pub fn load() -> Self {
        let path = folder("nllb_llama.safetensors");
        Self(SafetensorsCheckpoint::open_files(&path, std::slice::from_ref(&path)).unwrap())
    }

    pub fn names(&self) -> Vec<String> {
        self.0.names()
    }

    pub fn values(&self, name: &str) -> Vec<f32> {
        let shape = self.0.shape(name).unwrap_or_else(|| panic!("no {name}"));
        self.0.tensor(name, shape).unwrap()
    }

    fn parameter<const D: usize>(&self, name: &str, device: &Device) -> Param<burn::Tensor<D>> {
        let shape = self.0.shape(name).unwrap().to_vec();
        let data = burn::tensor::TensorData::new(self.values(name), shape);
        Param::from_tensor(burn::Tensor::from_data(data, device))
    }
}

pub fn settings(max_length: usize) -> BackboneSettings {
    BackboneSettings {
        max_length,
        ..BackboneSettings::default()
    }
}

/// The LLM alone, without adapters.
pub fn llm(max_length: usize) -> Start {
    let model = LanguageModel::load(folder("llama"), &device()).unwrap();
    Start::fresh(Backbone::of_llm(model, settings(max_length)))
}

/// The LLM alone with the adapter of the reference.
pub fn adapted_llm() -> Start {
    let adapted = LanguageModel::load(folder("llama_adapter"), &device()).unwrap();
    Start {
        network: BackboneNetwork::Decoder(adapted.network),
        ..llm(512)
    }
}

pub fn encoder() -> EncoderModel {
    // The reference reads texts with more tokens than the tiny NLLB says it has positions for.
    static LONGER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
        let copy = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(fixtures::reference("m2m100/tiny")).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
            }
        }
        let config = copy.path().join("config.json");
        let text = std::fs::read_to_string(&config).unwrap();
        let mut json: Value = serde_json::from_str(&text).unwrap();
        json["max_position_embeddings"] = 128.into();
        std::fs::write(config, json.to_string()).unwrap();
        copy
    });
    EncoderModel::load_as(LONGER.path(), &Device::flex(), WeightForm::Parameters).unwrap()
}

/// NLLB's encoder below an LLM with a random projection.
pub fn stack_on(llm: &str, max_length: usize) -> Start {
    let llm = LanguageModel::load(folder(llm), &device()).unwrap();
    let stack = Backbone::of_stack(encoder(), llm, settings(max_length), false, 1);
    Start {
        revision: Some("random projection 1".to_owned()),
        ..Start::fresh(stack)
    }
}

/// The stack of the reference, with its adapter and projection.
pub fn adapted_stack() -> Start {
    let start = stack_on("llama", 512);
    let (tensors, device) = (Tensors::load(), device());
    let decoder = match adapted_llm().network {
        BackboneNetwork::Decoder(network) => network,
        _ => unreachable!("an LLM"),
    };
    let up_projection = Linear::new(
        tensors.parameter("projection.weight", &device),
        Some(tensors.parameter("projection.bias", &device)),
    );
    Start {
        network: BackboneNetwork::Stack(StackNetwork {
            up_projection,
            layer_mix: None,
            decoder,
        }),
        ..start
    }
}

fn set(labels: &[&str], inputs: Vec<(LabelledInput, usize)>) -> LabelledSet {
    let row = |(number, (input, label)): (usize, (LabelledInput, usize))| LabelledRow {
        id: number.to_string(),
        input,
        label,
    };
    LabelledSet {
        labels: labels.iter().map(|&label| label.to_owned()).collect(),
        rows: inputs.into_iter().enumerate().map(row).collect(),
        rejected: Vec::new(),
    }
}

fn data(train: LabelledSet, validation: LabelledSet) -> TaskData {
    TaskData {
        labels: train.labels.clone(),
        language: Language::ENGLISH.into(),
        train,
        validation,
        tests: Vec::new(),
    }
}

/// The pairs of the reference with their labels; the same rows for training and validation.
pub fn pairs() -> TaskData {
    let expected = expected();
    let pairs: Vec<(String, String)> =
        serde_json::from_value(expected["texts"]["pairs"].clone()).unwrap();
    let labels = &expected["stacks"]["nllb_llama"]["classification"]["labels"];
    let labels: Vec<usize> = serde_json::from_value(labels.clone()).unwrap();
    let inputs = pairs.into_iter().zip(labels);
    let inputs =
        inputs.map(|((first, second), label)| (LabelledInput::Pair { first, second }, label));
    let rows = set(
        &["entailment", "neutral", "contradiction"],
        inputs.collect(),
    );
    data(rows.clone(), rows)
}

/// The questions of the reference; the same rows for training and validation.
pub fn questions() -> TaskData {
    let expected = expected();
    let questions = expected["texts"]["questions"].as_array().unwrap();
    let labels = &expected["stacks"]["nllb_llama"]["classification"]["choice_labels"];
    let inputs = questions
        .iter()
        .zip(labels.as_array().unwrap())
        .map(|(question, label)| {
            let input = LabelledInput::Choices {
                passage: question["passage"].as_str().unwrap().to_owned(),
                question: question["question"].as_str().unwrap().to_owned(),
                choices: serde_json::from_value(question["choices"].clone()).unwrap(),
            };
            (input, label.as_u64().unwrap() as usize)
        });
    let rows = set(&["1", "2", "3", "4"], inputs.collect());
    data(rows.clone(), rows)
}

/// Whether a sentence of the reference mentions the library.
pub fn library() -> TaskData {
    let english: Vec<String> =
        serde_json::from_value(expected()["texts"]["english"].clone()).unwrap();
    let inputs = english.into_iter().map(|text| {
        let label = usize::from(text.contains("library"));
        (LabelledInput::Single { text }, label)
    });
    let inputs: Vec<(LabelledInput, usize)> = inputs.collect();
    let labels = ["other", "library"];
    let validation = set(&labels, inputs[..6].to_vec());
    data(set(&labels, inputs), validation)
}

/// Ends the process's work after this many units, as a kill would.
pub struct Kill {
    after: u64,
    done: AtomicU64,
}

impl Kill {
    pub fn after(after: u64) -> Self {
        let done = AtomicU64::new(0);
        Self { after, done }
    }
}

impl Progress for Kill {
    fn begin(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, units: u64) {
        let done = self.done.fetch_add(units, Ordering::Relaxed) + units;
        assert!(done < self.after, "killed after {done}");
    }
    fn already_done(&self, _: u64) {}
    fn status(&self, _: &str) {}
    fn note(&self, _: &str) {}
    fn end(&self) {}
}

/// Every logged loss, bit by bit; each is logged once.
pub fn curve(folder: &Path) -> BTreeMap<(usize, bool), u64> {
    let metrics = Metric::read_all(folder).unwrap();
    let count = metrics.len();
    let point = |metric| match metric {
        Metric::Train { step, loss, .. } => ((step, false), loss.to_bits()),
        Metric::Evaluation { step, loss, .. } => ((step, true), loss.to_bits()),
    };
    let curve: BTreeMap<_, _> = metrics.into_iter().map(point).collect();
    assert_eq!(curve.len(), count, "something is logged twice");
    curve
}

/// The files below `folder` with their contents.
pub fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn collect(base: &Path, folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => collect(base, &path, found),
                false => {
                    let name = path.strip_prefix(base).unwrap().to_owned();
                    found.insert(name, std::fs::read(&path).unwrap());
                }
            }
        }
    }
    let mut found = BTreeMap::new();
    collect(folder, folder, &mut found);
    found
}
