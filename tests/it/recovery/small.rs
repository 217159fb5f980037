//! Small installations: what one person alone may do ends for good, and what *small* means is one thing. Who remains an admin.

use super::{HOUR_MS, use_link, why};
use crate::harness::{
    app::{Hand, Somebody, assemble, join, join_with},
    db::{Fresh, Kind, on_both},
};
use crate::log::copy::Raw;
use andon::{
    app::{
        App, AppError,
        acts::{ActView, Outcome},
        holds::Press,
    },
    authz::Actor,
    domain::{ActKind, Grant, Level, Role, Scope, Secret, TeamId, UserId, quorum::Policy},
};
use std::sync::Arc;

/// An installation with one person in it, an admin.
struct Shop {
    app: Arc<App>,
    hand: Hand,
    fresh: Fresh,
    admin: Somebody,
    team: TeamId,
}

impl Shop {
    async fn new(fresh: Fresh) -> Self {
        let hand = Hand::new();
        let app = assemble(fresh.db.clone(), &hand, &fresh.dir.path().join("spool")).await;
        let link = app.setup_link().await.unwrap().unwrap();
        let admin = join(&app, &link, "N. Adebayo").await;
        let team = app.create_team(&app.actor_of(&admin.id, false).unwrap(), "arb").await.unwrap().id;
        Self { app, hand, fresh, admin, team }
    }
    fn actor(&self, who: &Somebody) -> Actor {
        self.app.actor_of(&who.id, false).unwrap()
    }
    async fn sign(&self, who: &Somebody, act: &ActView) -> Result<Outcome, AppError> {
        let ceremony = self.app.signing_options(&self.actor(who), &act.stored.id).await?;
        self.app.sign(&self.actor(who), &act.stored.id, &ceremony.state, &who.key.sign(&ceremony.options).unwrap()).await
    }
    async fn act(&self, kind: ActKind) -> Result<Outcome, AppError> {
        let act = self.app.prepare_single(&self.actor(&self.admin), kind).await?;
        self.sign(&self.admin, &act).await
    }
    async fn invite(&self, name: &str, grants: Vec<Grant>) -> Secret<String> {
        match self.act(ActKind::Invite { user: UserId::new(), name: name.into(), grants }).await.unwrap() {
            Outcome::Secret { secret, .. } => secret,
            other => panic!("{other:?} instead of a link"),
        }
    }
    async fn grants(&self, user: &UserId, grants: Vec<Grant>) -> Result<Outcome, AppError> {
        self.act(ActKind::Grants { user: user.clone(), grants }).await
    }
    fn lead(&self) -> Grant {
        Grant { role: Role::Lead, team: Some(self.team.clone()) }
    }
    /// Pauses the team and signs its release twice, as far apart as somebody alone must.
    async fn release_alone(&self) -> Result<Outcome, AppError> {
        let press = Press {
            scope: Scope::Team(self.team.clone()),
            level: Level::Pause,
            why: String::new(),
            idempotency_key: String::new(),
            terms: Default::default(),
        };
        let hold = self.app.place(self.actor(&self.admin), press).await.unwrap().hold.id;
        let act = self.app.prepare_release(&self.actor(&self.admin), &hold, "it is over").await?;
        assert!(matches!(self.sign(&self.admin, &act).await?, Outcome::Waits));
        self.hand.forward_ms(5 * 60_000 + 1_000);
        self.sign(&self.admin, &act).await
    }
}

fn admin() -> Grant {
    Grant { role: Role::Admin, team: None }
}

on_both!(whoever_disables_everybody_else_is_not_alone_again, |fresh: Fresh| async move {
    let shop = Shop::new(fresh).await;
    shop.grants(&shop.admin.id, vec![admin(), shop.lead()]).await.unwrap();
    assert!(shop.app.people().is_alone());
    shop.release_alone().await.unwrap();
    // One key is not two: a second person who is half in changes nothing yet.
    let link = shop.invite("second", vec![shop.lead()]).await;
    let welcomed = shop.app.welcome(link.expose().rsplit('/').next().unwrap()).await.unwrap();
    assert!(shop.app.people().is_alone());
    let second = join_with(&shop.app, &link, "S. Second", &["first"]).await;
    assert!(shop.app.people().is_alone());
    shop.release_alone().await.unwrap();
    let key = andon::authn::SoftKey::new(shop.app.origin.clone());
    let ceremony = shop.app.welcome_key_options(&welcomed.link).await.unwrap();
    shop.app.welcome_key(&welcomed.link, &ceremony.state, &key.register(&ceremony.options).unwrap(), "spare").await.unwrap();
    assert!(!shop.app.people().is_alone());

    shop.app.disable(&shop.actor(&shop.admin), &second.id).await.unwrap();
    let said = why(shop.release_alone().await);
    assert!(said.contains("a second person must"), "{said}");
    let anew = assemble(shop.fresh.db.clone(), &shop.hand, &shop.fresh.dir.path().join("spool-2")).await;
    assert!(!anew.people().is_alone() && !shop.app.people().is_alone(), "also for a process that starts anew");
});

on_both!(a_second_signature_of_one_person_counts_only_while_the_transaction_says_so, |fresh: Fresh| async move {
    let shop = Shop::new(fresh).await;
    shop.grants(&shop.admin.id, vec![admin(), shop.lead()]).await.unwrap();
    // Another process remembers the second person; the memory of this one does not know it yet.
    let mut tx = shop.fresh.db.write(andon::storage::Lane::Normal).await.unwrap();
    let (name, now) = (andon::storage::settings::SECOND_PERSON, shop.app.clock.now());
    andon::storage::settings::setting_turn(&mut tx, name, true, now).await.unwrap();
    tx.commit().await.unwrap();
    let said = why(shop.release_alone().await);
    assert!(said.contains("second person must"), "{said}");
});

on_both!(an_installation_from_before_remembers_the_second_person_it_has, |fresh: Fresh| async move {
    let sql = match fresh.kind {
        Kind::Sqlite => include_str!("../../../migrations/sqlite/0016_second_person.sql"),
        Kind::Postgres => include_str!("../../../migrations/postgres/0016_second_person.sql"),
    };
    let shop = Shop::new(fresh).await;
    let mut raw = Raw::open(&shop.fresh.place).await;
    let anew = async |n: u8| assemble(shop.fresh.db.clone(), &shop.hand, &shop.fresh.dir.path().join(format!("spool-{n}"))).await;
    raw.run(sql, &[]).await;
    assert!(anew(2).await.people().is_alone(), "one person is alone, however many keys they have");
    join(&shop.app, &shop.invite("second", vec![shop.lead()]).await, "S. Second").await;
    raw.run("DELETE FROM setting", &[]).await;
    assert!(anew(3).await.people().is_alone());
    raw.run(sql, &[]).await;
    assert!(!anew(4).await.people().is_alone());
});

on_both!(an_admin_who_can_act_remains, |fresh: Fresh| async move {
    let shop = Shop::new(fresh).await;
    let own = shop.admin.id.clone();
    // An invitation is nobody yet, in a small installation too.
    let link = shop.invite("second", vec![admin()]).await;
    for said in [why(shop.grants(&own, vec![shop.lead()]).await), why(shop.app.disable(&shop.actor(&shop.admin), &own).await)] {
        assert!(said.contains("an admin who can act"), "{said}");
    }
    join(&shop.app, &link, "S. Second").await;
    // Nor is somebody whose account is being recovered.
    let made = shop.app.recover_on_host("root", "second", Some("lost all")).await.unwrap();
    assert!(why(shop.app.disable(&shop.actor(&shop.admin), &own).await).contains("an admin who can act"));
    let welcomed = shop.app.welcome(made.link.expose().rsplit('/').next().unwrap()).await.unwrap();
    assert_eq!(welcomed.user.name, "second");
    let chosen = crate::harness::app::chosen("S. Second", "copper-lantern-42-walrus");
    shop.app.welcome_password(&welcomed.link, chosen).await.unwrap();
    for name in ["new", "new spare"] {
        let key = andon::authn::SoftKey::new(shop.app.origin.clone());
        let ceremony = shop.app.welcome_key_options(&welcomed.link).await.unwrap();
        shop.app.welcome_key(&welcomed.link, &ceremony.state, &key.register(&ceremony.options).unwrap(), name).await.unwrap();
    }
    assert!(why(shop.app.disable(&shop.actor(&shop.admin), &own).await).contains("an admin who can act"), "the day after included");
    shop.hand.forward_ms(25 * HOUR_MS);
    shop.grants(&own, vec![Grant { role: Role::Operator, team: Some(shop.team.clone()) }]).await.unwrap();
});

on_both!(small_is_one_thing_enabled_people, |fresh: Fresh| async move {
    let shop = Shop::new(fresh).await;
    let links = [shop.invite("one", vec![shop.lead()]).await, shop.invite("two", vec![shop.lead()]).await];
    let leads = [join(&shop.app, &links[0], "one").await, join(&shop.app, &links[1], "two").await];
    let less = vec![Grant { role: Role::Operator, team: Some(shop.team.clone()) }];
    // Three people: the pair is allowed, and no policy keeps anybody's role.
    shop.app.prepare_single(&shop.actor(&shop.admin), ActKind::Grants { user: leads[0].id.clone(), grants: less.clone() }).await.unwrap();
    let both = async || shop.app.ask_roles(&shop.actor(&shop.admin), &shop.admin.id, &[admin(), shop.lead()], "a small desk").await;
    both().await.unwrap();
    // Four enabled, of whom three have keys: neither is.
    shop.invite("three", less.clone()).await;
    assert!(why(both().await).contains("admin holds no trading role"));
    let said = why(shop.grants(&leads[0].id, less).await);
    assert!(said.contains("too few people"), "{said}");
});

fn has_gap(app: &App) -> bool {
    app.quorum_gaps().iter().any(|gap| gap.policy == Policy::ReleaseFleet)
}

on_both!(people_who_can_sign_nothing_fill_no_seat, |fresh: Fresh| async move {
    let test = crate::harness::app::TestApp::new(fresh).await;
    assert!(!has_gap(&test.app));
    // Two leads and risk. One lead is being recovered, one has a single key left: risk is left.
    let made = test.app.recover_on_host("root", "grid lead", Some("lost all")).await.unwrap();
    assert!(!has_gap(&test.app));
    let lead = test.people["lead"].id.clone();
    let change = ActKind::Grants { user: lead.clone(), grants: vec![Grant { role: Role::Auditor, team: None }] };
    let said = why(test.app.prepare_single(&test.actor("admin"), change).await);
    assert!(said.contains("the whole fleet"), "who is frozen signs nothing: {said}");
    let spare = test.keys("lead").await.into_iter().find(|key| key.nickname == "spare").unwrap().id;
    let mut tx = test.fresh.db.write(andon::storage::Lane::Normal).await.unwrap();
    andon::storage::credentials::credential_suspend(&mut tx, &spare, test.app.clock.now(), "a test", "").await.unwrap();
    tx.commit().await.unwrap();
    let anew = test.restarted().await;
    assert!(has_gap(&anew), "nor does who has one key");
    use_link(&test, &made.link).await;
    test.hand.forward_ms(25 * HOUR_MS);
    let anew = test.restarted().await;
    assert!(!has_gap(&anew));
});
