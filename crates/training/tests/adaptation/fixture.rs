//! The tiny models and texts of `reference/mt_llm/`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use corpus::progress::{Progress, Silent};
use corpus::source::plain_text::{TextOptions, TextSource};
use models::encoders::EncoderModel;
use models::{Attention, BackboneNetwork, BackboneSettings, LanguageModel, WeightForm};
use serde_json::Value;
use training::general_adaptation::{
    AdaptConfig, AdaptError, AdaptationText, Prepared, RetrievalFiles, prepare,
};
use training::optimizer::{NamedTensors, read_tensors, replace_trainable, trainable};

/// A stack of the reference.
#[derive(Debug, Clone, Copy)]
pub struct Stack {
    pub name: &'static str,
    encoder: &'static str,
    llm: &'static str,
    pub mixes: bool,
}

const fn stack(name: &'static str, encoder: &'static str, llm: &'static str, mixes: bool) -> Stack {
    Stack {
        name,
        encoder,
        llm,
        mixes,
    }
}

pub const STACKS: [Stack; 5] = [
    stack("nllb_llama", "m2m100/tiny", "mt_llm/llama", false),
    stack(
        "xlm_roberta_llama",
        "mt_llm/xlm_roberta",
        "mt_llm/llama",
        false,
    ),
    stack("bert_llama", "mt_llm/bert", "mt_llm/llama", false),
    stack("nllb_gpt2", "m2m100/tiny", "mt_llm/gpt2", false),
    stack("nllb_llama_mix", "m2m100/tiny", "mt_llm/llama", true),
];

pub fn expected() -> Value {
    let text = std::fs::read_to_string(fixtures::reference("mt_llm/expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Tensors of a file of the reference.
pub fn tensors(file: &str) -> NamedTensors {
    read_tensors(&fixtures::reference("mt_llm").join(file), &Device::flex()).unwrap()
}

/// The English sentences as a file of text in `folder`.
pub fn text(folder: &Path) -> Vec<TextSource> {
    let sentences: Vec<String> =
        serde_json::from_value(expected()["texts"]["english"].clone()).unwrap();
    let path = folder.join("text.txt");
    std::fs::write(&path, sentences.join("\n") + "\n").unwrap();
    vec![TextSource::Files(path.into())]
}

impl Stack {
    pub fn encoder(self) -> EncoderModel {
        let path = fixtures::reference(self.encoder);
        EncoderModel::load_as(&path, &Device::flex(), WeightForm::Parameters).unwrap()
    }

    pub fn llm(self) -> LanguageModel {
        LanguageModel::load(fixtures::reference(self.llm), &Device::flex()).unwrap()
    }

    pub fn settings(self) -> BackboneSettings {
        BackboneSettings {
            attention: match self.llm {
                "mt_llm/gpt2" => Attention::Causal,
                _ => Attention::Bidirectional,
            },
            ..Default::default()
        }
    }

    /// Adapters of the reference's shape, all sentences for training.
    pub fn config(self) -> AdaptConfig {
        let mut config = AdaptConfig {
            layer_mix: self.mixes,
            held_out: 0,
            ..AdaptConfig::default()
        };
        config.training.lora_rank = 3;
        config.training.lora_alpha = 6.0;
        config.training.lora_dropout = 0.0;
        config
    }

    pub fn prepare(self, config: &AdaptConfig, folder: &Path) -> Result<Prepared, AdaptError> {
        self.prepare_with(config, folder, None, &Silent)
    }

    pub fn prepare_with(
        self,
        config: &AdaptConfig,
        folder: &Path,
        retrieval: Option<&RetrievalFiles>,
        progress: &dyn Progress,
    ) -> Result<Prepared, AdaptError> {
        let text = AdaptationText {
            sources: &text(folder),
            options: &TextOptions::default(),
            language: "eng_Latn",
            retrieval,
        };
        let run = folder.join("run");
        let (encoder, llm) = (self.encoder(), self.llm());
        prepare(encoder, llm, self.settings(), text, config, &run, progress)
    }

    /// `network` with the projection and adapter of the reference.
    pub fn with_reference(self, network: BackboneNetwork) -> BackboneNetwork {
        let name = self.llm.trim_start_matches("mt_llm/");
        let mut stored = tensors(&format!("{name}_adapter/adapter_model.safetensors"));
        stored.extend(tensors(&format!("{}.safetensors", self.name)));
        let named = trainable(&network).into_keys().map(|name| {
            let tensor = stored.remove(&reference_name(&name));
            (name.clone(), tensor.unwrap_or_else(|| panic!("no {name}")))
        });
        let named = named.collect();
        replace_trainable(network, named, &PathBuf::from(self.name)).unwrap()
    }
}

/// The reference's name of a parameter.
pub fn reference_name(name: &str) -> String {
    if let Some(part) = name.strip_prefix("up_projection.") {
        return format!("projection.{part}");
    }
    if name == "layer_mix" {
        return "mix".into();
    }
    let (_, inner) = name.split_once('.').unwrap();
    let inner = inner.replace(".lora.lora_a", ".lora_A.weight");
    let inner = inner.replace(".lora.lora_b", ".lora_B.weight");
    format!("base_model.model.{inner}")
}

/// The gradients of the reference whose names begin with `prefix`, by the rest of the name.
pub fn expected_gradients(stack: Stack, prefix: &str) -> BTreeMap<String, Vec<f32>> {
    let start = format!("{prefix}.gradient.");
    let stored = tensors(&format!("{}.safetensors", stack.name));
    let gradients = stored.into_iter().filter_map(|(name, (_, tensor))| {
        let values = tensor.into_data().iter::<f32>().collect();
        Some((name.strip_prefix(&start)?.to_owned(), values))
    });
    gradients.collect()
}
