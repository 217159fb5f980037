//! A notice stands and falls with its act, tells nobody twice, and waits for a database that is gone.

use crate::faults::until;
use crate::harness::{
    app::TestApp,
    db::{Fresh, on_both},
    tables::Tables,
};
use andon::{
    app::notices::KEPT_MS,
    domain::{ActKind, Audience, Notice, NoticeKind},
    storage::{self, Lane},
};

fn notice(about: &str) -> Notice {
    Notice::new(NoticeKind::KeyAdded, about, "A key was added", "Somebody added a key.\n\nIf it was not you, tell an administrator.")
        .at("/me")
}

async fn titles(test: &TestApp, who: &str) -> Vec<String> {
    test.app.notices_of(&test.actor(who), None).await.unwrap().0.into_iter().map(|notice| notice.title).collect()
}

async fn waiting(test: &TestApp) -> i64 {
    test.app.outbox(&test.actor("admin")).await.unwrap().waiting
}

on_both!(a_notice_tells_each_person_once_and_mails_those_who_have_an_address, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.give_address("operator", "op@people.example").await;
    let operator = test.people["operator"].id.clone();
    let to = Audience::person(&operator).and(&operator).and(&test.people["lead"].id).and_admins();
    for _ in 0..2 {
        test.app.tell(&to, &notice("one")).await.unwrap();
    }
    for who in ["operator", "lead", "admin"] {
        assert_eq!(titles(&test, who).await, ["A key was added"], "{who}");
        assert_eq!(test.app.notices.unread(&test.people[who].id), 1, "{who}");
    }
    assert!(titles(&test, "risk").await.is_empty());
    assert_eq!(waiting(&test).await, 1, "one address, one mail");
    test.app.tell(&to, &notice("two")).await.unwrap();
    assert_eq!(titles(&test, "operator").await.len(), 2);
});

on_both!(a_transaction_that_is_rolled_back_tells_nobody, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.give_address("operator", "op@people.example").await;
    let mut tx = test.fresh.db.write(Lane::Normal).await.unwrap();
    storage::notices::notice_add_all(
        &mut tx,
        std::slice::from_ref(&test.people["operator"].id),
        &notice("rolled back"),
        test.hand.clock().now(),
    )
    .await
    .unwrap();
    drop(tx);
    assert!(titles(&test, "operator").await.is_empty());
    test.app.tell(&Audience::person(&test.people["operator"].id), &notice("rolled back")).await.unwrap();
    assert_eq!(titles(&test, "operator").await.len(), 1, "what was rolled back can be told");
});

on_both!(only_enabled_admins_administer, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let second = test.invite("second", vec![andon::domain::Grant { role: andon::domain::Role::Admin, team: None }]).await;
    test.forget_notices().await;
    test.app.tell(&Audience::admins(), &notice("both")).await.unwrap();
    assert_eq!(test.app.notices.unread(&second.id), 1);
    test.app.disable(&test.actor("admin"), &second.id).await.unwrap();
    test.app.tell(&Audience::admins(), &notice("one left")).await.unwrap();
    let of_admin = titles(&test, "admin").await;
    assert!(of_admin[2].contains("Too few people are left without second"), "{of_admin:?}");
    assert_eq!((of_admin.len(), of_admin[1].as_str()), (4, "The account of second was disabled"));
    assert_eq!(test.app.notices.unread(&second.id), 2, "whoever is disabled is told, and of nothing else any more");
});

on_both!(one_reads_ones_own_notices_and_nobody_elses, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let (operator, lead) = (&test.people["operator"].id, &test.people["lead"].id);
    for n in 0..3 {
        test.app.tell(&Audience::person(operator).and(lead), &notice(&n.to_string())).await.unwrap();
    }
    let (notices, _) = test.app.notices_of(&test.actor("operator"), None).await.unwrap();
    let ids: Vec<_> = notices.iter().map(|notice| notice.id.clone()).collect();
    assert!(test.app.notice(&test.actor("lead"), &ids[0]).await.is_err(), "somebody else's is not there");
    use andon::app::notices::ReadNotices;
    test.app.read_notices(&test.actor("lead"), ReadNotices::One(&ids[0])).await.unwrap();
    assert_eq!((test.app.notices.unread(operator), test.app.notices.unread(lead)), (3, 3));
    test.app.read_notices(&test.actor("operator"), ReadNotices::UpTo(&ids[1])).await.unwrap();
    assert_eq!(test.app.notices.unread(operator), 1, "the newest came after what was shown");
    let read_at = test.app.notice(&test.actor("operator"), &ids[2]).await.unwrap().read_at.unwrap();
    test.hand.forward_ms(60_000);
    test.app.read_notices(&test.actor("operator"), ReadNotices::One(&ids[2])).await.unwrap();
    assert_eq!(test.app.notice(&test.actor("operator"), &ids[2]).await.unwrap().read_at, Some(read_at), "read once");
    assert_eq!(test.app.notices.unread(lead), 3);
    let (older, more) = test.app.notices_of(&test.actor("operator"), Some(&ids[1])).await.unwrap();
    assert!(older.len() == 1 && older[0].id == ids[2] && !more);
    assert_eq!(test.restarted().await.notices.unread(operator), 1, "a process that starts anew counts them again");
});

on_both!(what_is_told_while_the_database_is_gone_is_written_when_it_is_back, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let operator = test.people["operator"].id.clone();
    // Nobody else gets a turn at the one writer; PostgreSQL takes it at once.
    let held = test.fresh.db.write(Lane::Normal).await.unwrap();
    test.app.tell_soon(Audience::person(&operator), notice("soon"));
    if test.fresh.db.is_embedded() {
        assert_eq!(test.app.notices.unread(&operator), 0);
    }
    drop(held);
    until("the notice", async || test.app.notices.unread(&operator) == 1).await;
});

on_both!(old_notices_are_forgotten_and_nothing_else, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.give_address("operator", "op@people.example").await;
    let operator = test.people["operator"].id.clone();
    for n in 0..60 {
        test.app.tell(&Audience::person(&operator), &notice(&format!("old {n}"))).await.unwrap();
    }
    test.hand.forward_ms(KEPT_MS + 1);
    test.app.tell(&Audience::person(&operator), &notice("new")).await.unwrap();
    test.app.forget_old_notices().await.unwrap();
    let tables = Tables::of(&test.fresh).await;
    assert_eq!((tables.rows("notice").await.len(), tables.rows("delivery").await.len()), (1, 1));
});

on_both!(whoever_gets_other_roles_is_told_and_so_is_every_admin, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let second = test.invite("second", vec![andon::domain::Grant { role: andon::domain::Role::Admin, team: None }]).await;
    test.forget_notices().await;
    let operator = test.people["operator"].id.clone();
    let act = test.app.prepare_single(&test.actor("admin"), ActKind::Grants { user: operator.clone(), grants: Vec::new() }).await.unwrap();
    assert!(titles(&test, "operator").await.is_empty(), "prepared is not done");
    test.sign("admin", &act).await.unwrap();
    assert_eq!(test.app.notices.unread(&operator), 1);
    assert_eq!((test.app.notices.unread(&second.id), titles(&test, "admin").await.len()), (1, 1));
    assert!(titles(&test, "lead").await.is_empty());
});
