//! The server's side: the database as rows, and replicas, each with a production view of it. What a bot may do, what a lease is, what needs a
//! read and what stands in the way of a start are the production functions; around them stands what `app` does, in the order in which it does it.

use super::{
    rules::Rule,
    wire::{CheckIn, Down, Renewal, bit, hold_id, hold_number},
    world::{LAPSE_MS, Model, ms},
};
use andon::{
    domain::{
        BotFacts, Directive, Epoch, Hold, Level, Scope, StartLeaf, State, Step, StopFact, StopKind, Timestamp, UserId,
        directive::latest_stop,
        hold::Release,
        lease::{self, Word},
        start::{self, Beside, LastWord},
    },
    fleet::{View, view::Changes},
};
use std::hash::{Hash, Hasher};

/// The hold that a database which was put back places.
pub const ROLLBACK: u8 = 3;
/// What an agent carried back stands under its number and this.
pub const IMPORTED: u8 = 4;

/// A hold as the database has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Row {
    pub id: u8,
    pub epoch: i64,
    pub released: Option<i64>,
}

/// The database.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Db {
    pub epoch: i64,
    pub start: i64,
    /// Which signature the start stands on.
    pub token: u8,
    pub stop: Option<(i64, StopKind)>,
    pub fact: i64,
    /// Every boot, the newest last.
    pub boots: Vec<u8>,
    pub holds: Vec<Row>,
    /// The latest epoch acknowledged as halted and idle.
    pub ack: i64,
}

impl Db {
    pub fn take_epoch(&mut self) -> i64 {
        self.epoch += 1;
        self.epoch
    }

    pub fn hold(&self, id: u8) -> Option<&Row> {
        self.holds.iter().find(|row| row.id == id)
    }

    fn facts(&self, model: &Model) -> BotFacts {
        let fact = |(epoch, kind)| StopFact { epoch: Epoch(epoch), kind, why: String::new(), at: Timestamp(0) };
        BotFacts {
            start_epoch: Epoch(self.start),
            stop: self.stop.map(fact),
            fact_epoch: Epoch(self.fact),
            // A view must say which signature its start stands on, as the row of the start does.
            strategy: self.token.to_string(),
            ..model.bot.clone()
        }
    }

    fn as_hold(row: &Row, model: &Model) -> Hold {
        let release = |epoch| Release { epoch: Epoch(epoch), at: Timestamp(0), by: UserId::from_stored("u".into()), why: String::new() };
        Hold {
            id: hold_id(row.id),
            scope: if row.id >= IMPORTED { Scope::Bot(model.bot.id.clone()) } else { Scope::Fleet },
            epoch: Epoch(row.epoch),
            released: row.released.map(release),
            origin: (row.id >= IMPORTED).then(|| hold_id(row.id - IMPORTED).to_string()),
            ..model.hold.clone()
        }
    }

    /// As `app::refresh::read_changes` reads it.
    fn changes(&self, model: &Model, since: i64) -> Changes {
        let is_new = |row: &&Row| row.epoch.max(row.released.unwrap_or(0)) > since;
        Changes {
            epoch: Epoch(self.epoch),
            bots: if self.fact > since { vec![self.facts(model)] } else { Vec::new() },
            holds: self.holds.iter().filter(is_new).map(|row| Self::as_hold(row, model)).collect(),
            kept: Vec::new(),
        }
    }
}

/// What a replica remembers of the agent's last word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Seen {
    at: u8,
    state: State,
    start_after: Option<i64>,
}

/// A replica.
#[derive(Clone)]
pub struct Replica {
    pub view: View,
    /// It cannot reach the database.
    pub is_cut: bool,
    /// It was killed, and cannot start before it reaches the database.
    pub is_down: bool,
    /// Holds in its spool.
    pub spool: u8,
    /// The boot whose stream it has.
    pub stream: Option<u8>,
    seen: Option<Seen>,
    // The newest boot as it knows, and up to which epoch it knows that.
    newest: Option<(u8, Epoch)>,
    ack: i64,
}

/// A view decides only by what is asked of it here.
impl Hash for Replica {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let view = &self.view;
        (view.read_epoch, view.read_at, view.highest()).hash(state);
        for bot in view.bots() {
            let cover = view.cover(bot);
            (bot.start_epoch, bot.fact_epoch, &bot.strategy, cover.latched, cover.touched).hash(state);
            bot.stop.as_ref().map(|stop| (stop.epoch, stop.kind)).hash(state);
        }
        view.open_holds().for_each(|hold| (hold_number(&hold.id), hold.epoch).hash(state));
        view.unrecorded().len().hash(state);
        (self.is_cut, self.is_down, self.spool, self.stream, self.seen, self.newest, self.ack).hash(state);
    }
}

/// How a check-in was answered.
pub struct Answered {
    pub down: Option<Down>,
    /// It was recorded as a stop.
    pub stopped: bool,
    /// Going up, under this signature.
    pub frees: Option<u8>,
}

impl Replica {
    /// A server that starts: it reads everything, and pushes what its spool holds.
    pub fn starts(model: &Model, db: &Db, now: u8, spool: u8) -> Self {
        let view = View::default().with(db.changes(model, -1), Timestamp(ms(now) * 1_000));
        let mut new = Self { view, is_cut: false, is_down: false, spool, stream: None, seen: None, newest: None, ack: 0 };
        for id in super::agent::ids(spool) {
            if db.hold(hold_number(&id)).is_none() {
                new.push_unrecorded(model, hold_number(&id));
            }
        }
        new
    }

    pub fn refresh(&mut self, model: &Model, db: &Db, now: u8) {
        let changes = db.changes(model, self.view.read_epoch.0);
        self.view = self.view.with(changes, Timestamp(ms(now) * 1_000));
    }

    pub fn push_unrecorded(&mut self, model: &Model, id: u8) {
        let hold = Hold { id: hold_id(id), late: true, ..model.hold.clone() };
        self.view = self.view.with_unrecorded(hold).0;
    }

    /// A hold that it recorded itself is in its view at once; the rest comes with the next reading.
    pub fn take_hold(&mut self, model: &Model, row: &Row) {
        self.view = self.view.with_hold(Db::as_hold(row, model));
    }

    fn bot(&self, model: &Model) -> BotFacts {
        BotFacts::clone(self.view.bot(&model.bot.id).unwrap())
    }

    pub fn directive(&self, model: &Model) -> Directive {
        self.view.directive(&self.bot(model))
    }

    /// A directive for a boot. `with_start`: as an answer, or after a read; a stop goes out from memory without.
    pub fn frame(&self, model: &Model, db: &Db, boot: u8, carries: Option<u8>) -> Down {
        let (bot, directive) = (self.bot(model), self.directive(model));
        let with_start = carries.is_some() && directive.state != State::Halted;
        let (recorded, released) = if self.is_cut { (0, 0) } else { sort_carried(db, carries.unwrap_or(0)) };
        let unrecorded = self.view.unrecorded().iter().filter(|hold| self.view.covers(hold, &bot));
        Down {
            boot,
            is_replaced: false,
            epoch: directive.epoch.0,
            state: directive.state,
            orders: directive.orders,
            exits: directive.exits,
            start: with_start.then(|| (bot.start_epoch.0, bot.strategy.parse().unwrap())),
            unrecorded: unrecorded.map(|hold| bit(hold_number(&hold.id))).fold(0, |all, one| all | one),
            recorded,
            released,
            renew: None,
            ghost_known: if bot.start_epoch.0 == 0 { 0 } else { (2 << bot.strategy.parse::<u8>().unwrap()) - 1 },
        }
    }

    /// Takes a check-in and answers it, as `app::check_in` does.
    pub fn check_in(&mut self, model: &Model, db: &mut Db, said: &CheckIn, now: u8) -> Answered {
        let mut stopped = false;
        let Some(recorded) = self.settle_boot(model, db, said.boot, now, &mut stopped) else {
            return Answered { down: Some(self.replaced(said.boot)), stopped, frees: None };
        };
        self.stream = Some(said.boot);
        self.seen = Some(Seen { at: now, state: said.state, start_after: said.start_after });
        self.take_ack(model, db, said);
        let mut can_renew = recorded;
        if said.lapsed {
            can_renew &= self.latch_lapse(model, db, said, now, &mut stopped);
        }
        can_renew &= self.import(model, db, said.holds, &mut stopped);
        let word = Word { state: Some(said.state), epoch: Some(Epoch(said.epoch)) };
        if word.needs_read(&self.directive(model)) {
            if !self.is_cut {
                self.refresh(model, db, now);
                // What was read may be of a boot that another replica recorded.
                if self.settle_boot(model, db, said.boot, now, &mut stopped).is_none() {
                    return Answered { down: Some(self.replaced(said.boot)), stopped, frees: None };
                }
            } else if model.keeps(Rule::UpIsRead) && !word.may_hear_unread(&self.directive(model)) {
                return Answered { down: None, stopped, frees: None };
            }
        }
        stopped |= self.watch_for_refusal(model, db, said, word, now);
        let directive = self.directive(model);
        let mut down = self.frame(model, db, said.boot, Some(said.holds));
        let age_ms = if model.scenario.is_embedded { 0 } else { ms(now) - self.view.read_at.0 / 1_000 };
        let lease_ms = lease::lease_ms(&model.bot.timings, age_ms);
        let lease_ms = if model.keeps(Rule::LeaseIsLessTheAge) { lease_ms } else { lease_ms.map(|_| LAPSE_MS) };
        let renew = lease_ms.filter(|_| can_renew && word.knows(&directive));
        down.renew = renew.map(|lease_ms| Renewal { sent: said.sent, lease_ms, lapses: said.lapses });
        let frees = down.start.filter(|_| directive.state > said.state).map(|(_, token)| token);
        Answered { down: Some(down), stopped, frees }
    }

    pub fn replaced(&self, boot: u8) -> Down {
        Down {
            boot,
            is_replaced: true,
            epoch: 0,
            state: State::Halted,
            orders: andon::domain::Orders::CancelEntries,
            exits: andon::domain::Exits::None,
            start: None,
            unrecorded: 0,
            recorded: 0,
            released: 0,
            renew: None,
            ghost_known: 0,
        }
    }

    /// True when this boot is the newest and the database has it; none: a newer one has taken over.
    pub fn settle_boot(&mut self, model: &Model, db: &mut Db, boot: u8, now: u8, stopped: &mut bool) -> Option<bool> {
        let latest = self.bot(model).stop.map_or(Epoch(0), |stop| stop.epoch);
        let asks = model.keeps(Rule::BootIsAskedAgain) && !model.scenario.is_embedded;
        let is_known = |(newest, known): (u8, Epoch)| newest == boot && (known >= latest || !asks);
        if self.newest.is_some_and(is_known) || (!model.keeps(Rule::OnlyTheNewestBoot) && db.boots.contains(&boot)) {
            return Some(true);
        }
        if self.is_cut {
            return Some(false);
        }
        if db.boots.contains(&boot) {
            if db.boots.last() != Some(&boot) {
                return None;
            }
        } else {
            db.boots.push(boot);
            self.record_stop(model, db, StopKind::Boot, now);
            *stopped = true;
        }
        self.newest = Some((boot, Epoch(db.epoch)));
        Some(true)
    }

    fn record_stop(&mut self, model: &Model, db: &mut Db, kind: StopKind, now: u8) {
        let epoch = db.take_epoch();
        (db.stop, db.fact) = (Some((epoch, kind)), epoch);
        self.refresh(model, db, now);
    }

    fn latch_lapse(&mut self, model: &Model, db: &mut Db, said: &CheckIn, now: u8, stopped: &mut bool) -> bool {
        let stands = |replica: &Self| {
            let bot = replica.bot(model);
            latest_stop(&bot, &replica.view.cover(&bot)) >= bot.start_epoch
        };
        let mut is_standing = stands(self);
        if said.epoch > self.directive(model).epoch.0 {
            if self.is_cut {
                return false;
            }
            self.refresh(model, db, now);
            is_standing = stands(self);
        }
        if is_standing || self.is_cut {
            return is_standing;
        }
        self.record_stop(model, db, StopKind::Lapse, now);
        *stopped = true;
        true
    }

    fn import(&mut self, model: &Model, db: &mut Db, carried: u8, stopped: &mut bool) -> bool {
        let mut all = true;
        for id in super::agent::ids(carried) {
            let n = hold_number(&id);
            let is_known = |hold: &Hold| hold.id == id || hold.id == hold_id(n + IMPORTED);
            if self.view.open_holds().any(|hold| is_known(hold)) {
                continue;
            }
            if self.is_cut {
                all = false;
            } else if db.hold(n).is_none() && db.hold(n + IMPORTED).is_none() {
                let row = Row { id: n + IMPORTED, epoch: db.take_epoch(), released: None };
                db.holds.push(row);
                self.take_hold(model, &row);
                *stopped = true;
            }
        }
        all
    }

    /// Ruling C9: an agent that will never take this start up. True when that stopped its bot.
    fn watch_for_refusal(&mut self, model: &Model, db: &mut Db, said: &CheckIn, word: Word, now: u8) -> bool {
        let directive = self.directive(model);
        let is_past_it = said.start_after.is_some_and(|after| Epoch(after) >= self.bot(model).start_epoch);
        let refuses = directive.state == State::Active && word.knows(&directive) && said.state == State::Halted && is_past_it;
        let is_stop = refuses && !self.is_cut;
        if is_stop {
            self.record_stop(model, db, StopKind::Stopped, now);
        }
        is_stop
    }

    fn take_ack(&mut self, model: &Model, db: &mut Db, said: &CheckIn) {
        let Some((epoch, state)) = said.ack.filter(|(epoch, _)| *epoch >= 1 && Epoch(*epoch) <= self.directive(model).epoch) else {
            return;
        };
        let newest = |known: i64| match state {
            State::Halted => known.max(epoch),
            // The newest state of an epoch counts.
            _ if known == epoch => epoch - 1,
            _ => known,
        };
        self.ack = newest(self.ack);
        if !self.is_cut {
            db.ack = newest(db.ack);
        }
    }

    /// What a signer would sign, and what stands in the way of it.
    pub fn leaf(&self, model: &Model, db: &Db, after_epoch: Option<i64>, now: u8) -> (StartLeaf, usize) {
        // A decision reads within its transaction; without that rule it goes by what was known before.
        let mut reads = self.clone();
        if model.keeps(Rule::ReadsAfterTheLock) || after_epoch.is_none() {
            reads.refresh(model, db, now);
        }
        let bot = reads.bot(model);
        let cover = reads.view.cover(&bot);
        let stop = latest_stop(&bot, &cover);
        let after_epoch = after_epoch.map_or(reads.directive(model).epoch, Epoch);
        let leaf = StartLeaf {
            bot: bot.id.clone(),
            after_epoch: if model.keeps(Rule::SignedStopIsTheLatest) { after_epoch } else { Epoch(i64::MAX) },
            build: None,
            config: None,
            limits_version: bot.limits.version,
            key_versions: std::collections::BTreeMap::new(),
            orders_checked: None,
        };
        let acks = [db.ack, self.ack].map(|epoch| (Epoch(epoch), Step::Idle, Some(State::Halted)));
        let word = self.seen.map(|seen| LastWord {
            age_ms: ms(now - seen.at),
            limits_version: Some(bot.limits.version),
            start_after: seen.start_after.map(Epoch),
            build: None,
            config: None,
            state: Some(seen.state),
            is_ahead: false,
        });
        let proved = if model.keeps(Rule::StopIsAcknowledged) { start::proved(stop, acks) } else { Some(Step::Idle) };
        let beside = Beside { confirmed: true, word, proved };
        let obstacles = start::obstacles(&bot, &cover, &leaf, Some(&beside)).len();
        (StartLeaf { after_epoch, ..leaf }, obstacles)
    }
}

/// Which of the holds that an agent carries the database has, and which of them are over.
fn sort_carried(db: &Db, carried: u8) -> (u8, u8) {
    let (mut recorded, mut released) = (0, 0);
    for id in super::agent::ids(carried) {
        let n = hold_number(&id);
        let stands: Vec<&Row> = db.hold(n).into_iter().chain(db.hold(n + IMPORTED)).collect();
        if stands.is_empty() {
            continue;
        }
        if stands.iter().all(|row| row.released.is_some()) { released |= bit(n) } else { recorded |= bit(n) }
    }
    (recorded, released)
}

/// The stop that a level of hold is, for the model: every hold here latches.
pub const LEVEL: Level = Level::Pause;
