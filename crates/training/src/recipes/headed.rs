//! A backbone with heads as one network to train.

use burn::module::Module;
use burn::tensor::Device;
use models::{
    Backbone, BackboneNetwork, BackboneSettings, Classifier, Head, LoraConfig, LoraTargetError,
    ModelDirectory, ModelDirectoryError, NamedLinears, WeightForm,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::optimizer::train_only;

/// The network of a backbone and the heads on it.
#[derive(Module, Debug)]
pub struct HeadedNetwork {
    /// What turns texts into pooled states.
    pub backbone: BackboneNetwork,
    /// A head for each task, in the order of the recipe's tasks.
    pub heads: Vec<Head>,
}

/// What is trained besides the heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TrainedPart {
    /// Low-rank adapters of the LLM or encoder: those that it has already, as after stage 1, or new
    /// ones.
    #[default]
    Lora,
    /// Every parameter.
    Full,
    /// Nothing.
    Head,
}

/// A backbone to start from.
pub struct Start {
    /// How it reads texts.
    pub backbone: Backbone,
    /// Its network.
    pub network: BackboneNetwork,
    /// What its parameters are besides those of the LLM's and encoder's own files: the revision of
    /// the model directory that it was loaded from, or e.g. the seed of a random projection.
    pub revision: Option<String>,
}

/// Revisions of everything that determines the states of a backbone, known without loading it.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// Revision of the LLM's files.
    pub llm: Option<String>,
    /// Revision of the encoder's files.
    pub encoder: Option<String>,
    /// What is put before each text for the encoder.
    pub prefix: String,
    /// How texts are read.
    pub reading: BackboneSettings,
    /// [`Start::revision`].
    pub revision: Option<String>,
}

impl Start {
    /// The backbone in a model directory, such as the product of stage 1, with adapters that can be
    /// trained further.
    pub fn load(directory: &ModelDirectory, device: &Device) -> Result<Self, ModelDirectoryError> {
        let (backbone, network) = directory.backbone(device, WeightForm::Parameters)?;
        Ok(Self {
            backbone,
            network,
            revision: Some(directory.revision()?),
        })
    }

    /// A backbone of the LLM's and encoder's own files.
    pub fn fresh((backbone, network): (Backbone, BackboneNetwork)) -> Self {
        Self {
            backbone,
            network,
            revision: None,
        }
    }

    /// What it comes from.
    pub fn origin(&self) -> Origin {
        let backbone = &self.backbone;
        Origin {
            llm: backbone.llm().map(|llm| llm.revision.clone()),
            encoder: backbone.encoder().map(|encoder| encoder.revision.clone()),
            prefix: backbone.prefix().to_owned(),
            reading: backbone.settings(),
            revision: self.revision.clone(),
        }
    }
}

impl Origin {
    /// What the backbone of a model directory comes from.
    pub fn of_directory(directory: &ModelDirectory) -> Result<Self, ModelDirectoryError> {
        let description = directory.description();
        let (llm, encoder) = (description.llm.as_ref(), description.encoder.as_ref());
        Ok(Self {
            llm: llm.map(|llm| llm.revision.clone()),
            encoder: encoder.map(|encoder| encoder.model.revision.clone()),
            prefix: encoder.map_or(String::new(), |encoder| encoder.prefix.clone()),
            reading: description.reading,
            revision: Some(directory.revision()?),
        })
    }

    /// The revisions by name.
    pub(super) fn inputs(&self) -> Vec<(String, String)> {
        let prefix = Some(&self.prefix).filter(|prefix| !prefix.is_empty());
        let known = [
            ("LLM", self.llm.as_ref()),
            ("encoder", self.encoder.as_ref()),
            ("encoder's prefix", prefix),
            ("starting point", self.revision.as_ref()),
        ];
        let known = known.into_iter();
        known
            .filter_map(|(name, revision)| Some((name.to_owned(), revision?.clone())))
            .collect()
    }
}

/// How a network is prepared for training.
pub struct Preparation {
    /// What is trained besides the heads.
    pub part: TrainedPart,
    /// Whether the heads are trained.
    pub train_heads: bool,
    /// Whether the projection of a stack is trained.
    pub train_projection: bool,
    /// New adapters.
    pub lora: LoraConfig,
    /// Form of the weights that are not trained.
    pub form: WeightForm,
    /// Whether blocks recompute their activations.
    pub recompute: bool,
    /// Seed of new adapters.
    pub seed: u64,
}

impl HeadedNetwork {
    /// The network, in which exactly what `preparation` trains requires gradients.
    pub fn prepare(self, preparation: &Preparation) -> Result<Self, LoraTargetError> {
        let Self { backbone, heads } = self;
        let Preparation { part, form, .. } = preparation;
        let backbone = match part {
            TrainedPart::Full => backbone.merge_lora().unfreeze(),
            TrainedPart::Lora if has_adapters(&backbone) => backbone,
            TrainedPart::Lora => backbone.with_lora(&preparation.lora, preparation.seed)?,
            TrainedPart::Head => backbone,
        };
        let backbone = match (part, form) {
            (TrainedPart::Lora, WeightForm::Frozen(format)) => backbone.frozen(*format),
            _ => backbone,
        };
        let backbone = backbone.recomputing(preparation.recompute);
        let is_trained = |name: &str| {
            let is_projection = name.starts_with("up_projection.") || name == "layer_mix";
            if name.starts_with("heads.") {
                preparation.train_heads
            } else if is_projection {
                preparation.train_projection || *part == TrainedPart::Full
            } else {
                match part {
                    TrainedPart::Full => true,
                    TrainedPart::Lora => name.ends_with(".lora_a") || name.ends_with(".lora_b"),
                    TrainedPart::Head => false,
                }
            }
        };
        Ok(train_only(Self { backbone, heads }.train(), is_trained))
    }

    /// The classifier of this network.
    ///
    /// # Panics
    /// If there are not as many tasks as heads.
    pub fn into_classifier(self, backbone: Backbone, tasks: &[String]) -> Classifier {
        assert_eq!(tasks.len(), self.heads.len(), "a head for each task");
        let network = self.valid();
        Classifier {
            backbone,
            network: network.backbone,
            heads: tasks.iter().cloned().zip(network.heads).collect(),
        }
    }
}

/// Whether any linear layer has an adapter.
fn has_adapters(network: &BackboneNetwork) -> bool {
    let linears = network.linears();
    linears.iter().any(|(_, layer)| layer.lora.is_some())
}
