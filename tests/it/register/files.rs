//! The register out to a file and back: nothing differs; what a file changes is seen first; what it must not change is refused by its line.

use super::{now, subaccount, why};
use crate::harness::{
    app::TestApp,
    db::{Fresh, Kind, fresh, on_both},
};
use andon::{
    app::{
        AppError,
        register::{
            Thing,
            difference::Difference,
            file::{Format, read},
            import::Source,
        },
    },
    cli::control,
    domain::Stage,
};

fn csv(text: &str) -> Source<'_> {
    Source { format: Format::Csv, text }
}

async fn look(test: &TestApp, by: &str, text: &str) -> Difference {
    test.app.look_at_import(&test.actor(by), csv(text)).await.unwrap()
}

async fn take(test: &TestApp, by: &str, text: &str) -> Result<Difference, AppError> {
    test.app.import_register(&test.actor(by), csv(text), None).await
}

fn said(difference: &Difference) -> Vec<(u64, String)> {
    difference.refused.iter().map(|one| (one.line, one.why.clone())).collect()
}

const FIRST: &str = "\
kind,name,venue,account,environment,team,strategy,objective,owner,deputy,operators,linked,why,stage,subaccount
venue,binance testnet,,,test,,,,,,,,,,
venue,binance,,,live,,,,,,,,,,
account,fund,binance testnet,,,,,,,,,,,,
account,main,binance testnet,,,,,,,,,,,,
subaccount,grid-1,binance testnet,fund,,,,,,,,,,,
subaccount,grid-2,binance testnet,main,,,,,,,,,,,
subaccount,real,binance,,,,,,,,,,,,
bot,grid-1,,,,arb,grid,'=earn the spread,lead,operator,operator; lead,,,,binance testnet/grid-1
bot,grid-2,,,,arb,grid,,lead,,,,,live,binance/real
link,grid-1,,,,,,,,,,grid-2,two legs of one hedge,,
";

on_both!(a_file_is_looked_at_then_taken_in_whole, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let seen = look(&test, "lead", FIRST).await;
    assert!(seen.refused.is_empty(), "{:?}", seen.refused);
    assert_eq!((seen.count("added"), seen.count("changed")), (11, 0), "ten rows and the main account of the live venue: {seen:#?}");
    assert_eq!(seen.left_out.len(), 2, "a stage and a live subaccount have acts of their own: {:?}", seen.left_out);
    assert!(test.app.venues().venues().is_empty() && test.app.fleet.view().bot_count() == 0, "looking changes nothing");
    take(&test, "lead", FIRST).await.unwrap();
    let view = test.app.fleet.view();
    let bot = |name: &str| view.bots().find(|bot| bot.name == name).unwrap().clone();
    let (one, two) = (bot("grid-1"), bot("grid-2"));
    let seat = test.app.venues().subaccount_named("binance testnet/grid-1").unwrap();
    assert_eq!((one.seat.as_ref().map(|seat| seat.subaccount.clone()), two.seat.clone()), (Some(seat.id), None));
    assert_eq!((one.stage, two.stage, one.owner.clone()), (Stage::Draft, Stage::Draft, test.people["lead"].id.clone()));
    let sheet = test.app.venues().sheet(&one.id);
    assert_eq!((sheet.objective.as_str(), sheet.operators.len()), ("=earn the spread", 2));
    assert_eq!(test.app.venues().links_of(&two.id).len(), 1);
    let (had, _) = test.app.assignments_as_of(&test.actor("lead"), test.app.clock.now(), (None, 10)).await.unwrap();
    assert_eq!(had.len(), 1);

    // The same again changes nothing, and so does what is written out.
    assert!(why(take(&test, "lead", FIRST.replace(",live,binance/real", ",draft,").as_str()).await).contains("nothing would change"));
    for format in Format::ALL {
        let text = test.app.export_register(&test.actor("auditor"), *format).await.unwrap();
        let difference = test.app.look_at_import(&test.actor("risk"), Source { format: *format, text: &text }).await.unwrap();
        assert!(difference.is_empty() && difference.left_out.is_empty(), "{text}\n{difference:#?}");
    }
    let other = test.restarted().await;
    assert_eq!(other.venues().sheet(&one.id), sheet);
    test.log_is_good().await;
});

on_both!(what_is_written_out_and_edited_changes_just_that, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    take(&test, "lead", FIRST).await.unwrap();
    let text = test.app.export_register(&test.actor("lead"), Format::Csv).await.unwrap();
    // A venue is renamed by its id; what names it may use either name.
    let edited = text.replacen(",binance testnet,,,binance testnet,test,", ",binance test,,,binance testnet,test,", 1).replacen(
        ",lead,operator,",
        ",operator,lead,",
        1,
    );
    let seen = look(&test, "lead", &edited).await;
    assert!(seen.refused.is_empty(), "{:?}\n{edited}", seen.refused);
    let fields: Vec<_> =
        seen.lines.iter().flat_map(|line| &line.changes).map(|one| (one.field.as_str(), one.from.as_str(), one.to.as_str())).collect();
    assert_eq!(fields, [("name", "binance testnet", "binance test"), ("owner", "lead", "operator"), ("deputy", "operator", "lead")]);
    take(&test, "lead", &edited).await.unwrap();
    assert!(test.app.venues().named("binance test").is_ok() && test.app.venues().named("binance testnet").is_err());
    let free = test.app.venues().subaccount_named("binance test/grid-2").unwrap();
    let retired = test.app.export_register(&test.actor("lead"), Format::Csv).await.unwrap();
    let line = retired.lines().find(|line| line.contains(free.id.as_str())).unwrap();
    let edited = retired.replace(line, &format!("{}yes", line.strip_suffix("no").unwrap()));
    take(&test, "lead", &edited).await.unwrap();
    assert!(test.app.venues().subaccount(&free.id).unwrap().retired_at.is_some());
    test.log_is_good().await;
});

on_both!(what_a_file_must_not_do_is_refused_by_its_line_and_nothing_of_it_is_done, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    take(&test, "lead", FIRST).await.unwrap();
    let before = test.app.export_register(&test.actor("lead"), Format::Toml).await.unwrap();
    let bad = "\
kind,name,venue,account,environment,team,strategy,owner,stage,exits,subaccount,retired,operators
bot,grid-1,,,,grid,,,,,,,
bot,grid-1,,,,,quote,,,,,,
bot,grid-1,,,,,,,sandbox,,,,
bot,grid-1,,,,,,,,none,,,
bot,grid-1,,,,,,,,,binance testnet/grid-2,,
venue,binance,,,test,,,,,,,,
subaccount,grid-1,binance testnet,,,,,,,,,yes,
bot,new,,,,arb,grid,nobody,,,,,
bot,other,,,,arb,grid,lead,,,binance testnet/grid-1,,
bot,third,,,,arb,grid,lead,,,,,risk
subaccount,x,nowhere,,,,,,,,,,
venue,good,,,test,,,,,,,,
";
    let seen = look(&test, "lead", bad).await;
    let refused = said(&seen);
    let words = [
        "another: move it",
        "strategy is another",
        "its stage is draft",
        "its exits are",
        "another subaccount",
        "stays one",
        "bot grid-1 uses it",
        "nobody of that name",
        "another bot's",
        "no operator or lead",
        "no venue of that name",
    ];
    assert_eq!(refused.len(), words.len(), "{refused:#?}");
    for (n, word) in words.iter().enumerate() {
        let line = n as u64 + 2;
        assert!(refused.iter().any(|(at, why)| *at == line && why.contains(word)), "line {line}: {word}: {refused:#?}");
    }
    assert!(matches!(take(&test, "lead", bad).await, Err(AppError::Invalid(_))));
    assert_eq!(test.app.export_register(&test.actor("lead"), Format::Toml).await.unwrap(), before, "all or nothing");

    // Who may not, may not by a file either.
    let venue = "kind,name,environment\nvenue,mine,test\n";
    assert!(said(&look(&test, "operator", venue).await)[0].1.contains("not allowed: a lead, risk or an admin"));
    let theirs = "kind,name,objective\nbot,grid-1,mine\n";
    assert!(said(&look(&test, "grid lead", theirs).await)[0].1.contains("not allowed: an operator or lead"));
    assert!(said(&look(&test, "operator", "kind,name,operators\nbot,grid-1,\n").await)[0].1.contains("a lead of the bot's team"));
    assert!(look(&test, "operator", theirs).await.refused.is_empty());
    assert!(test.app.look_at_import(&test.actor("auditor"), csv(venue)).await.is_err());
    test.log_is_good().await;
});

on_both!(a_draft_is_taken_in_only_as_it_was_seen, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let lead = test.actor("lead");
    let id = test.app.draft_import(&lead, csv(FIRST)).await.unwrap();
    let (_, seen) = test.app.import(&lead, &id).await.unwrap();
    let digest = seen.digest().unwrap();
    assert!(test.app.import(&test.actor("risk"), &id).await.is_err(), "somebody else's draft");
    assert!(why(test.app.confirm_import(&lead, &id, "5f").await).contains("has changed since you looked"));
    test.app.create_venue(&lead, "binance", "live").await.unwrap();
    assert!(why(test.app.confirm_import(&lead, &id, &digest).await).contains("has changed since you looked"));
    let (_, seen) = test.app.import(&lead, &id).await.unwrap();
    test.app.confirm_import(&lead, &id, &seen.digest().unwrap()).await.unwrap();
    assert!(test.app.confirm_import(&lead, &id, &seen.digest().unwrap()).await.is_err(), "once");
    let (row, kept) = test.app.import(&test.actor("auditor"), &id).await.unwrap();
    assert!(row.done_at.is_some() && row.body.is_empty());
    assert_eq!(kept, seen, "what it changed stays readable");
    test.hand.forward_ms(2 * 24 * 60 * 60 * 1_000);
    test.app.forget_drafts().await.unwrap();
    assert_eq!(test.app.imports(&lead).await.unwrap().len(), 1);
    test.log_is_good().await;
});

on_both!(two_replicas_that_take_in_the_same_file_at_once_do_it_once, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let other = test.restarted().await;
    let take = |app: &std::sync::Arc<andon::app::App>, by: &str| {
        let (app, actor) = (app.clone(), test.actor(by));
        tokio::spawn(async move { app.import_register(&actor, csv(FIRST), None).await })
    };
    let (first, second) = (take(&test.app, "lead"), take(&other, "lead"));
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    test.app.refresh().await.unwrap();
    assert_eq!(test.app.fleet.view().bot_count(), 2);
    test.log_is_good().await;
});

/// Random registers: whatever the application was brought to, its file says the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_was_done_to_a_register_its_file_makes_no_difference() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let mut rng = fastrand::Rng::with_seed(7);
    let lead = test.actor("lead");
    let mut bots = Vec::new();
    for n in 0..40 {
        let venue = format!("venue {}", rng.u8(0..3));
        let one = subaccount(&test, &venue, "test", &format!("s-{n}")).await;
        let bot = test.bot(&format!("- bot-{n}"), "arb").await;
        let edit = andon::app::register::bots::BotEdit {
            objective: Some(["", "=1+1", "a, \"b\"; c", "'quoted", "@sum"][rng.usize(0..5)].to_owned()),
            deputy: Some(["", "lead"][rng.usize(0..2)].to_owned()),
            ..Default::default()
        };
        // Nothing may be what it is already.
        let _ = test.app.edit_bot(&lead, &bot.id, &edit).await;
        if rng.bool() {
            test.app.seat_bot(&lead, &bot.id, Some(&one.id)).await.unwrap();
        } else if rng.bool() {
            test.app.retire_thing(&lead, &Thing::Subaccount(one.id), true).await.unwrap();
        }
        if rng.bool() {
            test.app.list_operators(&lead, &bot.id, &["operator".to_owned()]).await.unwrap();
        }
        if rng.u8(0..4) == 0 {
            test.app.set_stage(&lead, &bot.id, Stage::Retired).await.unwrap();
        }
        bots.push(bot);
    }
    for pair in bots.chunks(2) {
        test.app.link_bots(&lead, &pair[0].id, &now(&test, &pair[1]).name, "=hedge").await.unwrap();
    }
    for format in Format::ALL {
        let text = test.app.export_register(&lead, *format).await.unwrap();
        assert!(read(*format, &text).unwrap().len() > 100);
        let difference = test.app.look_at_import(&lead, Source { format: *format, text: &text }).await.unwrap();
        assert_eq!((difference.lines, difference.refused, difference.left_out), (vec![], vec![], vec![]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_host_takes_the_register_out_and_in_over_its_socket() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let dir = test.fresh.dir.path();
    let listening = control::listen(test.app.clone(), &dir.join("control")).unwrap();
    let run = async |arguments: &[&str]| {
        let mut command = crate::faults::server::command(crate::faults::server::andon());
        command.arg("register").args(arguments).arg("--state-dir").arg(dir);
        let ended = tokio::process::Command::from(command).output().await.unwrap();
        let said = [ended.stdout, ended.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        (ended.status.success(), said[0].clone(), said[1].clone())
    };
    let file = dir.join("register.csv");
    std::fs::write(&file, FIRST).unwrap();
    let file = file.to_str().unwrap();
    let (good, said, _) = run(&["import", file, "--dry-run"]).await;
    assert!(good && said.contains("Would change: 11 added") && said.contains("left out"), "{said}");
    assert_eq!(test.app.fleet.view().bot_count(), 0);
    let (good, said, _) = run(&["import", file]).await;
    assert!(good && said.contains("Done: 11 added"), "{said}");
    let (good, text, _) = run(&["export", "--format", "toml"]).await;
    assert!(good && text.contains("objective = \"=earn the spread\""), "{text}");
    std::fs::write(file, "kind,name,stage\nbot,grid-1,live\n").unwrap();
    let (good, _, said) = run(&["import", file]).await;
    assert!(!good && said.contains("line 2: refused") && said.contains("Nothing was changed"), "{said}");
    listening.abort();
    test.log_is_good().await;
}
