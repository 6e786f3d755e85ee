//! `xldistill score`: hypotheses against references, as sacrebleu and scikit-learn score them.

use std::{io::Write, path::Path};

use anyhow::Result;
use evaluation::metric::accuracy::Accuracy;
use evaluation::metric::macro_f1::MacroF1;
use evaluation::metric::tokenizer::{AUTO, Tokenizer, name_for_text};
use evaluation::metric::{Metric, bleu::Bleu, chrf::Chrf};
use evaluation::score::corpus_score;

use crate::{
    arguments::{ScoreCommand, ScoreFiles},
    config_file::ConfigError,
    lines,
};

/// Scores the files that `command` names and prints the score.
pub fn run(command: &ScoreCommand) -> Result<()> {
    match command {
        ScoreCommand::Bleu {
            files,
            tokenizer,
            sentencepiece_model,
        } => {
            let references = files
                .references
                .iter()
                .map(read)
                .collect::<Result<Vec<_>>>()?;
            let name = match tokenizer.as_str() {
                AUTO => name_for_text(references.iter().flatten().map(String::as_str)),
                name => name,
            };
            let tokenizer = Tokenizer::named(name, sentencepiece_model.as_deref())
                .map_err(|error| ConfigError(format!("--tokenizer: {error}")))?;
            print(&Bleu::new(tokenizer), files)
        }
        ScoreCommand::Chrf { files, word_order } => print(&Chrf::new(*word_order), files),
        ScoreCommand::Accuracy { files } => print(&Accuracy, files),
        ScoreCommand::MacroF1 { files } => {
            let [references] = files.references.as_slice() else {
                let message =
                    "--references: macro-F1 compares with one label per line; name one file";
                return Err(ConfigError(message.to_owned()).into());
            };
            let (said, correct) = (read(&files.hypotheses)?, read(references)?);
            let labels = said.iter().chain(&correct).map(String::as_str);
            print(&MacroF1::over(labels), files)
        }
    }
}

fn print(metric: &dyn Metric, files: &ScoreFiles) -> Result<()> {
    let hypotheses = read(&files.hypotheses)?;
    let references: Vec<_> = files.references.iter().map(read).collect::<Result<_>>()?;
    let score = corpus_score(metric, &hypotheses, &references, None)?;
    let mut out = std::io::stdout().lock();
    if files.json {
        writeln!(out, "{}", serde_json::to_string(&score)?)?;
    } else {
        writeln!(out, "{score}")?;
    }
    Ok(())
}

fn read(path: impl AsRef<Path>) -> Result<Vec<String>> {
    lines::of_file(path.as_ref())
}
