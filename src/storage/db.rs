//! The two databases: opening, transactions, and the queue in front of SQLite's one writer. The only file that names a driver.

use super::error::Result;
use crate::domain::Timestamp;
use sqlx::{
    Connection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{
    ops::{Deref, DerefMut},
    path::Path,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// A handle to whichever database the operator configured. Cheap to clone.
#[derive(Clone)]
pub enum Db {
    /// Embedded: many readers, exactly one writer, so two pools and a queue.
    Sqlite {
        /// Readers.
        read: SqlitePool,
        /// The one writer.
        write: SqlitePool,
        /// Who may have the writer.
        queue: WriteQueue,
    },
    /// For several replicas.
    Postgres(PgPool),
}

/// Who overtakes whom at SQLite's one writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Stops: wait for the transaction that runs, and for at most one more.
    Stop,
    /// Everything else: first in, first out.
    Normal,
}

/// Two lanes in front of one writer. Normal work queues at `line` and only its first member stands at `writer`, so a stop that comes
/// finds at most one transaction before it, however many wait.
#[derive(Clone, Default)]
pub struct WriteQueue {
    line: Arc<Mutex<()>>,
    writer: Arc<Mutex<()>>,
    waiting: Arc<AtomicUsize>,
}

/// Counts one that waits, for as long as it does, also when it is dropped while waiting.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// How long what is no stop waits for its turn to write.
const QUEUE_PATIENCE: Duration = Duration::from_secs(5);

impl WriteQueue {
    async fn enter(&self, lane: Lane) -> OwnedMutexGuard<()> {
        let _waiting = Waiting::begin(&self.waiting);
        match lane {
            Lane::Stop => self.writer.clone().lock_owned().await,
            Lane::Normal => {
                let _first = self.line.lock().await;
                self.writer.clone().lock_owned().await
            }
        }
    }
}

/// An open transaction on either driver. Storage functions never see which.
pub enum Conn {
    /// Embedded.
    Sqlite(Transaction<'static, Sqlite>),
    /// Server.
    Postgres(Transaction<'static, Postgres>),
}

/// Expands one query expression once per driver: the SQL text is written once, the compiler checks binds and rows against both.
macro_rules! on {
    ($conn:expr, |$c:ident| $body:expr) => {
        match $conn {
            $crate::storage::db::Conn::Sqlite(tx) => {
                let $c = &mut **tx;
                $body
            }
            $crate::storage::db::Conn::Postgres(tx) => {
                let $c = &mut **tx;
                $body
            }
        }
    };
}
pub(super) use on;

/// Inserts rows by one statement: `insert!(tx, "INSERT INTO t (a, b) ", rows, |row, one| row.push_bind(one.a).push_bind(one.b))`, with what
/// follows the values after the closure. A statement for several rows is not kept prepared: there is one for every number of them.
macro_rules! insert {
    ($tx:expr, $into:expr, $rows:expr, |$row:ident, $one:pat_param| $bind:expr $(, $over:expr)?) => {
        $crate::storage::db::on!(&mut **$tx, |c| {
            let rows = $rows;
            let mut query = sqlx::QueryBuilder::new($into);
            query.push_values(rows, |mut $row, $one| { $bind; });
            $(query.push($over);)?
            query.build().persistent(rows.len() == 1).execute(c).await.map(drop)
        })?
    };
}
pub(super) use insert;

/// Names every statement of a storage file, and lets one test prepare all of them on both databases.
macro_rules! statements {
    ($($name:ident = $sql:expr;)*) => {
        $(const $name: &str = $sql;)*
        /// The statements of this file by name.
        pub const STATEMENTS: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}
pub(super) use statements;

/// A transaction that may only read.
pub struct ReadTx(Conn);

/// A transaction that may write. Dropped without `commit` it changes nothing.
#[must_use = "a WriteTx that is dropped is rolled back"]
pub struct WriteTx {
    conn: Conn,
    _turn: Option<OwnedMutexGuard<()>>,
}

impl Deref for ReadTx {
    type Target = Conn;
    fn deref(&self) -> &Conn {
        &self.0
    }
}
impl DerefMut for ReadTx {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.0
    }
}
impl Deref for WriteTx {
    type Target = Conn;
    fn deref(&self) -> &Conn {
        &self.conn
    }
}
impl DerefMut for WriteTx {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}

/// A stop gives up soon on a lock that somebody else has: it is pushed, spooled and recorded later (ruling H15). One message, one round trip.
const BEGIN_STOP: &str = "BEGIN; SET LOCAL lock_timeout = '200ms'";

/// False for a connection that still counts a transaction while nobody has one. SQLite ends a transaction by itself when the disk is full or
/// fails; the driver's own rollback then finds none, is refused, and leaves the connection unable to begin another for ever.
fn is_clean(conn: &SqliteConnection) -> bool {
    !conn.is_in_transaction()
}

impl Db {
    /// Opens the embedded database, creating the file when it is missing. `synchronous=FULL`: what was acknowledged survives a power cut.
    ///
    /// # Errors
    /// When the file cannot be opened or is not a database.
    pub async fn open_sqlite(file: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
            .foreign_keys(true)
            .optimize_on_close(false, None);
        let pool = |most| SqlitePoolOptions::new().max_connections(most).before_acquire(|conn, _| Box::pin(async { Ok(is_clean(conn)) }));
        let write = pool(1).connect_with(options.clone()).await?;
        let read = pool(4).connect_with(options.read_only(true)).await?;
        Ok(Self::Sqlite { read, write, queue: WriteQueue::default() })
    }

    /// Opens an embedded database to read it only, beside a running server or on a copy: nothing is made, and whatever tries to write is
    /// refused. One that no process has open and whose log is merged (no `-wal` file beside it) is read as it lies, without the files that
    /// SQLite would make to share it.
    ///
    /// # Errors
    /// When the file is not there or is not a database.
    pub async fn open_sqlite_to_read(file: &Path) -> Result<Self> {
        let mut log = file.as_os_str().to_owned();
        log.push("-wal");
        let options = SqliteConnectOptions::new()
            .filename(file)
            .read_only(true)
            .immutable(!Path::new(&log).exists())
            .busy_timeout(Duration::from_secs(5))
            .optimize_on_close(false, None);
        let read = SqlitePoolOptions::new().max_connections(2).connect_with(options).await?;
        Ok(Self::Sqlite { write: read.clone(), read, queue: WriteQueue::default() })
    }

    /// Connects to PostgreSQL. `lock_timeout` keeps whoever writes from waiting behind a stuck lock; a stop waits for much less.
    ///
    /// # Errors
    /// When the address cannot be read or nobody answers.
    pub async fn open_postgres(url: &str) -> Result<Self> {
        let options = PgConnectOptions::from_str(url)?.application_name("andon").options([
            ("lock_timeout", "2000"),
            ("idle_in_transaction_session_timeout", "10000"),
            ("statement_timeout", "30000"),
        ]);
        let pool = PgPoolOptions::new().max_connections(12).acquire_timeout(Duration::from_secs(5)).connect_with(options).await?;
        Ok(Self::Postgres(pool))
    }

    /// True for the embedded database: this process is the only writer, its view is never old (ruling H12).
    pub fn is_embedded(&self) -> bool {
        matches!(self, Self::Sqlite { .. })
    }

    /// How many writers wait for their turn at the embedded database's one writer. PostgreSQL has its own queues.
    pub fn waiting(&self) -> usize {
        match self {
            Self::Sqlite { queue, .. } => queue.waiting.load(Ordering::SeqCst),
            Self::Postgres(_) => 0,
        }
    }

    /// Begins to read.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn read(&self) -> Result<ReadTx> {
        Ok(ReadTx(match self {
            Self::Sqlite { read, .. } => Conn::Sqlite(read.begin().await?),
            Self::Postgres(pool) => Conn::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?),
        }))
    }

    /// Begins to write, in a lane. `BEGIN IMMEDIATE`: a deferred SQLite transaction that reads and then writes fails when another writer
    /// got in between, and no timeout helps. Acts go through `app::tx`, which asks for a permit and an entry; calling this elsewhere is
    /// allowed only for tables that are no acts (sessions, observations, leases).
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn write(&self, lane: Lane) -> Result<WriteTx> {
        Ok(match self {
            Self::Sqlite { write, queue, .. } => {
                let turn = match lane {
                    Lane::Stop => queue.enter(lane).await,
                    // Behind a lock that somebody else holds for long it is refused rather than kept waiting.
                    Lane::Normal => tokio::time::timeout(QUEUE_PATIENCE, queue.enter(lane)).await.map_err(|_| sqlx::Error::PoolTimedOut)?,
                };
                WriteTx { conn: Conn::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?), _turn: Some(turn) }
            }
            Self::Postgres(pool) => {
                let begun = match lane {
                    Lane::Stop => pool.begin_with(BEGIN_STOP).await?,
                    Lane::Normal => pool.begin().await?,
                };
                WriteTx { conn: Conn::Postgres(begun), _turn: None }
            }
        })
    }

    /// How the PostgreSQL server is set up; none for the embedded database.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn server(&self) -> Result<Option<Server>> {
        const SETUP: &str = "SELECT current_setting('server_version_num')::bigint, current_setting('fsync'), \
            current_setting('full_page_writes'), current_setting('synchronous_commit'), pg_is_in_recovery(), \
            (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        let Self::Postgres(pool) = self else { return Ok(None) };
        let (version, fsync, pages, commit, is_standby, now) =
            sqlx::query_as::<_, (i64, String, String, String, bool, i64)>(SETUP).fetch_one(pool).await?;
        let loses = [("fsync", fsync), ("full_page_writes", pages), ("synchronous_commit", commit)];
        let loses = loses.into_iter().filter(|(_, value)| value == "off").map(|(name, _)| name).collect();
        Ok(Some(Server { version, loses, is_standby, now: Timestamp(now) }))
    }

    /// Closes every connection; waits for those in use.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { read, write, .. } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }

    /// Wakes whenever another replica has committed a fact; on the embedded database never, since there is no other.
    ///
    /// # Errors
    /// When PostgreSQL cannot be reached.
    pub async fn listener(&self) -> Result<Option<FactListener>> {
        match self {
            Self::Sqlite { .. } => Ok(None),
            Self::Postgres(pool) => {
                let mut listener = sqlx::postgres::PgListener::connect_with(pool).await?;
                listener.listen("andon_fact").await?;
                Ok(Some(FactListener(listener)))
            }
        }
    }
}

/// How a PostgreSQL server is set up.
#[derive(Debug, Clone)]
pub struct Server {
    /// `server_version_num`: 150004 is 15.4.
    pub version: i64,
    /// Settings that are off and without which it may lose what it acknowledged.
    pub loses: Vec<&'static str>,
    /// True for one that only follows another.
    pub is_standby: bool,
    /// Its clock.
    pub now: Timestamp,
}

/// Notices of facts from other replicas.
pub struct FactListener(sqlx::postgres::PgListener);

impl FactListener {
    /// Waits for the next notice. A lost connection counts as a notice: whoever waits then rereads.
    pub async fn wait(&mut self) {
        // An error means that the connection ended; the next call makes a new one.
        let _ = self.0.try_recv().await;
    }
}

impl WriteTx {
    /// Makes it true. Returns once the database has it on disk.
    ///
    /// # Errors
    /// When the database refuses: nothing happened.
    pub async fn commit(self) -> Result<()> {
        match self.conn {
            Conn::Sqlite(tx) => tx.commit().await?,
            Conn::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }

    /// Marks a place to come back to. One at a time.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn savepoint(&mut self) -> Result<()> {
        Ok(on!(&mut **self, |c| sqlx::query("SAVEPOINT andon").execute(c).await.map(drop))?)
    }

    /// Undoes everything since the marked place, whatever failed there; what was done before stands.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn back_to_savepoint(&mut self) -> Result<()> {
        Ok(on!(&mut **self, |c| sqlx::query("ROLLBACK TO SAVEPOINT andon").execute(c).await.map(drop))?)
    }

    /// Tells the other replicas, at commit, that facts changed. Nothing on the embedded database.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn notify(&mut self) -> Result<()> {
        if let Conn::Postgres(tx) = &mut self.conn {
            sqlx::query("NOTIFY andon_fact").execute(&mut **tx).await?;
        }
        Ok(())
    }
}
