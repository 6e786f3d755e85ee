//! Pools the states of texts with an LLM on an encoder, an LLM or an encoder, and says how fast.
//!
//! ```sh
//! cargo run --release --example pool_texts -- TEXTS FORMAT LLM [ENCODER]
//! ```
//!
//! `TEXTS` has a text a line, `FORMAT` is the precision (`f32`, `bf16` or `int8`); `-` stands for no
//! LLM. A stack's projection is random: this is about time, not about meaning.

use std::time::{Duration, Instant};

use burn::tensor::Device;
use models::encoders::EncoderModel;
use models::{
    Backbone, BackboneSettings, EncodedText, LanguageModel, Precision, TextInput, WeightForm,
};
use rayon::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (texts, format, llm, encoder) = match arguments.as_slice() {
        [texts, format, llm] => (texts, format, llm, None),
        [texts, format, llm, encoder] => (texts, format, llm, Some(encoder)),
        _ => return Err("usage: pool_texts TEXTS FORMAT LLM|- [ENCODER]".into()),
    };
    let format = match format.as_str() {
        "bf16" => Precision::Bf16,
        "int8" => Precision::Int8,
        _ => Precision::F32,
    };
    let (device, form) = (Device::flex(), WeightForm::Packed(format));
    let settings = BackboneSettings::default();
    let encoder = encoder.map(|path| EncoderModel::load_as(path, &device, form));
    let (backbone, network) = match (llm.as_str(), encoder.transpose()?) {
        ("-", None) => return Err("name an LLM or an encoder".into()),
        ("-", Some(encoder)) => Backbone::of_encoder(encoder, settings),
        (llm, encoder) => {
            let llm = LanguageModel::load_states(llm, &device, form)?;
            match encoder {
                Some(encoder) => Backbone::of_stack(encoder, llm, settings, false, 1),
                None => Backbone::of_llm(llm, settings),
            }
        }
    };
    let text = std::fs::read_to_string(texts)?;
    let lines: Vec<&str> = text.lines().collect();
    let start = Instant::now();
    let encode = |text: &&str| backbone.encode(&TextInput::Single(text), Some("eng_Latn"));
    let encoded: Vec<EncodedText> = lines.par_iter().map(encode).collect::<Result<_, _>>()?;
    let tokenising = start.elapsed();
    let (mut source_time, mut tokens) = (Duration::ZERO, 0);
    let start = Instant::now();
    kernels::together(&device, || {
        for texts in encoded.chunks(48) {
            let texts: Vec<&EncodedText> = texts.iter().collect();
            tokens += texts.iter().map(|text| text.tokens()).sum::<usize>();
            let source_start = Instant::now();
            let source = backbone.source_states(&texts);
            source_time += source_start.elapsed();
            backbone.pooled(&network, &texts, source, None).into_data();
        }
    });
    let all = start.elapsed() + tokenising;
    println!(
        "{} texts, {tokens} tokens in {:.2} s ({:.1} texts a second): tokens {:.2} s, frozen \
         encoder {:.2} s",
        lines.len(),
        all.as_secs_f64(),
        lines.len() as f64 / all.as_secs_f64(),
        tokenising.as_secs_f64(),
        source_time.as_secs_f64(),
    );
    Ok(())
}
