//! Engines that are loaded on first use.

use std::sync::{Mutex, OnceLock, PoisonError};

use corpus::language::Language;
use corpus::seam::{EngineError, EngineIdentity, Translator};

type Load<T> = Box<dyn Fn() -> Result<T, EngineError> + Send + Sync>;

/// An engine with a known identity, whose weights are loaded on first use: a stage that has nothing
/// to do loads nothing.
pub struct Lazy<T> {
    pub(crate) identity: EngineIdentity,
    load: Load<T>,
    loading: Mutex<()>,
    engine: OnceLock<T>,
}

impl<T> Lazy<T> {
    /// An engine with this identity, which `load` loads.
    pub fn new(
        identity: EngineIdentity,
        load: impl Fn() -> Result<T, EngineError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            identity,
            load: Box::new(load),
            loading: Mutex::new(()),
            engine: OnceLock::new(),
        }
    }

    /// The engine, loaded.
    pub fn get(&self) -> Result<&T, EngineError> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        // Concurrent threads must not load it twice.
        let _alone = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let engine = (self.load)()?;
        Ok(self.engine.get_or_init(|| engine))
    }
}

impl<T: Translator> Translator for Lazy<T> {
    fn identity(&self) -> EngineIdentity {
        self.identity.clone()
    }

    fn translate(
        &self,
        sentences: &[String],
        from: Language,
        to: Language,
    ) -> Result<Vec<String>, EngineError> {
        self.get()?.translate(sentences, from, to)
    }

    fn translate_again(
        &self,
        sentences: &[String],
        from: Language,
        to: Language,
        no_repeat_ngram_size: usize,
    ) -> Result<Option<Vec<String>>, EngineError> {
        self.get()?
            .translate_again(sentences, from, to, no_repeat_ngram_size)
    }

    fn unknown_characters(
        &self,
        characters: &[char],
        from: Language,
        to: Language,
    ) -> Result<Vec<char>, EngineError> {
        self.get()?.unknown_characters(characters, from, to)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Echo;

    impl Translator for Echo {
        fn identity(&self) -> EngineIdentity {
            unreachable!("is known without the engine")
        }

        fn translate(
            &self,
            sentences: &[String],
            _: Language,
            _: Language,
        ) -> Result<Vec<String>, EngineError> {
            Ok(sentences.to_vec())
        }
    }

    #[test]
    fn an_engine_is_loaded_once_and_only_if_it_is_asked() {
        let loads = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&loads);
        let identity: EngineIdentity = serde_json::from_value(serde_json::json!({
            "engine": "echo", "model": "", "revision": "", "parameters": "", "licence": null
        }))
        .unwrap();
        let engine = Lazy::new(identity, move || {
            count.fetch_add(1, Ordering::Relaxed);
            Ok(Echo)
        });
        assert_eq!(engine.identity().engine, "echo");
        assert_eq!(loads.load(Ordering::Relaxed), 0);
        for _ in 0..2 {
            let (from, to) = (Language::ENGLISH, Language::PORTUGUESE);
            assert_eq!(engine.translate(&["a".into()], from, to).unwrap(), ["a"]);
        }
        assert_eq!(loads.load(Ordering::Relaxed), 1);
    }
}
