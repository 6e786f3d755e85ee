//! The models of a run, and where its stages leave them.

use std::path::PathBuf;

use anyhow::Result;
use burn::tensor::Device;
use corpus::language::Language;
use models::encoders::EncoderModel;
use models::{LanguageModel, WeightForm};
use training::general_adaptation::RetrievalFiles;
use training::llm_adapters::MERGED;

use super::config::Config;
use super::stages::{adapt, baselines, centre, classify, llm2vec};
use crate::backbone_source::{self, BackboneSource, HeadTraining};
use crate::run::Run;
use crate::tasks;

/// Name of a trained model in the folder of its training.
const MODEL: &str = training::general_adaptation::MODEL;

impl<'a> Run<'a, Config> {
    /// The LLM that reads in both directions: that of the config, or the one made of it.
    pub fn llm(&self) -> PathBuf {
        let config = &self.config.llm2vec;
        let folder = self.folder(llm2vec::NAME);
        match (config.enabled, config.merge.is_empty()) {
            (false, _) => self.config.model.to_path_buf(),
            (true, false) => folder.join(llm2vec::MERGED_ADAPTERS),
            (true, true) => folder.join(llm2vec::SIMCSE).join(MERGED),
        }
    }

    /// The LLM of the config, as it was published.
    pub fn published_llm(&self) -> BackboneSource {
        BackboneSource::Llm(self.config.model.to_path_buf())
    }

    /// The encoder.
    pub fn encoder(&self, device: &Device, form: WeightForm) -> Result<EncoderModel> {
        let encoder = &self.config.encoder;
        backbone_source::encoder(&encoder.path, &encoder.prefix, device, form)
    }

    /// The encoder as a backbone of its own.
    pub fn encoder_alone(&self) -> BackboneSource {
        BackboneSource::Encoder {
            path: self.config.encoder.path.to_path_buf(),
            prefix: self.config.encoder.prefix.clone(),
        }
    }

    /// Hash of the encoder's files.
    pub fn encoder_revision(&self) -> Result<String> {
        Ok(EncoderModel::identity_of(&self.config.encoder.path)?.revision)
    }

    /// The FLORES-200 codes of the languages that the encoder has to be told; `None` if it reads any
    /// language unmarked, or cannot be read, which is another check's to say.
    pub fn marked_languages(&self) -> Option<Vec<String>> {
        EncoderModel::languages_of(&self.config.encoder.path).ok()?
    }

    /// Hash of the LLM's files.
    pub fn llm_revision(&self) -> Result<String> {
        Ok(LanguageModel::identity_of(&self.config.model)?.revision)
    }

    /// The stack after stage 1: a model directory.
    pub fn adapted(&self) -> PathBuf {
        self.folder(adapt::NAME).join(MODEL)
    }

    /// Whether the stack is centred.
    pub fn centres(&self) -> bool {
        !self.config.centring.is_empty()
    }

    /// The centred stack: a model directory.
    pub fn centred(&self) -> PathBuf {
        self.folder(centre::NAME).join(MODEL)
    }

    /// The LLM with the head of `task`: a model directory.
    pub fn teacher(&self, task: &str) -> PathBuf {
        self.folder(classify::NAME).join(task).join(MODEL)
    }

    /// The baseline `system` for `task`: a model directory.
    pub fn baseline(&self, system: &str, task: &str) -> PathBuf {
        self.folder(baselines::NAME)
            .join(system)
            .join(task)
            .join(MODEL)
    }

    /// How heads are trained.
    pub fn head_training(&self) -> HeadTraining<'a> {
        HeadTraining {
            reading: self.config.reading,
            config: &self.config.classify,
            device: self.config.device,
            card: tasks::card(&self.config.tasks),
            progress: self.progress,
        }
    }

    /// The sentences on which retrieval is measured, if there are some.
    pub fn retrieval(&self) -> Option<RetrievalFiles> {
        let source = self.config.text.language;
        let files = &self.config.retrieval;
        let translations = files.iter().filter(|(language, _)| **language != source);
        let named = |(language, file): (&Language, &corpus::file_path::FilePath)| {
            (language.code().to_owned(), file.to_path_buf())
        };
        Some(RetrievalFiles {
            source: files.get(&source)?.to_path_buf(),
            translations: translations.map(named).collect(),
        })
    }
}
