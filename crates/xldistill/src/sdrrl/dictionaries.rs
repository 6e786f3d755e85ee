//! The dictionaries of a config, tried on texts before the first stage: whether each is one of the
//! run's languages, in the direction that its key says.

use anyhow::{Result, bail};
use corpus::dictionary::coverage::{Coverage, Fit, UNBALANCED, balance};
use corpus::dictionary::{BilingualDictionary, Dictionary};
use corpus::file_path::FilePath;
use corpus::language::Language;
use corpus::source::{self, LoadOptions};

use super::config::Config;
use super::texts::Texts;
use crate::checks::Checks;
use crate::run::Run;

/// Number of questions, and of texts in a target language, that dictionaries are tried on.
const TEXTS: usize = 500;

/// The balance below which the language of a dictionary's words is identified. Word lists are not
/// what identifiers are made for, so their word alone is not enough.
const DOUBTFUL: f64 = 0.5;

/// Words that are identified together.
const WORDS_TOGETHER: usize = 10;

/// Checks every dictionary of the config.
pub fn check(run: &Run<'_, Config>, checks: &mut Checks<'_>) -> Result<()> {
    let config = &run.config.code_switch;
    if config.dictionaries.is_empty() && config.reverse_dictionaries.is_empty() {
        return Ok(());
    }
    let questions = questions(run);
    let both = [
        ("dictionary into", &config.dictionaries, true),
        ("dictionary from", &config.reverse_dictionaries, false),
    ];
    for (what, dictionaries, forward) in both {
        for (&target, files) in dictionaries {
            let mut warning = None;
            let loaded = load(Some(files)).and_then(|dictionary| {
                let words = format!("{} words", dictionary.len());
                let dictionary = Named::new(run.config.source, target, dictionary, forward);
                dictionary.fits(&questions)?;
                warning = dictionary.of_its_target(run, &questions)?;
                Ok(words)
            });
            let what = format!("{what} {target}");
            checks.add(&what, loaded)?;
            if let Some(warning) = warning {
                checks.warn(&what, &warning)?;
            }
        }
    }
    Ok(())
}

/// The entries of all `files`.
pub fn load(files: Option<&Vec<FilePath>>) -> Result<Dictionary> {
    let mut dictionary = Dictionary::default();
    for path in files.into_iter().flatten() {
        dictionary.merge(&Dictionary::load(path)?.dictionary);
    }
    Ok(dictionary)
}

/// A dictionary with the key that names it.
struct Named {
    source: Language,
    target: Language,
    both: BilingualDictionary,
    /// Its section, and that of dictionaries of the other direction.
    sections: (&'static str, &'static str),
}

impl Named {
    /// `dictionary`, named as one into `target` (`forward`) or from it.
    fn new(source: Language, target: Language, dictionary: Dictionary, forward: bool) -> Named {
        let none = Dictionary::default();
        let (both, sections) = match forward {
            true => (
                BilingualDictionary::new(dictionary, none),
                ("dictionaries", "reverse_dictionaries"),
            ),
            false => (
                BilingualDictionary::new(none, dictionary),
                ("reverse_dictionaries", "dictionaries"),
            ),
        };
        Named {
            source,
            target,
            both,
            sections,
        }
    }

    /// Fails if it has hardly any word of the questions, or if it is one of the other direction.
    fn fits(&self, questions: &[String]) -> Result<()> {
        let Named { source, target, .. } = self;
        let (here, there) = self.sections;
        match Fit::of(&self.both, &borrowed(questions), *source) {
            Fit::Good => Ok(()),
            Fit::Reversed {
                headwords,
                translations,
            } => bail!(
                "code_switch.{here}.{target} is a dictionary of the other direction: {:.1} % of the \
                 questions' words are on the side of {target}, {:.1} % on that of {source}; name it \
                 under code_switch.{there}",
                100.0 * translations,
                100.0 * headwords
            ),
            Fit::Foreign { headwords } => bail!(
                "code_switch.{here}.{target} has {:.1} % of the questions' words: it is a dictionary of \
                 other languages than {source} and {target}, or far too small; remove the key to \
                 induce one",
                100.0 * headwords
            ),
        }
    }

    /// A warning if the dictionary has far fewer words of texts in its target language than of the
    /// questions.
    ///
    /// # Errors
    /// If, besides, its words are identified as those of another language.
    fn of_its_target(&self, run: &Run<'_, Config>, questions: &[String]) -> Result<Option<String>> {
        let Named { source, target, .. } = self;
        let texts = texts_in(run, *target);
        let texts = borrowed(&texts);
        let there = Coverage::of(&self.both.source_to_target, &borrowed(questions), *source);
        let back = Coverage::of(&self.both.target_to_source, &texts, *target);
        let Some(balance) = balance(&there, &back).filter(|&balance| balance < DOUBTFUL) else {
            return Ok(None);
        };
        let check = Texts::of(run);
        let check = check.check()?;
        // Texts in another language are refused by their own check, and say nothing here.
        if check.whole(&texts, *target).is_some() {
            return Ok(None);
        }
        let words = self.both.target_to_source.words();
        let words: Vec<String> = words
            .chunks(WORDS_TOGETHER)
            .map(|words| words.join(" "))
            .collect();
        let found = check.whole(&borrowed(&words), *target);
        let fault = format!(
            "code_switch.{}.{target} has {:.1} % of the questions' words, but only {:.1} % of those of \
             texts in {target}",
            self.sections.0,
            100.0 * there.share(),
            100.0 * back.share()
        );
        let remedy = "name another file, or remove the key to induce a dictionary";
        match found {
            Some(found) => bail!("{fault}: it is a dictionary of {found}; {remedy}"),
            None if balance < UNBALANCED => Ok(Some(format!(
                "{fault}: it is probably a dictionary of another language; if so, {remedy}"
            ))),
            None => Ok(None),
        }
    }
}

fn borrowed(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

/// Questions that dictionaries are tried on; none if the instructions cannot be read, which their own
/// check reports.
fn questions(run: &Run<'_, Config>) -> Vec<String> {
    let data = &run.config.data;
    let options = LoadOptions {
        limit: Some(TEXTS.min(data.limit.unwrap_or(usize::MAX))),
        max_rejected_fraction: 1.0,
        columns: data.columns.clone(),
    };
    let loaded = source::load_all(&data.instructions, &options);
    let rows = loaded.map(|loaded| loaded.instructions).unwrap_or_default();
    rows.into_iter().map(|row| row.question).collect()
}

/// Texts of the config in `target`, of the smaller files first; files that cannot be read are left to
/// their own checks.
fn texts_in(run: &Run<'_, Config>, target: Language) -> Vec<String> {
    let Config {
        source,
        data,
        evaluate,
        ..
    } = run.config;
    let mut texts = Vec::new();
    for files in [&evaluate.texts, &data.monolingual] {
        let loaded = files.get(&target).map(|path| source::lines(path, 1.0));
        if let Some(Ok(loaded)) = loaded {
            texts.extend(loaded.lines.into_iter().take(TEXTS));
        }
    }
    for files in [&evaluate.pairs, &data.parallel] {
        let files = files.get(&target).filter(|_| texts.len() < TEXTS);
        let loaded = files.map(|files| source::parallel(files, *source, target, 1.0));
        if let Some(Ok(loaded)) = loaded {
            texts.extend(loaded.pairs.into_iter().take(TEXTS).map(|(_, text)| text));
        }
    }
    texts
}
