//! Locations of the parts of a COMET model: checkpoint, hyper-parameters, and the encoder's
//! configuration and tokenizer, which are published in another repository.

use std::path::{Path, PathBuf};

use super::CometError;

/// The checkpoint and its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CometFiles {
    /// `.ckpt` or `.safetensors`.
    pub checkpoint: PathBuf,
    /// `hparams.yaml`, which may be missing.
    pub hparams: PathBuf,
    /// The model's folder, which contains `hparams.yaml`.
    pub root: PathBuf,
}

/// Paths of the checkpoint within the model's folder, in the order in which they are tried.
const CHECKPOINTS: [&str; 3] = ["checkpoints/model.ckpt", "model.ckpt", "model.safetensors"];

const HPARAMS: &str = "hparams.yaml";

impl CometFiles {
    /// The files of the model at `path`: its folder as published, or the checkpoint itself.
    pub fn find(path: &Path) -> Result<Self, CometError> {
        let not_a_model = |message: &str| CometError::NotAModel {
            path: path.to_path_buf(),
            message: message.into(),
        };
        if path.is_file() {
            let parents = path.ancestors().skip(1).take(2);
            let root = parents
                .clone()
                .find(|folder| folder.join(HPARAMS).is_file())
                .or_else(|| parents.clone().next())
                .unwrap_or(Path::new(""));
            return Ok(Self {
                checkpoint: path.to_path_buf(),
                hparams: root.join(HPARAMS),
                root: root.to_path_buf(),
            });
        }
        if !path.is_dir() {
            return Err(not_a_model("does not exist"));
        }
        let checkpoint = CHECKPOINTS
            .iter()
            .map(|name| path.join(name))
            .find(|file| file.is_file())
            .ok_or_else(|| {
                not_a_model(
                    "contains no COMET model: neither checkpoints/model.ckpt nor \
                     model.safetensors exists next to hparams.yaml",
                )
            })?;
        Ok(Self {
            checkpoint,
            hparams: path.join(HPARAMS),
            root: path.to_path_buf(),
        })
    }

    /// The encoder's file `name`: in `named` if the user named a folder; otherwise next to the
    /// checkpoint, in the folder that the hyper-parameters call `pretrained_model`, or in the cache
    /// of Hugging Face's tools.
    pub fn of_encoder(
        &self,
        name: &str,
        named: Option<&Path>,
        pretrained_model: &str,
    ) -> Option<PathBuf> {
        if let Some(folder) = named {
            return match folder.is_file() && folder.file_name().is_some_and(|file| file == name) {
                true => Some(folder.to_path_buf()),
                false => Some(folder.join(name)).filter(|file| file.is_file()),
            };
        }
        let mut folders = vec![self.root.clone(), self.root.join("encoder")];
        folders.extend(self.checkpoint.parent().map(Path::to_path_buf));
        if !pretrained_model.is_empty() {
            folders.push(self.root.join(pretrained_model));
            folders.push(pretrained_model.into());
            folders.extend(snapshots(pretrained_model));
            // InfoXLM was initialised from XLM-R and shares its vocabulary.
            if name == TOKENIZER && pretrained_model.contains("infoxlm") {
                for model in ["FacebookAI/xlm-roberta-large", "xlm-roberta-large"] {
                    folders.extend(snapshots(model));
                }
            }
        }
        folders
            .into_iter()
            .map(|folder| folder.join(name))
            .find(|file| file.is_file())
    }
}

/// Name of the tokenizer's file.
pub(super) const TOKENIZER: &str = "tokenizer.json";
/// Name of the encoder's configuration.
pub(super) const CONFIG: &str = "config.json";

/// Folders in which Hugging Face's tools cache versions of the model `name`.
fn snapshots(name: &str) -> Vec<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let hub = variable("HF_HUB_CACHE")
        .or_else(|| Some(variable("HF_HOME")?.join("hub")))
        .or_else(|| Some(variable("HOME")?.join(".cache/huggingface/hub")));
    let Some(hub) = hub else {
        return Vec::new();
    };
    let folder = hub
        .join(format!("models--{}", name.replace('/', "--")))
        .join("snapshots");
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_finds_the_hyper_parameters_above_it() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = folder.path().join("checkpoints");
        std::fs::create_dir(&checkpoints).unwrap();
        std::fs::write(checkpoints.join("model.ckpt"), "").unwrap();
        std::fs::write(folder.path().join(HPARAMS), "").unwrap();
        let by_folder = CometFiles::find(folder.path()).unwrap();
        let by_file = CometFiles::find(&checkpoints.join("model.ckpt")).unwrap();
        assert_eq!(by_folder, by_file);
        assert_eq!(by_file.hparams, folder.path().join(HPARAMS));
        assert_eq!(by_file.of_encoder(TOKENIZER, None, ""), None);
        std::fs::write(checkpoints.join(TOKENIZER), "").unwrap();
        assert_eq!(
            by_file.of_encoder(TOKENIZER, None, ""),
            Some(checkpoints.join(TOKENIZER))
        );
    }

    #[test]
    fn an_empty_folder_is_no_model() {
        let folder = tempfile::tempdir().unwrap();
        let error = CometFiles::find(folder.path()).unwrap_err().to_string();
        assert!(error.contains("checkpoints/model.ckpt"), "{error}");
    }
}
