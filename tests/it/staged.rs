//! Starts in waves: one bot, then a tenth, then the rest, each wave once its conditions hold; whatever stops any of them ends it for good.

use crate::faults::until;
use crate::harness::{
    agent::{Agent, ready},
    app::TestApp,
    browser::Browser,
    db::{Fresh, Kind, fresh, on_both},
    tables::Tables,
};
use andon::{
    app::{App, AppError, acts::ActView, acts::Outcome, acts::prepare::Waves},
    domain::{ActId, ActKind, BotId, Level, Scope, State},
    storage,
};
use std::sync::Arc;

/// A start in waves of bots that stand, signed; the canary is the last of them.
struct Staged {
    test: TestApp,
    ids: Vec<BotId>,
    agents: Vec<Agent>,
    id: ActId,
}

async fn prepared(test: &TestApp, ids: &[BotId]) -> Result<ActView, AppError> {
    let waves = Waves { canary: ids.last().unwrap().clone(), settle_s: 60 };
    test.app.prepare_start_in(&test.actor("operator"), ids, &[], Some(&waves)).await
}

async fn staged(fresh: Fresh, count: usize) -> Staged {
    let test = TestApp::new(fresh).await;
    let (mut ids, mut agents) = (Vec::new(), Vec::new());
    for n in 0..count {
        let bot = test.bot(&format!("arb-{n}"), "arb").await;
        agents.push(ready(&test, &bot, "operator").await);
        ids.push(bot.id);
    }
    let act = prepared(&test, &ids).await.unwrap();
    assert!(matches!(test.sign("operator", &act).await.unwrap(), Outcome::Waits), "several take two people");
    let Outcome::Done(path) = test.sign("risk", &act).await.unwrap() else { panic!("not done") };
    assert_eq!(path, format!("/starts/{}", act.stored.id));
    Staged { test, ids, agents, id: act.stored.id }
}

impl Staged {
    /// So many seconds, in which agents check in and the server looks every five.
    async fn pass(&mut self, seconds: i64) {
        for _ in 0..seconds / 5 {
            self.test.hand.forward_ms(5_000);
            self.agents_speak().await;
            self.test.app.staged_round().await.unwrap();
        }
    }

    async fn agents_speak(&mut self) {
        for (agent, bot) in self.agents.iter_mut().zip(&self.ids) {
            agent.check_in(&self.test.app).await.unwrap();
            agent.check_in(&self.test.app).await.unwrap();
            if agent.state == State::Active {
                // Once the bot was seen trading under its start, that is written down a moment later.
                agent.check_in(&self.test.app).await.unwrap();
                let (app, epoch) = (&self.test.app, self.test.app.fleet.view().bot(bot).unwrap().start_epoch);
                until("the word that it trades", async || {
                    let start = storage::starts::start_get(&mut app.db.read().await.unwrap(), bot, epoch).await.unwrap();
                    start.is_some_and(|start| start.applied_at.is_some())
                })
                .await;
            }
        }
    }

    fn running(&self) -> Vec<usize> {
        (0..self.agents.len()).filter(|n| self.agents[*n].state == State::Active).collect()
    }

    async fn state(&self) -> (String, i64, String) {
        let view = self.test.app.staged(&self.test.actor("auditor"), &self.id).await.unwrap();
        (view.row.state, view.row.started, view.row.why.unwrap_or_default())
    }

    async fn waits(&self) -> String {
        self.test.app.staged(&self.test.actor("auditor"), &self.id).await.unwrap().waits.join("; ")
    }

    async fn entries(&self, kind: &str) -> usize {
        let rows = Tables::of(&self.test.fresh).await.rows("audit_record").await;
        rows.iter().filter(|row| row.contains(&format!("'{kind}'")) || row.contains(&format!(",{kind},"))).count()
    }

    /// It is over, for this reason, and nothing of it starts any more.
    async fn never_goes_on(&mut self, why: &str) {
        self.test.app.staged_round().await.unwrap();
        let (state, started, said) = self.state().await;
        assert!(state == "ended" && said.contains(why), "{state}: {said}");
        self.pass(120).await;
        assert_eq!(self.state().await.1, started);
        assert_eq!(self.entries("staged_start.ended").await, 1, "once");
    }
}

on_both!(a_start_in_waves_goes_on_once_the_bots_before_have_settled, |fresh: Fresh| async move {
    let mut staged = staged(fresh, 4).await;
    staged.agents_speak().await;
    assert_eq!(staged.running(), [3], "the canary that was chosen, and nobody else");
    assert!(staged.waits().await.contains("settle"), "{}", staged.waits().await);
    staged.pass(60).await;
    assert_eq!((staged.running().len(), staged.state().await.1), (1, 1), "not before it has settled");
    staged.pass(5).await;
    staged.agents_speak().await;
    assert_eq!((staged.running().len(), staged.state().await.1), (2, 2), "a tenth, at least one");
    // Two servers at the same moment start a wave once.
    staged.pass(60).await;
    let other = staged.test.restarted().await;
    staged.test.hand.forward_ms(5_000);
    staged.agents_speak().await;
    for agent in &mut staged.agents {
        other.check_in(&agent.live(&other), &agent.says(), "poll").await.unwrap();
    }
    let (one, two) = tokio::join!(staged.test.app.staged_round(), other.staged_round());
    one.unwrap();
    two.unwrap();
    staged.test.app.refresh().await.unwrap();
    staged.agents_speak().await;
    assert_eq!(staged.running(), [0, 1, 2, 3]);
    assert_eq!(staged.state().await, ("done".to_owned(), 3, String::new()));
    assert_eq!((staged.entries("staged_start.begun").await, staged.entries("staged_start.wave").await), (1, 3));
    staged.pass(30).await;
    staged.test.log_is_good().await;
});

on_both!(a_wave_waits_for_what_a_start_asks_for, |fresh: Fresh| async move {
    let mut staged = staged(fresh, 3).await;
    staged.agents_speak().await;
    // The agent of the next bot is silent: the wave waits, and says for what.
    let silent = staged.agents.remove(0);
    staged.ids.remove(0);
    staged.pass(20).await;
    let waits = staged.waits().await;
    assert!(waits.contains("arb-0: its agent is not connected (whoever runs its host)"), "{waits}");
    staged.pass(90).await;
    assert_eq!(staged.state().await.1, 1);
    staged.agents.insert(0, silent);
    let bot = staged.test.app.fleet.view().bots().find(|bot| bot.name == "arb-0").unwrap().id.clone();
    staged.ids.insert(0, bot);
    staged.pass(75).await;
    assert!(staged.state().await.1 >= 2, "{:?}", staged.waits().await);
});

on_both!(a_pause_of_any_bot_of_the_plan_ends_it, |fresh: Fresh| async move {
    let mut staged = staged(fresh, 3).await;
    staged.agents_speak().await;
    staged.pass(60).await;
    // Pressed and released between two looks, on a bot that has not started: it ends all the same.
    let placed = staged.test.press("lead", Scope::Bot(staged.ids[0].clone()), Level::Pause).await;
    staged.agents_speak().await;
    staged.test.release(&placed.hold.id, &["lead"]).await.unwrap();
    staged.test.hand.forward_ms(5_000);
    staged.agents_speak().await;
    staged.never_goes_on("stopped again since this was signed").await;
    assert_eq!(staged.running(), [2], "what runs goes on");
    staged.test.log_is_good().await;
});

on_both!(a_press_before_the_look_wins_over_a_wave_that_is_due, |fresh: Fresh| async move {
    let mut staged = staged(fresh, 3).await;
    staged.agents_speak().await;
    staged.pass(60).await;
    staged.test.hand.forward_ms(5_000);
    staged.agents_speak().await;
    staged.test.press("risk", Scope::Fleet, Level::Pause).await;
    staged.never_goes_on("a pause by risk covers").await;
    assert!(staged.running().is_empty());
});

on_both!(a_stop_of_a_started_bot_the_button_and_four_hours_end_it, |fresh: Fresh| async move {
    let mut staged = staged(fresh, 3).await;
    staged.agents_speak().await;
    staged.agents[2].reboot();
    staged.agents[2].check_in(&staged.test.app).await.unwrap();
    staged.never_goes_on("arb-2 was stopped").await;

    let again = |test: &TestApp, ids: Vec<BotId>, app: Arc<App>| {
        let actor = test.actor("operator");
        async move {
            let waves = Waves { canary: ids[0].clone(), settle_s: 10 };
            app.prepare_start_in(&actor, &ids, &[], Some(&waves)).await.unwrap()
        }
    };
    let act = again(&staged.test, staged.ids.clone(), staged.test.app.clone()).await;
    staged.test.sign("operator", &act).await.unwrap();
    staged.test.sign("lead", &act).await.unwrap();
    let auditor = staged.test.actor("auditor");
    assert!(matches!(staged.test.app.end_staged(&auditor, &act.stored.id).await, Err(AppError::Denied(_))));
    staged.test.app.end_staged(&staged.test.actor("grid operator"), &act.stored.id).await.unwrap();
    let twice = staged.test.app.end_staged(&staged.test.actor("operator"), &act.stored.id).await;
    assert!(twice.unwrap_err().to_string().contains("over already"));
    staged.id = act.stored.id;
    let (state, started, why) = staged.state().await;
    assert_eq!((state.as_str(), started, why.as_str()), ("ended", 1, "grid operator ended it"));

    // Nobody takes the last word after four hours: the act itself says so.
    let placed = staged.test.press("operator", Scope::Team(staged.test.team("arb")), Level::Pause).await;
    staged.agents_speak().await;
    staged.test.release(&placed.hold.id, &["lead", "risk"]).await.unwrap();
    staged.agents_speak().await;
    let act = again(&staged.test, staged.ids.clone(), staged.test.app.clone()).await;
    assert_eq!(act.act.not_after.ms_since(act.stored.made_at), 4 * 60 * 60 * 1_000);
    staged.test.sign("operator", &act).await.unwrap();
    staged.test.sign("lead", &act).await.unwrap();
    staged.id = act.stored.id;
    staged.test.hand.forward_ms(4 * 60 * 60 * 1_000 + 1_000);
    staged.test.app.staged_round().await.unwrap();
    assert!(staged.state().await.2.contains("four hours"), "{:?}", staged.state().await);
    staged.test.log_is_good().await;
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_lead_from_the_choice_to_the_end() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let mut ids = Vec::new();
    for n in 0..3 {
        let bot = test.bot(&format!("arb-{n}"), "arb").await;
        ready(&test, &bot, "operator").await;
        ids.push(bot.id);
    }
    let mut operator = Browser::signed_in(&test, "operator").await;
    operator.get("/starts/new").await;
    assert!(operator.page.contains("Which bot goes first") && operator.page.contains("value=\"60\""), "{}", operator.page);
    let mut fields = vec![("staged", "yes"), ("canary", ids[1].as_str()), ("settle", "5")];
    fields.extend(ids.iter().map(|id| ("bot", id.as_str())));
    operator.post("/starts", &fields).await;
    assert!(operator.page.contains("10 to 3600"), "{}", operator.page);
    fields[2] = ("settle", "30");
    operator.post("/starts", &fields).await;
    let path = operator.leads_to().to_owned();
    operator.get(&path).await;
    assert!(
        operator.page.contains("Start 3 bots in 3 waves, arb-1 first") && operator.page.contains("1, then 1, then 1"),
        "{}",
        operator.page
    );
    operator.touch(&test, "operator", &format!("{path}/sign")).await;
    let mut lead = Browser::signed_in(&test, "lead").await;
    lead.get(&path).await;
    lead.touch(&test, "lead", &format!("{path}/sign")).await;
    let start = lead.leads_to().to_owned();
    assert_eq!(start, path.replace("/acts/", "/starts/"));
    lead.get(&start).await;
    for words in ["1 of 3 waves started", "The next wave waits", "arb-1", "operator", "End 1 staged start"] {
        assert!(lead.page.contains(words), "{words}: {}", lead.page);
    }
    lead.get("/fleet").await;
    assert!(lead.page.contains("A start in waves is running") && lead.page.contains(&start), "{}", lead.page);
    let mut risk = Browser::signed_in(&test, "risk").await;
    risk.get(&start).await;
    risk.post(&format!("{start}/end"), &[]).await;
    risk.get(&start).await;
    assert!(
        risk.page.contains("It ended: risk ended it") && risk.page.contains("Never starts") && !risk.page.contains("End 1 staged start")
    );
    let view = test.app.staged(&test.actor("auditor"), &ActId::parse(start.rsplit('/').next().unwrap()).unwrap()).await.unwrap();
    assert_eq!(view.row.state, "ended");
    assert!(matches!(test.app.act(&test.actor("auditor"), &view.row.act_id).await.unwrap().act.kind, ActKind::Start { plan: Some(_), .. }));
}

#[tokio::test]
async fn a_large_wave_goes_in_several_short_transactions_and_a_start_has_a_most() {
    let mut staged = staged(fresh(Kind::Sqlite).await, 32).await;
    staged.agents_speak().await;
    for _ in 0..2 {
        staged.pass(80).await;
    }
    staged.agents_speak().await;
    assert_eq!((staged.running().len(), staged.state().await.0), (32, "done".to_owned()));
    assert_eq!(staged.entries("staged_start.wave").await, 4, "one, three, and twenty-eight in two");
    let rows = Tables::of(&staged.test.fresh).await.rows("bot_start").await;
    assert_eq!(rows.len(), 32, "each once");
    let many: Vec<BotId> = (0..1_001).map(|_| BotId::new()).collect();
    let refused = |outcome: Result<ActView, AppError>| match outcome {
        Err(AppError::Invalid(invalid)) => invalid.0[0].1.clone(),
        other => panic!("{other:?}"),
    };
    let operator = staged.test.actor("operator");
    assert!(refused(staged.test.app.prepare_start(&operator, &many[..101], &[]).await).contains("Start 100 bots at once at most"));
    assert!(refused(prepared(&staged.test, &many).await).contains("1000 bots at most"));
    staged.test.log_is_good().await;
}
