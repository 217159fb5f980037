//! An installation of one person (ruling C8): whoever asked signs again after five minutes, which nobody calls an approval; it ends for good.

use super::{HOUR_MS, why};
use crate::harness::{
    app::{Hand, Somebody, assemble, join},
    db::{Fresh, on_both},
};
use andon::{
    app::App,
    app::acts::Outcome,
    domain::{ActKind, Grant, RequestKind, RequestState, Role, Rule, UserId, approval::Approver},
};
use std::sync::Arc;

async fn sign(app: &Arc<App>, who: &Somebody, id: &andon::domain::RequestId) -> Result<Outcome, andon::app::AppError> {
    let actor = app.actor_of(&who.id, false).unwrap();
    let digest = app.request(&actor, id).await?.case.request.digest;
    let act = app.prepare_approval(&actor, id, &digest).await?;
    let ceremony = app.signing_options(&actor, &act.stored.id).await?;
    let answer = who.key.sign(&ceremony.options).unwrap();
    app.sign(&actor, &act.stored.id, &ceremony.state, &answer).await
}

on_both!(who_is_alone_signs_again_after_five_minutes_until_there_are_two, |fresh: Fresh| async move {
    let hand = Hand::new();
    let app = assemble(fresh.db.clone(), &hand, &fresh.dir.path().join("spool")).await;
    let link = app.setup_link().await.unwrap().unwrap();
    let admin = join(&app, &link, "N. Adebayo").await;
    let actor = || app.actor_of(&admin.id, false).unwrap();
    let rule = Rule::new(&[&[Approver::Lead, Approver::Risk]], 3_600);
    // Nobody could meet it here, and that is no reason to refuse it to somebody who is alone.
    let id = app.ask_policy(&actor(), RequestKind::Limits, rule, "slower").await.unwrap();
    assert!(why(sign(&app, &admin, &id).await).contains("you are alone here: sign again in 300 s"));
    hand.forward_ms(5 * 60 * 1_000);
    sign(&app, &admin, &id).await.unwrap();
    let view = app.request(&actor(), &id).await.unwrap();
    assert!(view.votes[0].alone && view.row.state == RequestState::Approved, "the day of a policy passes all the same");
    hand.forward_ms(24 * HOUR_MS + 1_000);
    app.tend_requests().await.unwrap();
    assert_eq!((app.request(&actor(), &id).await.unwrap().row.state, app.rules().version), (RequestState::Executed, 1));

    let rule = Rule::new(&[&[Approver::Lead, Approver::Risk]], 7_200);
    let id = app.ask_policy(&actor(), RequestKind::Limits, rule, "slower still").await.unwrap();
    hand.forward_ms(5 * 60 * 1_000);
    sign(&app, &admin, &id).await.unwrap();
    // A second person comes in: what one signed alone counts no more.
    let kind = ActKind::Invite { user: UserId::new(), name: "second".into(), grants: vec![Grant { role: Role::Risk, team: None }] };
    let act = app.prepare_single(&actor(), kind).await.unwrap();
    let ceremony = app.signing_options(&actor(), &act.stored.id).await.unwrap();
    let answer = admin.key.sign(&ceremony.options).unwrap();
    let Outcome::Secret { secret, .. } = app.sign(&actor(), &act.stored.id, &ceremony.state, &answer).await.unwrap() else { panic!() };
    join(&app, &secret, "second").await;
    app.tend_requests().await.unwrap();
    assert_eq!(app.request(&actor(), &id).await.unwrap().row.state, RequestState::Pending);
    assert!(why(sign(&app, &admin, &id).await).contains("own request"));
    let mut tx = fresh.db.read().await.unwrap();
    let report = andon::app::audit::verify_log(&mut tx, &app.keys).await.unwrap();
    assert!(report.is_good(), "{:#?}", report.findings);
});
