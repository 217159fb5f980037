//! `/matrix`: who may do what, computed by the very table that decides it, for whoever audits.

use crate::app::AppError;
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{BotId, DeviceId, Grant, PlacedBy, PlacerKind, Role, Scope, Stage, TeamId, TokenId, TokenScope, UserId};
use crate::web::{Answer, Shared, extract::Person, frame, page::Frame};
use askama::Template;
use axum::extract::State;

struct Row {
    words: &'static str,
    cells: Vec<&'static str>,
}

#[derive(Template)]
#[template(path = "matrix.html")]
struct Matrix {
    frame: Frame,
    columns: Vec<&'static str>,
    rows: Vec<Row>,
}

/// A thing to ask for: its words, the action, and what it is about, given a team.
type Asked = (&'static str, Action, fn(&TeamId) -> Resource);

/// What may be asked for, in the order of a day's work.
fn asked() -> Vec<Asked> {
    fn all(_: &TeamId) -> Resource {
        Resource::Installation
    }
    fn bot(team: &TeamId, stage: Stage) -> Resource {
        Resource::Bot { id: BotId::new(), team: team.clone(), stage }
    }
    fn hold(team: &TeamId, scope: Scope, kind: PlacerKind, as_risk: bool) -> Resource {
        let placed_by = PlacedBy { kind, id: String::new(), name: String::new(), as_risk };
        Resource::Hold { scope, teams: vec![team.clone()], placed_by }
    }
    vec![
        ("See states and counts", Action::SeeCounts, |team| Resource::Team(team.clone())),
        ("See bots, agents, holds, people, acts", Action::See, |team| Resource::Team(team.clone())),
        ("See the audit log", Action::SeeAudit, all),
        ("See this page", Action::SeeMatrix, all),
        ("Pause or reduce anything", Action::PlaceHold, |_| Resource::Scope { scope: Scope::Fleet, team: None }),
        ("Pause or reduce one bot", Action::PlaceHold, |team| Resource::Scope {
            scope: Scope::Bot(BotId::new()),
            team: Some(team.clone()),
        }),
        ("Add the reason to a hold", Action::ExplainHold, all),
        ("Release a hold on one bot, first signer", Action::ReleaseHold, |team| {
            hold(team, Scope::Bot(BotId::new()), PlacerKind::User, false)
        }),
        ("Release a hold that risk placed on one bot, first signer", Action::ReleaseHold, |team| {
            hold(team, Scope::Bot(BotId::new()), PlacerKind::User, true)
        }),
        ("Release a wider hold, first signer", Action::ReleaseHold, |team| hold(team, Scope::Fleet, PlacerKind::User, false)),
        ("Release a hold of a trigger on one bot, second signer", Action::SecondRelease, |team| {
            hold(team, Scope::Bot(BotId::new()), PlacerKind::Trigger, false)
        }),
        ("Release a wider hold, second signer", Action::SecondRelease, |team| hold(team, Scope::Fleet, PlacerKind::User, false)),
        ("Start bots, first signer", Action::StartBot, |team| bot(team, Stage::Sandbox)),
        ("Start several bots, second signer", Action::SecondStart, all),
        ("Make, move or edit a bot, take it to sandbox", Action::EditBot, |team| bot(team, Stage::Sandbox)),
        ("Take a bot down to a lower stage", Action::SetStage, |team| bot(team, Stage::Sandbox)),
        ("Enrol, confirm, revoke an agent, up to sandbox", Action::EnrolAgent, |team| bot(team, Stage::Sandbox)),
        ("Enrol, confirm, revoke an agent, above sandbox", Action::EnrolAgent, |team| bot(team, Stage::Live)),
        ("Make a team", Action::CreateTeam, all),
        ("Invite, set roles, disable", Action::ManagePeople, all),
        ("Allow stop devices, end anybody's", Action::ManageDevices, all),
        ("Make and revoke tokens of a team", Action::ManageTokens, |team| Resource::Team(team.clone())),
        ("Make and revoke tokens of the installation", Action::ManageTokens, all),
    ]
}

/// Who may ask: one actor of each kind, in team `own` where it belongs to one.
fn askers(own: &TeamId) -> Vec<(&'static str, Actor)> {
    let person = |role: Role, stop_only: bool| {
        let grants = vec![Grant { role, team: role.is_of_team().then(|| own.clone()) }];
        Actor::User { id: UserId::new(), name: String::new(), grants, stop_only }
    };
    let token = |scope| Actor::Token { id: TokenId::new(), name: String::new(), scope, team: Some(own.clone()) };
    let device =
        Actor::Device { id: DeviceId::new(), name: String::new(), owner: UserId::new(), owner_name: String::new(), as_risk: false };
    let agent = Actor::Agent { id: crate::domain::AgentId::new(), bot: BotId::new(), name: String::new() };
    vec![
        ("Operator", person(Role::Operator, false)),
        ("Lead", person(Role::Lead, false)),
        ("Risk", person(Role::Risk, false)),
        ("Admin", person(Role::Admin, false)),
        ("Auditor", person(Role::Auditor, false)),
        ("Idle session of a lead", person(Role::Lead, true)),
        ("Stop device", device),
        ("Token stop-only of a team", token(TokenScope::StopOnly)),
        ("Token read of a team", token(TokenScope::Read)),
        ("Token operate of a team", token(TokenScope::Operate)),
        ("Agent", agent),
        ("Command line on the host", Actor::Host { user: String::new() }),
    ]
}

fn rows() -> (Vec<&'static str>, Vec<Row>) {
    let (own, other) = (TeamId::new(), TeamId::new());
    let askers = askers(&own);
    let row = |(words, action, of): Asked| {
        let cell = |actor: &Actor| {
            let may = |team: &TeamId| authz::check(actor, action, &of(team)).is_ok();
            match (may(&own), may(&other)) {
                (true, true) => "yes",
                (true, false) => "own team",
                (false, _) => "no",
            }
        };
        Row { words, cells: askers.iter().map(|(_, actor)| cell(actor)).collect() }
    };
    let rows = asked().into_iter().map(row).collect();
    (askers.iter().map(|(word, _)| *word).collect(), rows)
}

/// The table.
pub async fn show(State(app): Shared, person: Person) -> Answer {
    authz::check(&person.actor, Action::SeeMatrix, &Resource::Installation).map_err(AppError::from)?;
    let (columns, rows) = rows();
    frame::page(&Matrix { frame: frame::of(&app, &person.visitor, "Who may do what").await, columns, rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(words: &str, column: &str) -> &'static str {
        let (columns, rows) = rows();
        let at = columns.iter().position(|name| *name == column).unwrap();
        rows.iter().find(|row| row.words == words).unwrap().cells[at]
    }

    #[test]
    fn the_page_says_what_the_table_of_acts_says() {
        assert_eq!(cell("Pause or reduce anything", "Idle session of a lead"), "yes");
        assert_eq!(cell("Pause or reduce anything", "Auditor"), "no");
        assert_eq!(cell("Release a hold on one bot, first signer", "Operator"), "own team");
        assert_eq!(cell("Start several bots, second signer", "Risk"), "yes");
        assert_eq!(cell("Start bots, first signer", "Admin"), "no");
        assert_eq!(cell("See bots, agents, holds, people, acts", "Idle session of a lead"), "no");
        assert_eq!(cell("See bots, agents, holds, people, acts", "Operator"), "yes");
        assert_eq!(cell("See bots, agents, holds, people, acts", "Token read of a team"), "own team");
        assert_eq!(cell("Pause or reduce anything", "Token stop-only of a team"), "no");
        assert_eq!(cell("Pause or reduce anything", "Stop device"), "yes");
        assert_eq!(cell("See states and counts", "Stop device"), "yes");
        let (columns, rows) = rows();
        let at = columns.iter().position(|name| *name == "Stop device").unwrap();
        let may: Vec<_> = rows.iter().filter(|row| row.cells[at] != "no").map(|row| row.words).collect();
        assert_eq!(may, ["See states and counts", "Pause or reduce anything", "Pause or reduce one bot"]);
        assert_eq!(cell("Pause or reduce one bot", "Token stop-only of a team"), "own team");
    }
}
