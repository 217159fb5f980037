//! The rules one by one, then any sequence of events against an oracle that knows only "a start must be newer than every stop".

use super::*;
use crate::domain::{HoldId, Timestamp};
use crate::protocol::{LimitsFrame, StartFrame, UnrecordedHold};
use proptest::prelude::*;

const FULL: Powers = Powers { can_reduce: true, can_manage_exits: true, leaves_out_within_ms: None };
const ON_OR_OFF: Powers = Powers { can_reduce: false, can_manage_exits: false, leaves_out_within_ms: None };
const LEAVES_OUT: Powers = Powers { leaves_out_within_ms: Some(5_000), ..FULL };
const PATIENCE: Patience = Patience { stale_after_ms: 10_000, lapse_after_ms: 30_000 };

fn frame(epoch: i64, state: State, start: Option<i64>) -> DirectiveFrame {
    DirectiveFrame {
        epoch: Epoch(epoch),
        state,
        orders: if state == State::Active { Orders::Keep } else { Orders::CancelEntries },
        exits: Exits::Managed,
        drop_keys: false,
        reasons: Vec::new(),
        limits: LimitsFrame { version: 7, values: None },
        lease_ms: 30_000,
        holds: Vec::new(),
        blocked: Vec::new(),
        released: Vec::new(),
        recorded: Vec::new(),
        unrecorded: Vec::new(),
        start: start.map(|epoch| StartFrame {
            epoch: Epoch(epoch),
            act: String::new(),
            leaf: serde_json::Value::Null,
            proof: Vec::new(),
            leaf_index: 0,
            assertions: Vec::new(),
        }),
        sent_at: Timestamp(0),
    }
}

fn unrecorded(id: &HoldId, level: Level) -> UnrecordedHold {
    UnrecordedHold { id: id.clone(), level, scope: "fleet".into(), by: "M".into(), why: String::new(), at: Timestamp(0) }
}

/// An agent that remembers epoch 10, started at 12, with a lease from moment 0.
fn trading(powers: Powers) -> Brain {
    let memory = Memory { highest: Epoch(10), start_after: Some(Epoch(9)), ..Memory::default() };
    let mut brain = Brain::boot(Some(memory), powers, PATIENCE);
    brain.hear(&frame(12, State::Active, Some(12)), 0);
    brain.renewed(0, 30_000, 0, 0);
    assert_eq!(brain.wanted().state, State::Active);
    brain
}

#[test]
fn exits_are_left_to_a_bot_that_had_and_can_manage_them_and_to_no_other() {
    let memory = Memory { exits: Some(Exits::Managed), ..Memory::default() };
    assert_eq!(Brain::exits_at_boot(Some(memory.clone()), FULL), Exits::Managed);
    assert_eq!(Brain::exits_at_boot(Some(memory.clone()), ON_OR_OFF), Exits::None);
    assert_eq!(Brain::exits_at_boot(None, FULL), Exits::None);
    let kill = CarriedHold { id: HoldId::new(), level: Level::Kill, by: String::new(), why: String::new(), at: None };
    assert_eq!(Brain::exits_at_boot(Some(Memory { carried: vec![kill], ..memory }), FULL), Exits::None, "a kill leaves none");
}

#[test]
fn it_goes_active_only_with_a_lease_and_a_start_above_every_stop() {
    let memory = || Some(Memory { highest: Epoch(10), start_after: Some(Epoch(9)), ..Memory::default() });
    let mut brain = Brain::boot(memory(), FULL, PATIENCE);
    brain.hear(&frame(12, State::Active, Some(12)), 0);
    assert_eq!(brain.wanted().state, State::Halted, "no lease");
    brain.renewed(0, 30_000, 0, 5);
    assert_eq!(brain.wanted().state, State::Active);
    // A boot is a stop at the highest epoch it remembers: the start at 10 is an old one.
    let mut brain = Brain::boot(memory(), FULL, PATIENCE);
    brain.renewed(0, 30_000, 0, 0);
    brain.hear(&frame(11, State::Active, Some(10)), 0);
    assert_eq!(brain.wanted().state, State::Halted, "an old start");
    brain.hear(&frame(11, State::Active, None), 0);
    assert_eq!(brain.wanted().state, State::Halted, "no start");
}

#[test]
fn without_memory_the_first_directive_frees_nothing() {
    let mut brain = Brain::boot(None, FULL, PATIENCE);
    brain.renewed(0, 30_000, 0, 0);
    brain.hear(&frame(12, State::Active, Some(12)), 0);
    assert_eq!(brain.wanted().state, State::Halted);
    assert_eq!(brain.memory().start_after, Some(Epoch(12)));
    brain.hear(&frame(14, State::Active, Some(14)), 0);
    assert_eq!(brain.wanted().state, State::Active);
}

#[test]
fn silence_goes_stale_and_then_latches() {
    let mut brain = trading(FULL);
    brain.tick(9_999);
    assert_eq!(brain.wanted().state, State::Active);
    brain.tick(10_000);
    assert_eq!(brain.wanted(), Wanted { state: State::Reducing, orders: Orders::Keep, exits: Exits::Managed });
    brain.renewed(10_500, 30_000, 0, 10_600);
    assert_eq!(brain.wanted().state, State::Active, "staleness clears at the next renewal");
    brain.tick(40_500);
    assert_eq!(brain.wanted(), Wanted { state: State::Halted, orders: Orders::CancelEntries, exits: Exits::Managed });
    assert!(brain.lapsed());
    brain.renewed(40_600, 30_000, 0, 40_700);
    assert!(brain.lapsed(), "the answer was to a check-in from before the lapse");
    brain.renewed(40_800, 30_000, 1, 40_900);
    assert!(!brain.lapsed());
    brain.hear(&frame(12, State::Active, Some(12)), 41_000);
    assert_eq!(brain.wanted().state, State::Halted, "a lapse is latched");
}

#[test]
fn a_bot_that_cannot_reduce_ignores_staleness_and_halts_for_a_reduce() {
    let mut brain = trading(ON_OR_OFF);
    brain.tick(29_999);
    assert_eq!(brain.wanted().state, State::Active);
    brain.hear(&frame(13, State::Reducing, Some(12)), 29_999);
    assert_eq!(brain.wanted(), STANDSTILL);
    brain.hear(&frame(14, State::Active, Some(12)), 29_999);
    assert_eq!(brain.wanted().state, State::Halted, "latched");
}

#[test]
fn a_delayed_answer_cannot_stretch_the_lease() {
    let mut brain = trading(FULL);
    brain.renewed(2_000, 30_000, 0, 29_000);
    assert_eq!(brain.lease_until_ms(), Some(32_000));
    brain.tick(32_000);
    assert_eq!(brain.wanted().state, State::Halted);
    // And one that comes after the lapse does not undo it, although the lease it grants would still run.
    let mut brain = trading(FULL);
    brain.renewed(20_000, 30_000, 0, 30_001);
    assert_eq!(brain.wanted().state, State::Halted);
}

#[test]
fn a_lease_is_cut_to_what_the_agent_knows() {
    let mut brain = trading(FULL);
    brain.renewed(1_000, 3_600_000, 0, 1_000);
    assert_eq!(brain.lease_until_ms(), Some(31_000));
    brain.set_patience(Patience { stale_after_ms: 1_000, lapse_after_ms: 5_000 }, 1_000);
    assert_eq!(brain.lease_until_ms(), Some(6_000));
    brain.set_patience(PATIENCE, 1_000);
    assert_eq!(brain.lease_until_ms(), Some(6_000), "never stretched");
}

#[test]
fn an_overtaken_answer_does_not_undo_a_shorter_lease() {
    let mut brain = trading(FULL);
    brain.renewed(5_000, 10_000, 0, 5_100);
    brain.renewed(4_000, 30_000, 0, 5_200);
    assert_eq!(brain.lease_until_ms(), Some(15_000), "the server has grown less sure since");
}

#[test]
fn a_reduce_gives_back_what_was_there_before() {
    let mut brain = trading(FULL);
    // The push of a stop comes from memory and carries no start.
    brain.hear(&frame(13, State::Reducing, None), 100);
    assert_eq!(brain.wanted(), Wanted { state: State::Reducing, orders: Orders::CancelEntries, exits: Exits::Managed });
    brain.hear(&frame(14, State::Active, Some(12)), 200);
    assert_eq!(brain.wanted().state, State::Active);
}

#[test]
fn a_lower_epoch_stops_and_never_frees() {
    let mut brain = trading(FULL);
    brain.hear(&frame(11, State::Active, Some(11)), 100);
    assert_eq!(brain.wanted(), Wanted { state: State::Reducing, orders: Orders::CancelEntries, exits: Exits::Managed });
    assert!(brain.server_behind());
    brain.hear(&frame(12, State::Active, Some(12)), 200);
    assert_eq!(brain.wanted().state, State::Active);
    assert!(!brain.server_behind());
    brain.hear(&frame(11, State::Halted, None), 300);
    brain.hear(&frame(12, State::Active, Some(12)), 400);
    assert_eq!(brain.wanted().state, State::Halted, "a stop counts from whoever says it");
}

#[test]
fn a_stop_at_an_equal_epoch_is_obeyed() {
    let mut brain = trading(FULL);
    brain.hear(&frame(12, State::Halted, None), 100);
    brain.hear(&frame(12, State::Active, Some(12)), 200);
    assert_eq!(brain.wanted().state, State::Halted);
}

#[test]
fn a_carried_hold_is_obeyed_until_the_database_has_it() {
    let mut brain = trading(FULL);
    let id = HoldId::new();
    let mut pressed = frame(13, State::Reducing, Some(12));
    pressed.unrecorded = vec![unrecorded(&id, Level::Reduce)];
    brain.hear(&pressed, 100);
    let reboot = Brain::boot(Some(brain.memory().clone()), FULL, PATIENCE);
    assert_eq!(reboot.memory().carried.len(), 1, "it outlives the process");
    // A server that never heard of it says active.
    brain.hear(&frame(13, State::Active, Some(12)), 200);
    assert_eq!(brain.wanted().state, State::Reducing);
    let mut released = frame(15, State::Active, Some(12));
    released.released = vec![id];
    brain.hear(&released, 300);
    assert_eq!(brain.wanted().state, State::Active);
}

#[test]
fn a_carried_hold_explains_a_higher_epoch() {
    let mut brain = trading(FULL);
    let mut pressed = frame(13, State::Halted, None);
    pressed.unrecorded = vec![unrecorded(&HoldId::new(), Level::Pause)];
    brain.hear(&pressed, 100);
    brain.hear(&frame(12, State::Active, Some(12)), 200);
    assert!(!brain.server_behind());
    assert_eq!(brain.wanted().state, State::Halted);
}

#[test]
fn more_holds_than_fit_keep_the_bot_stopped() {
    let mut brain = trading(FULL);
    let ids: Vec<HoldId> = (0..=MAX_CARRIED).map(|_| HoldId::new()).collect();
    let mut pressed = frame(13, State::Reducing, None);
    pressed.unrecorded = ids.iter().map(|id| unrecorded(id, Level::Reduce)).collect();
    brain.hear(&pressed, 100);
    assert_eq!(brain.memory().carried.len(), MAX_CARRIED);
    assert_eq!(brain.wanted().state, State::Halted);
    let mut released = frame(20, State::Active, Some(20));
    released.released = ids;
    brain.hear(&released, 200);
    assert_eq!(brain.wanted().state, State::Active);
}

#[test]
fn a_kill_leaves_no_order_and_no_exit() {
    let mut brain = trading(FULL);
    let mut killed = frame(13, State::Halted, None);
    killed.unrecorded = vec![unrecorded(&HoldId::new(), Level::Kill)];
    brain.hear(&killed, 100);
    assert_eq!(brain.wanted(), Wanted { state: State::Halted, orders: Orders::CancelAll, exits: Exits::None });
}

#[test]
fn a_start_above_its_own_directive_is_no_start() {
    let mut brain = trading(FULL);
    brain.hear(&frame(13, State::Halted, None), 100);
    brain.hear(&frame(14, State::Active, Some(1_000_000)), 200);
    assert_eq!(brain.wanted().state, State::Halted);
    brain.hear(&frame(15, State::Active, Some(15)), 300);
    brain.hear(&frame(16, State::Halted, None), 400);
    brain.hear(&frame(17, State::Active, None), 500);
    assert_eq!(brain.wanted().state, State::Halted);
}

#[test]
fn a_bot_that_ended_needs_a_start_and_so_does_an_ended_credential() {
    let mut brain = trading(FULL);
    brain.bot_stopped("it exited", 100);
    brain.hear(&frame(12, State::Active, Some(12)), 200);
    assert_eq!(brain.wanted().state, State::Halted);
    brain.hear(&frame(13, State::Active, Some(13)), 300);
    assert_eq!(brain.wanted().state, State::Active, "contact was never lost, so the lease still runs");
    brain.cut_off("the credential has ended", 400);
    brain.hear(&frame(14, State::Active, Some(14)), 500);
    assert_eq!(brain.wanted().state, State::Halted, "no lease");
    assert!(!brain.lapsed());
}

fn symbols(names: &[&str]) -> Vec<BlockedFrame> {
    names.iter().map(|name| BlockedFrame { venue: None, symbol: (*name).into() }).collect()
}

fn blocking(epoch: i64, names: &[&str]) -> DirectiveFrame {
    DirectiveFrame { blocked: symbols(names), ..frame(epoch, State::Active, Some(12)) }
}

#[test]
fn a_symbol_is_left_out_with_proof_or_the_whole_bot_is_reduced() {
    let mut brain = trading(LEAVES_OUT);
    brain.hear(&blocking(13, &["BTC/USDT"]), 100);
    assert!(brain.waits_for_proof());
    assert_eq!((brain.wanted().state, brain.next_change_ms()), (State::Active, Some(5_100)), "as long as a proof takes");
    brain.leaves_out(&symbols(&["BTC/USDT"]), 200);
    assert!(!brain.waits_for_proof());
    brain.tick(6_000);
    assert_eq!(brain.wanted().state, State::Active, "it goes on elsewhere");
    brain.hear(&blocking(14, &["ETH/USDT", "BTC/USDT", "ETH/USDT"]), 6_000);
    assert_eq!(brain.blocked(), Some(symbols(&["BTC/USDT", "ETH/USDT"])));
    brain.renewed(6_000, 30_000, 0, 6_000);
    brain.tick(10_999);
    assert_eq!(brain.wanted().state, State::Active);
    brain.tick(11_000);
    let reduced = Wanted { state: State::Reducing, orders: Orders::CancelEntries, exits: Exits::Managed };
    assert_eq!(brain.wanted(), reduced, "one of two is not enough");
    brain.leaves_out(&symbols(&["BTC/USDT", "ETH/USDT"]), 12_000);
    assert_eq!(brain.wanted().state, State::Active);
    brain.hear(&blocking(15, &["ETH/USDT"]), 12_100);
    assert!(!brain.waits_for_proof(), "less than was proved");
    brain.hear(&frame(16, State::Active, Some(12)), 12_200);
    assert_eq!((brain.wanted().state, brain.blocked()), (State::Active, Some(Vec::new())));
}

#[test]
fn what_cannot_leave_a_symbol_out_is_reduced_whole_at_once() {
    let mut brain = trading(FULL);
    brain.hear(&blocking(13, &["BTC/USDT"]), 100);
    assert_eq!(brain.wanted().state, State::Reducing);
    let mut brain = trading(LEAVES_OUT);
    brain.hear(&blocking(13, &["BTC/USDT"]), 100);
    brain.leaves_nothing_out(200);
    assert_eq!(brain.wanted().state, State::Reducing, "its adapter says so: nothing is waited for");
    brain.leaves_out(&symbols(&["BTC/USDT"]), 300);
    assert_eq!(brain.wanted().state, State::Active);
    brain.leaves_nothing_out(400);
    assert_eq!(brain.wanted().state, State::Active, "what was proved a moment ago gets the time of another proof");
    brain.leaves_nothing_out(3_000);
    assert_eq!(brain.wanted().state, State::Active);
    brain.tick(5_400);
    assert_eq!(brain.wanted().state, State::Reducing);
}

#[test]
fn a_held_symbol_outlives_restarts_and_servers_that_are_behind() {
    let mut brain = trading(LEAVES_OUT);
    brain.hear(&blocking(13, &["BTC/USDT"]), 100);
    brain.leaves_out(&symbols(&["BTC/USDT"]), 200);
    let mut brain = Brain::boot(Some(brain.memory().clone()), LEAVES_OUT, PATIENCE);
    assert_eq!(brain.blocked(), None, "nothing is taken back before a server was heard");
    brain.hear(&blocking(11, &["ETH/USDT"]), 300);
    assert_eq!(brain.blocked(), Some(symbols(&["BTC/USDT", "ETH/USDT"])), "one that is behind only adds");
    brain.hear(&frame(11, State::Active, Some(12)), 400);
    assert_eq!(brain.blocked(), Some(symbols(&["BTC/USDT"])));
    brain.renewed(400, 30_000, 0, 400);
    brain.hear(&DirectiveFrame { start: frame(15, State::Active, Some(15)).start, ..blocking(15, &["BTC/USDT"]) }, 500);
    assert_eq!(brain.wanted().state, State::Reducing, "a start waits for the proof");
    brain.leaves_out(&symbols(&["BTC/USDT"]), 600);
    assert_eq!(brain.wanted().state, State::Active);
    brain.bot_stopped("it exited", 700);
    assert!(brain.waits_for_proof(), "another instance knows of no symbol");
}

#[derive(Debug, Clone)]
enum Event {
    /// The adapter says that it leaves the symbol out, or cannot.
    Symbol(bool),
    Hear {
        epoch: i64,
        state: State,
        start: Option<i64>,
        unrecorded: Option<(usize, Level)>,
        named: Option<(usize, bool)>,
        blocks: bool,
    },
    Again,
    Renewed {
        ago_ms: i64,
        lease_ms: i64,
    },
    Wait(i64),
    Save,
    Reboot {
        remembers: bool,
    },
    CutOff,
    BotStopped,
}

fn event() -> impl Strategy<Value = Event> {
    let state = prop_oneof![1 => Just(State::Halted), 1 => Just(State::Reducing), 3 => Just(State::Active)];
    let level = prop_oneof![Just(Level::Reduce), Just(Level::Pause), Just(Level::Kill)];
    let hear = (0..14_i64, state, proptest::option::weighted(0.8, 0..14_i64), 0..3_usize, level, 0..10_u8, any::<bool>()).prop_map(
        |(epoch, state, start, id, level, dice, flag)| Event::Hear {
            epoch,
            state,
            start,
            unrecorded: (dice == 0).then_some((id, level)),
            named: (dice > 5).then_some((id, flag)),
            blocks: dice % 3 == 1,
        },
    );
    prop_oneof![
        8 => hear,
        2 => Just(Event::Again),
        3 => any::<bool>().prop_map(Event::Symbol),
        6 => (0..40_000_i64, 0..60_000_i64).prop_map(|(ago_ms, lease_ms)| Event::Renewed { ago_ms, lease_ms }),
        3 => (0..40_000_i64).prop_map(Event::Wait),
        2 => Just(Event::Save),
        1 => any::<bool>().prop_map(|remembers| Event::Reboot { remembers }),
        1 => Just(Event::CutOff),
        1 => Just(Event::BotStopped),
    ]
}

/// Knows what every stop so far was at, from the events alone.
struct Oracle {
    now: i64,
    highest: i64,
    /// No start up to here counts; `None` right after forgetting: the next directive decides.
    floor: Option<i64>,
    saved: Memory,
    last: Option<DirectiveFrame>,
}

impl Oracle {
    fn stop(&mut self) {
        self.floor = self.floor.map(|floor| floor.max(self.highest));
    }
    fn hears(&mut self, frame: &DirectiveFrame, powers: Powers) {
        let behind = frame.epoch.0 < self.highest;
        self.highest = self.highest.max(frame.epoch.0);
        self.floor = Some(self.floor.unwrap_or(self.highest));
        if frame.state == State::Halted || (!powers.can_reduce && (behind || frame.state == State::Reducing)) {
            self.stop();
        }
        self.last = Some(frame.clone());
    }
    fn reboots(&mut self, brain: &Brain, remembers: bool) -> Brain {
        // The bot is freed only when what frees it is on disk; so a crash forgets at most what came while it stood still.
        if brain.wanted().state != State::Halted {
            self.saved = brain.memory().clone();
        }
        self.highest = if remembers { self.saved.highest.0 } else { 0 };
        self.floor = if remembers { self.saved.start_after.map(|_| self.highest) } else { None };
        Brain::boot(remembers.then(|| self.saved.clone()), brain.powers, PATIENCE)
    }
}

/// What must be so after every event.
fn holds(brain: &Brain, oracle: &Oracle, before: Wanted, powers: Powers) -> Result<(), TestCaseError> {
    let wanted = brain.wanted();
    if wanted.state == State::Active && brain.waits_for_proof() {
        let since = brain.left_out.open_since_ms.unwrap();
        prop_assert!(powers.leaves_out_within_ms.is_some_and(|within| oracle.now < since + within), "a held symbol is traded on");
    }
    if wanted.state > before.state {
        prop_assert!(brain.lease_until_ms().is_some_and(|until| oracle.now < until), "freed without a lease");
        prop_assert!(brain.start.map(|start| start.0) > oracle.floor, "freed without a start above every stop");
    }
    if wanted.state == State::Active {
        prop_assert!(oracle.last.as_ref().is_some_and(|last| last.state == State::Active && last.epoch.0 == oracle.highest));
        prop_assert!(brain.memory().carried.is_empty());
    }
    if !powers.can_reduce {
        prop_assert_ne!(wanted.state, State::Reducing);
    }
    prop_assert!(brain.memory().highest.0 == oracle.highest);
    prop_assert!(brain.memory().start_after.is_none_or(|after| Some(after.0) >= oracle.floor), "a stop was forgotten");
    Ok(())
}

fn play(events: Vec<Event>, powers: Powers) -> Result<(), TestCaseError> {
    let ids: Vec<HoldId> = (0..3).map(|_| HoldId::new()).collect();
    let mut brain = Brain::boot(Some(Memory { start_after: Some(Epoch(0)), ..Memory::default() }), powers, PATIENCE);
    let mut oracle = Oracle { now: 100_000, highest: 0, floor: Some(0), saved: brain.memory().clone(), last: None };
    for event in events {
        let before = brain.wanted();
        match event {
            Event::Hear { epoch, state, start, unrecorded: pressed, named, blocks } => {
                let mut heard = frame(epoch, state, start);
                heard.blocked = symbols(if blocks { &["BTC/USDT"] } else { &[] });
                heard.unrecorded = pressed.map(|(id, level)| unrecorded(&ids[id], level)).into_iter().collect();
                match named {
                    Some((id, true)) => heard.released = vec![ids[id].clone()],
                    Some((id, false)) => heard.recorded = vec![ids[id].clone()],
                    None => {}
                }
                oracle.hears(&heard, powers);
                brain.hear(&heard, oracle.now);
            }
            Event::Symbol(true) => brain.leaves_out(&brain.blocked().unwrap_or_default(), oracle.now),
            Event::Symbol(false) => brain.leaves_nothing_out(oracle.now),
            Event::Again => {
                if let Some(heard) = oracle.last.clone() {
                    oracle.hears(&heard, powers);
                    brain.hear(&heard, oracle.now);
                    let once = (brain.wanted(), brain.memory().clone());
                    brain.hear(&heard, oracle.now);
                    prop_assert_eq!(once, (brain.wanted(), brain.memory().clone()), "a duplicate changed something");
                }
            }
            Event::Renewed { ago_ms, lease_ms } => {
                brain.renewed(oracle.now - ago_ms, lease_ms, brain.lapses(), oracle.now);
                prop_assert!(brain.lease_until_ms().is_none_or(|until| until <= oracle.now + PATIENCE.lapse_after_ms));
            }
            Event::Wait(ms) => {
                oracle.now += ms;
                let lapses = brain.lapses();
                let was = brain.lease_until_ms();
                brain.tick(oracle.now);
                if before.state != State::Halted && was.is_none_or(|until| until <= oracle.now) {
                    prop_assert_eq!(brain.lapses(), lapses + 1);
                    prop_assert_eq!(brain.wanted().state, State::Halted);
                    oracle.stop();
                }
            }
            Event::Save => oracle.saved = brain.memory().clone(),
            Event::Reboot { remembers } => {
                brain = oracle.reboots(&brain, remembers);
                prop_assert_eq!(brain.wanted().state, State::Halted);
            }
            Event::CutOff => {
                brain.cut_off("test", oracle.now);
                oracle.stop();
            }
            Event::BotStopped => {
                brain.bot_stopped("test", oracle.now);
                oracle.stop();
            }
        }
        let wanted = brain.wanted();
        if brain.memory().carried.iter().any(|hold| hold.level.latches()) {
            prop_assert_eq!(wanted.state, State::Halted, "a carried hold was not obeyed");
            oracle.stop();
        }
        if !powers.can_reduce && (!brain.memory().carried.is_empty() || brain.left_out.reduces) {
            oracle.stop();
        }
        holds(&brain, &oracle, before, powers)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_but_a_start_above_every_stop_frees_a_bot(events in proptest::collection::vec(event(), 1..60), can_reduce: bool, leaves_out: bool) {
        let powers = if can_reduce { FULL } else { ON_OR_OFF };
        play(events, Powers { leaves_out_within_ms: leaves_out.then_some(5_000), ..powers })?;
    }

    #[test]
    fn a_restart_with_any_memory_is_halted_and_needs_a_new_start(highest in 0..100_i64, after in proptest::option::of(0..100_i64), start in 0..100_i64) {
        let memory = Memory { highest: Epoch(highest), start_after: after.map(Epoch), ..Memory::default() };
        let mut brain = Brain::boot(Some(memory), FULL, PATIENCE);
        brain.renewed(0, 30_000, 0, 0);
        brain.hear(&frame(highest.max(start), State::Active, Some(start)), 0);
        let free = after.is_some_and(|after| start > after.max(highest));
        prop_assert_eq!(brain.wanted().state == State::Active, free);
    }
}
