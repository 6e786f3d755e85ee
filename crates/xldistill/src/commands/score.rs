//! `xldistill score`: hypotheses against references, as sacrebleu, rouge-score, MKQA's script and
//! scikit-learn score them.

mod mkqa;

use std::{io::Write, path::Path};

use anyhow::Result;
use evaluation::metric::accuracy::Accuracy;
use evaluation::metric::macro_f1::MacroF1;
use evaluation::metric::rouge::{Rouge, RougeTokenizer, RougeUnit};
use evaluation::metric::{Metric, bleu::Bleu, chrf::Chrf, ter::Ter, tokenizer::Tokenizer};
use evaluation::score::corpus_score;

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
            let tokenizer = Tokenizer::named(tokenizer, sentencepiece_model.as_deref())
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
