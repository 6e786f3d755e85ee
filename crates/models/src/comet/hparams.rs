//! The hyper-parameters of a COMET checkpoint: `hparams.yaml` beside it and `hyper_parameters` in it.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::CometError;

/// Kinds of metrics, by `class_identifier`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum MetricClass {
    /// One sequence of translation, source and reference, read from its first token: CometKiwi.
    #[serde(rename = "unified_metric")]
    Unified,
    /// Source, translation and reference read one by one and compared: COMET.
    #[serde(rename = "regression_metric")]
    Regression,
    /// The same without a reference.
    #[serde(rename = "referenceless_regression_metric")]
    Referenceless,
}

/// How the scalars of the layers become shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transformation {
    /// All layers count.
    Softmax,
    /// Layers far below the best count nothing.
    Sparsemax,
}

/// Which hidden states a metric reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LayerChoice {
    /// The learned mixture of all layers.
    Mix,
    /// Those above block `.0`; 0 is the embeddings.
    Single(usize),
}

/// How hidden states become one vector a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pooling {
    /// The first token's.
    First,
    /// Their mean.
    Average,
    /// Their largest values.
    Max,
}

/// Texts that a unified metric can join to the translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InputSegments {
    pub source: bool,
    pub reference: bool,
}

/// What a metric is made of.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Hparams {
    pub class: MetricClass,
    pub pretrained_model: String,
    pub layer: LayerChoice,
    pub transformation: Transformation,
    pub layer_norm: bool,
    pub pooling: Pooling,
    pub hidden_sizes: Vec<usize>,
    pub activation: String,
    pub final_activation: Option<String>,
    pub inputs: InputSegments,
}

/// As written; the defaults are those of unbabel-comet's classes.
#[derive(Deserialize)]
struct Written {
    class_identifier: MetricClass,
    #[serde(default)]
    encoder_model: Option<String>,
    #[serde(default)]
    pretrained_model: Option<String>,
    #[serde(default)]
    layer: Option<Value>,
    #[serde(default)]
    sent_layer: Option<Value>,
    #[serde(default)]
    layer_transformation: Option<String>,
    #[serde(default)]
    layer_norm: Option<bool>,
    #[serde(default)]
    pool: Option<String>,
    #[serde(default)]
    hidden_sizes: Option<Vec<usize>>,
    #[serde(default)]
    activations: Option<String>,
    #[serde(default)]
    final_activation: Option<String>,
    #[serde(default)]
    input_segments: Option<Vec<String>>,
}

/// Value of `layer_transformation` in the corrected `hparams.yaml` of models that declared
/// sparsemax but were trained with softmax (issue 244 of unbabel-comet).
const SPARSEMAX_PATCH: &str = "sparsemax_patch";

impl Hparams {
    /// Whether the metric can only compare with a reference.
    pub fn needs_reference(&self) -> bool {
        match self.class {
            MetricClass::Unified => !self.inputs.source,
            MetricClass::Regression => true,
            MetricClass::Referenceless => false,
        }
    }

    /// Whether the metric reads a reference, if there is one.
    pub fn reads_reference(&self) -> bool {
        match self.class {
            MetricClass::Unified => self.inputs.reference,
            MetricClass::Regression => true,
            MetricClass::Referenceless => false,
        }
    }

    /// Reads `hparams.yaml` at `path` and what the checkpoint itself stores, which counts first as
    /// in unbabel-comet.
    pub fn read(path: &Path, stored: Option<Value>) -> Result<Self, CometError> {
        let error = |message: String| CometError::Hparams {
            path: path.to_path_buf(),
            message,
        };
        let yaml: Map<String, Value> = match std::fs::read_to_string(path) {
            Ok(text) => serde_saphyr::from_str(&text)
                .map_err(|source| error(format!("not a YAML mapping: {source}")))?,
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => match &stored {
                Some(_) => Map::new(),
                None => {
                    return Err(error(
                        "is not there; it says what kind of metric this is".into(),
                    ));
                }
            },
            Err(source) => return Err(error(source.to_string())),
        };
        Self::merge(yaml, stored).map_err(error)
    }

    fn merge(yaml: Map<String, Value>, stored: Option<Value>) -> Result<Self, String> {
        let class = yaml.get("class_identifier").cloned();
        let patched =
            yaml.get("layer_transformation").and_then(Value::as_str) == Some(SPARSEMAX_PATCH);
        let mut merged = yaml;
        if let Some(Value::Object(stored)) = stored {
            merged.extend(stored);
        }
        if let Some(class) = class {
            merged.insert("class_identifier".into(), class);
        }
        if patched {
            merged.insert("layer_transformation".into(), SPARSEMAX_PATCH.into());
        }
        let written: Written = serde_json::from_value(Value::Object(merged))
            .map_err(|error| format!("hyper-parameters: {error}"))?;
        Self::check(written)
    }

    fn check(written: Written) -> Result<Self, String> {
        let class = written.class_identifier;
        if let Some(encoder) = &written.encoder_model
            && encoder != "XLM-RoBERTa"
        {
            return Err(format!(
                "`encoder_model` is {encoder:?}, which is not built; known is \"XLM-RoBERTa\""
            ));
        }
        let pretrained_model = written.pretrained_model.unwrap_or_default();
        let layer = match class {
            MetricClass::Unified => written.sent_layer.or(written.layer),
            _ => written.layer,
        };
        let layer = match layer {
            None => LayerChoice::Mix,
            Some(Value::String(text)) if text == "mix" => LayerChoice::Mix,
            Some(value) => match value.as_u64() {
                Some(layer) => LayerChoice::Single(layer as usize),
                None => return Err(format!("layer {value} is neither \"mix\" nor a number")),
            },
        };
        let inputs = written.input_segments.map_or(
            InputSegments {
                source: true,
                reference: true,
            },
            |names| InputSegments {
                source: names.iter().any(|name| name == "src"),
                reference: names.iter().any(|name| name == "ref"),
            },
        );
        let default = match class {
            MetricClass::Unified => "sparsemax",
            _ => "softmax",
        };
        let declared = written
            .layer_transformation
            .unwrap_or_else(|| default.into());
        // CometKiwi of 2022 as first published: declared sparsemax, trained with softmax
        // (issue 195 of unbabel-comet). Later downloads carry the patch instead.
        let is_first_kiwi = class == MetricClass::Unified
            && pretrained_model == "microsoft/infoxlm-large"
            && inputs.source
            && !inputs.reference;
        let transformation = match declared.as_str() {
            "sparsemax" if !is_first_kiwi => Transformation::Sparsemax,
            // As in unbabel-comet, whatever is not sparsemax is softmax.
            _ => Transformation::Softmax,
        };
        let pooling = match (class, written.pool.as_deref()) {
            (MetricClass::Unified, _) | (_, Some("cls")) => Pooling::First,
            (_, None | Some("avg")) => Pooling::Average,
            (_, Some("max")) => Pooling::Max,
            (_, Some(other)) => {
                return Err(format!(
                    "`pool` is {other:?}, which is not built; known are \"avg\", \"cls\" and \"max\""
                ));
            }
        };
        let hidden_sizes = written.hidden_sizes.unwrap_or_else(|| match class {
            MetricClass::Referenceless => vec![2048, 1024],
            _ => vec![3072, 1024],
        });
        if hidden_sizes.is_empty() || hidden_sizes.iter().any(|&size| size == 0 || size > 1 << 20) {
            return Err(format!("`hidden_sizes` is {hidden_sizes:?}"));
        }
        Ok(Self {
            class,
            pretrained_model,
            layer,
            transformation,
            layer_norm: written.layer_norm.unwrap_or(true),
            pooling,
            hidden_sizes,
            activation: written.activations.unwrap_or_else(|| "Tanh".into()),
            final_activation: written.final_activation,
            inputs,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(yaml: Value, stored: Option<Value>) -> Result<Hparams, String> {
        let Value::Object(yaml) = yaml else {
            panic!("a mapping")
        };
        Hparams::merge(yaml, stored)
    }

    #[test]
    fn kiwi_runs_softmax_whatever_it_declares() {
        let kiwi = json!({
            "class_identifier": "unified_metric",
            "layer_transformation": "sparsemax",
            "pretrained_model": "microsoft/infoxlm-large",
            "input_segments": ["mt", "src"],
        });
        let hparams = read(kiwi.clone(), None).unwrap();
        assert_eq!(hparams.transformation, Transformation::Softmax);
        // The patch of the yaml wins over what the checkpoint stores.
        let patched = json!({
            "class_identifier": "unified_metric",
            "layer_transformation": "sparsemax_patch",
        });
        let stored = json!({"layer_transformation": "sparsemax", "input_segments": ["mt", "src"]});
        let hparams = read(patched, Some(stored)).unwrap();
        assert_eq!(hparams.transformation, Transformation::Softmax);
    }

    #[test]
    fn comet_runs_the_sparsemax_it_declares() {
        let comet = json!({
            "class_identifier": "regression_metric",
            "layer_transformation": "sparsemax",
            "pretrained_model": "xlm-roberta-large",
        });
        let hparams = read(comet, None).unwrap();
        assert_eq!(hparams.transformation, Transformation::Sparsemax);
        assert_eq!(hparams.pooling, Pooling::Average);
    }

    #[test]
    fn the_checkpoint_counts_before_the_yaml() {
        let yaml = json!({"class_identifier": "regression_metric", "pool": "cls", "layer": 3});
        let stored = json!({"pool": "max", "class_identifier": "unified_metric"});
        let hparams = read(yaml, Some(stored)).unwrap();
        assert_eq!(hparams.class, MetricClass::Regression);
        assert_eq!(hparams.pooling, Pooling::Max);
        assert_eq!(hparams.layer, LayerChoice::Single(3));
    }

    #[test]
    fn what_is_not_built_is_named() {
        let error = read(json!({"class_identifier": "xcomet_metric"}), None).unwrap_err();
        assert!(error.contains("xcomet_metric"), "{error}");
        let yaml = json!({"class_identifier": "regression_metric", "encoder_model": "RemBERT"});
        assert!(read(yaml, None).unwrap_err().contains("RemBERT"));
    }
}
