//! What the register says of a bot; who may start it.

use super::{now, why};
use crate::harness::{
    agent::ready,
    app::TestApp,
    db::{Fresh, on_both},
};
use andon::{
    app::{bots::NewBot, register::bots::BotEdit},
    domain::State,
};

fn edit(change: impl FnOnce(&mut BotEdit)) -> BotEdit {
    let mut edit = BotEdit::default();
    change(&mut edit);
    edit
}

async fn was_told(test: &TestApp, name: &str, words: &str) -> bool {
    let (all, _) = test.app.notices_of(&test.actor(name), None).await.unwrap();
    all.iter().any(|notice| notice.text.contains(words))
}

on_both!(a_bot_is_written_down_with_who_answers_for_it_and_they_are_told_of_changes, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (operator, lead) = (test.actor("operator"), test.actor("lead"));
    let mut asked = NewBot { name: "arb-1".into(), team: test.team("arb").to_string(), strategy: "basis".into(), ..NewBot::default() };
    asked.objective = "Hold spot against futures".into();
    asked.deputy = "operator".into();
    assert!(why(test.app.create_bot(&operator, &asked).await).contains("another person than the owner"));
    asked.deputy = "lead".into();
    let bot = test.app.create_bot(&operator, &asked).await.unwrap();
    let sheet = test.app.venues().sheet(&bot.id);
    assert_eq!((sheet.objective.as_str(), sheet.deputy), ("Hold spot against futures", Some(test.people["lead"].id.clone())));

    test.app.edit_bot(&operator, &bot.id, &edit(|edit| edit.name = Some("arb-one".into()))).await.unwrap();
    assert_eq!(now(&test, &bot).name, "arb-one");
    assert!(was_told(&test, "lead", "name was \u{201c}arb-1\u{201d}, is \u{201c}arb-one\u{201d}").await, "the deputy");
    assert!(!was_told(&test, "operator", "arb-one").await, "whoever did it knows");
    test.bot("arb-2", "arb").await;
    assert!(why(test.app.edit_bot(&operator, &bot.id, &edit(|edit| edit.name = Some("ARB-2".into()))).await).contains("of that name"));
    assert!(test.app.edit_bot(&test.actor("grid operator"), &bot.id, &edit(|edit| edit.name = Some("mine".into()))).await.is_err());
    let gone = test.app.edit_bot(&lead, &bot.id, &edit(|edit| edit.owner = Some("lead".into()))).await;
    assert!(why(gone).contains("another person than the owner"), "the deputy becomes owner only when somebody else is deputy");
    let change = edit(|edit| (edit.owner, edit.deputy) = (Some("lead".into()), Some(String::new())));
    test.app.edit_bot(&lead, &bot.id, &change).await.unwrap();
    assert_eq!((now(&test, &bot).owner, test.app.venues().sheet(&bot.id).deputy), (test.people["lead"].id.clone(), None));
    assert!(why(test.app.edit_bot(&lead, &bot.id, &BotEdit::default()).await).contains("nothing would change"));
    test.log_is_good().await;
});

on_both!(another_strategy_is_a_stop_and_another_name_is_none, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let operator = test.actor("operator");
    let bot = test.bot("arb-1", "arb").await;
    let mut agent = ready(&test, &bot, "operator").await;
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    agent.settle(&test.app).await;
    test.app.edit_bot(&operator, &bot.id, &edit(|edit| edit.name = Some("renamed".into()))).await.unwrap();
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Active);
    test.app.edit_bot(&operator, &bot.id, &edit(|edit| edit.strategy = Some("quote".into()))).await.unwrap();
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Halted);
    assert!(now(&test, &bot).stop.unwrap().why.contains("strategy changed"));
    test.log_is_good().await;
});

on_both!(once_somebody_is_listed_only_they_start_the_bot, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let bot = test.bot("arb-1", "arb").await;
    let mut agent = ready(&test, &bot, "operator").await;
    let list = async |by: &str, who: &[&str]| {
        let who: Vec<String> = who.iter().map(|who| (*who).to_owned()).collect();
        test.app.list_operators(&test.actor(by), &bot.id, &who).await
    };
    assert!(list("operator", &["operator"]).await.is_err(), "nobody lists themselves: a lead does");
    assert!(why(list("lead", &["grid operator"]).await).contains("only an operator or lead of the bot's team"));
    assert!(list("lead", &["nobody"]).await.is_err());
    // Prepared before, signed after: the list counts at the signature.
    let act = test.app.prepare_start(&test.actor("operator"), std::slice::from_ref(&bot.id), &[]).await.unwrap();
    list("lead", &["lead"]).await.unwrap();
    assert!(why(test.sign("operator", &act).await).contains("only by who is listed"));
    let refused = test.start(std::slice::from_ref(&bot.id), &["operator"]).await;
    assert!(why(refused).contains("only by who is listed for it: lead"));
    test.start(std::slice::from_ref(&bot.id), &["lead"]).await.unwrap();
    agent.settle(&test.app).await;
    assert_eq!(agent.state, State::Active);
    assert!(why(list("lead", &["lead"]).await).contains("nothing would change"));
    list("lead", &[]).await.unwrap();
    test.app.set_stage(&test.actor("operator"), &bot.id, andon::domain::Stage::Draft).await.unwrap();
    test.app.set_stage(&test.actor("operator"), &bot.id, andon::domain::Stage::Sandbox).await.unwrap();
    agent.settle(&test.app).await;
    test.start(std::slice::from_ref(&bot.id), &["operator"]).await.unwrap();
    test.log_is_good().await;
});
