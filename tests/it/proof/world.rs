//! The world of the model: database, replicas, processes, the line between them, people, and time in steps. Each step is one thing that happens.

use super::{
    agent::{Kept, Process},
    explorer::Machine,
    rules::{Budget, Rule, Scenario, Step},
    server::{Answered, Db, IMPORTED, LEVEL, ROLLBACK, Replica, Row},
    wire::{CheckIn, Down, bit},
};
use crate::harness::plain;
use andon::domain::{AgentId, BotFacts, BotId, Epoch, Hold, HoldId, Scope, State, StopKind, TeamId, Timings, UserId};
use std::hash::Hash;

/// A step of time, and what is borne in steps.
const STEP_MS: i64 = 1_000;
pub const STALE: u8 = 2;
pub const LAPSE: u8 = 3;
pub const STALE_MS: i64 = STALE as i64 * STEP_MS;
pub const LAPSE_MS: i64 = LAPSE as i64 * STEP_MS;

/// Milliseconds of the boot clock, and of the server's.
pub fn ms(steps: u8) -> i64 {
    i64::from(steps) * STEP_MS
}

/// A prepared start, signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Signed {
    after_epoch: i64,
    /// No stop was committed since.
    ghost_is_fresh: bool,
}

/// What nobody in the protocol knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Ghost {
    /// Signatures carried out so far, and since when a committed stop has overruled each.
    issued: u8,
    void_since: [Option<u8>; 4],
    /// Which boot each of them freed.
    freed: [Option<u8>; 4],
    pressed: u8,
    /// Holds that a person has released, or what an agent had carried back of them.
    over: u8,
    twins_over: u8,
    /// Holds that went with the database's later state; the pause of the restore stands for them.
    replaced: u8,
}

/// One state.
#[derive(Clone, Hash)]
pub struct World {
    now: u8,
    db: Db,
    backup: Option<Db>,
    replicas: Vec<Replica>,
    processes: Vec<Process>,
    boots: u8,
    up: Vec<CheckIn>,
    down: Vec<Down>,
    signed: Option<Signed>,
    spent: Budget,
    ghost: Ghost,
    wrong: Option<&'static str>,
    /// The step to here freed a bot.
    good: bool,
}

/// The machine.
pub struct Model {
    pub scenario: Scenario,
    without: Option<Rule>,
    pub bot: BotFacts,
    pub hold: Hold,
    pub agent: AgentId,
}

impl Model {
    pub fn new(scenario: Scenario, without: Option<Rule>) -> Self {
        let bot = BotFacts {
            id: BotId::from_stored("bot".into()),
            team: TeamId::from_stored("team".into()),
            owner: UserId::from_stored("owner".into()),
            strategy: String::new(),
            timings: Timings { check_in_ms: STEP_MS, stale_after_ms: STALE_MS, lapse_after_ms: LAPSE_MS, apply_within_ms: 0 },
            fact_epoch: Epoch(0),
            ..plain::bot()
        };
        let hold = Hold { id: HoldId::from_stored("0".into()), ..plain::hold(Scope::Fleet, LEVEL, 0) };
        Self { scenario, without, bot, hold, agent: AgentId::from_stored("agent".into()) }
    }

    pub fn keeps(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    fn fresh(&self) -> World {
        let db = Db { epoch: 1, fact: 1, stop: Some((1, StopKind::Stage)), ..Db::default() };
        let replica = Replica::starts(self, &db, 0, 0);
        World {
            now: 0,
            replicas: vec![replica; self.scenario.replicas],
            db,
            backup: None,
            processes: vec![Process::boot(0, None, 0, 0)],
            boots: 1,
            up: Vec::new(),
            down: Vec::new(),
            signed: None,
            spent: Budget::default(),
            ghost: Ghost::default(),
            wrong: None,
            good: false,
        }
    }

    /// A bot that was started and trades, reached by nothing but the model's own steps.
    fn trading(&self) -> World {
        let mut world = self.fresh();
        let whole = Self {
            without: None,
            scenario: Scenario { budget: Budget { starts: 1, ..Budget::default() }, ..self.scenario },
            ..Self::new(self.scenario, None)
        };
        let talk = [Step::Talk { process: 0, replica: 0 }, Step::WriteMemory { process: 0 }];
        let sign = [Step::Sign { replica: 0 }, Step::CarryOut { replica: 0 }];
        for step in [&talk[..], &talk, &talk, &sign, &talk, &talk].concat() {
            world = whole.after(&world, step).unwrap_or(world);
        }
        assert_eq!(world.processes[0].bot, State::Active, "it is started");
        world.spent = Budget::default();
        world
    }
}

impl Machine for Model {
    type State = World;
    type Step = Step;

    fn begins(&self) -> World {
        if self.scenario.is_trading { self.trading() } else { self.fresh() }
    }

    fn steps(&self, world: &World) -> Vec<Step> {
        let (spent, most) = (&world.spent, &self.scenario.budget);
        let mut steps = Vec::new();
        // What the budget has no more of is not even tried.
        let mut rarely = |spent: u8, most: u8, more: &[Step]| steps.extend(more.iter().filter(|_| spent < most));
        rarely(spent.ticks, most.ticks, &[Step::Tick]);
        rarely(spent.restores, most.restores, &[Step::Backup, Step::Restore]);
        rarely(spent.clones, most.clones, &[Step::Clone]);
        for process in 0..world.processes.len() {
            rarely(spent.reboots, most.reboots, &[Kept::Whole, Kept::Lost, Kept::CutShort].map(|kept| Step::Reboot { process, kept }));
            if world.processes[process].is_silent {
                continue;
            }
            rarely(spent.delays, most.delays, &[Step::Send { process }]);
            rarely(0, most.reboots, &[Step::WriteMemory { process }]);
            for replica in 0..world.replicas.len() {
                rarely(0, 1, &[Step::Talk { process, replica }]);
                rarely(spent.delays, most.delays, &[Step::Ask { process, replica }]);
            }
        }
        for replica in 0..world.replicas.len() {
            rarely(spent.presses, most.presses, &[Step::Press { replica }]);
            rarely(spent.starts, most.starts, &[Step::Sign { replica }, Step::CarryOut { replica }]);
            // Whichever it is, the replicas are alike.
            rarely(spent.cuts + u8::from(replica > 0), most.cuts, &[Step::Cut { replica }]);
            rarely(0, most.cuts, &[Step::Heal { replica }, Step::Merge { replica }]);
            rarely(spent.crashes, most.crashes, &[Step::Crash { replica }]);
            rarely(0, 1, &[Step::Push { replica, comes: true }]);
            rarely(spent.delays, most.delays, &[Step::Push { replica, comes: false }]);
            for row in world.db.holds.iter().filter(|row| row.released.is_none()) {
                rarely(spent.releases, most.releases, &[Step::Release { hold: row.id, replica }]);
            }
            (0..world.up.len()).for_each(|message| rarely(0, 1, &[Step::Take { message, replica }]));
        }
        steps.extend((0..world.down.len()).map(|message| Step::Hear { message }));
        steps
    }

    fn after(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        next.good = false;
        let halted: Vec<u8> = world.processes.iter().filter(|process| process.bot == State::Halted).map(|process| process.boot).collect();
        next.take(self, step).then_some(())?;
        for process in &next.processes {
            if let Some(token) = process.ghost_under.filter(|_| halted.contains(&process.boot)) {
                next.good = true;
                if next.ghost.freed[usize::from(token)].replace(process.boot).is_some() {
                    next.wrong = next.wrong.or(Some("one start freed a bot twice"));
                }
            }
        }
        Some(next)
    }

    fn wrong(&self, world: &World) -> Option<String> {
        let of_process = world.processes.iter().find_map(|process| process.wrong(world.now).or_else(|| world.overruled(process)));
        world.wrong.or(of_process).or_else(|| world.lost()).map(str::to_owned)
    }

    fn is_good(&self, world: &World) -> bool {
        world.good && world.wrong.is_none()
    }
}

impl World {
    /// It trades on under a start that a committed stop has overruled for longer than any lease.
    fn overruled(&self, process: &Process) -> Option<&'static str> {
        let since = self.ghost.void_since[usize::from(process.ghost_under?)]?;
        (self.now - since >= LAPSE).then_some("not halted within its lapse time after a stop was recorded")
    }

    /// A hold that was pressed, that nobody has released, and that is nowhere.
    fn lost(&self) -> Option<&'static str> {
        let stands = self.db.holds.iter().filter(|row| row.released.is_none()).map(|row| bit(row.id)).fold(0, |all, one| all | one);
        let spooled = self.replicas.iter().fold(0, |all, replica| all | replica.spool);
        let lost = self.ghost.pressed & !self.ghost.over & !self.ghost.replaced & !stands & !spooled;
        (lost != 0).then_some("a hold is lost")
    }

    fn stop_committed(&mut self) {
        for token in 0..usize::from(self.ghost.issued) {
            self.ghost.void_since[token].get_or_insert(self.now);
        }
        if let Some(signed) = &mut self.signed {
            signed.ghost_is_fresh = false;
        }
    }

    fn note(&mut self, wrong: Option<&'static str>) {
        self.wrong = self.wrong.or(wrong);
    }

    /// True when the budget has one more of this.
    fn spend(&mut self, model: &Model, of: fn(&mut Budget) -> &mut u8) -> bool {
        let mut budget = model.scenario.budget;
        if *of(&mut self.spent) >= *of(&mut budget) {
            return false;
        }
        *of(&mut self.spent) += 1;
        true
    }

    /// Takes a step; false when it cannot be taken now.
    fn take(&mut self, model: &Model, step: Step) -> bool {
        match step {
            Step::Tick => self.tick(model),
            Step::Talk { process, replica } => {
                let said = self.processes[process].check_in(self.now);
                let down = self.answer(model, &said, replica);
                down.is_some_and(|down| self.hear(model, &down))
            }
            Step::Ask { process, replica } => {
                let said = self.processes[process].check_in(self.now);
                let down = self.answer(model, &said, replica);
                down.is_some_and(|down| self.spend(model, |budget| &mut budget.delays) && send(&mut self.down, down))
            }
            Step::Send { process } => {
                let said = self.processes[process].check_in(self.now);
                self.spend(model, |budget| &mut budget.delays) && send(&mut self.up, said)
            }
            Step::Take { message, replica } => {
                let said = self.up[message];
                let down = self.answer(model, &said, replica);
                down.is_some_and(|down| send(&mut self.down, down))
            }
            Step::Hear { message } => {
                let down = self.down[message];
                self.hear(model, &down)
            }
            Step::WriteMemory { process } => self.processes[process].has_to_write() && self.write(model, process),
            Step::Push { replica, comes } => {
                let Some(down) = self.push(model, replica) else { return false };
                if comes { self.hear(model, &down) } else { self.spend(model, |budget| &mut budget.delays) && send(&mut self.down, down) }
            }
            Step::Press { replica } => self.press(model, replica),
            Step::Release { hold, replica } => self.release(model, hold, replica),
            Step::Sign { replica } => self.sign(model, replica),
            Step::CarryOut { replica } => self.carry_out(model, replica),
            Step::Cut { replica } => {
                let is_up = !self.replicas[replica].is_cut && !self.replicas[replica].is_down;
                self.replicas[replica].is_cut = true;
                is_up && self.spend(model, |budget| &mut budget.cuts)
            }
            Step::Heal { replica } => self.heal(model, replica),
            Step::Merge { replica } => self.merge(model, replica),
            Step::Reboot { process, kept } => self.reboot(model, process, kept),
            Step::Crash { replica } => self.crash(model, replica),
            Step::Backup => {
                let is_wanted = model.scenario.budget.restores > 0 && self.backup.is_none();
                self.backup = Some(self.db.clone());
                is_wanted
            }
            Step::Restore => self.restore(model),
            Step::Clone => self.clone_machine(model),
        }
    }

    fn tick(&mut self, model: &Model) -> bool {
        if !self.spend(model, |budget| &mut budget.ticks) {
            return false;
        }
        self.now += 1;
        for replica in self.replicas.iter_mut().filter(|replica| !replica.is_cut && !replica.is_down) {
            // A replica that reaches its database rereads it twice a second.
            replica.refresh(model, &self.db, self.now);
        }
        let (now, issued) = (self.now, self.ghost.issued);
        let wrong = self.processes.iter_mut().fold(None, |wrong, process| wrong.or(process.tick(model, now, issued)));
        self.note(wrong);
        true
    }

    /// A replica takes a check-in. None: no answer.
    fn answer(&mut self, model: &Model, said: &CheckIn, replica: usize) -> Option<Down> {
        if self.replicas[replica].is_down {
            return None;
        }
        let Answered { down, stopped, frees } = self.replicas[replica].check_in(model, &mut self.db, said, self.now);
        if stopped {
            self.stop_committed();
        }
        if frees.is_some_and(|token| self.ghost.void_since[usize::from(token)].is_some()) {
            self.note(Some("a server freed a bot under a start that a stop had overruled"));
        }
        down
    }

    /// False when nobody is there to hear it.
    fn hear(&mut self, model: &Model, down: &Down) -> bool {
        let (now, issued, over) = (self.now, self.ghost.issued, self.ghost.over | self.ghost.twins_over | self.ghost.replaced);
        let Some(at) = self.processes.iter().position(|process| process.boot == down.boot && !process.is_silent) else { return false };
        let process = &mut self.processes[at];
        let wrong = if down.is_replaced { process.cut_off(model, now, issued) } else { process.hear(model, down, now, issued) };
        process.ghost_told &= !over;
        self.note(wrong);
        // When the disk has it matters only where a process ends.
        model.scenario.budget.reboots > 0 || self.write(model, at)
    }

    fn write(&mut self, model: &Model, process: usize) -> bool {
        let wrong = self.processes[process].write(model, self.now, self.ghost.issued);
        self.note(wrong);
        true
    }

    /// What a stream has to tell its boot: a stop from memory, anything freer after a read.
    fn push(&mut self, model: &Model, replica: usize) -> Option<Down> {
        let now = self.now;
        let to = &mut self.replicas[replica];
        let boot = to.stream.filter(|_| !to.is_down)?;
        let is_stop = to.directive(model).state == State::Halted;
        if !is_stop {
            if to.is_cut {
                return None;
            }
            to.refresh(model, &self.db, now);
            // A boot that was heard here is in the database; the newest it may be no longer.
            match to.settle_boot(model, &mut self.db, boot, now, &mut false) {
                Some(true) => {}
                Some(false) => return None,
                None => return Some(to.replaced(boot)),
            }
        }
        Some(to.frame(model, &self.db, boot, (!is_stop).then_some(0)))
    }

    fn press(&mut self, model: &Model, replica: usize) -> bool {
        if self.replicas[replica].is_down || !self.spend(model, |budget| &mut budget.presses) {
            return false;
        }
        let id = self.spent.presses - 1;
        self.ghost.pressed |= bit(id);
        if self.replicas[replica].is_cut {
            self.replicas[replica].push_unrecorded(model, id);
            self.replicas[replica].spool |= bit(id);
        } else {
            let row = Row { id, epoch: self.db.take_epoch(), released: None };
            self.db.holds.push(row);
            self.replicas[replica].take_hold(model, &row);
            self.stop_committed();
        }
        true
    }

    fn release(&mut self, model: &Model, hold: u8, replica: usize) -> bool {
        let is_open = self.db.hold(hold).is_some_and(|row| row.released.is_none());
        let to = &self.replicas[replica];
        if !is_open || to.is_cut || to.is_down || !self.spend(model, |budget| &mut budget.releases) {
            return false;
        }
        let epoch = self.db.take_epoch();
        let Some(row) = self.db.holds.iter_mut().find(|row| row.id == hold) else { return false };
        row.released = Some(epoch);
        let row = *row;
        self.replicas[replica].take_hold(model, &row);
        let over = if hold >= IMPORTED { &mut self.ghost.twins_over } else { &mut self.ghost.over };
        *over |= bit(hold % IMPORTED);
        self.processes.iter_mut().for_each(|process| process.ghost_told &= !bit(hold % IMPORTED));
        self.stop_committed();
        true
    }

    fn sign(&mut self, model: &Model, replica: usize) -> bool {
        let by = &self.replicas[replica];
        if by.is_cut || by.is_down || self.signed.is_some() || self.spent.starts >= model.scenario.budget.starts {
            return false;
        }
        let (leaf, obstacles) = by.leaf(model, &self.db, None, self.now);
        self.signed = Some(Signed { after_epoch: leaf.after_epoch.0, ghost_is_fresh: true });
        obstacles == 0
    }

    fn carry_out(&mut self, model: &Model, replica: usize) -> bool {
        let by = &self.replicas[replica];
        let Some(signed) = self.signed.filter(|_| !by.is_cut && !by.is_down) else { return false };
        let (_, obstacles) = by.leaf(model, &self.db, Some(signed.after_epoch), self.now);
        if obstacles > 0 || !self.spend(model, |budget| &mut budget.starts) {
            return false;
        }
        let is_held = self.db.holds.iter().any(|row| row.released.is_none());
        let newest = self.processes.iter().find(|process| Some(&process.boot) == self.db.boots.last());
        let wrong = match signed {
            _ if is_held => Some("a start passed under a hold that the database had"),
            Signed { ghost_is_fresh: false, .. } => Some("a start passed whose signature is older than a stop"),
            _ if newest.is_some_and(|process| process.bot != State::Halted) => Some("a start passed while the bot had not stopped"),
            _ => None,
        };
        self.note(wrong);
        let epoch = self.db.take_epoch();
        (self.db.start, self.db.fact, self.db.token) = (epoch, epoch, self.ghost.issued);
        self.ghost.issued += 1;
        self.signed = None;
        self.replicas[replica].refresh(model, &self.db, self.now);
        true
    }

    fn heal(&mut self, model: &Model, replica: usize) -> bool {
        let (now, to) = (self.now, &mut self.replicas[replica]);
        if !to.is_cut {
            return false;
        }
        if to.is_down {
            *to = Replica::starts(model, &self.db, now, to.spool);
        } else {
            to.is_cut = false;
            to.refresh(model, &self.db, now);
        }
        true
    }

    /// A replica that reaches its database again records what it had spooled.
    fn merge(&mut self, model: &Model, replica: usize) -> bool {
        let from = &self.replicas[replica];
        let waiting = super::agent::ids(from.spool).next().filter(|_| !from.is_cut && !from.is_down);
        let Some(id) = waiting.map(|id| super::wire::hold_number(&id)) else { return false };
        if self.db.hold(id).is_none() {
            let pushed = self.replicas[replica].view.unrecorded().iter().map(|hold| hold.epoch.0).max().unwrap_or(0);
            self.db.epoch = self.db.epoch.max(pushed);
            let mut row = Row { id, epoch: self.db.take_epoch(), released: None };
            if !model.keeps(Rule::MergeIsAStop) {
                row.released = Some(row.epoch);
            }
            self.db.holds.push(row);
            self.replicas[replica].take_hold(model, &row);
            self.stop_committed();
        }
        self.replicas[replica].spool &= !bit(id);
        true
    }

    fn reboot(&mut self, model: &Model, process: usize, kept: Kept) -> bool {
        if !self.spend(model, |budget| &mut budget.reboots) {
            return false;
        }
        let ended = &self.processes[process];
        // Its connections end with it.
        self.down.retain(|down| down.boot != ended.boot);
        let memory = ended.remembered(model, kept);
        self.processes[process] = Process::boot(self.boots, memory, ended.ghost_told, self.ghost.issued);
        self.boots += 1;
        true
    }

    fn crash(&mut self, model: &Model, replica: usize) -> bool {
        if self.replicas[replica].is_down || !self.spend(model, |budget| &mut budget.crashes) {
            return false;
        }
        let to = &mut self.replicas[replica];
        if !model.keeps(Rule::SpoolIsKept) {
            to.spool = 0;
        }
        if to.is_cut {
            (to.is_down, to.stream) = (true, None);
        } else {
            *to = Replica::starts(model, &self.db, self.now, to.spool);
        }
        true
    }

    /// The database is put back to an earlier state, every server starts anew, and the one that finds its mark ahead pauses the fleet.
    fn restore(&mut self, model: &Model) -> bool {
        let all_there = self.replicas.iter().all(|replica| !replica.is_cut && !replica.is_down);
        let Some(backup) = self.backup.clone().filter(|_| all_there) else { return false };
        if !self.spend(model, |budget| &mut budget.restores) {
            return false;
        }
        self.db = backup;
        self.stop_committed();
        self.signed = None;
        // Connections end with the servers.
        (self.up, self.down) = (Vec::new(), Vec::new());
        let known = self.db.holds.iter().map(|row| bit(row.id)).fold(0, |all, one| all | one);
        let spooled = self.replicas.iter().fold(0, |all, replica| all | replica.spool);
        self.ghost.replaced |= self.ghost.pressed & !known & !spooled;
        for process in &mut self.processes {
            process.ghost_told &= !self.ghost.replaced | super::agent::carried(process.brain.memory());
        }
        if model.keeps(Rule::RestorePauses) {
            let row = Row { id: ROLLBACK, epoch: self.db.take_epoch(), released: None };
            self.db.holds.push(row);
        }
        for replica in &mut self.replicas {
            *replica = Replica::starts(model, &self.db, self.now, replica.spool);
        }
        true
    }

    /// A copy of the agent's machine runs beside it: the same credential, the same memory, a boot of its own.
    fn clone_machine(&mut self, model: &Model) -> bool {
        if !self.spend(model, |budget| &mut budget.clones) {
            return false;
        }
        let memory = self.processes[0].remembered(model, Kept::Whole);
        let copy = Process::boot(self.boots, memory, self.processes[0].ghost_told, self.ghost.issued);
        self.processes.push(copy);
        self.boots += 1;
        true
    }
}

/// Puts a message on the way, from where it may come any number of times; false when the very same one is there.
fn send<T: Ord>(line: &mut Vec<T>, message: T) -> bool {
    let Err(at) = line.binary_search(&message) else { return false };
    line.insert(at, message);
    true
}
