//! `xldistill export-embeddings`: what the LLM of a stack reads in place of token embeddings, for a
//! server that takes prompt embeddings.

use anyhow::{Context, Result, bail};
use models::export::{StoredFormat, save_tensors};
use models::{BackboneNetwork, ModelDirectory, TextInput, WeightForm};

use super::predict::told;
use crate::terminal::line;
use crate::{arguments::ExportEmbeddingsArguments, lines};

/// Writes a file of embeddings for each line of standard input.
pub fn run(arguments: &ExportEmbeddingsArguments) -> Result<()> {
    let directory = ModelDirectory::open(&arguments.model)?;
    let (backbone, network) =
        directory.backbone(&arguments.device.open()?, WeightForm::Parameters)?;
    let BackboneNetwork::Stack(stack) = &network else {
        bail!(
            "{} is no stack on an encoder, so its LLM reads tokens; use adapt or distill first",
            arguments.model.display()
        );
    };
    let language = told(&backbone, arguments.language.as_deref(), false)?;
    if let Some(llm) = &arguments.llm {
        directory.merge_llm(llm, StoredFormat::F32)?;
        line(&format!(
            "wrote {}: the LLM, adapters merged",
            llm.display()
        ));
    }
    let output = &arguments.output;

    let lines = lines::of_standard_input()?;
    let width = lines.len().to_string().len();
    for (at, line) in lines.iter().enumerate() {
        let encoded = backbone.encode(&TextInput::Single(line), language.as_deref());
        let encoded = encoded.with_context(|| format!("line {}", at + 1))?;
        let source = backbone.source_states(&[&encoded]);
        let embeddings = stack.projected(source.expect("a stack has an encoder"));
        let path = output.join(format!("{:0width$}.safetensors", at + 1));
        save_tensors(&path, [("prompt_embeds", embeddings)], StoredFormat::F32)?;
    }
    line(&format!(
        "wrote {} files to {}",
        lines.len(),
        output.display()
    ));
    Ok(())
}
