//! `/matrix`: who may do what, computed by the very table that decides it, for whoever audits.

use crate::app::AppError;
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{BotId, DeviceId, Grant, Level, PlacedBy, PlacerKind, Role, Scope, Stage, TeamId, TokenId, TokenScope, UserId};
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
    callers: Vec<String>,
    routes: Vec<TriedRoute>,
}

/// One line of what was found out by trying.
struct TriedRoute {
    route: &'static str,
    cells: Vec<&'static str>,
}

/// Every route as every kind of caller, as the tests of this very version found out by trying, own team and other.
const TRIED: &str = include_str!("../../../tests/it/access_matrix.txt");
/// Where the cells begin, and how wide each is.
const FIRST: usize = 50;
const WIDE: usize = 10;

fn cells(line: &str) -> Vec<&str> {
    let rest = line.get(FIRST..).unwrap_or_default();
    (0..rest.len().div_ceil(WIDE)).map(|n| rest.get(n * WIDE..((n + 1) * WIDE).min(rest.len())).unwrap_or_default().trim()).collect()
}

/// The heads of the columns and the lines of the written matrix.
fn tried() -> (Vec<String>, Vec<TriedRoute>) {
    let is_route = |line: &&str| ["GET ", "POST ", "CONNECT "].iter().any(|method| line.starts_with(method));
    let heads: Vec<&str> = TRIED.lines().filter(|line| line.starts_with("          ")).collect();
    let columns = heads.first().map_or(0, |line| cells(line).len());
    let head = |n: usize| heads.iter().filter_map(|line| cells(line).get(n).copied()).collect::<Vec<_>>().join(" ").trim().to_owned();
    let routes =
        TRIED.lines().filter(is_route).map(|line| TriedRoute { route: line.get(..FIRST).unwrap_or(line).trim(), cells: cells(line) });
    ((0..columns).map(head).collect(), routes.collect())
}

/// A thing to ask for: its words, the action, and what it is about, given a team and who asks.
type Asked = (&'static str, Action, fn(&TeamId, &UserId) -> Resource);

fn all(_: &TeamId, _: &UserId) -> Resource {
    Resource::Installation
}
fn bot(team: &TeamId, stage: Stage) -> Resource {
    Resource::Bot { id: BotId::new(), team: team.clone(), stage }
}

fn hold(team: &TeamId, scope: Scope, kind: PlacerKind, as_risk: bool) -> Resource {
    let placed_by = PlacedBy { kind, id: String::new(), name: String::new(), as_risk };
    Resource::Hold { scope, level: Level::Pause, teams: vec![team.clone()], placed_by }
}

fn kill(team: &TeamId, _: &UserId) -> Resource {
    let placed_by = PlacedBy { kind: PlacerKind::User, id: String::new(), name: String::new(), as_risk: false };
    Resource::Hold { scope: Scope::Bot(BotId::new()), level: Level::Kill, teams: vec![team.clone()], placed_by }
}

fn recovery(team: &TeamId, role: Role) -> Resource {
    let grants = vec![Grant { role, team: role.is_of_team().then(|| team.clone()) }];
    Resource::Recovery { user: UserId::new(), grants, asked_by: None, approved_by: Vec::new() }
}

/// What may be asked for, in the order of a day's work.
fn asked() -> Vec<Asked> {
    let mut all = of_stops();
    all.extend(of_the_rest());
    all
}

/// Seeing and stopping, and the end of a stop.
fn of_stops() -> Vec<Asked> {
    vec![
        ("See states and counts", Action::SeeCounts, |team, _| Resource::Team(team.clone())),
        ("See bots, agents, holds, people, acts", Action::See, |team, _| Resource::Team(team.clone())),
        ("See the audit log", Action::SeeAudit, all),
        ("See the audit log's checkpoints", Action::SeeCheckpoint, all),
        ("See this page", Action::SeeMatrix, all),
        ("Pause or reduce anything", Action::PlaceHold, |_, _| Resource::Scope { scope: Scope::Fleet, team: None }),
        ("Pause or reduce one bot", Action::PlaceHold, |team, _| Resource::Scope {
            scope: Scope::Bot(BotId::new()),
            team: Some(team.clone()),
        }),
        ("Kill one bot", Action::PlaceKill, |team, _| Resource::Scope { scope: Scope::Bot(BotId::new()), team: Some(team.clone()) }),
        ("Kill a team", Action::PlaceKill, |team, _| Resource::Scope { scope: Scope::Team(team.clone()), team: None }),
        ("Kill anything wider", Action::PlaceKill, |_, _| Resource::Scope { scope: Scope::Fleet, team: None }),
        ("Add the reason to a hold", Action::ExplainHold, all),
        ("Release a hold on one bot, first signer", Action::ReleaseHold, |team, _| {
            hold(team, Scope::Bot(BotId::new()), PlacerKind::User, false)
        }),
        ("Release a hold that risk placed on one bot, first signer", Action::ReleaseHold, |team, _| {
            hold(team, Scope::Bot(BotId::new()), PlacerKind::User, true)
        }),
        ("Release a wider hold, first signer", Action::ReleaseHold, |team, _| hold(team, Scope::Fleet, PlacerKind::User, false)),
        ("Release a hold of a trigger on one bot, second signer", Action::SecondRelease, |team, _| {
            hold(team, Scope::Bot(BotId::new()), PlacerKind::Trigger, false)
        }),
        ("Release a hold that risk placed on one bot, second signer", Action::SecondRelease, |team, _| {
            hold(team, Scope::Bot(BotId::new()), PlacerKind::User, true)
        }),
        ("Release a wider hold, second signer", Action::SecondRelease, |team, _| hold(team, Scope::Fleet, PlacerKind::User, false)),
        ("Release a kill, first signer", Action::ReleaseHold, kill),
        ("Release a kill, second signer", Action::SecondRelease, kill),
    ]
}

/// Starts, and everything else.
fn of_the_rest() -> Vec<Asked> {
    vec![
        ("Take or close an alert about a bot", Action::TendAlert, |team, _| Resource::Team(team.clone())),
        ("Pause a bot for a drill, first signer above sandbox", Action::RunDrill, |team, _| Resource::Team(team.clone())),
        ("Pause a bot above sandbox for a drill, second signer", Action::SecondDrill, all),
        ("Start bots, first signer", Action::StartBot, |team, _| bot(team, Stage::Sandbox)),
        ("Start several bots, second signer", Action::SecondStart, all),
        ("Let another build run in an emergency, first signer", Action::ChangeInEmergency, |team, _| bot(team, Stage::Live)),
        ("Let another build run in an emergency, second signer", Action::SecondEmergency, |team, _| bot(team, Stage::Live)),
        ("Review an emergency change that one did not sign", Action::ReviewEmergency, all),
        ("Make, move or edit a bot, take it to sandbox", Action::EditBot, |team, _| bot(team, Stage::Sandbox)),
        ("Take a bot down to a lower stage", Action::SetStage, |team, _| bot(team, Stage::Sandbox)),
        ("Tighten a bot's limits", Action::TightenLimits, |team, _| bot(team, Stage::Sandbox)),
        ("Set what a difference between a bot and its venue does", Action::SetWatch, |team, _| bot(team, Stage::Sandbox)),
        ("Close a difference between a bot and its venue", Action::TendAlert, |team, _| Resource::Team(team.clone())),
        ("Ask for looser limits of a bot", Action::AskRequest, |team, _| bot(team, Stage::Sandbox)),
        ("Ask for another policy of who approves what", Action::AskRequest, all),
        ("File a build for going live", Action::FileBuild, |team, _| bot(team, Stage::Sandbox)),
        ("Approve or deny requests, where their policy names them", Action::VoteRequest, |team, _| Resource::Team(team.clone())),
        ("Comment on requests", Action::DiscussRequest, |team, _| Resource::Team(team.clone())),
        ("Enrol, confirm, revoke an agent, up to sandbox", Action::EnrolAgent, |team, _| bot(team, Stage::Sandbox)),
        ("Enrol, confirm, revoke an agent, above sandbox", Action::EnrolAgent, |team, _| bot(team, Stage::Live)),
        ("Make a team", Action::CreateTeam, all),
        ("Write down a venue or subaccount", Action::EditVenues, all),
        ("Invite, set roles, disable, end sessions of others", Action::ManagePeople, all),
        ("Ask for the recovery of somebody's account", Action::AskRecovery, all),
        ("Approve the recovery of an operator", Action::ApproveRecovery, |team, _| recovery(team, Role::Operator)),
        ("Approve the recovery of a lead", Action::ApproveRecovery, |team, _| recovery(team, Role::Lead)),
        ("Approve the recovery of an admin or risk", Action::ApproveRecovery, |team, _| recovery(team, Role::Admin)),
        ("Make the link of a recovery that one approved", Action::LinkRecovery, |team, own| Resource::Recovery {
            user: UserId::new(),
            grants: vec![Grant { role: Role::Operator, team: Some(team.clone()) }],
            asked_by: Some(UserId::new()),
            approved_by: vec![own.clone()],
        }),
        ("Veto the recovery of one's own account", Action::VetoRecovery, |_, own| Resource::Recovery {
            user: own.clone(),
            grants: Vec::new(),
            asked_by: Some(UserId::new()),
            approved_by: Vec::new(),
        }),
        ("Recover an account past every approval", Action::RecoverOnHost, all),
        ("Sign the recovery of the site, by a link from its host", Action::RecoverSite, all),
        ("See everybody's stop devices and sessions", Action::SeeAccess, all),
        ("Allow stop devices, end anybody's", Action::ManageDevices, all),
        ("Make and revoke tokens of a team", Action::ManageTokens, |team, _| Resource::Team(team.clone())),
        ("Make and revoke tokens of the installation", Action::ManageTokens, all),
        ("Add and remove one's own keys", Action::OwnKeys, |_, own| Resource::User(own.clone())),
        ("See and end one's own sessions", Action::OwnSessions, |_, own| Resource::User(own.clone())),
        ("Enrol and end one's own stop devices", Action::OwnDevices, |_, own| Resource::User(own.clone())),
        ("Set where one's own notices go", Action::OwnAddress, |_, own| Resource::User(own.clone())),
    ]
}

/// Who may ask: one actor of each kind, in team `own` where it belongs to one.
fn askers(own: &TeamId) -> Vec<(&'static str, Actor)> {
    let with = |role: Role, (stop_only, few_keys, frozen): (bool, bool, bool)| {
        let grants = vec![Grant { role, team: role.is_of_team().then(|| own.clone()) }];
        Actor::User { id: UserId::new(), name: String::new(), grants, stop_only, few_keys, frozen }
    };
    let person = |role: Role| with(role, (false, false, false));
    let token = |scope| Actor::Token { id: TokenId::new(), name: String::new(), scope, team: Some(own.clone()) };
    let device =
        Actor::Device { id: DeviceId::new(), name: String::new(), owner: UserId::new(), owner_name: String::new(), as_risk: false };
    let agent = Actor::Agent { id: crate::domain::AgentId::new(), bot: BotId::new(), name: String::new() };
    vec![
        ("Operator", person(Role::Operator)),
        ("Lead", person(Role::Lead)),
        ("Risk", person(Role::Risk)),
        ("Admin", person(Role::Admin)),
        ("Auditor", person(Role::Auditor)),
        ("Idle session of a lead", with(Role::Lead, (true, false, false))),
        ("Lead with one key", with(Role::Lead, (false, true, false))),
        ("Lead recovered within a day", with(Role::Lead, (false, false, true))),
        ("Stop device", device),
        ("Token stop-only of a team", token(TokenScope::StopOnly)),
        ("Token read of a team", token(TokenScope::Read)),
        ("Token operate of a team", token(TokenScope::Operate)),
        ("Token build of a team", token(TokenScope::Build)),
        ("Agent", agent),
        ("Command line on the host", Actor::Host { user: String::new() }),
    ]
}

fn rows() -> (Vec<&'static str>, Vec<Row>) {
    let (own, other) = (TeamId::new(), TeamId::new());
    let askers = askers(&own);
    let row = |(words, action, of): Asked| {
        let cell = |actor: &Actor| {
            let asks = actor.user().cloned().unwrap_or_default();
            let may = |team: &TeamId| authz::check(actor, action, &of(team, &asks)).is_ok();
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
    let (callers, routes) = tried();
    frame::page(&Matrix { frame: frame::of(&app, &person.visitor, "Who may do what").await, columns, rows, callers, routes })
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
    fn the_written_matrix_is_read_whole() {
        let (callers, routes) = tried();
        assert!(callers.len() >= 17 && callers.iter().any(|head| head == "operator of grid"), "{callers:?}");
        assert_eq!(routes.iter().filter(|line| line.cells.len() != callers.len()).map(|line| line.route).collect::<Vec<_>>(), [""; 0]);
        for route in crate::web::router::ROUTES {
            let begins = format!("{:<4} {}", route.method, route.path);
            let is_there = routes.iter().any(|line| line.route == begins || line.route.starts_with(&format!("{begins} of ")));
            assert!(is_there, "{begins} is not in the written matrix");
        }
        let cell = |route: &str, caller: &str| {
            let at = callers.iter().position(|head| head == caller).unwrap();
            routes.iter().find(|line| line.route == route).unwrap().cells[at]
        };
        assert_eq!(cell("POST /bots of arb", "operator of arb"), "yes");
        assert_eq!(cell("POST /bots of arb", "operator of grid"), "no");
    }

    #[test]
    fn the_page_says_what_the_table_of_acts_says() {
        assert_eq!(cell("Pause or reduce anything", "Idle session of a lead"), "yes");
        assert_eq!(cell("Pause or reduce anything", "Auditor"), "no");
        assert_eq!(cell("Release a hold on one bot, first signer", "Operator"), "own team");
        for (who, may) in [("Risk", "yes"), ("Lead", "own team"), ("Operator", "no"), ("Admin", "no")] {
            assert_eq!(cell("Release a hold that risk placed on one bot, second signer", who), may, "{who}");
        }
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
        for who in ["Lead with one key", "Lead recovered within a day"] {
            let reads = ["See the audit log", "Pause or reduce anything", "Add the reason to a hold", "See and end one's own sessions"];
            assert!(reads.iter().all(|words| cell(words, who) == "yes"), "{who} reads, stops and says why");
            assert_eq!(cell("Start bots, first signer", who), "no");
        }
        assert_eq!(cell("Add and remove one's own keys", "Lead with one key"), "yes");
        assert_eq!(cell("Add and remove one's own keys", "Lead recovered within a day"), "no");
        assert_eq!(cell("Make the link of a recovery that one approved", "Lead"), "yes");
        assert_eq!(cell("Veto the recovery of one's own account", "Operator"), "yes");
    }
}
