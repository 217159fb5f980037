//! What a pass says is what the view says, whoever asked before; and it is written once for all of whom the same is true.

use super::*;
use crate::domain::{
    Clock, Epoch, Exits, Level, Scope, Stage, StopFact, StopKind, TeamId, Timestamp,
    samples::{self, hold},
};
use crate::fleet::{Fleet, view::Changes};
use proptest::prelude::*;

fn bot(teams: &[TeamId], (team, stage, exits, waits, start, stop_at): (usize, usize, bool, bool, i64, Option<i64>)) -> BotFacts {
    let stop = |epoch| StopFact { epoch: Epoch(epoch), kind: StopKind::Boot, why: "its agent started anew".into(), at: Timestamp(epoch) };
    BotFacts {
        team: teams[team].clone(),
        stage: [Stage::Draft, Stage::Sandbox, Stage::Live][stage],
        exits: if exits { Exits::Managed } else { Exits::None },
        limits_waiting: waits,
        start_epoch: Epoch(start),
        stop: stop_at.map(stop),
        ..samples::bot()
    }
}

proptest! {
    #[test]
    fn every_bot_is_told_what_the_view_says_of_it_in_a_text_of_its_own_or_one_that_says_the_same(
        made in prop::collection::vec((0..2_usize, 0..3_usize, any::<bool>(), any::<bool>(), 0..9_i64, prop::option::of(0..9_i64)), 1..12),
        special in prop::collection::vec((0..3_i64, 0..2_i64), 12),
        held in prop::collection::vec((0..4_usize, 0..3_usize, 1..12_i64, any::<bool>()), 0..6),
    ) {
        let teams = [TeamId::new(), TeamId::new()];
        let mut bots: Vec<BotFacts> = made.into_iter().map(|bot_of| bot(&teams, bot_of)).collect();
        for (bot, (limits, lease)) in bots.iter_mut().zip(special) {
            bot.limits.version = limits;
            bot.timings.lapse_after_ms += lease;
        }
        let holds = held.into_iter().map(|(scope, level, epoch, is_recorded)| {
            let scope = match scope {
                0 => Scope::Fleet,
                1 | 2 => Scope::Team(teams[scope - 1].clone()),
                _ => Scope::Bot(bots[0].id.clone()),
            };
            (hold(scope, [Level::Reduce, Level::Pause, Level::Kill][level], epoch), is_recorded)
        });
        let (recorded, unrecorded): (Vec<_>, Vec<_>) = holds.partition(|(_, is_recorded)| *is_recorded);
        let fleet = Fleet::new(Clock::from_fn(|| Timestamp(0)));
        fleet.take(Changes { epoch: Epoch(20), holds: recorded.into_iter().map(|(hold, _)| hold).collect(), bots: bots.clone(), ..Changes::default() });
        for (hold, _) in unrecorded {
            fleet.push_unrecorded(hold);
        }
        let view = fleet.view();
        let mut pass = Pass::new(&view);
        for bot in &bots {
            let facts = view.bot(&bot.id).unwrap();
            // Everything that a stop is put together from.
            let text = |directive: &Directive| -> Result<String, std::convert::Infallible> {
                let unrecorded: Vec<_> = view.unrecorded().iter().filter(|hold| view.covers(hold, facts)).map(|hold| &hold.id).collect();
                Ok(format!("{directive:?} {unrecorded:?} {:?} {:?}", facts.limits.version, facts.timings.lapse_after_ms))
            };
            let saying = pass.saying(facts);
            prop_assert_eq!(&*saying.directive, &view.directive(facts));
            prop_assert_eq!(&*saying.text(facts, text).unwrap(), &text(&view.directive(facts)).unwrap());
        }
    }
}

#[test]
fn what_is_the_same_for_many_is_written_once() {
    let teams = [TeamId::new(), TeamId::new()];
    let plain = |team, start| bot(&teams, (team, 1, true, false, start, None));
    let mut other_lease = plain(0, 3);
    other_lease.timings.lapse_after_ms += 1;
    let bots = [plain(0, 3), plain(1, 5), other_lease];
    let fleet = Fleet::new(Clock::from_fn(|| Timestamp(0)));
    let held = vec![hold(Scope::Fleet, Level::Pause, 9)];
    fleet.take(Changes { epoch: Epoch(9), holds: held, bots: bots.to_vec(), ..Changes::default() });
    let view = fleet.view();
    let mut pass = Pass::new(&view);
    let mut written = 0;
    let mut texts = Vec::new();
    for bot in &bots {
        let facts = view.bot(&bot.id).unwrap();
        let write = |_: &Directive| {
            written += 1;
            Ok::<_, std::convert::Infallible>(format!("text {written}"))
        };
        texts.push(pass.saying(facts).text(facts, write).unwrap().to_string());
    }
    assert_eq!(texts, ["text 1", "text 1", "text 2"], "teams and starts do not matter under a fleet hold; a lease does");
}
