//! The tiny models of `reference/mt_llm/`, and what PyTorch computed with them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use burn::Tensor;
use burn::module::{Module, Param};
use burn::tensor::{Device, TensorData};
use models::checkpoint::Checkpoint;
use models::encoders::EncoderModel;
use models::huggingface::SafetensorsCheckpoint;
use models::{
    Attention, Backbone, BackboneNetwork, BackboneSettings, EncodedText, LanguageModel, Linear,
    NamedLinears, Network, Pooling, StackNetwork, TextInput, WeightForm,
};
use serde::Deserialize;

/// The stacks: name, encoder, LLM, whether the encoder's layers are mixed.
pub const STACKS: [(&str, &str, &str, bool); 5] = [
    ("nllb_llama", "nllb", "llama", false),
    ("xlm_roberta_llama", "xlm_roberta", "llama", false),
    ("bert_llama", "bert", "llama", false),
    ("nllb_gpt2", "nllb", "gpt2", false),
    ("nllb_llama_mix", "nllb", "llama", true),
];

#[derive(Deserialize)]
pub struct Texts {
    pub english: Vec<String>,
    pub other: Vec<(String, String)>,
    pub pairs: Vec<(String, String)>,
    pub questions: Vec<Question>,
}

#[derive(Deserialize)]
pub struct Question {
    pub passage: String,
    pub question: String,
    pub choices: Vec<String>,
}

impl Question {
    pub fn input(&self) -> TextInput<'_> {
        TextInput::Choices {
            passage: &self.passage,
            question: &self.question,
            choices: &self.choices,
        }
    }
}

impl Texts {
    pub fn load() -> Self {
        serde_json::from_value(expected()["texts"].clone()).unwrap()
    }

    /// All English texts and pairs.
    pub fn all(&self) -> Vec<TextInput<'_>> {
        let english = self.english.iter().map(|text| TextInput::Single(text));
        english.chain(self.pairs()).collect()
    }

    pub fn pairs(&self) -> impl Iterator<Item = TextInput<'_>> {
        let pairs = self.pairs.iter();
        pairs.map(|(first, second)| TextInput::Pair(first, second))
    }

    pub fn questions(&self) -> impl Iterator<Item = TextInput<'_>> {
        self.questions.iter().map(Question::input)
    }
}

pub fn expected() -> serde_json::Value {
    let text = std::fs::read_to_string(folder("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

pub fn folder(name: &str) -> PathBuf {
    match name {
        "nllb" => fixtures::reference("m2m100/tiny"),
        name => fixtures::reference("mt_llm").join(name),
    }
}

/// The settings of the stacks with this LLM.
pub fn settings(llm: &str) -> BackboneSettings {
    BackboneSettings {
        attention: match llm {
            "gpt2" => Attention::Causal,
            _ => Attention::Bidirectional,
        },
        ..Default::default()
    }
}

/// The LLM alone, with its adapter if `adapted`.
pub fn llm(name: &str, adapted: bool, device: &Device) -> (Backbone, BackboneNetwork) {
    let model = LanguageModel::load(folder(name), device).unwrap();
    let (backbone, network) = Backbone::of_llm(model, settings(name));
    match adapted {
        true => (
            backbone,
            BackboneNetwork::Decoder(adapted_llm(name, device)),
        ),
        false => (backbone, network),
    }
}

/// The LLM with its adapter, of which only the adapter is trained.
fn adapted_llm(name: &str, device: &Device) -> Network {
    let adapted = LanguageModel::load(folder(&format!("{name}_adapter")), device).unwrap();
    let mut adapters = BTreeMap::new();
    let network = adapted.network.map_linears(|name, mut layer| {
        adapters.insert(name.to_owned(), layer.lora.take().unwrap());
        layer
    });
    network.freeze().map_linears(|name, mut layer| {
        layer.lora = adapters.remove(name);
        layer
    })
}

/// An encoder. The reference also reads texts with more tokens than the tiny NLLB says it has
/// positions for, so that says more here.
pub fn encoder(name: &str) -> EncoderModel {
    let load =
        |path: &Path| EncoderModel::load_as(path, &Device::flex(), WeightForm::Parameters).unwrap();
    if name != "nllb" {
        return load(&folder(name));
    }
    load(&longer_nllb())
}

/// A copy of the tiny NLLB with 128 positions, which are computed and not stored.
fn longer_nllb() -> PathBuf {
    static COPY: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
        let copy = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(folder("nllb")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_owned();
            if path.is_file() {
                std::fs::copy(&path, copy.path().join(name)).unwrap();
            }
        }
        let config = copy.path().join("config.json");
        let text = std::fs::read_to_string(&config).unwrap();
        let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
        json["max_position_embeddings"] = 128.into();
        std::fs::write(config, json.to_string()).unwrap();
        copy
    });
    COPY.path().to_path_buf()
}

/// A stack with its adapter and the fixture's projection.
pub fn stack(name: &str, device: &Device) -> (Backbone, BackboneNetwork) {
    stack_pooling(name, Pooling::Mean, device)
}

pub fn stack_pooling(name: &str, pooling: Pooling, device: &Device) -> (Backbone, BackboneNetwork) {
    let (_, encoder_name, llm_name, mixes) = *STACKS.iter().find(|stack| stack.0 == name).unwrap();
    let llm = LanguageModel::load(folder(llm_name), device).unwrap();
    let settings = BackboneSettings {
        pooling,
        ..settings(llm_name)
    };
    let (backbone, network) = Backbone::of_stack(encoder(encoder_name), llm, settings, mixes, 1);
    assert!(matches!(network, BackboneNetwork::Stack(_)), "{name}");
    let tensors = Tensors::of(name);
    let stack = StackNetwork {
        up_projection: Linear::new(
            Param::from_tensor(tensors.on("projection.weight", device)),
            Some(Param::from_tensor(tensors.on("projection.bias", device))),
        ),
        layer_mix: mixes.then(|| Param::from_tensor(tensors.on("mix", device))),
        decoder: adapted_llm(llm_name, device),
    };
    (backbone, BackboneNetwork::Stack(stack))
}

/// Inputs in English as `backbone` encodes them.
pub fn encoded(backbone: &Backbone, inputs: &[TextInput<'_>]) -> Vec<EncodedText> {
    let encode = |input| backbone.encode(input, Some("eng_Latn")).unwrap();
    inputs.iter().map(encode).collect()
}

pub fn pooled(
    (backbone, network): &(Backbone, BackboneNetwork),
    inputs: &[TextInput<'_>],
) -> Tensor<2> {
    let texts = encoded(backbone, inputs);
    let texts: Vec<&EncodedText> = texts.iter().collect();
    backbone.pooled(network, &texts, None, None)
}

/// `NAME.safetensors`.
pub struct Tensors(SafetensorsCheckpoint);

impl Tensors {
    pub fn of(name: &str) -> Self {
        let path = folder(&format!("{name}.safetensors"));
        Self(SafetensorsCheckpoint::open_files(&path, std::slice::from_ref(&path)).unwrap())
    }

    pub fn names(&self) -> Vec<String> {
        self.0.names()
    }

    pub fn values(&self, name: &str) -> Vec<f32> {
        let shape = self.0.shape(name).unwrap_or_else(|| panic!("no {name}"));
        self.0.tensor(name, shape).unwrap()
    }

    pub fn on<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        let shape = self.0.shape(name).unwrap_or_else(|| panic!("no {name}"));
        let data = TensorData::new(self.values(name), shape.to_vec());
        Tensor::from_data(data, device)
    }
}
