//! `xldistill init`: writes a commented config to start from.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write},
    path::Path,
};

use anyhow::{Context, Result, bail};
use corpus::language::Language;

use crate::config_file::ConfigError;
use crate::system::SystemName;

/// The config of `system`, with `{code}`, `{name}` and `{short}` for the target language.
const fn template(system: SystemName) -> &'static str {
    match system {
        SystemName::Sdrrl => include_str!("init.toml"),
        SystemName::MtLlm => include_str!("init/mt_llm.toml"),
        SystemName::Classify => include_str!("init/classify.toml"),
    }
}

/// Writes a config of `system` for `target` to `path`; overwrites a file only with `force`.
pub fn run(path: &Path, system: SystemName, target: &str, force: bool) -> Result<()> {
    let target =
        Language::parse(target).map_err(|error| ConfigError(format!("--target: {error}")))?;
    if target == Language::ENGLISH {
        let message = "--target: English is the source language; name the language to learn";
        return Err(ConfigError(message.into()).into());
    }
    let mut options = OpenOptions::new();
    options
        .write(true)
        .truncate(force)
        .create(force)
        .create_new(!force);
    let mut file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{} exists already; --force overwrites it", path.display())
        }
        Err(error) => {
            return Err(error).with_context(|| format!("cannot write {}", path.display()));
        }
    };
    file.write_all(config_for(system, target).as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))?;
    crate::terminal::line(&format!(
        "wrote {path}: enter your paths, then run `xldistill doctor {path}`",
        path = path.display()
    ));
    Ok(())
}

fn config_for(system: SystemName, target: Language) -> String {
    template(system)
        .replace("{code}", target.code())
        .replace("{name}", target.everyday_name())
        .replace("{short}", target.iso639_1().unwrap_or(target.iso639_3()))
}

#[cfg(test)]
mod tests {
    use engines::answerer::AnswerEngine;
    use engines::choice::EngineSection;
    use engines::estimator::EstimateEngine;
    use engines::identifier::IdentifyEngine;
    use engines::translator::TranslateConfig;

    use super::*;
    use crate::{classify, mt_llm, sdrrl::Config, system::SystemConfig};

    #[test]
    fn the_template_is_a_valid_config_for_every_language() {
        let folder = tempfile::tempdir().unwrap();
        for target in Language::all().filter(|language| *language != Language::ENGLISH) {
            let path = folder.path().join("config.toml");
            run(&path, SystemName::Sdrrl, target.code(), true).unwrap();
            let config = Config::read(&path, &[]).unwrap();
            assert_eq!(config.targets, [target]);
        }
    }

    #[test]
    fn the_templates_of_the_other_systems_are_valid_configs() {
        let folder = tempfile::tempdir().unwrap();
        let [stack, classifier] =
            ["stack.toml", "classifier.toml"].map(|name| folder.path().join(name));
        run(&stack, SystemName::MtLlm, "Swahili", false).unwrap();
        let config = mt_llm::Config::read(&stack, &[]).unwrap();
        let languages = |tasks: &crate::tasks::Tasks| -> Vec<String> {
            let tests = tasks.values().flat_map(|task| task.test.keys());
            tests.cloned().collect()
        };
        assert_eq!(languages(&config.tasks), ["eng_Latn", "swh_Latn"]);
        run(&classifier, SystemName::Classify, "sw", false).unwrap();
        let config = classify::Config::read(&classifier, &[]).unwrap();
        assert_eq!(languages(&config.tasks), ["eng_Latn", "swh_Latn"]);
    }

    #[test]
    fn the_template_names_every_engine() {
        fn names<E: EngineSection>() -> Vec<&'static str> {
            E::engines().iter().map(|engine| engine.name).collect()
        }
        let engines = [
            names::<AnswerEngine>(),
            names::<TranslateConfig>(),
            names::<IdentifyEngine>(),
            names::<EstimateEngine>(),
        ];
        for engine in engines.concat() {
            assert!(
                template(SystemName::Sdrrl).contains(&format!("\"{engine}\"")),
                "{engine}"
            );
        }
    }

    /// A value that only training uses is checked when the config is read.
    #[test]
    fn a_value_that_training_refuses_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        run(&path, SystemName::Sdrrl, "pt", false).unwrap();
        let overrides = ["train.precision=int8".to_owned()];
        let error = Config::read(&path, &overrides).unwrap_err().to_string();
        assert!(error.contains("only frozen weights can be int8"), "{error}");
        let lora = [
            "train.precision=int8".to_owned(),
            "train.method=lora".to_owned(),
        ];
        assert!(Config::read(&path, &lora).is_ok());
    }

    #[test]
    fn an_existing_file_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, "mine").unwrap();
        let error = run(&path, SystemName::Sdrrl, "pt", false)
            .unwrap_err()
            .to_string();
        assert!(error.contains("--force"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    }

    #[test]
    fn a_language_that_is_none_is_a_config_error() {
        let error = run(
            Path::new("unused.toml"),
            SystemName::Sdrrl,
            "portugese",
            false,
        )
        .unwrap_err();
        assert!(error.downcast_ref::<ConfigError>().is_some());
        assert!(error.to_string().contains("Portuguese"), "{error}");
    }
}
