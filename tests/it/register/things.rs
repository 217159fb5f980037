//! Venues, accounts and subaccounts: renamed, moved to another account, retired and taken back; refused while a bot uses them.

use super::{subaccount, why};
use crate::harness::{
    app::TestApp,
    db::{Fresh, on_both},
};
use andon::app::register::{Edit, Thing};

fn named(name: &str) -> Edit {
    Edit { name: Some(name.to_owned()), ..Edit::default() }
}

on_both!(what_is_written_down_is_renamed_and_a_name_is_given_once, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let one = subaccount(&test, "binance testnet", "test", "grid-1").await;
    subaccount(&test, "binance testnet", "test", "grid-2").await;
    let (lead, thing) = (test.actor("lead"), Thing::Subaccount(one.id.clone()));
    assert!(why(test.app.edit_thing(&lead, &thing, &named("GRID-2")).await).contains("of that name: grid-2"));
    assert!(why(test.app.edit_thing(&lead, &thing, &named("a/b")).await).contains("slash"));
    assert!(why(test.app.edit_thing(&lead, &thing, &named("grid-1")).await).contains("nothing would change"));
    assert!(test.app.edit_thing(&test.actor("operator"), &thing, &named("grid-9")).await.is_err(), "a lead, risk or an admin");
    test.app.edit_thing(&lead, &thing, &named("grid-9")).await.unwrap();
    assert_eq!(test.app.venues().subaccount_named("binance testnet/grid-9").unwrap().id, one.id);
    let venue = Thing::Venue(one.venue_id.clone());
    test.app.edit_thing(&lead, &venue, &Edit { exchange: Some("binance".into()), ..named("binance test") }).await.unwrap();
    let found = test.app.venues().named("binance test").unwrap();
    assert_eq!((found.exchange.as_str(), found.id), ("binance", one.venue_id.clone()));

    // Another account of the same venue, and none of another.
    test.app.create_venue(&lead, "kraken", "test").await.unwrap();
    test.app.create_account(&lead, "kraken", "fund").await.unwrap();
    test.app.create_account(&lead, "binance test", "desk").await.unwrap();
    let to = |account: &str| Edit { account: Some(account.to_owned()), ..Edit::default() };
    assert!(why(test.app.edit_thing(&lead, &thing, &to("fund")).await).contains("none of that name"));
    test.app.edit_thing(&lead, &thing, &to("desk")).await.unwrap();
    let desk = test.app.venues().accounts_of(&one.venue_id).into_iter().find(|account| account.name == "desk").unwrap();
    assert_eq!(test.app.venues().subaccount(&one.id).unwrap().account_id, desk.id);
    test.log_is_good().await;
});

on_both!(what_a_bot_uses_is_not_retired_and_what_is_retired_refuses_new_use, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (lead, operator) = (test.actor("lead"), test.actor("operator"));
    let one = subaccount(&test, "binance testnet", "test", "grid-1").await;
    let bot = test.bot("grid-1", "arb").await;
    test.app.seat_bot(&operator, &bot.id, Some(&one.id)).await.unwrap();
    let things = [Thing::Subaccount(one.id.clone()), Thing::Account(one.account_id.clone()), Thing::Venue(one.venue_id.clone())];
    for thing in &things {
        assert!(why(test.app.retire_thing(&lead, thing, true).await).contains("bot grid-1 uses it"), "{thing:?}");
    }
    test.app.seat_bot(&operator, &bot.id, None).await.unwrap();
    for thing in &things {
        test.app.retire_thing(&lead, thing, true).await.unwrap();
        assert!(why(test.app.retire_thing(&lead, thing, true).await).contains("retired already"));
        assert!(why(test.app.seat_bot(&operator, &bot.id, Some(&one.id)).await).contains("retired"), "{thing:?}");
        test.app.retire_thing(&lead, thing, false).await.unwrap();
    }
    test.app.retire_thing(&lead, &things[2], true).await.unwrap();
    assert!(why(test.app.create_subaccount(&lead, "binance testnet", "grid-2").await).contains("retired"));
    assert!(test.app.venues().subaccount(&one.id).is_some(), "nothing is deleted");
    test.log_is_good().await;
});
