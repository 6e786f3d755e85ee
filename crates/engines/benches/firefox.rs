//! Sentences per second of the Firefox engine on all cores, compared with the `fxtranslate` crate
//! on one.
//!
//! `cargo bench -p engines --bench firefox -- MODEL SENTENCES [ROUNDS]`, e.g. with the 1,012 lines
//! of FLORES devtest. Both get the same sentences in batches of the same size, sorted by length.
//! The rounds alternate, and the medians are compared.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use corpus::seam::Translator;
use engines::firefox::FirefoxTranslator;
use fxtranslate::engine::Engine;
use fxtranslate::shortlist::Shortlist;

const BATCH: usize = 16;

fn main() {
    // Cargo passes --bench to every benchmark.
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let [model, sentences, rest @ ..] = &arguments[..] else {
        println!("usage: cargo bench -p engines --bench firefox -- MODEL SENTENCES [ROUNDS]");
        return;
    };
    let rounds: usize = rest
        .first()
        .map_or(3, |n| n.parse().expect("a number of rounds"));
    let text = fs::read_to_string(sentences).expect("a file of sentences");
    let sentences: Vec<String> = text.lines().map(str::to_owned).collect();

    let folder = Path::new(model);
    let engine = FirefoxTranslator::load(folder).expect("a model");
    let (from, to) = engine
        .direction()
        .expect("a model that knows its direction");
    let vocabulary = file(folder, "vocab", ".spm");
    let peer =
        Engine::load(file(folder, "model", ".bin"), &vocabulary, &vocabulary).expect("a model");
    let shortlist = fs::read(file(folder, "lex", ".bin")).expect("a shortlist");
    let peer = peer.with_shortlist(Shortlist::from_bytes(&shortlist));
    let mut order: Vec<&str> = sentences.iter().map(String::as_str).collect();
    order.sort_by_key(|sentence| std::cmp::Reverse(sentence.len()));

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let started = Instant::now();
        let translations = engine
            .translate(&sentences, from, to)
            .expect("translations");
        ours.push(sentences.len() as f64 / started.elapsed().as_secs_f64());
        assert_eq!(translations.len(), sentences.len());
        let started = Instant::now();
        for batch in order.chunks(BATCH) {
            peer.translate_batch(batch);
        }
        theirs.push(sentences.len() as f64 / started.elapsed().as_secs_f64());
    }
    let (ours, theirs) = (median(ours), median(theirs));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("engine, {cores} cores: {ours:.1} sentences/s");
    println!("crate, one thread: {theirs:.1} sentences/s");
    println!("ratio: {:.2}", ours / theirs);
}

fn median(mut speeds: Vec<f64>) -> f64 {
    speeds.sort_by(f64::total_cmp);
    speeds[speeds.len() / 2]
}

fn file(folder: &Path, start: &str, end: &str) -> PathBuf {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    let named = |path: &PathBuf| {
        path.file_name().is_some_and(|name| {
            name.to_string_lossy().starts_with(start) && name.to_string_lossy().ends_with(end)
        })
    };
    entries
        .map(|entry| entry.path())
        .find(named)
        .expect("the model's file")
}
