//! Use cases, one file per noun. Owns `App`: everything that a request needs, put together once by `cli`.
//! Every act goes permit → transaction → entry → commit (`tx.rs`); nothing on the stop path waits for anything that is not the stop.

pub mod acts;
pub mod agent_book;
pub mod agent_tokens;
pub mod agents;
pub mod alarms;
pub mod alert_command;
pub mod alerts;
pub mod approvals;
pub mod assignments;
pub mod audit;
pub mod audit_tail;
pub mod bots;
pub mod breaches;
pub mod changes;
pub mod check_in;
pub mod demo;
pub mod device_uses;
pub mod drill_runs;
pub mod drills;
pub mod endings;
pub mod error;
pub mod evidence;
pub mod facts;
pub mod fan_out;
pub mod fills;
pub mod first_run;
pub mod golive;
pub mod guard;
pub mod health;
pub mod hold_merge;
pub mod hold_record;
pub mod holders;
pub mod holds;
pub mod idempotency;
pub mod keys;
pub mod kills;
pub mod ladder;
pub mod limit_book;
pub mod limit_overrides;
pub mod limit_spread;
pub mod limits;
mod limits_taken;
pub mod listings;
pub mod log;
pub mod names;
pub mod notices;
pub mod observations;
pub mod outbox;
pub mod own_keys;
pub mod people;
pub mod quorum;
pub mod receipts;
pub mod reconcile;
pub mod recoveries;
pub mod recovery_host;
pub mod recovery_rounds;
pub mod refresh;
pub mod register;
pub mod requests;
pub mod retention;
pub mod rights;
pub mod safety;
pub mod said;
pub mod scopes;
pub mod sessions;
pub mod sign_in;
pub mod sites;
mod spreadsheet;
pub mod staged;
pub mod start_frames;
pub mod start_outlook;
pub mod starts;
pub mod stop_devices;
pub mod tokens;
pub mod totals;
pub mod tx;
pub mod vault;
pub mod venues;
pub mod whence;

pub use error::{AppError, Invalid};

use crate::authn::{DeviceBook, Keys, SessionStore, Throttle, TokenBook};
use crate::domain::{BootClock, Clock, Timestamp};
use crate::fleet::{Book, Fleet, Gauges, Lines, Spool};
use crate::storage::{Db, installation::Installation};
use crate::venues::Venues;
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU64},
};
use tokio::sync::{mpsc, watch};

/// Everything that a request needs.
pub struct App {
    /// The database.
    pub db: Db,
    /// The clock.
    pub clock: Clock,
    /// Which installation this is.
    pub installation: Installation,
    /// Where people reach it.
    pub origin: url::Url,
    /// The snapshot and its watch.
    pub fleet: Fleet,
    /// What agents said.
    pub book: Book,
    /// Open streams.
    pub lines: Lines,
    /// WebAuthn.
    pub keys: Keys,
    /// Browser sessions.
    pub sessions: SessionStore,
    /// Rate limits on sign-in.
    pub throttle: Throttle,
    /// Live API tokens.
    pub token_book: TokenBook,
    /// Live stop devices.
    pub device_book: DeviceBook,
    /// Unread notices.
    pub notices: notices::NoticeBook,
    /// Open alerts.
    pub alerts: alerts::AlertBook,
    /// When this process began to serve.
    pub started_at: Timestamp,
    /// What silence is counted by.
    pub boot_clock: BootClock,
    // When this process began, by that.
    pub(crate) started_ms: i64,
    // What agents said before has been read.
    pub(crate) is_recalled: AtomicBool,
    /// A name for this process among replicas.
    pub node: String,
    /// The watch over the audit log; it watches nothing before `open_log`.
    pub log: log::LogWatch,
    /// Which site this process is; it is nobody's copy before `open_site`.
    pub site: sites::SiteWatch,
    pub(crate) device_presses: device_uses::Seen,
    // Keys of another host name are still to be left behind.
    pub(crate) are_keys_closed: AtomicBool,
    pub(crate) agent_book: agent_book::AgentBook,
    pub(crate) people_book: people::PeopleBook,
    pub(crate) venue_book: venues::VenueBook,
    pub(crate) key_book: keys::KeyBook,
    /// The exchanges.
    pub exchanges: Venues,
    pub(crate) recovery_book: recoveries::RecoveryBook,
    pub(crate) approval_book: approvals::ApprovalBook,
    pub(crate) golive: golive::Books,
    pub(crate) open_book: requests::open::OpenBook,
    pub(crate) limit_book: limit_book::LimitBook,
    /// What is counted of bots, and judged by limits.
    pub gauges: Gauges,
    pub(crate) totals: totals::TotalBook,
    pub(crate) spool: Arc<Spool>,
    pub(crate) presses: holds::Presses,
    pub(crate) refreshing: refresh::Turn,
    pub(crate) rights: watch::Sender<u64>,
    pub(crate) late_ends: sessions::LateEnds,
    pub(crate) facts: mpsc::Sender<facts::Fact>,
    pub(crate) limits_taken: mpsc::Sender<limits_taken::Taken>,
    pub(crate) recorder: hold_record::Recorder,
    pub(crate) observations: mpsc::Sender<observations::Observation>,
    pub(crate) unobserved: AtomicU64,
    pub(crate) start_frames: start_frames::StartFrames,
    pub(crate) first_run_over: first_run::Over,
    pub(crate) carrier: OnceLock<crate::mail::Carrier>,
    pub(crate) to_tell: mpsc::Sender<(crate::domain::Audience, crate::domain::Notice)>,
    pub(crate) alert_command: OnceLock<Vec<String>>,
    pub(crate) kept_days: OnceLock<u32>,
    pub(crate) fills: fills::FillWatch,
    // A drill may be running.
    pub(crate) drills_open: AtomicBool,
    /// Exchange keys that the server holds.
    pub vault: vault::Vault,
    /// Evidence of presses that is not written yet.
    pub evidence: evidence::EvidenceQueue,
    pub(crate) to_freeze: mpsc::Sender<crate::domain::Hold>,
    pub(crate) rungs: OnceLock<Vec<Box<dyn ladder::Rung>>>,
    pub(crate) watch_book: reconcile::WatchBook,
    /// What the server does at venues for bots that do not answer, and what it read back there.
    pub guard: guard::GuardBook,
    demo_keys: demo::DemoKeys,
}

/// What `App::assemble` is made of.
pub struct Parts {
    /// The database, migrated.
    pub db: Db,
    /// The clock.
    pub clock: Clock,
    /// The clock that silence is counted by.
    pub boot_clock: BootClock,
    /// Which installation this is.
    pub installation: Installation,
    /// Where people reach it.
    pub origin: url::Url,
    /// The spool file, open.
    pub spool: Spool,
    /// The holds found in it.
    pub spooled: Vec<crate::domain::Hold>,
    /// `open_log` follows: until it has compared the log with what lies outside of the database, nothing is appended. What a process does by itself
    /// as it begins would else stand in a log that was rolled back.
    pub is_compared_first: bool,
    /// A name for this process among replicas.
    pub node: String,
    /// The exchanges.
    pub exchanges: Venues,
}

impl App {
    /// True when pages are reached over TLS.
    pub fn is_https(&self) -> bool {
        self.origin.scheme() == "https"
    }
    /// Puts the application together, reads the whole fleet once, and starts the writers of observations, facts and notices.
    /// Holds found in the spool stop their bots before anything else is served.
    ///
    /// # Errors
    /// When the database cannot be read or the origin is no origin.
    pub async fn assemble(parts: Parts) -> Result<Arc<Self>, AppError> {
        let (facts, facts_in) = mpsc::channel(4096);
        let (limits_taken, taken_in) = mpsc::channel(4096);
        let (recorder, holds_in) = hold_record::Recorder::new();
        let (observations, observations_in) = mpsc::channel(16_384);
        let (to_tell, to_tell_in) = mpsc::channel(notices::WAITING_IN_MEMORY);
        let (to_freeze, to_freeze_in) = mpsc::channel(evidence::WAITING);
        let keys = Keys::new(&parts.origin, &parts.installation.name)?;
        let app = Arc::new(Self {
            sessions: SessionStore::new(parts.db.clone(), parts.clock.clone()),
            throttle: Throttle::new(parts.clock.clone()),
            token_book: TokenBook::default(),
            device_book: DeviceBook::default(),
            fleet: Fleet::new(parts.clock.clone()),
            book: Book::default(),
            lines: Lines::default(),
            device_presses: device_uses::Seen::default(),
            are_keys_closed: AtomicBool::new(false),
            agent_book: agent_book::AgentBook::default(),
            people_book: people::PeopleBook::default(),
            venue_book: venues::VenueBook::default(),
            key_book: keys::KeyBook::default(),
            exchanges: parts.exchanges,
            recovery_book: recoveries::RecoveryBook::default(),
            approval_book: approvals::ApprovalBook::default(),
            golive: golive::Books::default(),
            open_book: requests::open::OpenBook::default(),
            limit_book: limit_book::LimitBook::default(),
            gauges: Gauges::default(),
            totals: totals::TotalBook::default(),
            presses: holds::Presses::default(),
            refreshing: refresh::Turn::default(),
            rights: watch::Sender::new(0),
            late_ends: sessions::LateEnds::default(),
            start_frames: start_frames::StartFrames::default(),
            first_run_over: first_run::Over::default(),
            demo_keys: demo::DemoKeys::default(),
            notices: notices::NoticeBook::default(),
            alerts: alerts::AlertBook::default(),
            alert_command: OnceLock::new(),
            kept_days: OnceLock::new(),
            fills: fills::FillWatch::default(),
            drills_open: AtomicBool::new(true),
            vault: vault::Vault::default(),
            evidence: evidence::EvidenceQueue::default(),
            to_freeze,
            rungs: OnceLock::new(),
            watch_book: reconcile::WatchBook::default(),
            guard: guard::GuardBook::default(),
            carrier: OnceLock::new(),
            log: log::LogWatch::default(),
            site: sites::SiteWatch::default(),
            started_at: parts.clock.now(),
            started_ms: parts.boot_clock.now_ms(),
            boot_clock: parts.boot_clock,
            is_recalled: AtomicBool::default(),
            db: parts.db,
            clock: parts.clock,
            installation: parts.installation,
            origin: parts.origin,
            node: parts.node,
            spool: Arc::new(parts.spool),
            keys,
            facts,
            limits_taken,
            recorder,
            observations,
            unobserved: AtomicU64::new(0),
            to_tell,
        });
        app.begin_with(parts.is_compared_first, parts.spooled).await?;
        tokio::spawn(facts::run(Arc::downgrade(&app), facts_in));
        tokio::spawn(limits_taken::run(Arc::downgrade(&app), taken_in));
        tokio::spawn(hold_record::run(Arc::downgrade(&app), holds_in));
        tokio::spawn(observations::writer::run(Arc::downgrade(&app), observations_in));
        tokio::spawn(notices::run(Arc::downgrade(&app), to_tell_in));
        tokio::spawn(evidence::capture(Arc::downgrade(&app), to_freeze_in));
        app.go_on();
        Ok(app)
    }

    /// Reads everything once, and stops what a process before this one could not record the stops of.
    async fn begin_with(self: &Arc<Self>, is_compared_first: bool, spooled: Vec<crate::domain::Hold>) -> Result<(), AppError> {
        if is_compared_first {
            self.log.await_comparison(self.clock.now());
        }
        fan_out::start(self).map_err(AppError::internal)?;
        self.refresh_all().await?;
        self.sessions.recall().await?;
        // Before anybody is heard: a report that came first would seem to begin the counts.
        self.load_counts(Timestamp(i64::MIN)).await?;
        self.take_spooled(spooled).await
    }

    /// Holds that a process before this one could not record stop their bots.
    async fn take_spooled(&self, spooled: Vec<crate::domain::Hold>) -> Result<(), AppError> {
        for hold in spooled {
            // One that was recorded before an earlier process ended is the database's: it may be released by now.
            if !self.is_recorded(&hold.id).await? {
                self.fleet.push_unrecorded(hold);
            }
        }
        Ok(())
    }

    /// Goes on with what a process before this one had begun.
    fn go_on(self: &Arc<Self>) {
        tokio::spawn(observations::recall(Arc::downgrade(self)));
        tokio::spawn(evidence::run(Arc::downgrade(self), self.evidence.waker()));
        tokio::spawn(alerts::run(Arc::downgrade(self), self.alerts.waker()));
        tokio::spawn(limit_spread::run(Arc::downgrade(self)));
    }

    /// True for an installation of kind `demo`.
    pub fn is_demo(&self) -> bool {
        self.installation.kind == "demo"
    }
}
