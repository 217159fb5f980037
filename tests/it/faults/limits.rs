//! A change of a team's limits whose server is killed within it: what was committed is made true of every bot by the next process.

use super::{crew::Crew, ground::Ground, server::Server, until};
use crate::harness::{
    db::{self, Fresh, on_both},
    plain,
};
use andon::{
    domain::{BotFacts, TeamId},
    storage::{self, Lane},
};

/// More than one transaction takes.
const BOTS: usize = 60;

/// Kills, in order, and how many versions of the team's limits were committed by then.
pub const STEPS: [(&str, i64); 3] = [("limits:before_commit", 0), ("limits:committed", 1), ("limits:spread", 2)];

async fn with_db<T>(ground: &Ground, look: impl AsyncFnOnce(&storage::Db) -> T) -> T {
    let db = db::reopen(&ground.place).await;
    let seen = look(&db).await;
    db.close().await;
    seen
}

/// Many bots of the team of the first.
async fn add_bots(ground: &Ground) -> TeamId {
    with_db(ground, async |db| {
        let mut tx = db.write(Lane::Normal).await.unwrap();
        let first = storage::bots::bot_by_name(&mut tx, "arb-1").await.unwrap().unwrap();
        let epoch = storage::epoch::epoch_take(&mut tx).await.unwrap();
        for n in 0..BOTS {
            let name = format!("many-{n}");
            let facts = BotFacts { name, team: first.team.clone(), owner: first.owner.clone(), fact_epoch: epoch, ..plain::bot() };
            storage::bots::bot_insert(&mut tx, &facts, andon::domain::Timestamp(1)).await.unwrap();
        }
        tx.commit().await.unwrap();
        first.team
    })
    .await
}

/// How many bots of the team hold to each leverage.
async fn leverages(ground: &Ground, team: &TeamId) -> Vec<(Option<String>, bool)> {
    with_db(ground, async |db| {
        let bots = storage::bots::bot_since(&mut db.read().await.unwrap(), andon::domain::Epoch(-1)).await.unwrap();
        let of =
            |bot: BotFacts| (bot.limits.values.get("max_leverage").and_then(|value| value.as_str()).map(str::to_owned), bot.limits_waiting);
        bots.into_iter().filter(|bot| bot.team == *team).map(of).collect()
    })
    .await
}

on_both!(a_server_killed_within_a_teams_tightening_makes_it_true_of_every_bot, |fresh: Fresh| async move {
    let (ground, _hosts) = Ground::new(fresh, 1).await;
    let team = add_bots(&ground).await;
    let of = format!("team:{team}");
    let mut server = Server::start(&ground).await;
    for (n, (point, committed)) in STEPS.into_iter().enumerate() {
        let mut crew = Crew::signed_in(&ground).await;
        let leverage = (9 - n).to_string();
        let browser = crew.browser("lead");
        browser.get(&format!("/limits?of={of}")).await;
        server.arm.set(point, 1);
        // Nobody answers when the server dies within the request.
        browser.post("/limits", &[("of", &of), ("max_leverage", &leverage), ("why", "storm ahead")]).await;
        until("the server's end within the change", async || server.ended().is_some()).await;
        let versions = with_db(&ground, async |db| {
            let node = andon::domain::limits::Node::Team(team.clone());
            storage::limits::node_versions(&mut db.read().await.unwrap(), &node).await.unwrap().len()
        })
        .await;
        assert_eq!(i64::try_from(versions).unwrap(), committed, "{point}");
        if point == "limits:spread" {
            let now = leverages(&ground, &team).await;
            let moved = now.iter().filter(|(held, _)| held.as_deref() == Some(leverage.as_str())).count();
            assert!(0 < moved && moved < now.len(), "{moved} of {} were reached before the kill", now.len());
        }
        server = Server::start(&ground).await;
        let expected = (committed > 0).then_some(leverage);
        until("it is true of every bot", async || {
            let now = leverages(&ground, &team).await;
            now.len() == BOTS + 1 && now.iter().all(|(held, waits)| *held == expected && (*waits == expected.is_some()))
        })
        .await;
    }
    let verified = ground.verify();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
});
