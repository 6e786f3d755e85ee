//! Firefox Translations models: small student models that translate on a CPU in milliseconds.
//!
//! The arithmetic is that of the `fxtranslate` crate (int8, greedy). This file reads the model's
//! folder, turns damaged files into clear one-line errors, and uses all cores: sentences are
//! batched by length, and the batches are distributed. The translation of a sentence depends on
//! nothing but the sentence.

mod config;
mod files;
mod header;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use corpus::language::Language;
use corpus::seam::{EngineError, EngineIdentity, Translator};
use corpus::text::budget;
use corpus::text::unknown_words::is_flattened;
use fxtranslate::engine::Engine;
use fxtranslate::shortlist::Shortlist;
use fxtranslate::spm::SpmVocab;
use rayon::prelude::*;

use crate::lazy::Lazy;
pub use config::FirefoxConfig;
use files::{Direction, ModelFiles};

const ENGINE: &str = "firefox";

/// Sentences translated together by one thread. Throughput is flat from 8 to 64.
const BATCH: usize = 16;

/// Maximum number of pieces in training (Marian's `max-length-break`), without the end marker.
const WINDOW: usize = 127;

/// Source and target language.
type Languages = (Language, Language);

/// A Firefox Translations model of one direction.
///
/// The model lives on its own thread, which shares it with the workers of rayon's global pool; the
/// thread ends when the translator is dropped.
pub struct FirefoxTranslator {
    identity: EngineIdentity,
    direction: Option<Direction>,
    source_vocabulary: SpmVocab,
    requests: Sender<Request>,
}

/// Sentences for the model's thread, and the channel for the translations.
struct Request {
    sentences: Vec<String>,
    reply: Sender<Vec<String>>,
}

impl FirefoxTranslator {
    /// Loads the model in `folder`: one `model*.bin`, one `vocab*.spm` (or `srcvocab*.spm` and
    /// `trgvocab*.spm`), and a lexical shortlist `lex*.bin` if there is one.
    pub fn load(folder: &Path) -> Result<Self, EngineError> {
        let error = |message: String| EngineError::new(ENGINE, message);
        let files = ModelFiles::read(folder).map_err(error)?;
        let identity = identity(&files);
        let direction = files.direction;
        // The check of the files has read it once.
        let source_vocabulary = SpmVocab::from_bytes(&files.source_vocabulary);
        let (requests, inbox) = channel();
        let (loaded, outcome) = channel();
        thread::Builder::new()
            .name("firefox-model".into())
            .spawn(move || match load_engine(&files) {
                Ok(engine) => {
                    drop(files);
                    // The receiver waits below, so this send arrives.
                    let _ = loaded.send(Ok(()));
                    serve(&engine, &inbox);
                }
                Err(message) => {
                    let _ = loaded.send(Err(message));
                }
            })
            .map_err(|e| error(format!("cannot start a thread: {e}")))?;
        match outcome.recv() {
            Ok(Ok(())) => Ok(Self {
                identity,
                direction,
                source_vocabulary,
                requests,
            }),
            Ok(Err(message)) => Err(error(message)),
            Err(_) => Err(error(format!(
                "{}: loading the model failed",
                folder.display()
            ))),
        }
    }

    /// The model in `folder`, loaded when it is first asked, and its direction if its metadata or
    /// file names tell.
    pub fn open(folder: &Path) -> Result<(Lazy<Self>, Option<Languages>), EngineError> {
        let files = ModelFiles::read(folder).map_err(|e| EngineError::new(ENGINE, e))?;
        let direction = files
            .direction
            .map(|direction| (direction.from, direction.to));
        let folder = folder.to_owned();
        let lazy = Lazy::new(identity(&files), move || Self::load(&folder));
        Ok((lazy, direction))
    }

    /// Source and target language by the model's metadata or file names; `None` where neither says.
    pub fn direction(&self) -> Option<Languages> {
        self.direction
            .map(|direction| (direction.from, direction.to))
    }
}

fn identity(files: &ModelFiles) -> EngineIdentity {
    EngineIdentity {
        engine: ENGINE.into(),
        model: files.folder.display().to_string(),
        revision: files.revision(),
        parameters: match files.shortlist {
            Some(_) => "int8 greedy shortlist".into(),
            None => "int8 greedy".into(),
        },
        licence: files.licence.clone(),
    }
}

impl Translator for FirefoxTranslator {
    fn identity(&self) -> EngineIdentity {
        self.identity.clone()
    }

    fn translate(
        &self,
        sentences: &[String],
        from: Language,
        to: Language,
    ) -> Result<Vec<String>, EngineError> {
        if let Some(direction) = &self.direction
            && !direction.serves(from, to)
        {
            let model = &self.identity.model;
            return Err(EngineError::new(
                ENGINE,
                format!(
                    "{model} translates {} to {}, not {from} to {to}; name a model for that direction",
                    direction.from, direction.to
                ),
            ));
        }
        let (reply, translations) = channel();
        let request = Request {
            sentences: sentences.to_vec(),
            reply,
        };
        let gone = || EngineError::new(ENGINE, "the model's thread has ended; this is a bug");
        self.requests.send(request).map_err(|_| gone())?;
        translations.recv().map_err(|_| gone())
    }

    /// What the source vocabulary lacks. Byte pieces do not help: the models never saw them.
    fn unknown_characters(
        &self,
        characters: &[char],
        _: Language,
        _: Language,
    ) -> Result<Vec<char>, EngineError> {
        let known = |character: &char| {
            let pieces = self.source_vocabulary.encode(&character.to_string());
            !is_flattened(*character)
                && !pieces.into_iter().any(|id| {
                    let piece = self.source_vocabulary.piece(id);
                    piece == "<unk>" || piece.starts_with("<0x") && piece.len() == "<0x00>".len()
                })
        };
        Ok(characters.iter().copied().filter(|c| !known(c)).collect())
    }
}

/// Builds the engine and translates once, so that a model that cannot translate fails now.
fn load_engine(files: &ModelFiles) -> Result<Engine, String> {
    let folder = files.folder.display();
    let engine = guarded(|| {
        let engine = Engine::from_bytes(
            &files.model,
            &files.source_vocabulary,
            &files.target_vocabulary,
        )?;
        Ok(match &files.shortlist {
            Some(bytes) => engine.with_shortlist(Shortlist::from_bytes(bytes)),
            None => engine,
        })
    })
    .and_then(|loaded: Result<Engine, String>| loaded)
    .map_err(|cause| format!("{folder}: the model cannot be loaded: {cause}"))?;
    guarded(|| engine.translate("1"))
        .map_err(|cause| format!("{folder}: the model cannot translate: {cause}"))?;
    Ok(engine)
}

/// Answers requests until the translator is dropped.
fn serve(engine: &Engine, inbox: &Receiver<Request>) {
    for Request { sentences, reply } in inbox {
        // The requester may be gone.
        let _ = reply.send(translate_all(engine, &sentences));
    }
}

/// Translates all sentences on all cores.
fn translate_all(engine: &Engine, sentences: &[String]) -> Vec<String> {
    let parts: Vec<Vec<&str>> = sentences
        .par_iter()
        .map(|s| within_window(engine, s))
        .collect();
    let mut order: Vec<(usize, usize)> = parts
        .iter()
        .enumerate()
        .flat_map(|(sentence, parts)| (0..parts.len()).map(move |part| (sentence, part)))
        .collect();
    // Long batches first, so that no core is left with a long one at the end.
    order.sort_by_key(|&(sentence, part)| std::cmp::Reverse(parts[sentence][part].len()));
    let batches: Vec<Vec<String>> = order
        .par_chunks(BATCH)
        .with_max_len(1)
        .map(|batch| {
            let texts: Vec<&str> = batch
                .iter()
                .map(|&(sentence, part)| parts[sentence][part])
                .collect();
            translate_batch(engine, &texts)
        })
        .collect();
    let mut translated: Vec<Vec<String>> = parts
        .iter()
        .map(|parts| vec![String::new(); parts.len()])
        .collect();
    for (&(sentence, part), translation) in order.iter().zip(batches.into_iter().flatten()) {
        translated[sentence][part] = translation;
    }
    translated
        .into_iter()
        .map(|parts| parts.join(" ").trim().to_owned())
        .collect()
}

/// The parts of the sentence that fit the model's window: the sentence itself unless it is too
/// long. A blank sentence has no parts.
fn within_window<'s>(engine: &Engine, sentence: &'s str) -> Vec<&'s str> {
    let sentence = sentence.trim();
    if sentence.is_empty() {
        return Vec::new();
    }
    let fits = |text: &str| text.len() <= WINDOW || engine.src_ids(text).len() <= WINDOW + 1;
    let mut pieces = WINDOW;
    loop {
        let parts = budget::split(sentence, 0..sentence.len(), pieces, &[]);
        if pieces == 1 || parts.iter().all(|part| fits(&sentence[part.clone()])) {
            return parts.into_iter().map(|part| &sentence[part]).collect();
        }
        pieces = (pieces * 3 / 4).max(1);
    }
}

/// Translates a batch; a sentence that makes the engine panic gets an empty translation.
fn translate_batch(engine: &Engine, texts: &[&str]) -> Vec<String> {
    if let Ok(translations) = guarded(|| engine.translate_batch(texts)) {
        return translations;
    }
    let alone = |text: &&str| {
        guarded(|| engine.translate(text)).unwrap_or_else(|cause| {
            tracing::warn!("the model failed on {text:?}: {cause}");
            String::new()
        })
    };
    texts.iter().map(alone).collect()
}

/// Runs `work`, turning a panic into its message.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    // The engine is read-only after loading and its scratch buffers are cleared before use.
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or(panic.downcast_ref::<&str>().copied())
            .unwrap_or("unknown cause")
            .to_owned()
    })
}
