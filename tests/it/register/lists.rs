//! Lists that hold at 2,000 bots and 5,000 subaccounts; the board; quorum looked at again.

use super::{subaccount, why};
use crate::harness::{
    agent::ready,
    app::TestApp,
    browser::Browser,
    db::{Fresh, Kind, fresh, on_both},
};
use andon::{
    app::register::{
        board::{BotFilter, Claim, SubaccountFilter},
        file::Format,
        import::Source,
    },
    domain::{AlertKind, Subject},
};
use std::fmt::Write;

on_both!(the_board_says_who_claims_what_and_what_is_free_first, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let operator = test.actor("operator");
    let (a, b) = (subaccount(&test, "testnet", "test", "a").await, subaccount(&test, "testnet", "test", "b").await);
    subaccount(&test, "testnet", "test", "c").await;
    let (one, two) = (test.bot("arb-1", "arb").await, test.bot("arb-2", "arb").await);
    test.app.seat_bot(&operator, &one.id, Some(&a.id)).await.unwrap();
    test.app.seat_bot(&operator, &two.id, Some(&b.id)).await.unwrap();
    let board = |filter: SubaccountFilter| {
        let rows = test.app.subaccount_rows(&operator, &filter).unwrap();
        rows.into_iter().map(|row| (row.state(), row.label.clone(), row.claim.clone())).collect::<Vec<_>>()
    };
    let words = |state: &str| board(SubaccountFilter { state: state.to_owned(), ..SubaccountFilter::default() });
    let of = |state, name: &str, claim| (state, format!("testnet/{name}"), claim);
    let all = board(SubaccountFilter::default());
    assert_eq!(
        all,
        [of("free", "c", Claim::Unknown), of("assigned", "a", Claim::Unknown), of("assigned", "b", Claim::Unknown)],
        "not known"
    );

    let (first, second) = (ready(&test, &one, "operator").await, ready(&test, &two, "operator").await);
    let mut said = first.says();
    said.subaccount = Some("testnet/a".into());
    test.app.check_in(&first.live(&test.app), &said, "poll").await.unwrap();
    assert_eq!(words("assigned")[0], of("assigned", "a", Claim::Agrees));
    let mut said = second.says();
    said.subaccount = Some("TESTNET/a".into());
    test.app.check_in(&second.live(&test.app), &said, "poll").await.unwrap();
    let double = words("double");
    assert_eq!(double.len(), 2, "the one that both claim, and the one whose bot says that it trades elsewhere: {double:?}");
    assert!(matches!(&double[0].2, Claim::Double(said) if said[0].contains("agent of arb-2 says that it trades here")), "{double:?}");
    assert_eq!(board(SubaccountFilter { q: "ARB-2".to_owned(), ..SubaccountFilter::default() }).len(), 1);
});

/// A register as large as it is to hold.
fn large() -> String {
    let mut text =
        "kind,name,venue,environment,team,strategy,owner,objective,subaccount\nvenue,testnet,,test,,,,,\nvenue,binance,,live,,,,,\n"
            .to_owned();
    for n in 0..5_000 {
        writeln!(text, "subaccount,s-{n:04},{},,,,,,", if n < 3_000 { "testnet" } else { "binance" }).unwrap();
    }
    for n in 0..2_000 {
        let team = if n % 2 == 0 { "arb" } else { "grid" };
        writeln!(text, "bot,bot-{n:04},,,{team},strategy-{},lead,Earn the spread {n},testnet/s-{n:04}", n % 7).unwrap();
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_hold_at_two_thousand_bots_and_five_thousand_subaccounts() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let text = large();
    let host = andon::authz::Actor::Host { user: "root".into() };
    let done = test.app.import_register(&host, Source { format: Format::Csv, text: &text }, None).await.unwrap();
    assert_eq!(done.count("added"), 7_004);
    let risk = test.actor("risk");
    let found = |filter: BotFilter| test.app.registered_bots(&risk, &filter).unwrap().len();
    assert_eq!(found(BotFilter { q: "bot-19".into(), ..BotFilter::default() }), 100);
    assert_eq!(found(BotFilter { strategy: "strategy-3".into(), team: test.team("arb").to_string(), ..BotFilter::default() }), 143);
    assert_eq!(found(BotFilter { owner: test.people["lead"].id.to_string(), stage: "draft".into(), ..BotFilter::default() }), 2_000);
    let subs = |filter: SubaccountFilter| test.app.subaccount_rows(&risk, &filter).unwrap().len();
    assert_eq!(subs(SubaccountFilter { state: "free".into(), ..SubaccountFilter::default() }), 3_000);
    let live = test.app.venues().named("binance").unwrap().id.to_string();
    assert_eq!(subs(SubaccountFilter { venue: live, ..SubaccountFilter::default() }), 2_000);
    let mut browser = Browser::signed_in(&test, "risk").await;
    for path in [
        "/bots",
        "/bots?page=20&state=halted",
        "/subaccounts",
        "/subaccounts?page=50",
        "/subaccounts?q=bot-1999",
        "/assignments",
        "/venues",
    ] {
        browser.get(path).await;
        let rows = browser.page.matches("<tr>").count();
        assert!(browser.status.is_success() && rows <= 101, "{path}: {} rows", rows);
    }
    assert!(browser.page.contains("testnet"));
    // A third of the largest file, once more: nothing differs.
    let text = test.app.export_register(&risk, Format::Csv).await.unwrap();
    assert!(test.app.look_at_import(&host, Source { format: Format::Csv, text: &text }).await.unwrap().is_empty());
    assert!(why(test.app.import_register(&host, Source { format: Format::Csv, text: &text }, None).await).contains("nothing would change"));
}

on_both!(a_policy_that_nobody_can_meet_any_more_is_an_alert_until_somebody_can, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let is_open = || test.app.alerts.is_open(AlertKind::QuorumUnmet, &Subject::installation());
    test.app.check_quorum();
    let was = is_open();
    let gaps = test.app.quorum_gaps().len();
    assert_eq!(was, gaps > 0, "it says what there is");
    // Disabling is a stop and never refused: afterwards too few are left.
    for name in ["risk", "lead", "grid lead"] {
        test.app.disable(&test.actor("admin"), &test.people[name].id).await.unwrap();
    }
    assert!(!test.app.quorum_gaps().is_empty());
    test.app.check_quorum();
    assert!(is_open());
    let words = test.app.alerts.find(AlertKind::QuorumUnmet, &Subject::installation()).unwrap().words;
    assert!(words.contains("Too few people are left for"), "{words}");
});
