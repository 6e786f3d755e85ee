//! The model card: `README.md` beside a trained model, in the form of the Hugging Face Hub.

use std::path::Path;

use anyhow::{Context, Result};
use corpus::language::Language;
use corpus::mix::MixConfig;
use corpus::record::Subset;
use evaluation::report;
use evaluation::results::{MeasuredScore, Results};
use models::{LanguageModel, ModelIdentity};
use training::fine_tune::{Method, merged_directory};

use super::config::Config;
use super::stages::mix;
use crate::run::Run;
use crate::run_folder::model_name;

/// The file.
const FILE: &str = "README.md";
/// The Hub's name of the library that loads a whole model.
pub const TRANSFORMERS: &str = "transformers";
/// The Hub's name of the library that loads an adapter.
pub const PEFT: &str = "peft";
/// Begins every card that is written here; others belong to the user.
const MARK: &str = "<!-- written by xldistill; it is written anew after each run -->";

/// Writes the cards of the run's models. `scores` are those before and after training, once they
/// are known. A card that somebody has written stays.
pub fn write(run: &Run<'_, Config>, scores: Option<[&Results; 2]>) -> Result<()> {
    let base = LanguageModel::identity_of(&run.config.model)?;
    let library = match run.config.train.method {
        Method::Full => TRANSFORMERS,
        Method::Lora => PEFT,
    };
    let merged = merged_directory(&run.model());
    let has_own_answers = mix::has_own_answers(run);
    for (folder, library) in [(run.model(), library), (merged, TRANSFORMERS)] {
        let text = card(run.config, &base, library, has_own_answers, scores);
        let path = folder.join(FILE);
        let is_ours = match std::fs::read_to_string(&path) {
            Ok(known) => known.contains(MARK) && known != text,
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        if folder.is_dir() && is_ours {
            let written = std::fs::write(&path, &text);
            written.with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}

/// Takes the card of a run's model along when the model is exported; a card that somebody has
/// written is left to them. `library` is the Hub's name of what loads the format.
pub fn carry(model: &Path, exported: &Path, library: Option<&str>) -> Result<()> {
    let card = match std::fs::read_to_string(model.join(FILE)) {
        Ok(card) if card.contains(MARK) => card,
        _ => return Ok(()),
    };
    let mut carried = String::new();
    for line in card.lines().filter(|line| *line != MARK) {
        match (line.starts_with("library_name: "), library) {
            (true, Some(library)) => carried.push_str(&format!("library_name: {library}\n")),
            (true, None) => {}
            (false, _) => carried.extend([line, "\n"]),
        }
    }
    let path = exported.join(FILE);
    std::fs::write(&path, carried).with_context(|| format!("cannot write {}", path.display()))
}

fn card(
    config: &Config,
    base: &ModelIdentity,
    library: &str,
    has_own_answers: bool,
    scores: Option<[&Results; 2]>,
) -> String {
    let name = model_name(&base.path);
    let mut card = String::from("---\n");
    let mut line = |text: &str| {
        card.push_str(text);
        card.push('\n');
    };
    if let Some(licence) = &base.licence {
        line(&format!("license: {licence}"));
    }
    line(&format!("base_model: {name}"));
    line("language:");
    let languages = || std::iter::once(&config.source).chain(&config.targets);
    for language in languages() {
        let code = language.iso639_1().unwrap_or(language.iso639_3());
        line(&format!("- {code}"));
    }
    let method = config.train.method;
    line(&format!("library_name: {library}"));
    let method_name = config.method.name();
    line(&format!("tags:\n- {method_name}\n---\n{MARK}\n"));

    let targets: Vec<_> = config
        .targets
        .iter()
        .map(|target| target.everyday_name())
        .collect();
    line(&format!("# {name}, taught {}\n", targets.join(", ")));
    let learnt_from = learnt_from(&config.mix, config.source, has_own_answers);
    line(&format!(
        "{name} learnt from {learnt_from} (method {method_name}; SDRRL is arXiv 2402.12204), by {}.\n",
        match method {
            Method::Full => "full fine-tuning",
            Method::Lora => "a LoRA adapter",
        }
    ));
    line(&match &base.licence {
        Some(licence) => format!("The base model's licence is {licence}; it applies to this model as well."),
        None => "The base model's licence is not stated in its files; look at its page before you publish this model.".to_owned(),
    });
    line("\n## Data\n");
    for path in &config.data.instructions {
        line(&format!("- instructions: {}", file_name(path)));
    }
    for language in config.data.parallel.keys() {
        line(&format!(
            "- sentence pairs with {}",
            language.everyday_name()
        ));
    }
    for (language, path) in &config.data.monolingual {
        line(&format!(
            "- text in {}: {}",
            language.everyday_name(),
            file_name(path)
        ));
    }
    for (language, text) in config
        .native_text()
        .into_iter()
        .flat_map(|native| &native.texts)
    {
        line(&format!(
            "- text in {} as answers to instructions made backwards: {}",
            language.everyday_name(),
            file_name(text.path())
        ));
    }
    if let Some([before, after]) = scores {
        line("\n## Scores\n\n| task | measure | before | after |\n|---|---|---|---|");
        let mut tasks: Vec<_> = after.xldistill.tasks.iter().collect();
        tasks.sort_by_key(|(_, record)| record.presentation.order);
        for (task, record) in tasks {
            for score in &record.measures {
                let key = &score.measure.key;
                let earlier = before.xldistill.tasks.get(task);
                let mut earlier = earlier.into_iter().flat_map(|record| &record.measures);
                let earlier = earlier.find(|other| other.measure.key == *key);
                let earlier = earlier.map_or(String::from("–"), shown);
                line(&format!(
                    "| {} | {} | {earlier} | {} |",
                    record.presentation.title,
                    score.measure.name,
                    shown(score)
                ));
            }
        }
    }
    line("\n## Use\n");
    line(
        "```sh\nxldistill chat --model THIS_FOLDER\nxldistill export --model THIS_FOLDER --to gguf OUT      # for llama.cpp and Ollama\n```",
    );
    card
}

/// A score as the report shows it.
fn shown(score: &MeasuredScore) -> String {
    report::score(score.score, &score.measure.unit)
}

/// What a model learns from.
fn learnt_from(mix: &MixConfig, source: Language, has_own_answers: bool) -> String {
    let wants = |subsets: &[Subset]| subsets.iter().any(|subset| mix.wants(*subset));
    let is_translated = wants(&[Subset::TL, Subset::LT, Subset::TT]);
    if !is_translated && !wants(&[Subset::LL]) {
        return "the data below".to_owned();
    }
    let answers = match has_own_answers {
        true => "its own answers",
        false => "given answers",
    };
    let translated = if is_translated { ", translated" } else { "" };
    let source = source.everyday_name();
    format!("{answers} to questions in {source}{translated}")
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_says_whose_answers_were_learnt_from() {
        let told = |subsets: &[Subset], own| {
            let mix = MixConfig {
                subsets: subsets.to_vec(),
                ..MixConfig::default()
            };
            learnt_from(&mix, Language::ENGLISH, own)
        };
        let (all, none) = (Subset::ALL, [Subset::Mt, Subset::Comp]);
        let own = "its own answers to questions in English, translated";
        assert_eq!(told(&all, true), own);
        assert_eq!(told(&all, false), own.replace("its own", "given"));
        let plain = "given answers to questions in English";
        assert_eq!(told(&[Subset::LL], false), plain);
        assert_eq!(told(&none, false), "the data below");
    }

    #[test]
    fn an_exported_model_has_the_card_of_its_run() {
        let [model, exported] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let carried = |library| {
            carry(model.path(), exported.path(), library).unwrap();
            std::fs::read_to_string(exported.path().join(FILE)).ok()
        };
        assert_eq!(carried(None), None);
        std::fs::write(model.path().join(FILE), "mine").unwrap();
        assert_eq!(carried(None), None);
        let card = format!("---\nlibrary_name: peft\n---\n{MARK}\n\n# A\n");
        std::fs::write(model.path().join(FILE), card).unwrap();
        let merged = "---\nlibrary_name: transformers\n---\n\n# A\n";
        assert_eq!(carried(Some(TRANSFORMERS)).as_deref(), Some(merged));
        assert_eq!(carried(None).as_deref(), Some("---\n---\n\n# A\n"));
    }
}
