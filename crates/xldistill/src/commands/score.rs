//! `xldistill score`: hypotheses against references, as sacrebleu, rouge-score, MKQA's script and
//! scikit-learn score them.

mod mkqa;

use std::{io::Write, path::Path};

use anyhow::Result;
use evaluation::metric::accuracy::Accuracy;
use evaluation::metric::macro_f1::MacroF1;
use evaluation::metric::rouge::{Rouge, RougeTokenizer, RougeUnit};
use evaluation::metric::tokenizer::{AUTO, Tokenizer, name_for_text};
use evaluation::metric::{Metric, bleu::Bleu, chrf::Chrf, ter::Ter};
use evaluation::score::corpus_score;
use evaluation::task::Sample;

use crate::{
    arguments::{ScoreCommand, ScoreFiles, language as language_of},
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
        ScoreCommand::Ter {
            files,
            case_sensitive,
            normalized,
            no_punct,
            asian_support,
        } => print(
            &Ter {
                case_sensitive: *case_sensitive,
                normalized: *normalized,
                no_punct: *no_punct,
                asian_support: *asian_support,
            },
            files,
        ),
        ScoreCommand::Rouge {
            files,
            unit,
            language,
        } => {
            let unit = match unit.as_str() {
                "1" => RougeUnit::Ngrams(1),
                "2" => RougeUnit::Ngrams(2),
                _ => RougeUnit::Subsequence,
            };
            let tokenizer = match language {
                None => RougeTokenizer::Ascii,
                Some(name) => RougeTokenizer::multilingual(language_of("--language", name)?),
            };
            print(&Rouge { unit, tokenizer }, files)
        }
        ScoreCommand::Mkqa {
            predictions,
            language,
            json,
        } => mkqa::run(predictions, language_of("--language", language)?, *json),
        ScoreCommand::Accuracy { files } => print(&Accuracy, files),
        ScoreCommand::MacroF1 { files } => {
            let texts = Texts::read(files)?;
            let [references] = texts.references.as_slice() else {
                let message =
                    "--references: macro-F1 compares with one label per line; name one file";
                return Err(ConfigError(message.to_owned()).into());
            };
            let labels = texts.hypotheses.iter().chain(references);
            let metric = MacroF1::over(labels.map(String::as_str));
            print(&metric, files)
        }
    }
}

/// What is scored.
struct Texts {
    hypotheses: Vec<String>,
    /// The first reference of every segment, the second of every segment, ….
    references: Vec<Vec<String>>,
}

impl Texts {
    fn read(files: &ScoreFiles) -> Result<Texts> {
        if let Some(path) = &files.samples {
            return Texts::saved(path);
        }
        let hypotheses = files.hypotheses.as_deref().unwrap_or(Path::new(""));
        Ok(Texts {
            hypotheses: read(hypotheses)?,
            references: files.references.iter().map(read).collect::<Result<_>>()?,
        })
    }

    /// The outputs and references in the samples of an evaluation.
    fn saved(path: &Path) -> Result<Texts> {
        let lines = read(path)?;
        let (mut hypotheses, mut references) = (Vec::new(), Vec::new());
        for (index, line) in lines.iter().enumerate() {
            let sample: Sample = serde_json::from_str(line).map_err(|error| {
                anyhow::anyhow!(
                    "{}:{}: no sample of an evaluation: {error}",
                    path.display(),
                    index + 1
                )
            })?;
            let Some(output) = sample.filtered_resps.into_iter().next() else {
                anyhow::bail!(
                    "{}: the task of these samples scores text without an output of the model",
                    path.display()
                );
            };
            hypotheses.push(output);
            references.push(sample.target);
        }
        let references = vec![references];
        Ok(Texts {
            hypotheses,
            references,
        })
    }
}

fn print(metric: &dyn Metric, files: &ScoreFiles) -> Result<()> {
    let texts = Texts::read(files)?;
    let score = corpus_score(metric, &texts.hypotheses, &texts.references, None)?;
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
