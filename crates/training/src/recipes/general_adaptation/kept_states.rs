//! The states that do not change while the stack learns, kept on disk if they are needed again.

use std::path::Path;

use artefacts::Provenance;
use corpus::progress::Progress;
use kernels::Precision;
use models::{Backbone, BackboneNetwork, EncodedText};
use serde_json::json;

use super::AdaptError;
use super::document::{Document, Documents};
use super::document_states::{TOKENS_PER_PASS, llm_rows};
use crate::recipes::encoder_states::encoder_rows;
use crate::states::{Layout, States};

/// Raised whenever a code change affects the states.
const VERSION: u32 = 2;

/// Where states come from and go to.
pub struct Keeping<'a> {
    /// The documents.
    pub documents: &'a Documents,
    /// Number format in which the models compute.
    pub precision: Precision,
    /// The folder of the run.
    pub folder: &'a Path,
    /// Shows how far it is.
    pub progress: &'a dyn Progress,
}

impl Keeping<'_> {
    fn documents(
        &self,
        wanted: &[u32],
        range: std::ops::Range<usize>,
    ) -> Result<Vec<Document>, AdaptError> {
        let numbers = range.filter(|&document| wanted[document] > 0);
        let read = numbers.map(|document| self.documents.read(document));
        Ok(read.collect::<Result<_, _>>()?)
    }

    /// The size of the LLM's states of these documents.
    pub fn llm_layout(&self, width: usize, documents: &[usize], aligned: bool) -> Layout {
        self.layout(width, documents, |document| {
            let tokens = if aligned {
                self.documents.aligned_tokens(document)
            } else {
                0
            };
            1 + tokens
        })
    }

    /// The size of the encoder's states of these documents, `layers` for each token.
    pub fn source_layout(&self, width: usize, documents: &[usize], layers: usize) -> Layout {
        self.layout(width, documents, |document| {
            layers * self.documents.source_tokens(document)
        })
    }

    fn layout(&self, width: usize, documents: &[usize], count: impl Fn(usize) -> usize) -> Layout {
        let mut rows = vec![0; self.documents.file().len()];
        for &document in documents {
            rows[document] = count(document) as u32;
        }
        Layout { width, rows }
    }

    /// The LLM's states in the folder `name`.
    pub fn llm(
        &self,
        name: &str,
        llm: (&Backbone, &BackboneNetwork),
        layout: &Layout,
        aligned: bool,
    ) -> Result<States, AdaptError> {
        let revision = llm
            .0
            .llm()
            .map(|llm| llm.revision.clone())
            .unwrap_or_default();
        let provenance = self.provenance("states of the LLM", revision, llm.0, layout, aligned);
        let compute = |range| {
            Ok(llm_rows(
                llm,
                &self.documents(&layout.rows, range)?,
                aligned,
            ))
        };
        States::make(
            &self.folder.join(name),
            &provenance,
            layout,
            compute,
            self.progress,
        )
    }

    /// The encoder's states in the folder `name`.
    pub fn source(
        &self,
        name: &str,
        stack: &Backbone,
        layout: &Layout,
        mixes_layers: bool,
    ) -> Result<States, AdaptError> {
        let revision = (stack.encoder()).map(|encoder| encoder.revision.clone());
        let revision = revision.unwrap_or_default();
        let stage = "states of the encoder";
        let provenance = self.provenance(stage, revision, stack, layout, mixes_layers);
        let compute = |range| {
            let documents = self.documents(&layout.rows, range)?;
            let texts: Vec<&EncodedText> =
                documents.iter().map(|document| &document.source).collect();
            Ok(encoder_rows(stack, &texts, TOKENS_PER_PASS))
        };
        States::make(
            &self.folder.join(name),
            &provenance,
            layout,
            compute,
            self.progress,
        )
    }

    fn provenance(
        &self,
        stage: &str,
        model: String,
        backbone: &Backbone,
        layout: &Layout,
        more_rows: bool,
    ) -> Provenance {
        let settings = backbone.settings();
        let inputs = [
            ("documents", self.documents.file().key().to_string()),
            ("model", model),
            ("rows", artefacts::Key::of(&layout.rows).to_string()),
        ];
        Provenance {
            stage: stage.to_owned(),
            version: VERSION,
            parameters: json!({
                "settings": settings,
                "more_rows": more_rows,
                "precision": self.precision,
            }),
            engines: Vec::new(),
            inputs: inputs.map(|(name, hash)| (name.to_owned(), hash)).into(),
        }
    }
}
