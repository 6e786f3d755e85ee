//! The store of the translation cache: an SQLite file.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use corpus::language::Language;
use corpus::seam::{EngineError, EngineKey};
use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior, params};

const ENGINE: &str = "translation cache";

/// Raised with every change of the tables, so that other files are refused instead of misread.
const FORM: i64 = 1;

/// Maximum time to wait for other processes that open or write the file.
const PATIENCE: Duration = Duration::from_secs(60);

/// Pause between attempts at what SQLite itself does not wait for.
const PAUSE: Duration = Duration::from_millis(5);

/// The store, shared by the translators of a process.
pub struct TranslationCache {
    connection: Mutex<Connection>,
    path: PathBuf,
    /// Whether a failure has been reported.
    failed: AtomicBool,
}

impl TranslationCache {
    /// Opens the cache at `path`, or creates it with the folders above it.
    pub fn open(path: &Path) -> Result<Arc<Self>, EngineError> {
        let error = |cause: &dyn std::fmt::Display| {
            EngineError::new(
                ENGINE,
                format!(
                    "{}: {cause}; name another file, or delete this one if it is no longer needed",
                    path.display()
                ),
            )
        };
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            std::fs::create_dir_all(folder).map_err(|e| error(&e))?;
        }
        let connection = open(path).map_err(|e| error(&e))?;
        let form: i64 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(|e| error(&e))?;
        if form != FORM {
            return Err(error(&format!(
                "a translation cache in format {form}, but this program writes format {FORM}"
            )));
        }
        Ok(Arc::new(Self {
            connection: Mutex::new(connection),
            path: path.to_owned(),
            failed: AtomicBool::new(false),
        }))
    }

    /// Number of translations in the cache.
    pub fn len(&self) -> Result<u64, EngineError> {
        self.connection()
            .query_row("SELECT count(*) FROM translation", [], |row| {
                row.get::<_, i64>(0)
            })
            .map(|count| count as u64)
            .map_err(|e| EngineError::new(ENGINE, format!("{}: {e}", self.path.display())))
    }

    /// Whether the cache is empty.
    pub fn is_empty(&self) -> Result<bool, EngineError> {
        Ok(self.len()? == 0)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A transaction that a panic interrupted was rolled back when it was dropped.
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The known translations of `sentences`, in order.
    pub(super) fn look_up(
        &self,
        key: &Key,
        sentences: &[&str],
    ) -> rusqlite::Result<Vec<Option<String>>> {
        let connection = self.connection();
        let Some(translator) = key.find(&connection)? else {
            return Ok(vec![None; sentences.len()]);
        };
        let mut query = connection.prepare_cached(
            "SELECT translation FROM translation WHERE translator = ?1 AND sentence = ?2",
        )?;
        sentences
            .iter()
            .map(|sentence| {
                query
                    .query_row(params![translator, hash(sentence)], |row| row.get(0))
                    .optional()
            })
            .collect()
    }

    /// Stores translations; those that another process has stored meanwhile are kept.
    pub(super) fn store<'t>(
        &self,
        key: &Key,
        translations: impl Iterator<Item = (&'t str, &'t str)>,
    ) -> rusqlite::Result<()> {
        let mut connection = self.connection();
        // Only a write lock that is taken at the beginning is waited for.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let translator = key.find_or_add(&transaction)?;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT OR IGNORE INTO translation (translator, sentence, translation) \
                 VALUES (?1, ?2, ?3)",
            )?;
            for (sentence, translation) in translations {
                insert.execute(params![translator, hash(sentence), translation])?;
            }
        }
        transaction.commit()
    }

    /// A failing cache costs time, but not the run: it is reported once, and the work goes on.
    pub(super) fn report(&self, error: &rusqlite::Error) {
        if !self.failed.swap(true, Ordering::Relaxed) {
            let path = self.path.display();
            tracing::warn!("the translation cache {path} fails and is ignored: {error}");
        }
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    use_write_ahead_log(&connection)?;
    connection.pragma_update(None, "synchronous", "normal")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let fresh = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
        Ok(row.get::<_, i64>(0)? == 0)
    })?;
    if fresh {
        transaction.execute_batch(
            "CREATE TABLE translator (
                 id INTEGER PRIMARY KEY,
                 engine TEXT NOT NULL, model TEXT NOT NULL, revision TEXT NOT NULL,
                 parameters TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL,
                 UNIQUE (engine, model, revision, parameters, source, target)
             );
             CREATE TABLE translation (
                 translator INTEGER NOT NULL REFERENCES translator,
                 sentence BLOB NOT NULL, translation TEXT NOT NULL,
                 PRIMARY KEY (translator, sentence)
             ) WITHOUT ROWID;",
        )?;
        transaction.pragma_update(None, "user_version", FORM)?;
    }
    transaction.commit()?;
    Ok(connection)
}

/// Switches a file to the write-ahead log. On file systems without shared memory, SQLite keeps its
/// rollback journal, which is as safe.
///
/// The switch upgrades a read lock to a write lock. While another process holds the write lock,
/// SQLite refuses that at once instead of calling its busy handler, because two processes waiting
/// for each other's read locks would never finish. This function releases its lock, waits and tries
/// again.
fn use_write_ahead_log(connection: &Connection) -> rusqlite::Result<()> {
    let begun = Instant::now();
    loop {
        let switched = connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()));
        let busy = switched
            .as_ref()
            .is_err_and(|error| error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy));
        if !busy || begun.elapsed() > PATIENCE {
            return switched;
        }
        thread::sleep(PAUSE);
    }
}

/// 128 bits of the blake3 hash of a sentence.
fn hash(sentence: &str) -> [u8; 16] {
    let hash = blake3::hash(sentence.as_bytes());
    hash.as_bytes()[..16]
        .try_into()
        .expect("a blake3 hash has 32 bytes")
}

/// A translator, its settings and a direction.
pub(super) struct Key {
    pub(super) engine: EngineKey,
    from: Language,
    to: Language,
}

impl Key {
    pub(super) fn new(engine: EngineKey, from: Language, to: Language) -> Self {
        Self { engine, from, to }
    }

    fn find(&self, connection: &Connection) -> rusqlite::Result<Option<i64>> {
        let EngineKey {
            engine,
            model,
            revision,
            parameters,
        } = &self.engine;
        connection
            .prepare_cached(
                "SELECT id FROM translator WHERE engine = ?1 AND model = ?2 AND revision = ?3 \
                 AND parameters = ?4 AND source = ?5 AND target = ?6",
            )?
            .query_row(
                params![
                    engine,
                    model,
                    revision,
                    parameters,
                    self.from.code(),
                    self.to.code()
                ],
                |row| row.get(0),
            )
            .optional()
    }

    fn find_or_add(&self, connection: &Connection) -> rusqlite::Result<i64> {
        if let Some(id) = self.find(connection)? {
            return Ok(id);
        }
        let EngineKey {
            engine,
            model,
            revision,
            parameters,
        } = &self.engine;
        connection.execute(
            "INSERT INTO translator (engine, model, revision, parameters, source, target) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                engine,
                model,
                revision,
                parameters,
                self.from.code(),
                self.to.code()
            ],
        )?;
        Ok(connection.last_insert_rowid())
    }
}
