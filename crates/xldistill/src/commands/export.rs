//! `xldistill export`: a model in another format, checked by reading it again.

use std::path::Path;

use anyhow::{Context, Result, bail};
use artefacts::AtomicFolder;
use burn::tensor::Device;
use models::LanguageModel;
use models::export::{
    GgufNumbers, StoredFormat, base_of_adapter, modelfile, save_gguf, save_huggingface,
    save_peft_adapter, save_tokenizer, stored_format,
};
use models::generation::{GenerationOptions, generate};

use crate::arguments::{ExportArguments, ExportFormat};
use crate::config_file::ConfigError;
use crate::run_folder::model_name;
use crate::sdrrl::model_card;

/// Texts whose token ids must be the same in both formats: words, case, digits, spaces, line ends,
/// scripts, combining marks, symbols.
const PROBES: [&str; 8] = [
    "The quick brown fox jumps over 13 lazy dogs, doesn't it?",
    "Olá! O coração do João não está à venda: R$ 1.234,56.",
    "  two spaces,\ttab\n\nblank line\r\nand an end ",
    "Zażółć gęślą jaźń — „cytat” … 100 %",
    "Привет, мир! Γειά σου Κόσμε. שלום עולם",
    "日本語のテキスト、中文文本。한국어 텍스트",
    "नमस्ते दुनिया 😀👩‍👩‍👧 e\u{301}",
    "fn main() { println!(\"{}\", 1_000); } // ''s'",
];

/// Prompts whose greedy answers are compared.
const PROMPTS: [&str; 3] = [
    "The capital of France is",
    "Uma receita simples:",
    "1, 2, 3, 4,",
];

/// Writes the model and compares what is read back with what was written.
pub fn run(arguments: &ExportArguments) -> Result<()> {
    arguments.model.check().map_err(anyhow::Error::msg)?;
    if let Ok(mut entries) = std::fs::read_dir(&arguments.output)
        && entries.next().is_some()
    {
        bail!(
            "{} is not empty; name a new folder, since nothing is overwritten",
            arguments.output.display()
        );
    }
    let numbers = arguments.numbers.as_deref();
    let base = base_of_adapter(&arguments.model)?;
    match (arguments.to, &base) {
        (ExportFormat::Peft, None) => bail!(
            "{} is no PEFT adapter, and a model's difference from its base has no low rank; train with `method = \"lora\"`, or use --to merged",
            arguments.model.display()
        ),
        (ExportFormat::Gguf | ExportFormat::Merged, _) if arguments.base.is_some() => {
            return Err(ConfigError("--base: goes with --to peft".into()).into());
        }
        (ExportFormat::Peft, _) if numbers.is_some_and(|numbers| numbers != "f32") => {
            return Err(ConfigError("--type: an adapter is written in f32".into()).into());
        }
        _ => {}
    }
    let stored = match (arguments.to, numbers) {
        (ExportFormat::Merged, None) => Some(stored_format(&arguments.model)?),
        (ExportFormat::Merged, Some(name)) => Some(stored_by_name(name)?),
        _ => None,
    };
    let numbers = match (arguments.to, numbers) {
        (ExportFormat::Gguf, None) => Some(GgufNumbers::F16),
        (ExportFormat::Gguf, Some(name)) => {
            let parsed = name
                .parse()
                .map_err(|error| ConfigError(format!("--type: {error}")))?;
            Some(parsed)
        }
        _ => None,
    };
    let model = LanguageModel::load(&arguments.model, &Device::flex())?;
    // Whole or not at all: a killed export must not look like a finished one, nor block the next.
    let folder = AtomicFolder::create(&std::path::absolute(&arguments.output)?)?;
    let output = folder.files();
    let name = model_name(&arguments.model);
    let (file, exact) = match (numbers, stored, base) {
        (Some(numbers), ..) => {
            let file = format!("{name}-{numbers}.gguf");
            save_gguf(&model, output, &file, numbers)?;
            artefacts::write(
                &output.join("Modelfile"),
                modelfile(&model, &file).as_bytes(),
            )?;
            (Some(file), numbers == GgufNumbers::F32)
        }
        (None, Some(format), _) => {
            save_huggingface(&model, output, format)?;
            (None, format == StoredFormat::F32)
        }
        (None, None, base) => {
            let base = arguments.base.as_deref().map(Path::to_path_buf).or(base);
            let base = base.context("an adapter has a base model")?;
            save_tokenizer(&model, output)?;
            save_peft_adapter(&model, &base, output)?;
            (None, true)
        }
    };
    let at = |folder: &Path| {
        file.iter()
            .fold(folder.to_owned(), |path, file| path.join(file))
    };
    let written = at(&arguments.output);
    let equal = compare(&model, &at(output), &written, exact)?;
    let library = match arguments.to {
        ExportFormat::Gguf => None,
        ExportFormat::Merged => Some(model_card::TRANSFORMERS),
        ExportFormat::Peft => Some(model_card::PEFT),
    };
    model_card::carry(&arguments.model, output, library)?;
    folder.commit()?;
    let prompts = PROMPTS.len();
    eprintln!(
        "wrote {}: read again, the same token ids, and {equal} of {prompts} greedy answers are the same",
        written.display()
    );
    if equal < prompts {
        eprintln!("(rounding to fewer bits changes some; --type f32 is exact)");
    }
    Ok(())
}

fn stored_by_name(name: &str) -> Result<StoredFormat> {
    match name.to_ascii_lowercase().as_str() {
        "f32" => Ok(StoredFormat::F32),
        "f16" => Ok(StoredFormat::F16),
        "bf16" => Ok(StoredFormat::BF16),
        _ => {
            let message = format!(
                "--type: {name:?} is not a number format of safetensors; use f32, f16 or bf16"
            );
            Err(ConfigError(message).into())
        }
    }
}

/// Fails if the model at `path`, which will be `written`, has other token ids, or, if it is `exact`,
/// other answers; returns how many answers are equal.
fn compare(model: &LanguageModel, path: &Path, written: &Path, exact: bool) -> Result<usize> {
    let again = LanguageModel::load(path, &Device::flex())
        .with_context(|| format!("{} was written but cannot be read", written.display()))?;
    for text in PROBES {
        let [before, after] = [model, &again].map(|model| model.tokenizer.encode_plain(text));
        if before? != after? {
            bail!(
                "{}: its token ids for {text:?} differ from the original's: the format cannot describe this tokenizer; use --to merged",
                written.display()
            );
        }
    }
    let prompts: Vec<Vec<u32>> = PROMPTS
        .iter()
        .map(|prompt| model.tokenizer.encode_plain(prompt))
        .collect::<Result<_, _>>()?;
    let options = GenerationOptions {
        max_new_tokens: 16,
        ..GenerationOptions::default()
    };
    let [before, after] =
        [model, &again].map(|model| generate(model, &prompts, &options, &mut |_| {}));
    let equal = before
        .iter()
        .zip(&after)
        .filter(|(a, b)| a.ids == b.ids)
        .count();
    if exact && equal < prompts.len() {
        bail!(
            "{}: {} of {} greedy answers differ from the original's; please report this",
            written.display(),
            prompts.len() - equal,
            prompts.len()
        );
    }
    Ok(equal)
}
