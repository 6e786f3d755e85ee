//! `xldistill inside`: representations of translations in an LLM before and after training.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use corpus::progress::Progress;
use corpus::stage::Shard;
use evaluation::inside::{self, Inside};
use evaluation::material::Pairs;
use models::{LanguageModel, WeightForm, last_states};
use serde_json::json;

use crate::arguments::InsideArguments;
use crate::run::Run;
use crate::sdrrl::Config;
use crate::terminal::Terminal;

/// Writes `inside_LANGUAGE.json` and `.html` to the run's folder for each target language with
/// held-out pairs, and prints the numbers.
///
/// # Errors
/// A run that has not trained a model yet, and one without pairs.
pub fn run(arguments: &InsideArguments, terminal: &Terminal) -> Result<()> {
    let config: Config = arguments.config.read()?;
    let run = Run::new(&config, Shard::WHOLE, terminal);
    let trained = run.model();
    if !trained.exists() {
        bail!(
            "{} does not exist; run `xldistill run {}` first",
            trained.display(),
            arguments.config.config.display()
        );
    }
    let all = run.human_translations()?;
    if all.is_empty() {
        bail!("evaluate.pairs: name held-out sentence pairs of a target language");
    }
    let models = [("before", config.model.to_path_buf()), ("after", trained)];
    let mut found: Vec<Vec<Inside>> = all.iter().map(|_| Vec::new()).collect();
    for (name, path) in models {
        terminal.note(&format!("representations {name} training"));
        let model = load(&config, &path)?;
        for (pairs, found) in all.iter().zip(&mut found) {
            found.push(of_pairs(&model, name, pairs, arguments.limit, config.seed)?);
        }
    }
    let mut out = std::io::stdout().lock();
    for (pairs, found) in all.iter().zip(&found) {
        let code = pairs.target.code();
        let path = config.output.join(format!("inside_{code}"));
        let names = [pairs.source, pairs.target].map(|language| language.everyday_name());
        let page = inside::html(names, found);
        artefacts::write(&path.with_extension("html"), page.as_bytes())?;
        let json = serde_json::to_vec(&found)?;
        artefacts::write(&path.with_extension("json"), &json)?;
        for one in found {
            if arguments.json {
                let line =
                    json!({ "language": code, "model": one.name, "closeness": one.closeness });
                writeln!(out, "{line}")?;
                continue;
            }
            let numbers = one.closeness;
            writeln!(
                out,
                "{code} {:<6}  cosine of {} translations {:.3}, of other pairs {:.3}; closest is the \
                 translation {:.1} % from {}, {:.1} % back; CKA {:.3}",
                one.name,
                numbers.pairs,
                numbers.translations,
                numbers.others,
                100.0 * numbers.retrieved_from_source,
                names[0],
                100.0 * numbers.retrieved_from_target,
                numbers.cka
            )?;
        }
    }
    Ok(())
}

fn load(config: &Config, path: &Path) -> Result<LanguageModel> {
    let form = WeightForm::Packed(config.evaluate.precision);
    let model = LanguageModel::load_as(path, &config.device.open()?, form);
    model.with_context(|| format!("cannot load {}", path.display()))
}

/// The representations of at most `limit` pairs.
fn of_pairs(
    model: &LanguageModel,
    name: &str,
    pairs: &Pairs,
    limit: usize,
    seed: u64,
) -> Result<Inside> {
    let pairs = &pairs.pairs[..pairs.pairs.len().min(limit)];
    let (source, target): (Vec<&str>, Vec<&str>) = pairs
        .iter()
        .map(|(one, other)| (one.as_str(), other.as_str()))
        .unzip();
    let [source, target] = [last_states(model, &source)?, last_states(model, &target)?];
    Ok(Inside::of(name, &source, &target, seed))
}
