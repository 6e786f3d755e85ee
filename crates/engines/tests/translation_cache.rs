//! The translation cache: what is remembered, for whom, that processes may open a new one at the
//! same moment, and that several writers, one of them killed, leave a sound store.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::Duration;

use corpus::language::Language;
use corpus::seam::{EngineError, EngineIdentity, Translator};
use engines::translation_cache::{CachedTranslator, TranslationCache};
use rusqlite::{Connection, TransactionBehavior};

const ENGLISH: Language = Language::ENGLISH;
const PORTUGUESE: Language = Language::PORTUGUESE;
const GERMAN: Language = Language::with_code("deu_Latn");

/// Translates into capitals and remembers what it was asked.
struct Capitals {
    revision: String,
    asked: Mutex<Vec<String>>,
    pause: Duration,
}

impl Capitals {
    fn new(revision: &str) -> Self {
        Self {
            revision: revision.into(),
            asked: Mutex::default(),
            pause: Duration::ZERO,
        }
    }
}

impl Translator for Capitals {
    fn identity(&self) -> EngineIdentity {
        EngineIdentity {
            engine: "capitals".into(),
            model: "/somewhere".into(),
            revision: self.revision.clone(),
            parameters: "greedy".into(),
            licence: None,
        }
    }

    fn translate(
        &self,
        sentences: &[String],
        _: Language,
        to: Language,
    ) -> Result<Vec<String>, EngineError> {
        thread::sleep(self.pause);
        let mut asked = self.asked.lock().expect("no panic");
        asked.extend_from_slice(sentences);
        let translation = |sentence: &String| match sentence.as_str() {
            "lost" => String::new(),
            sentence => format!("{} {to}", sentence.to_uppercase()),
        };
        Ok(sentences.iter().map(translation).collect())
    }

    fn translate_again(
        &self,
        sentences: &[String],
        from: Language,
        to: Language,
        no_repeat_ngram_size: usize,
    ) -> Result<Option<Vec<String>>, EngineError> {
        let again = self.translate(sentences, from, to)?;
        let marked = again.iter().map(|t| format!("{t} {no_repeat_ngram_size}"));
        Ok(Some(marked.collect()))
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| text.to_string()).collect()
}

/// Opens the cache anew, as a further run would, and returns the translations and what was asked.
fn run(
    path: &Path,
    revision: &str,
    to: Language,
    sentences: &[&str],
) -> (Vec<String>, Vec<String>) {
    let cache = TranslationCache::open(path).expect("a cache");
    let translator = CachedTranslator::new(Capitals::new(revision), cache);
    let translations = translator
        .translate(&texts(sentences), ENGLISH, to)
        .expect("translations");
    assert_eq!(translator.identity(), Capitals::new(revision).identity());
    (
        translations,
        translator
            .into_inner()
            .asked
            .into_inner()
            .expect("no panic"),
    )
}

#[test]
fn a_sentence_is_translated_once_for_each_model_and_direction() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("new/cache.sqlite");
    let (translations, asked) = run(&path, "1", PORTUGUESE, &["a", "b", "a"]);
    assert_eq!(translations, ["A por_Latn", "B por_Latn", "A por_Latn"]);
    assert_eq!(asked, ["a", "b"]);
    let (translations, asked) = run(&path, "1", PORTUGUESE, &["c", "b"]);
    assert_eq!(
        (translations, asked),
        (texts(&["C por_Latn", "B por_Latn"]), texts(&["c"]))
    );
    assert_eq!(
        run(&path, "1", GERMAN, &["b"]).1,
        ["b"],
        "another direction"
    );
    assert_eq!(
        run(&path, "2", PORTUGUESE, &["b"]).1,
        ["b"],
        "another revision"
    );
    assert_eq!(
        run(&path, "1", PORTUGUESE, &["a", "b", "c"]).1,
        [] as [&str; 0]
    );
}

#[test]
fn failures_are_not_remembered_and_second_attempts_are_kept_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cache.sqlite");
    assert_eq!(run(&path, "1", PORTUGUESE, &["lost"]).0, [""]);
    assert_eq!(run(&path, "1", PORTUGUESE, &["lost"]).1, ["lost"]);
    let cache = TranslationCache::open(&path).expect("a cache");
    let translator = CachedTranslator::new(Capitals::new("1"), cache);
    let again = |size| {
        let again = translator.translate_again(&texts(&["a"]), ENGLISH, PORTUGUESE, size);
        again.expect("translations").expect("it can")
    };
    assert_eq!(again(3), ["A por_Latn 3"]);
    assert_eq!(again(4), ["A por_Latn 4"]);
    assert_eq!(run(&path, "1", PORTUGUESE, &["a"]).0, ["A por_Latn"]);
}

#[test]
fn a_file_that_is_no_cache_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notes.txt");
    std::fs::write(
        &path,
        "just some notes that somebody wrote, longer than a header".repeat(40),
    )
    .expect("writes");
    let error = TranslationCache::open(&path)
        .err()
        .expect("refused")
        .to_string();
    assert!(
        error.contains("notes.txt") && error.contains("name another file"),
        "{error}"
    );
    assert!(
        std::fs::read_to_string(&path)
            .expect("it is there")
            .starts_with("just some notes")
    );
}

#[test]
fn a_new_cache_is_opened_while_another_process_writes_its_first_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cache.sqlite");
    // The other process has begun, and has not switched to the write-ahead log yet.
    let mut other = Connection::open(&path).expect("a file");
    let lock = other
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .expect("the write lock");
    thread::scope(|scope| {
        let opening = scope.spawn(|| TranslationCache::open(&path).map(|_| ()));
        thread::sleep(Duration::from_millis(100));
        assert!(!opening.is_finished(), "it does not wait for the lock");
        drop(lock);
        opening.join().expect("no panic").expect("a cache");
    });
}

#[test]
fn a_new_cache_is_opened_by_many_at_once() {
    const ROUNDS: usize = 30;
    const OPENERS: usize = 6;
    let folder = tempfile::tempdir().expect("a folder");
    for round in 0..ROUNDS {
        let path = folder.path().join(format!("{round}.sqlite"));
        let start = Barrier::new(OPENERS);
        thread::scope(|scope| {
            for opener in 0..OPENERS {
                let (path, start) = (&path, &start);
                scope.spawn(move || {
                    start.wait();
                    let sentence = format!("sentence {opener}");
                    let translated = run(path, "1", PORTUGUESE, &[&sentence]).0;
                    assert_eq!(translated, [format!("SENTENCE {opener} por_Latn")]);
                });
            }
        });
        let cache = TranslationCache::open(&path).expect("a cache");
        assert_eq!(cache.len().expect("a count"), OPENERS as u64);
    }
}

const WORKER: &str = "XLDISTILL_TEST_CACHE";
const SENTENCES: usize = 3000;

#[test]
#[ignore = "the process that the next test starts"]
fn worker() {
    let path = env::var_os(WORKER).expect("set by the next test");
    let cache = TranslationCache::open(Path::new(&path)).expect("a cache");
    let slow = Capitals {
        pause: Duration::from_millis(2),
        ..Capitals::new("1")
    };
    let translator = CachedTranslator::new(slow, cache);
    let sentences: Vec<String> = (0..SENTENCES).map(|n| format!("sentence {n}")).collect();
    for some in sentences.chunks(20) {
        let translations = translator
            .translate(some, ENGLISH, PORTUGUESE)
            .expect("translations");
        for (sentence, translation) in some.iter().zip(translations) {
            assert_eq!(translation, format!("{} por_Latn", sentence.to_uppercase()));
        }
    }
}

#[test]
fn several_processes_write_at_once_and_one_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cache.sqlite");
    let start = || {
        Command::new(env::current_exe().expect("this test"))
            .args(["--exact", "worker", "--ignored", "--nocapture"])
            .env(WORKER, &path)
            .stdout(Stdio::null())
            .spawn()
            .expect("a process")
    };
    let mut victim = start();
    let others = [start(), start()];
    // Mid-work, as soon as something is in the cache.
    for _ in 0..2000 {
        let known = path
            .exists()
            .then(|| TranslationCache::open(&path).ok()?.len().ok())
            .flatten();
        if known.is_some_and(|known| known > 200) {
            break;
        }
        thread::sleep(Duration::from_millis(5));
    }
    victim.kill().expect("it runs");
    let _ = victim.wait();
    for mut other in others {
        assert!(other.wait().expect("it ends").success());
    }
    let cache = TranslationCache::open(&path).expect("a sound cache");
    assert_eq!(cache.len().expect("a count"), SENTENCES as u64);
    let translator = CachedTranslator::new(Capitals::new("1"), cache);
    let all: Vec<String> = (0..SENTENCES).map(|n| format!("sentence {n}")).collect();
    let translations = translator
        .translate(&all, ENGLISH, PORTUGUESE)
        .expect("translations");
    assert!(
        all.iter()
            .zip(&translations)
            .all(|(s, t)| *t == format!("{} por_Latn", s.to_uppercase()))
    );
    assert!(
        translator
            .into_inner()
            .asked
            .into_inner()
            .expect("no panic")
            .is_empty()
    );
}
