//! Tries inputs on a reader and watches it.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use crate::chance::Chance;
use crate::memory;

/// The files of an input by their names, which may have folders.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A reader of files that others wrote.
pub struct Reader<'a> {
    /// Its name in the log.
    pub name: &'static str,
    /// Inputs that it reads.
    pub seeds: Vec<Files>,
    /// Inputs of an ordinary test.
    pub inputs: usize,
    /// Largest request for memory that any input may lead to, in bytes.
    pub memory: usize,
    /// Changes an input; another one may lend parts.
    pub change: &'a dyn Fn(&mut Chance, &mut Files, &Files),
    /// Reads the input in this folder; returns whether it was accepted. An error is as right.
    pub read: &'a dyn Fn(&Path) -> bool,
}

/// Limit for one input of at most some hundred kilobytes. It takes milliseconds as a rule, and a chat
/// template that is given up ten seconds of an idle machine.
const HANGS: Duration = Duration::from_secs(180);

/// Largest file of an input, in bytes.
pub const LARGEST_FILE: usize = 1 << 20;

/// Seconds for each reader, instead of a number of inputs.
pub const SECONDS: &str = "XLDISTILL_FUZZ_SECONDS";

/// Most failures that are collected.
const FAILURES: usize = 10;

/// Message and place of the latest panic of a reader.
static PANIC: Mutex<String> = Mutex::new(String::new());

/// Whether a reader is at work, and not this program itself.
static READING: AtomicBool = AtomicBool::new(false);

/// Readers take turns, since memory is counted for the whole process.
static TURN: Mutex<()> = Mutex::new(());

/// The value of [`SECONDS`].
pub fn seconds() -> Option<u64> {
    setting(SECONDS)
}

fn setting(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    let number = value.parse();
    Some(number.unwrap_or_else(|_| panic!("{name}: not a number")))
}

impl Reader<'_> {
    /// Tries the seeds as they are, then changed ones.
    ///
    /// # Panics
    /// With the failures, if there are any.
    pub fn fuzz(&self) {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        note_panics();
        let seconds = seconds();
        let clock = || {
            std::time::UNIX_EPOCH
                .elapsed()
                .map_or(0, |time| time.as_secs())
        };
        let seed = setting("XLDISTILL_FUZZ_SEED").unwrap_or_else(|| seconds.map_or(0, |_| clock()));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("fuzz")
            .join(self.name);
        let _ = fs::remove_dir_all(&folder);
        let mut chance = Chance(seed);
        let mut outcome = Outcome::default();
        let begun = Instant::now();
        let mut tried = 0;
        loop {
            let files = match self.seeds.get(tried) {
                Some(seed) => seed.clone(),
                None => self.changed(&mut chance),
            };
            self.try_one(&folder, &files, &mut outcome);
            tried += 1;
            let enough = match seconds {
                Some(seconds) => begun.elapsed().as_secs() >= seconds,
                None => tried >= self.inputs + self.seeds.len(),
            };
            if enough || outcome.failures.len() >= FAILURES {
                break;
            }
        }
        eprintln!(
            "{}: seed {seed}, {tried} inputs in {:.0} s, {} accepted, {} failures, largest request {:.1} MB, longest {:.2} s",
            self.name,
            begun.elapsed().as_secs_f64(),
            outcome.accepted,
            outcome.failures.len(),
            outcome.largest as f64 / 1e6,
            outcome.longest.as_secs_f64(),
        );
        let failures = outcome.failures.join("\n");
        assert!(
            failures.is_empty(),
            "{}, seed {seed}:\n{failures}",
            self.name
        );
        let reached = outcome.accepted > 0;
        assert!(
            reached,
            "{}: nothing was accepted, so nothing deep was reached",
            self.name
        );
        let _ = fs::remove_dir_all(&folder);
    }

    fn changed(&self, chance: &mut Chance) -> Files {
        let mut files = chance.of(&self.seeds).clone();
        let other = chance.of(&self.seeds);
        (self.change)(chance, &mut files, other);
        // Repeated repetitions can make gigabytes, whose reading would say nothing of proportion.
        files
            .values_mut()
            .for_each(|content| content.truncate(LARGEST_FILE));
        files
    }

    fn try_one(&self, folder: &Path, files: &Files, outcome: &mut Outcome) {
        let now = folder.join("now");
        write(&now, files);
        PANIC.lock().unwrap_or_else(PoisonError::into_inner).clear();
        memory::take_largest();
        let begun = Instant::now();
        READING.store(true, Ordering::Relaxed);
        let result = watched(self.name, || {
            catch_unwind(AssertUnwindSafe(|| (self.read)(&now)))
        });
        READING.store(false, Ordering::Relaxed);
        outcome.longest = outcome.longest.max(begun.elapsed());
        let largest = memory::take_largest();
        outcome.largest = outcome.largest.max(largest);
        let panic = PANIC.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let failure = match result {
            Err(_) => format!("panic: {panic}"),
            Ok(_) if largest > self.memory => format!("asked for {} MB", largest >> 20),
            Ok(accepted) => {
                outcome.accepted += usize::from(accepted);
                String::new()
            }
        };
        if !failure.is_empty() && outcome.known.insert(failure.clone()) {
            let kept = folder.join(format!("failure-{}", outcome.failures.len()));
            let _ = fs::remove_dir_all(&kept);
            fs::rename(&now, &kept).expect("renamed");
            outcome
                .failures
                .push(format!("{failure}\n    input: {}", kept.display()));
        }
        let _ = fs::remove_dir_all(&now);
    }
}

#[derive(Default)]
struct Outcome {
    failures: Vec<String>,
    known: std::collections::BTreeSet<String>,
    accepted: usize,
    largest: usize,
    longest: Duration,
}

/// Runs `work`, and ends the process if it hangs: nothing else could.
fn watched<T>(name: &str, work: impl FnOnce() -> T) -> T {
    let (done, wait) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if wait.recv_timeout(HANGS) == Err(RecvTimeoutError::Timeout) {
                eprintln!("{name}: an input takes more than {HANGS:?}; it is in target/tmp/fuzz/{name}/now");
                std::process::abort();
            }
        });
        let result = work();
        drop(done);
        result
    })
}

/// Remembers panics instead of printing them: a guarded one is no failure.
fn note_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let place = panic
                .location()
                .map(ToString::to_string)
                .unwrap_or_default();
            let said = panic.payload_as_str().unwrap_or_default();
            if !READING.load(Ordering::Relaxed) {
                before(panic);
            }
            *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = format!("{place}: {said}");
        }));
    });
}

/// Writes the files of an input into `folder`.
pub fn write(folder: &Path, files: &Files) {
    fs::create_dir_all(folder).expect("a folder");
    for (name, content) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, content).expect("writable");
    }
}

/// The files of a folder of `reference/`, those of its folders included, whose names `wanted` takes.
pub fn reference(path: &str, wanted: impl Fn(&str) -> bool) -> Files {
    let root = fixtures::reference(path);
    let mut found = Files::new();
    let mut folders: Vec<PathBuf> = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path
                .strip_prefix(&root)
                .expect("below")
                .display()
                .to_string();
            if path.is_dir() {
                folders.push(path);
            } else if wanted(&name) {
                found.insert(name, fs::read(path).expect("a file"));
            }
        }
    }
    assert!(!found.is_empty(), "{path}");
    found
}

/// One file of `reference/` under this name.
pub fn file(name: &str, path: &str) -> Files {
    let content = fs::read(fixtures::reference(path)).expect("a file");
    Files::from([(name.to_owned(), content)])
}

/// Files written out: names and contents.
pub fn written(files: &[(&str, &str)]) -> Files {
    let files = files.iter();
    files
        .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
        .collect()
}

/// One of the files to be changed, by a number.
pub fn any<'a>(chance: &mut Chance, files: &'a mut Files) -> (&'a str, &'a mut Vec<u8>) {
    let number = chance.below(files.len());
    let (name, content) = files.iter_mut().nth(number).expect("a file");
    (name, content)
}
