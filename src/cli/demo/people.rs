//! The demo's people: an admin from the set-up link, everybody else invited by a signed act; each with a password and two software keys. All are
//! invited before anybody comes in: from then on others approve who becomes a lead or risk.

use crate::app::{App, AppError, acts::Outcome, notices::ReadNotices, sign_in::Chosen};
use crate::authn::SoftKey;
use crate::authz::Actor;
use crate::cli::Failure;
use crate::crypto::token;
use crate::domain::{ActKind, Grant, Role, Secret, TeamId, UserId};
use crate::storage::teams::Team;
use std::sync::Arc;

/// The three desks.
const TEAMS: [&str; 3] = ["arb", "grid", "market-making"];

/// Everybody and their teams.
pub struct Staff {
    /// The desks.
    pub teams: Vec<Team>,
    /// Role in words, name shown, id: in the order they are greeted.
    pub people: Vec<(&'static str, &'static str, UserId)>,
}

impl Staff {
    /// The person of a role, as an actor.
    pub fn actor(&self, app: &App, role: &str) -> Result<Actor, Failure> {
        let found = self.people.iter().find(|(word, ..)| *word == role).and_then(|(.., id)| app.actor_of(id, false));
        found.ok_or_else(|| format!("the demo has no {role}").into())
    }
}

/// Sets up everybody.
pub async fn hire(app: &Arc<App>) -> Result<Staff, Failure> {
    let link = app.setup_link().await?.ok_or("the demo's database is not new")?;
    let admin = join(app, &link, "N. Adebayo").await?;
    let as_admin = app.actor_of(&admin, false).ok_or("the first admin is gone")?;
    let mut teams = Vec::new();
    for name in TEAMS {
        teams.push(app.create_team(&as_admin, name).await?);
    }
    let in_every = |role: Role| teams.iter().map(|team| Grant { role, team: Some(team.id.clone()) }).collect::<Vec<_>>();
    let wide = |role: Role| vec![Grant { role, team: None::<TeamId> }];
    let invited = [
        ("operator", "operator", "L. Sato", in_every(Role::Operator)),
        ("lead", "lead", "M. Okafor", in_every(Role::Lead)),
        ("risk", "risk", "R. Lindqvist", wide(Role::Risk)),
        ("auditor", "auditor", "A. Moreau", wide(Role::Auditor)),
    ];
    let mut links = Vec::new();
    for (role, name, shown, grants) in invited {
        let kind = ActKind::Invite { user: UserId::new(), name: name.into(), grants };
        let act = app.prepare_single(&as_admin, kind).await?;
        let Outcome::Secret { secret, .. } = app.demo_sign(&as_admin, &act.stored.id).await? else {
            return Err("an invitation was signed, but no link came".into());
        };
        links.push((role, shown, secret));
    }
    let mut people = Vec::new();
    for (role, shown, link) in links {
        people.push((role, shown, join(app, &link, shown).await?));
    }
    people.insert(3, ("admin", "N. Adebayo", admin));
    for (.., user) in &people {
        read_all(app, user).await?;
    }
    Ok(Staff { teams, people })
}

/// Somebody has read what they were told of their own coming in: who looks at a demo sees what happens from then on.
async fn read_all(app: &App, user: &UserId) -> Result<(), Failure> {
    let Some(actor) = app.actor_of(user, false) else { return Ok(()) };
    let (notices, _) = app.notices_of(&actor, None).await?;
    if let Some(newest) = notices.first() {
        app.read_notices(&actor, ReadNotices::UpTo(&newest.id)).await?;
    }
    Ok(())
}

/// Follows a welcome link: a password, then two keys, which stay in this process.
async fn join(app: &App, link: &Secret<String>, shown: &str) -> Result<UserId, Failure> {
    let secret = link.expose().rsplit('/').next().unwrap_or_default();
    let welcomed = app.welcome(secret).await?;
    let password = Secret::new(token::random::<24>()?);
    let address = format!("{}@demo.invalid", welcomed.user.name);
    app.welcome_password(&welcomed.link, Chosen { display_name: shown.to_owned(), password, address }).await?;
    let mut first = None;
    for nickname in ["demo key", "spare demo key"] {
        let key = Arc::new(SoftKey::new(app.origin.clone()));
        let ceremony = app.welcome_key_options(&welcomed.link).await?;
        let answer = key.register(&ceremony.options).map_err(AppError::internal)?;
        app.welcome_key(&welcomed.link, &ceremony.state, &answer, nickname).await?;
        first.get_or_insert(key);
    }
    let user = welcomed.user.id;
    if let Some(key) = first {
        app.demo_give_key(user.clone(), key);
    }
    Ok(user)
}
