//! The store of the translation cache: an SQLite file.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use corpus::language::Language;
use corpus::seam::{EngineError, EngineIdentity};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

const ENGINE: &str = "translation cache";

/// Changed with the tables, so that a file of another form is refused and not misread.
const FORM: i64 = 1;

/// How long a writer waits for its turn.
const PATIENCE: Duration = Duration::from_secs(60);

/// The store; shared by the translators of a process.
pub struct TranslationCache {
    connection: Mutex<Connection>,
    path: PathBuf,
    /// Whether a failure was reported already.
    failed: AtomicBool,
}

impl TranslationCache {
    /// Opens the cache at `path`, or creates it with the folders above it.
    pub fn open(path: &Path) -> Result<Arc<Self>, EngineError> {
        let error = |cause: &dyn std::fmt::Display| {
            EngineError::new(
                ENGINE,
                format!(
                    "{}: {cause}; name another file, or delete this one if it is no more needed",
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
                "a translation cache of form {form}, and this program writes form {FORM}"
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

    /// Whether the cache holds nothing.
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

    /// Stores translations; what another process stored meanwhile stays.
    pub(super) fn store<'t>(
        &self,
        key: &Key,
        translations: impl Iterator<Item = (&'t str, &'t str)>,
    ) -> rusqlite::Result<()> {
        let mut connection = self.connection();
        // Taking the right to write at the beginning is what the patience holds for.
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

    /// A cache that fails costs time, not the run: it is said once, and the work goes on.
    pub(super) fn report(&self, error: &rusqlite::Error) {
        if !self.failed.swap(true, Ordering::Relaxed) {
            let path = self.path.display();
            tracing::warn!("the translation cache {path} fails and is passed over: {error}");
        }
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    // File systems without shared memory keep SQLite's rollback journal, which is as safe.
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
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

/// 128 bits of the blake3 hash of a sentence.
fn hash(sentence: &str) -> [u8; 16] {
    let hash = blake3::hash(sentence.as_bytes());
    hash.as_bytes()[..16]
        .try_into()
        .expect("a blake3 hash has 32 bytes")
}

/// Who translated, and how.
pub(super) struct Key {
    pub(super) identity: EngineIdentity,
    from: Language,
    to: Language,
}

impl Key {
    pub(super) fn new(mut identity: EngineIdentity, from: Language, to: Language) -> Self {
        // Where the content of the model is known, its place on this machine says nothing.
        if !identity.revision.is_empty() {
            identity.model.clear();
        }
        Self { identity, from, to }
    }

    fn find(&self, connection: &Connection) -> rusqlite::Result<Option<i64>> {
        let EngineIdentity {
            engine,
            model,
            revision,
            parameters,
            ..
        } = &self.identity;
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
        let EngineIdentity {
            engine,
            model,
            revision,
            parameters,
            ..
        } = &self.identity;
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
