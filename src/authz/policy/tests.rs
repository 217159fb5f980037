//! The rows of ruling C7, one by one.

use super::*;
use crate::domain::{Grant, SubaccountId, VenueId};

fn person(roles: &[(Role, Option<&TeamId>)]) -> Actor {
    Actor::User {
        id: UserId::new(),
        name: "P".into(),
        grants: roles.iter().map(|(role, team)| Grant { role: *role, team: team.cloned() }).collect(),
        stop_only: false,
        few_keys: false,
        frozen: false,
    }
}

#[test]
fn with_one_key_a_person_reads_stops_and_adds_keys() {
    let team = TeamId::new();
    let id = UserId::new();
    let everything = [Role::Operator, Role::Lead, Role::Risk, Role::Admin];
    let grants = everything.map(|role| Grant { role, team: role.is_of_team().then(|| team.clone()) }).into();
    let actor = Actor::User { id: id.clone(), name: "P".into(), grants, stop_only: false, few_keys: true, frozen: false };
    let bot = Resource::Bot { id: BotId::new(), team: team.clone(), stage: Stage::Sandbox };
    let own = Resource::Recovery { user: id.clone(), grants: Vec::new(), asked_by: None, approved_by: Vec::new() };
    let may = |action| {
        [Resource::Installation, Resource::Team(team.clone()), bot.clone(), Resource::User(id.clone()), own.clone()]
            .iter()
            .any(|resource| check(&actor, action, resource).is_ok())
    };
    let allowed: Vec<Action> = Action::ALL.iter().copied().filter(|action| may(*action)).collect();
    let expected = [
        Action::SeeCounts,
        Action::See,
        Action::SeeAudit,
        Action::SeeCheckpoint,
        Action::SeeMatrix,
        Action::PlaceHold,
        Action::ExplainHold,
        Action::VetoRecovery,
        Action::SeeAccess,
        Action::OwnKeys,
        Action::OwnSessions,
    ];
    assert_eq!(allowed, expected);
    let denied = check(&actor, Action::StartBot, &bot).unwrap_err().to_string();
    assert!(denied.contains("two security keys"), "{denied}");
}

fn hold(scope: Scope, team: &TeamId, kind: PlacerKind, as_risk: bool) -> Resource {
    Resource::Hold {
        scope,
        level: Level::Pause,
        teams: vec![team.clone()],
        placed_by: PlacedBy { kind, id: "x".into(), name: "x".into(), as_risk },
    }
}

#[test]
fn everyone_but_auditors_may_stop_anything_even_when_idle() {
    let team = TeamId::new();
    let fleet = Resource::Scope { scope: Scope::Fleet, team: None };
    for role in [Role::Operator, Role::Lead, Role::Risk, Role::Admin] {
        let mut actor = person(&[(role, role.is_of_team().then_some(&team))]);
        assert!(check(&actor, Action::PlaceHold, &fleet).is_ok(), "{role}");
        if let Actor::User { stop_only, .. } = &mut actor {
            *stop_only = true;
        }
        assert!(check(&actor, Action::PlaceHold, &fleet).is_ok(), "{role} idle");
        assert!(check(&actor, Action::See, &Resource::Installation).is_err(), "an idle session sees no details");
    }
    assert!(check(&person(&[(Role::Auditor, None)]), Action::PlaceHold, &fleet).is_err());
    assert!(check(&person(&[]), Action::SeeCounts, &Resource::Installation).is_err(), "without a role: nothing");
}

#[test]
fn release_follows_the_table() {
    let (team, other) = (TeamId::new(), TeamId::new());
    let operator = person(&[(Role::Operator, Some(&team))]);
    let lead = person(&[(Role::Lead, Some(&team))]);
    let stranger = person(&[(Role::Lead, Some(&other))]);
    let risk = person(&[(Role::Risk, None)]);
    let admin = person(&[(Role::Admin, None)]);
    let may = |actor: &Actor, resource: &Resource| check(actor, Action::ReleaseHold, resource).is_ok();
    let one = hold(Scope::Bot(BotId::new()), &team, PlacerKind::User, false);
    assert!(may(&operator, &one) && may(&lead, &one) && !may(&stranger, &one) && !may(&admin, &one));
    let by_risk = hold(Scope::Bot(BotId::new()), &team, PlacerKind::User, true);
    assert!(may(&operator, &by_risk) && may(&lead, &by_risk) && may(&risk, &by_risk) && !may(&admin, &by_risk));
    let fleet = hold(Scope::Fleet, &team, PlacerKind::User, false);
    assert!(!may(&operator, &fleet) && may(&lead, &fleet) && may(&risk, &fleet) && !may(&stranger, &fleet) && !may(&admin, &fleet));
}

#[test]
fn the_second_signer_follows_the_table() {
    let (team, other) = (TeamId::new(), TeamId::new());
    let operator = person(&[(Role::Operator, Some(&team))]);
    let lead_elsewhere = person(&[(Role::Lead, Some(&other))]);
    let operator_elsewhere = person(&[(Role::Operator, Some(&other))]);
    let risk = person(&[(Role::Risk, None)]);
    let may = |actor: &Actor, resource: &Resource| check(actor, Action::SecondRelease, resource).is_ok();
    let by_trigger = hold(Scope::Bot(BotId::new()), &team, PlacerKind::Trigger, false);
    assert!(may(&operator, &by_trigger) && may(&lead_elsewhere, &by_trigger) && may(&risk, &by_trigger));
    assert!(!may(&operator_elsewhere, &by_trigger));
    let fleet = hold(Scope::Fleet, &team, PlacerKind::User, false);
    assert!(!may(&operator, &fleet) && may(&lead_elsewhere, &fleet) && may(&risk, &fleet));
}

#[test]
fn tokens_keep_to_their_scope_and_team() {
    let (team, other) = (TeamId::new(), TeamId::new());
    let token =
        |scope, team: Option<&TeamId>| Actor::Token { id: crate::domain::TokenId::new(), name: "t".into(), scope, team: team.cloned() };
    let fleet = Resource::Scope { scope: Scope::Fleet, team: None };
    let own = Resource::Scope { scope: Scope::Team(team.clone()), team: None };
    assert!(check(&token(TokenScope::StopOnly, None), Action::PlaceHold, &fleet).is_ok());
    assert!(check(&token(TokenScope::StopOnly, Some(&team)), Action::PlaceHold, &fleet).is_err());
    assert!(check(&token(TokenScope::StopOnly, Some(&team)), Action::PlaceHold, &own).is_ok());
    assert!(check(&token(TokenScope::StopOnly, Some(&other)), Action::PlaceHold, &own).is_err());
    assert!(check(&token(TokenScope::StopOnly, None), Action::See, &Resource::Installation).is_err());
    assert!(check(&token(TokenScope::Read, None), Action::PlaceHold, &fleet).is_err());
    assert!(sees_team(&token(TokenScope::Read, Some(&team)), &team) && !sees_team(&token(TokenScope::Read, Some(&team)), &other));
    assert!(sees_team(&token(TokenScope::Read, None), &other) && sees_team(&person(&[(Role::Operator, Some(&team))]), &other));
    for action in [Action::ReleaseHold, Action::StartBot, Action::ManagePeople, Action::EnrolAgent, Action::ManageTokens] {
        assert!(check(&token(TokenScope::Operate, None), action, &Resource::Installation).is_err(), "{action}");
    }
}

#[test]
fn tightening_is_for_the_team_for_programs_that_operate_and_of_the_installation_for_risk() {
    let (own, other) = (TeamId::new(), TeamId::new());
    let may = |actor: &Actor, resource: &Resource| check(actor, Action::TightenLimits, resource).is_ok();
    let team = |team: &TeamId| Resource::Team(team.clone());
    let (operator, risk) = (person(&[(Role::Operator, Some(&own))]), person(&[(Role::Risk, None)]));
    assert!(may(&operator, &team(&own)) && !may(&operator, &team(&other)) && !may(&operator, &Resource::Installation));
    assert!(may(&risk, &team(&own)) && may(&risk, &Resource::Installation));
    let token = |scope| Actor::Token { id: crate::domain::TokenId::new(), name: "t".into(), scope, team: Some(own.clone()) };
    assert!(may(&token(TokenScope::Operate), &team(&own)) && !may(&token(TokenScope::Operate), &team(&other)));
    assert!(!may(&token(TokenScope::Operate), &Resource::Installation), "a token of a team is of that team");
    assert!(!may(&token(TokenScope::Read), &team(&own)) && !may(&token(TokenScope::StopOnly), &team(&own)));
    assert!(!may(&person(&[(Role::Auditor, None), (Role::Admin, None)]), &team(&own)));
}

#[test]
fn a_token_that_operates_asks_for_its_team_and_for_what_concerns_everybody_and_no_other_token_asks() {
    let (own, other) = (TeamId::new(), TeamId::new());
    let token = |scope| Actor::Token { id: crate::domain::TokenId::new(), name: "t".into(), scope, team: Some(own.clone()) };
    let may = |scope, action, resource: &Resource| check(&token(scope), action, resource).is_ok();
    let team = |team: &TeamId| Resource::Team(team.clone());
    for action in [Action::AskRequest, Action::DiscussRequest] {
        assert!(may(TokenScope::Operate, action, &team(&own)) && !may(TokenScope::Operate, action, &team(&other)), "{action}");
        assert!(may(TokenScope::Operate, action, &Resource::Installation), "{action}");
        assert!(!may(TokenScope::Read, action, &team(&own)) && !may(TokenScope::StopOnly, action, &team(&own)), "{action}");
    }
    assert!(!may(TokenScope::Operate, Action::VoteRequest, &Resource::Installation), "it denies in its team only");
}

#[test]
fn an_agent_speaks_for_its_own_bot_only() {
    let (bot, other, team) = (BotId::new(), BotId::new(), TeamId::new());
    let agent = Actor::Agent { id: crate::domain::AgentId::new(), bot: bot.clone(), name: "a".into() };
    let scope = |id: &BotId| Resource::Scope { scope: Scope::Bot(id.clone()), team: Some(team.clone()) };
    assert!(check(&agent, Action::PlaceHold, &scope(&bot)).is_ok());
    assert!(check(&agent, Action::PlaceHold, &scope(&other)).is_err());
    assert!(check(&agent, Action::PlaceHold, &Resource::Scope { scope: Scope::Fleet, team: None }).is_err());
}

#[test]
fn after_a_recovery_a_person_sees_and_stops() {
    let (team, id) = (TeamId::new(), UserId::new());
    let everything = [Role::Operator, Role::Lead, Role::Risk, Role::Admin];
    let grants: Vec<Grant> = everything.map(|role| Grant { role, team: role.is_of_team().then(|| team.clone()) }).into();
    let actor = Actor::User { id: id.clone(), name: "P".into(), grants, stop_only: false, few_keys: false, frozen: true };
    let bot = Resource::Bot { id: BotId::new(), team: team.clone(), stage: Stage::Sandbox };
    let own = Resource::Recovery { user: id.clone(), grants: Vec::new(), asked_by: None, approved_by: Vec::new() };
    let others = Resource::Recovery { user: UserId::new(), grants: Vec::new(), asked_by: None, approved_by: Vec::new() };
    let of = [Resource::Installation, Resource::Team(team.clone()), bot, Resource::User(id), own, others.clone()];
    let allowed: Vec<Action> =
        Action::ALL.iter().copied().filter(|action| of.iter().any(|of| check(&actor, *action, of).is_ok())).collect();
    let expected = [
        Action::SeeCounts,
        Action::See,
        Action::SeeAudit,
        Action::SeeCheckpoint,
        Action::SeeMatrix,
        Action::PlaceHold,
        Action::ExplainHold,
        Action::VetoRecovery,
        Action::SeeAccess,
        Action::OwnSessions,
    ];
    assert_eq!(allowed, expected);
    assert!(check(&actor, Action::ApproveRecovery, &others).is_err(), "nor do they approve for somebody else");
}

#[test]
fn nothing_is_allowed_that_no_rule_allows() {
    let team = TeamId::new();
    let nobody = person(&[]);
    let of = [
        Resource::Installation,
        Resource::Team(team.clone()),
        Resource::Bot { id: BotId::new(), team: team.clone(), stage: Stage::Sandbox },
        Resource::Scope { scope: Scope::Fleet, team: None },
        hold(Scope::Fleet, &team, PlacerKind::User, false),
        Resource::User(UserId::new()),
        Resource::Recovery { user: UserId::new(), grants: Vec::new(), asked_by: None, approved_by: Vec::new() },
    ];
    for action in Action::ALL {
        for resource in &of {
            assert!(check(&nobody, *action, resource).is_err(), "somebody without a role may {action}");
        }
    }
    // What an action is not asked about it does not allow: the wrong kind of thing is a no, not a yes.
    let admin = person(&[(Role::Admin, None)]);
    for (action, resource) in
        [(Action::ReleaseHold, &of[0]), (Action::StartBot, &of[0]), (Action::OwnKeys, &of[0]), (Action::ApproveRecovery, &of[0])]
    {
        assert!(check(&admin, action, resource).is_err(), "{action}");
    }
}

#[test]
fn a_kill_is_for_the_team_up_to_a_team_and_for_risk_beyond() {
    let (own, other) = (TeamId::new(), TeamId::new());
    let bot = Resource::Scope { scope: Scope::Bot(BotId::new()), team: Some(own.clone()) };
    let theirs = Resource::Scope { scope: Scope::Bot(BotId::new()), team: Some(other.clone()) };
    let team = Resource::Scope { scope: Scope::Team(own.clone()), team: None };
    let wide = [Scope::Fleet, Scope::Team(other), Scope::Venue(VenueId::new()), Scope::Subaccount(SubaccountId::new())];
    let may = |actor: &Actor, resource: &Resource| check(actor, Action::PlaceKill, resource).is_ok();
    let operator = person(&[(Role::Operator, Some(&own))]);
    let lead = person(&[(Role::Lead, Some(&own))]);
    assert!(may(&operator, &bot) && !may(&operator, &team) && !may(&operator, &theirs));
    assert!(may(&lead, &bot) && may(&lead, &team) && !may(&lead, &theirs));
    let host = Actor::Host { user: "root".into() };
    let risk = person(&[(Role::Risk, None)]);
    for scope in wide {
        let resource = Resource::Scope { scope, team: Some(own.clone()) };
        assert!(may(&risk, &resource) && may(&host, &resource), "{resource:?}");
        assert!(!may(&operator, &resource) && !may(&lead, &resource), "{resource:?}");
    }
    let token = Actor::Token { id: crate::domain::TokenId::new(), name: "t".into(), scope: TokenScope::Operate, team: None };
    let admin = person(&[(Role::Admin, None)]);
    let idle = match risk.clone() {
        Actor::User { id, name, grants, .. } => Actor::User { id, name, grants, stop_only: true, few_keys: false, frozen: false },
        other => other,
    };
    for nobody in [token, admin, idle, Actor::Server, person(&[(Role::Auditor, None)])] {
        assert!(!may(&nobody, &bot), "{nobody:?}");
    }
}

#[test]
fn a_kill_of_one_bot_is_released_like_a_wide_hold() {
    let team = TeamId::new();
    let kill = |as_risk| Resource::Hold {
        scope: Scope::Bot(BotId::new()),
        level: Level::Kill,
        teams: vec![team.clone()],
        placed_by: PlacedBy { kind: PlacerKind::User, id: "x".into(), name: "x".into(), as_risk },
    };
    let operator = person(&[(Role::Operator, Some(&team))]);
    let lead = person(&[(Role::Lead, Some(&team))]);
    assert!(check(&operator, Action::ReleaseHold, &kill(false)).is_err() && check(&operator, Action::SecondRelease, &kill(false)).is_err());
    assert!(check(&lead, Action::ReleaseHold, &kill(false)).is_ok() && check(&lead, Action::SecondRelease, &kill(false)).is_ok());
    let of = |role, team: Option<&TeamId>| vec![Grant { role, team: team.cloned() }];
    assert!(may_release_together(&of(Role::Lead, Some(&team)), &of(Role::Lead, Some(&team)), &kill(true)).is_err());
    assert!(may_release_together(&of(Role::Lead, Some(&team)), &of(Role::Risk, None), &kill(true)).is_ok());
}

#[test]
fn a_token_that_files_builds_does_just_that() {
    let (own, other) = (TeamId::new(), TeamId::new());
    let token = |team: Option<&TeamId>| Actor::Token {
        id: crate::domain::TokenId::new(),
        name: "t".into(),
        scope: TokenScope::Build,
        team: team.cloned(),
    };
    let of = |team: &TeamId| Resource::Bot { id: BotId::new(), team: team.clone(), stage: Stage::Sandbox };
    assert!(check(&token(Some(&own)), Action::FileBuild, &of(&own)).is_ok());
    assert!(check(&token(Some(&own)), Action::FileBuild, &of(&other)).is_err());
    for action in Action::ALL.iter().filter(|action| **action != Action::FileBuild) {
        for resource in [Resource::Installation, Resource::Team(own.clone()), of(&own)] {
            assert!(check(&token(Some(&own)), *action, &resource).is_err(), "{action}");
        }
    }
    let maker = |role, team: Option<&TeamId>| person(&[(role, team)]);
    assert!(may_give_token(&maker(Role::Operator, Some(&own)), TokenScope::Build, Some(&own)));
    assert!(!may_give_token(&maker(Role::Operator, Some(&own)), TokenScope::Build, Some(&other)));
    assert!(!may_give_token(&maker(Role::Lead, Some(&own)), TokenScope::Build, None), "it is of one team");
    assert!(!may_give_token(&maker(Role::Admin, None), TokenScope::Build, Some(&own)), "an admin asks for no step up");
    assert!(!may_give_token(&maker(Role::Operator, Some(&own)), TokenScope::Read, Some(&own)));
    assert!(!may_keep_token(&maker(Role::Operator, Some(&other)), TokenScope::Build, Some(&own)));
}
