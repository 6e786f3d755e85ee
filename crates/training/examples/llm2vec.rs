//! Makes an LLM2Vec from any LLM, and measures whether its states find translations.
//!
//! ```text
//! cargo run --release --workspace --example llm2vec -- MODEL OUTPUT CONFIG.toml
//! ```
//! The config names the text (`text = ["sentences.txt", { path = "snli.tsv", fields = ["premise"] }]`)
//! and, optionally, a folder of line-aligned translations called CODE.txt (`retrieval`), and has the
//! tables `[mntp]` and `[simcse]` of the recipes. The chain is LLM → `OUTPUT/mntp` →
//! `OUTPUT/simcse`; it resumes.
//!
//! Prints a line of JSON for the LLM and after each recipe: for each language, the share of English
//! sentences whose translation is the nearest by cosine among those of all sentences.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use burn::Tensor;
use burn::tensor::Device;
use corpus::progress::Progress;
use corpus::source::plain_text::{TextOptions, TextSource};
use kernels::{Precision, Segments};
use models::layers::{Attention, Pooling};
use models::{LanguageModel, WeightForm};
use serde::Deserialize;
use training::llm_adapters::MERGED;
use training::llm_tokens::llm_tokens;
use training::mntp::{MntpConfig, mntp};
use training::simcse::{SimcseConfig, simcse};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    text: Vec<TextSource>,
    #[serde(default)]
    options: TextOptions,
    retrieval: Option<PathBuf>,
    /// Sentences of each language that are compared.
    #[serde(default = "sentences")]
    sentences: usize,
    #[serde(default)]
    mntp: MntpConfig,
    #[serde(default)]
    simcse: SimcseConfig,
}

fn sentences() -> usize {
    100
}

/// Notes go to standard error.
struct Notes;

impl Progress for Notes {
    fn begin(&self, task: &str, total: Option<u64>) {
        eprintln!("{task}: {total:?}");
    }
    fn advance(&self, _: u64) {}
    fn status(&self, _: &str) {}
    fn note(&self, line: &str) {
        eprintln!("{line}");
    }
    fn end(&self) {}
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, output, config] = arguments.as_slice() else {
        return Err("usage: llm2vec MODEL OUTPUT CONFIG.toml".into());
    };
    let config: Config = toml::from_str(&fs::read_to_string(config)?)?;
    let output = Path::new(output);
    let base = Path::new(model);
    report("LLM, causal", base, Attention::Causal, &config)?;
    report(
        "LLM, bidirectional",
        base,
        Attention::Bidirectional,
        &config,
    )?;

    let folder = output.join("mntp");
    let device = Device::flex().autodiff();
    let model = LanguageModel::load_as(base, &device, config.mntp.training.weight_form())?;
    let (text, options, length) = (&config.text, &config.options, config.mntp.max_length);
    let tokens = llm_tokens(
        &model,
        text,
        options,
        length,
        &folder.join("tokens"),
        &Notes,
    )?;
    eprintln!("{:?}", tokens.counts());
    eprintln!(
        "mntp: {}",
        mntp(model, &tokens, &config.mntp, &folder, &Notes)?
    );
    let merged = folder.join(MERGED);
    report("after mntp", &merged, Attention::Bidirectional, &config)?;

    let folder = output.join("simcse");
    let form = config.simcse.training.weight_form();
    let model = LanguageModel::load_as(&merged, &device, form)?;
    let length = config.simcse.max_length;
    let tokens = llm_tokens(
        &model,
        text,
        options,
        length,
        &folder.join("tokens"),
        &Notes,
    )?;
    eprintln!(
        "simcse: {}",
        simcse(model, &tokens, &config.simcse, &folder, &Notes)?
    );
    report(
        "after simcse",
        &folder.join(MERGED),
        Attention::Bidirectional,
        &config,
    )
}

/// Prints how well the model at `path` finds translations.
fn report(
    name: &str,
    path: &Path,
    attention: Attention,
    config: &Config,
) -> Result<(), Box<dyn Error>> {
    let Some(folder) = &config.retrieval else {
        return Ok(());
    };
    let form = WeightForm::Packed(Precision::F32);
    let model = LanguageModel::load_as(path, &Device::flex(), form)?;
    let embed = |file: &Path| -> Result<Tensor<2>, Box<dyn Error>> {
        let text = fs::read_to_string(file)?;
        let lines = text.lines().take(config.sentences);
        let ids = lines.map(|line| model.tokenizer.encode_plain(line));
        let ids = ids.collect::<Result<Vec<_>, _>>()?;
        let states = ids.chunks(16).map(|ids| {
            let segments = Segments::new(ids.iter().map(Vec::len));
            let spans = segments
                .iter()
                .map(|range| range.map(|at| at as u32).collect());
            let spans: Vec<Vec<u32>> = spans.collect();
            let flat = ids.concat();
            let hidden = model
                .network
                .forward_attending(&flat, &segments, attention, None);
            Pooling::Mean.pool(hidden, &spans)
        });
        let states = Tensor::cat(states.collect(), 0);
        let lengths = states.clone().powf_scalar(2.0).sum_dim(1).sqrt();
        Ok(states / lengths)
    };
    let english = embed(&folder.join("eng_Latn.txt"))?;
    let mut found = BTreeMap::new();
    let mut files = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<PathBuf>, std::io::Error>>()?;
    files.sort();
    for file in files {
        let code = file
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if code == "eng_Latn" || file.extension().is_none_or(|ending| ending != "txt") {
            continue;
        }
        let nearest = embed(&file)?.matmul(english.clone().transpose()).argmax(1);
        let nearest: Vec<i64> = nearest.into_data().iter::<i64>().collect();
        let hits = nearest
            .iter()
            .enumerate()
            .filter(|(own, found)| *own as i64 == **found);
        found.insert(code, hits.count() as f64 / nearest.len() as f64);
    }
    let mean = found.values().sum::<f64>() / found.len() as f64;
    println!(
        "{}",
        serde_json::json!({ "model": name, "mean": mean, "retrieval": found })
    );
    Ok(())
}
