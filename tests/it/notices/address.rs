//! Where mail goes is changed with a key, told to the old address, and never written into the log.

use crate::harness::{
    app::{TestApp, join},
    browser::Browser,
    db::{Fresh, Kind, fresh, on_both},
    tables::Tables,
};
use andon::{
    app::{AppError, acts::Outcome, sign_in::Chosen},
    domain::{ActKind, Secret, UserId},
    mail::Carrier,
    storage,
};
use axum::http::StatusCode;

async fn address(test: &TestApp, who: &str) -> Option<String> {
    test.app.own_mail(&test.actor(who)).await.unwrap().0.map(|address| address.to_string())
}

/// Every mail that waits or went: to whom and its title.
async fn mails(test: &TestApp) -> Vec<(String, String)> {
    test.app.open_mail(Carrier::Mailbox);
    test.app.deliver_due().await.unwrap();
    let all = storage::deliveries::delivery_newest(&mut test.fresh.db.read().await.unwrap(), 50).await.unwrap();
    let mut all: Vec<_> = all.into_iter().map(|one| (one.address.to_string(), one.title)).collect();
    all.sort();
    all
}

on_both!(a_change_is_signed_and_told_to_the_old_address_to_the_new_one_and_to_every_admin, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    test.give_address("operator", "old@people.example").await;
    test.give_address("admin", "admin@people.example").await;
    let act = test.app.prepare_address(&test.actor("operator"), "New@People.example").await.unwrap();
    assert_eq!(address(&test, "operator").await.as_deref(), Some("old@people.example"), "prepared is not done");
    assert!(matches!(test.sign("lead", &act).await, Err(AppError::Denied(_))), "nobody signs for somebody else");
    assert!(matches!(test.sign("admin", &act).await, Err(AppError::Denied(_))), "an admin neither");
    let Outcome::Done(next) = test.sign("operator", &act).await.unwrap() else { panic!("not done") };
    assert_eq!(next, "/me");
    assert_eq!(address(&test, "operator").await.as_deref(), Some("New@people.example"));
    let name = test.app.people().name(&test.people["operator"].id).unwrap();
    let expected = [
        ("New@people.example".to_owned(), "Your notices come here now".to_owned()),
        ("admin@people.example".to_owned(), format!("{name} changed their mail address")),
        ("old@people.example".to_owned(), "Your notices go elsewhere now".to_owned()),
    ];
    assert_eq!(mails(&test).await, expected);
    let tables = Tables::of(&test.fresh).await;
    for row in tables.rows("audit_record").await {
        assert!(
            !row.contains("people.example") && !row.contains(&data_encoding::HEXLOWER.encode(b"people.example")),
            "the log holds an address"
        );
    }
    let act = test.app.prepare_address(&test.actor("operator"), "").await.unwrap();
    test.sign("operator", &act).await.unwrap();
    assert_eq!(address(&test, "operator").await, None);
    assert_eq!(
        mails(&test).await.iter().filter(|(to, _)| to == "New@people.example").count(),
        2,
        "the last address hears that it was the last"
    );
    test.log_is_good().await;
});

on_both!(an_address_put_beside_a_signed_act_afterwards_does_not_count, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let act = test.app.prepare_address(&test.actor("operator"), "mine@people.example").await.unwrap();
    let mut tx = test.fresh.db.write(storage::Lane::Normal).await.unwrap();
    let (from, to) = ("mine@people.example", "eve@people.example");
    let sql = format!("UPDATE act SET detail = replace(detail, '{from}', '{to}') WHERE id = '{}'", act.stored.id);
    match &mut *tx {
        storage::Conn::Sqlite(tx) => sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut **tx).await.map(drop).unwrap(),
        storage::Conn::Postgres(tx) => sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut **tx).await.map(drop).unwrap(),
    }
    tx.commit().await.unwrap();
    let refused = test.sign("operator", &act).await.unwrap_err();
    assert!(refused.to_string().contains("not the one that was signed"), "{refused}");
    assert_eq!(address(&test, "operator").await, None);
});

on_both!(a_newcomer_gives_an_address_once_and_a_link_does_not_change_one, |fresh: Fresh| async move {
    let test = TestApp::new(fresh).await;
    let kind = ActKind::Invite { user: UserId::new(), name: "sato".into(), grants: Vec::new() };
    let act = test.app.prepare_single(&test.actor("admin"), kind).await.unwrap();
    let Outcome::Secret { secret, .. } = test.sign("admin", &act).await.unwrap() else { panic!("no link") };
    let welcomed = test.app.welcome(secret.expose().rsplit('/').next().unwrap()).await.unwrap();
    let chosen = |address: &str| Chosen {
        display_name: "L. Sato".into(),
        password: Secret::new("violet-harbour-19-quince".into()),
        address: address.into(),
    };
    let refused = test.app.welcome_password(&welcomed.link, chosen("sato at home")).await.unwrap_err();
    assert!(matches!(&refused, AppError::Invalid(invalid) if invalid.0[0].0 == "address"), "{refused:?}");
    for given in ["sato@people.example", "eve@people.example"] {
        test.app.welcome_password(&welcomed.link, chosen(given)).await.unwrap();
        let stands = storage::notices::address_of(&mut test.fresh.db.read().await.unwrap(), &welcomed.user.id).await.unwrap();
        assert_eq!(stands.unwrap().as_str(), "sato@people.example");
    }
    join(&test.app, &secret, "L. Sato").await;
    test.log_is_good().await;
});

#[tokio::test]
async fn the_page_asks_for_a_signature_and_shows_the_address_to_its_owner_only() {
    let test = TestApp::new(fresh(Kind::Sqlite).await).await;
    let mut operator = Browser::signed_in(&test, "operator").await;
    operator.get("/me").await;
    assert!(operator.page.contains("Where your notices go") && operator.page.contains("sends no mail yet"), "{}", operator.page);
    operator.post("/me/address", &[("address", "op at people")]).await;
    assert_eq!(operator.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(operator.page.contains("op at people") && operator.page.contains("name@example.com"), "{}", operator.page);
    operator.post("/me/address", &[("address", "op@people.example")]).await;
    let act = operator.leads_to().to_owned();
    operator.get(&act).await;
    assert!(operator.page.contains("to another address") && operator.page.contains("op@people.example"));
    let mut admin = Browser::signed_in(&test, "admin").await;
    admin.get(&act).await;
    assert!(admin.status == StatusCode::OK && !admin.page.contains("op@people.example"), "an address is its owner's");
    operator.touch(&test, "operator", &format!("{act}/sign")).await;
    assert_eq!(operator.leads_to(), "/me");
    operator.get("/me").await;
    assert!(operator.page.contains(r#"value="op@people.example""#) && operator.page.contains("waits to be sent"), "{}", operator.page);
    operator.post("/me/address", &[("address", "op@people.example")]).await;
    assert!(operator.page.contains("go there already"));
}
