//! Questions, sentence pairs and monolingual text of a run, checked to be in the languages that the
//! config says.

use std::cell::OnceCell;
use std::path::Path;

use anyhow::Result;
use corpus::filter::min_language_probability;
use corpus::language::Language;
use corpus::language_check::LanguageCheck;
use corpus::record::Instruction;
use corpus::seam::LanguageIdentifier;
use corpus::source::plain_text::TextSource;
use corpus::source::{
    self, LoadedLines, LoadedPairs, LoadedPassages, ParallelSource, PassageOptions,
};
use evaluation::material::EvaluationMaterial;

use super::config::{Config, Evaluate};
use crate::run::Run;

/// What is judged of a file of questions, as messages name it.
const QUESTIONS: &str = "a sample of the questions";

/// Reads and checks texts of a run.
pub struct Texts<'r> {
    run: &'r Run<'r, Config>,
    /// Opened once a file has been read: a missing file is named even if it is missing, too.
    identifier: OnceCell<Box<dyn LanguageIdentifier>>,
}

impl<'r> Texts<'r> {
    /// The texts of `run`.
    pub fn of(run: &'r Run<'r, Config>) -> Texts<'r> {
        let identifier = OnceCell::new();
        Texts { run, identifier }
    }

    /// The check of the run's texts.
    pub fn check(&self) -> Result<LanguageCheck<'_>> {
        let identifier = match self.identifier.get() {
            Some(identifier) => identifier,
            None => {
                let opened = self.run.config.identify.open()?;
                self.identifier.get_or_init(|| opened)
            }
        };
        let identifier = identifier.as_ref();
        Ok(LanguageCheck {
            identifier,
            min_probability: min_language_probability(identifier, &self.run.config.filter),
        })
    }

    /// Checks that the questions of `instructions` are in the source language as a whole. The filter
    /// judges each of them once it is answered and translated.
    pub fn questions(&self, instructions: &[Instruction]) -> Result<()> {
        let Config { data, source, .. } = self.run.config;
        let Some(path) = data.instructions.first() else {
            return Ok(());
        };
        let questions = instructions.iter().map(|row| row.question.as_str());
        let questions: Vec<&str> = questions.collect();
        Ok(self
            .check()?
            .require(path, QUESTIONS, &questions, *source)?)
    }

    /// Checks that the questions and texts of the evaluation are in their languages as a whole, and
    /// likewise its pairs. No single one is left out, so that scores stay comparable.
    pub fn evaluated(&self, material: &EvaluationMaterial) -> Result<()> {
        let Evaluate {
            questions,
            pairs,
            texts,
            ..
        } = &self.run.config.evaluate;
        for loaded in &material.pairs {
            if let Some(files) = pairs.get(&loaded.target) {
                let languages = (loaded.source, loaded.target);
                self.check()?.sides(files, &loaded.pairs, languages)?;
            }
        }
        for (&language, path) in questions {
            let rows = material.questions.get(&language).into_iter().flatten();
            let asked: Vec<&str> = rows.map(|row| row.question.as_str()).collect();
            self.check()?.require(path, QUESTIONS, &asked, language)?;
        }
        for (&language, path) in texts {
            let passages = material.texts.get(&language).into_iter().flatten();
            let passages: Vec<&str> = passages.map(String::as_str).collect();
            self.check()?
                .require(path, "the text", &passages, language)?;
        }
        Ok(())
    }

    /// The sentence pairs of `files` in the source language and `target`, without those of which a
    /// side is in another language.
    pub fn pairs(&self, files: &ParallelSource, target: Language) -> Result<LoadedPairs> {
        let (source, most) = (
            self.run.config.source,
            self.run.config.data.max_rejected_fraction,
        );
        let mut all = LoadedPairs::default();
        // Each by itself, so that a message names the corpus that is in another language.
        for part in files.parts() {
            let loaded = source::parallel(part, source, target, most)?;
            let checked = self.check()?.pairs(part, loaded, (source, target), most)?;
            all.append(checked);
        }
        Ok(all)
    }

    /// The lines of the file at `path` that are in `language`.
    pub fn lines(&self, path: &Path, language: Language) -> Result<LoadedLines> {
        let most = self.run.config.data.max_rejected_fraction;
        let loaded = source::lines(path, most)?;
        Ok(self.check()?.lines(path, loaded, language, most)?)
    }

    /// The passages drawn from `files` that are in `language`.
    pub fn passages(
        &self,
        files: &TextSource,
        options: &PassageOptions,
        language: Language,
    ) -> Result<LoadedPassages> {
        let LoadedPassages {
            passages,
            rejected,
            counts,
        } = source::passages(files, options)?;
        let loaded = LoadedLines {
            lines: passages,
            rejected,
        };
        let (path, most) = (files.path(), options.max_rejected_fraction);
        let checked = self.check()?.lines(path, loaded, language, most)?;
        Ok(LoadedPassages {
            passages: checked.lines,
            rejected: checked.rejected,
            counts,
        })
    }
}
