//! The one policy table. `check` is the only maker of a `Permit`; a use case asks for one before it does anything, and no write
//! transaction begins without it.

use super::Actor;
use crate::domain::{
    BotId, Grant, Level, PlacedBy, PlacerKind, Role, Scope, Stage, TeamId, TokenScope, UserId,
    recovery::{self, Party},
    text::text_enum,
};

text_enum! {
    /// What is asked for.
    Action {
        /// See states and counts: the pause page, receipts.
        SeeCounts = "see counts",
        /// See bots, agents, holds, people.
        See = "see",
        /// See the audit log.
        SeeAudit = "see the audit log",
        /// See the audit log's signed checkpoints.
        SeeCheckpoint = "see the audit log's checkpoints",
        /// See who may do what.
        SeeMatrix = "see the access matrix",
        /// Place a `reduce` or `pause`.
        PlaceHold = "place a hold",
        /// Add the reason to a hold.
        ExplainHold = "explain a hold",
        /// Prepare or sign the end of a hold.
        ReleaseHold = "release a hold",
        /// Be the second signer of a release.
        SecondRelease = "second a release",
        /// Prepare or sign a start.
        StartBot = "start a bot",
        /// Be the second signer of a start of several.
        SecondStart = "second a start",
        /// Make a team.
        CreateTeam = "create a team",
        /// Make or edit a bot.
        EditBot = "edit a bot",
        /// Move a bot to another stage.
        SetStage = "set a bot's stage",
        /// Hand out enrolment codes; confirm and revoke agents.
        EnrolAgent = "enrol an agent",
        /// Invite people, set roles, disable.
        ManagePeople = "manage people",
        /// Ask for the recovery of somebody's account.
        AskRecovery = "ask for a recovery",
        /// Approve a recovery.
        ApproveRecovery = "approve a recovery",
        /// Make the link of a recovery that was approved.
        LinkRecovery = "make the link of a recovery",
        /// Take a recovery back before its link is used.
        StopRecovery = "take a recovery back",
        /// Veto the recovery of one's own account, with a key of one's own.
        VetoRecovery = "veto a recovery",
        /// Recover an account past every approval.
        RecoverOnHost = "recover an account on the server's host",
        /// Sign that a frozen log, or a copy, may go on.
        RecoverSite = "sign the recovery of the site",
        /// Make and revoke API tokens.
        ManageTokens = "manage tokens",
        /// See everybody's stop devices and sessions.
        SeeAccess = "see everybody's stop devices and sessions",
        /// Enrol and end stop devices of one's own.
        OwnDevices = "manage own stop devices",
        /// Allow stop devices; end anybody's.
        ManageDevices = "manage stop devices",
        /// Add and remove one's own keys.
        OwnKeys = "manage own keys",
        /// See and end one's own sessions.
        OwnSessions = "manage own sessions",
        /// Set where one's own notices go.
        OwnAddress = "set where own notices go",
        /// Check in, acknowledge, report: an agent for its own bot.
        CheckIn = "check in",
        /// Record what was observed: lapses, boots, merges.
        Record = "record",
        /// Place a `kill`.
        PlaceKill = "kill",
        /// Write down venues and their subaccounts.
        EditVenues = "write down a venue",
        /// Tighten a bot's limits.
        TightenLimits = "tighten limits",
        /// Take or close an alert.
        TendAlert = "take or close an alert",
        /// Pause bots for a drill.
        RunDrill = "begin a drill",
        /// Be the second signer of a drill above sandbox.
        SecondDrill = "second a drill",
        /// Ask for what needs approval: about a team's bots, or about the installation.
        AskRequest = "ask for this",
        /// Approve or deny requests; which ones, and when, is in `domain/request.rs`.
        VoteRequest = "approve or deny requests",
        /// Comment on requests, and take one's own back.
        DiscussRequest = "comment on requests",
        /// List who may start a bot.
        ListOperators = "list who may start a bot",
        /// Set what a difference between a bot and its venue does, and what the guard may cancel there.
        SetWatch = "set how a bot is watched",
        /// Take a file into the register; each line of it is checked again by what it changes.
        ImportRegister = "import into the register",
        /// Hand in the secret of an exchange key.
        InstallKey = "hand in an exchange key",
        /// Answer for what a venue does not say of an exchange key.
        AttestKey = "answer for an exchange key",
        /// Take an exchange key away, say that it is gone or compromised.
        EndKey = "end an exchange key",
        /// Delete an exchange key at its venue, with the key of the main account.
        DeleteKey = "delete an exchange key at its venue",
        /// Answer for an item of a bot's checklist.
        MarkChecklist = "answer for a checklist",
        /// Let a bot run another build or configuration than was approved, for some hours.
        ChangeInEmergency = "let another build run in an emergency",
        /// Be the second signer of an emergency change.
        SecondEmergency = "second an emergency change",
        /// Review an emergency change that one did not sign.
        ReviewEmergency = "review an emergency change",
        /// Ask, from a pipeline, that a build goes live.
        FileBuild = "file a build for going live",
    }
}

/// What it is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// The installation as a whole.
    Installation,
    /// A team.
    Team(TeamId),
    /// A bot of a team in a stage.
    Bot {
        /// Which.
        id: BotId,
        /// Its team.
        team: TeamId,
        /// Its stage.
        stage: Stage,
    },
    /// What a hold is to cover; for a bot, or the bot of a subaccount, with its team.
    Scope {
        /// The scope.
        scope: Scope,
        /// The bot's team.
        team: Option<TeamId>,
    },
    /// A hold that stands.
    Hold {
        /// What it covers.
        scope: Scope,
        /// How strict it is.
        level: Level,
        /// The teams of the bots it covers.
        teams: Vec<TeamId>,
        /// Who placed it.
        placed_by: PlacedBy,
    },
    /// A person.
    User(UserId),
    /// A recovery of an account.
    Recovery {
        /// Whose.
        user: UserId,
        /// What they hold.
        grants: Vec<Grant>,
        /// Who asked; none: the host.
        asked_by: Option<UserId>,
        /// Who has approved it.
        approved_by: Vec<UserId>,
    },
}

/// Refused: the action, in words fit for a page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not allowed to {action}; {who} may")]
pub struct Denied {
    /// What was asked for.
    pub action: Action,
    /// Who may do it.
    pub who: &'static str,
}

/// Proof that a check passed, and for what.
#[derive(Debug, Clone)]
pub struct Permit {
    actor: Actor,
    action: Action,
}

impl Permit {
    /// Who passed.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }
    /// For what.
    pub fn action(&self) -> Action {
        self.action
    }
}

/// Checks one request against the table.
///
/// # Errors
/// `Denied`, naming who may.
pub fn check(actor: &Actor, action: Action, resource: &Resource) -> Result<Permit, Denied> {
    if actor.is_frozen() && !works_when_frozen(action) {
        return Err(Denied { action, who: "nobody whose account was recovered less than a day ago (seeing and stopping go on)" });
    }
    if actor.has_few_keys() && !works_with_few_keys(action) {
        return Err(Denied { action, who: "whoever has two security keys (the page My account says what is missing)" });
    }
    let allowed = match actor {
        Actor::User { stop_only, .. } => (!stop_only || works_when_idle(action)) && user_may(actor, action, resource),
        // What its owner may do now is asked when it is let in; the cookie itself opens nothing but this.
        Actor::Device { .. } => {
            matches!((action, resource), (Action::PlaceHold, Resource::Scope { .. } | Resource::Installation) | (Action::SeeCounts, _))
        }
        Actor::Token { scope, team, .. } => token_may(*scope, team.as_ref(), action, resource),
        Actor::Agent { bot, .. } => match (action, resource) {
            (Action::CheckIn, Resource::Bot { id, .. }) => id == bot,
            (Action::PlaceHold, Resource::Scope { scope: Scope::Bot(id), .. }) => id == bot,
            _ => false,
        },
        Actor::Host { .. } => {
            matches!(action, Action::PlaceHold | Action::PlaceKill | Action::SeeCounts | Action::RecoverOnHost | Action::ImportRegister)
        }
        Actor::Server => matches!(action, Action::Record | Action::PlaceHold),
    };
    if allowed { Ok(Permit { actor: actor.clone(), action }) } else { Err(Denied { action, who: who_may(action) }) }
}

/// True when this actor may be shown what belongs to a team. People see every team; a token that is bound to one sees that one only.
pub fn sees_team(actor: &Actor, team: &TeamId) -> bool {
    !matches!(actor, Actor::Token { team: Some(own), .. } if own != team)
}

/// What an idle session keeps: seeing counts and stopping.
fn works_when_idle(action: Action) -> bool {
    matches!(action, Action::SeeCounts | Action::PlaceHold)
}

/// What a person keeps who has fewer than two security keys that count: reading, stopping, and mending that.
fn works_with_few_keys(action: Action) -> bool {
    reads_or_stops(action) || action == Action::OwnKeys
}

/// What a person keeps for a day after their account was recovered: seeing, stopping, and a veto of the next recovery.
fn works_when_frozen(action: Action) -> bool {
    reads_or_stops(action)
}

fn reads_or_stops(action: Action) -> bool {
    let sees = matches!(action, Action::SeeCounts | Action::See | Action::SeeAccess);
    let audits = matches!(action, Action::SeeAudit | Action::SeeCheckpoint | Action::SeeMatrix);
    sees || audits || matches!(action, Action::PlaceHold | Action::ExplainHold | Action::VetoRecovery | Action::OwnSessions)
}

fn user_may(actor: &Actor, action: Action, resource: &Resource) -> bool {
    let holds = |role| actor.holds(role);
    let somebody = matches!(actor, Actor::User { grants, .. } if !grants.is_empty());
    let trades_in = |team: &TeamId| actor.holds_in(Role::Operator, team) || actor.holds_in(Role::Lead, team);
    match (action, resource) {
        (Action::SeeCounts | Action::See, _) => somebody,
        (Action::SeeAudit | Action::SeeCheckpoint, _) => {
            holds(Role::Auditor) || holds(Role::Admin) || holds(Role::Risk) || holds(Role::Lead)
        }
        (Action::SeeMatrix | Action::SeeAccess, _) => holds(Role::Auditor) || holds(Role::Admin),
        (Action::PlaceHold | Action::ExplainHold, _) => {
            holds(Role::Operator) || holds(Role::Lead) || holds(Role::Risk) || holds(Role::Admin)
        }
        (Action::PlaceKill, Resource::Scope { scope, team }) => holds(Role::Risk) || may_kill_own(actor, scope, team.as_ref()),
        (Action::PlaceKill, Resource::Installation) => holds(Role::Operator) || holds(Role::Lead) || holds(Role::Risk),
        (Action::ReleaseHold, Resource::Hold { teams, placed_by, .. }) => may_release(actor, is_of_one(resource), teams, placed_by),
        (Action::SecondRelease, Resource::Hold { teams, placed_by, .. }) => {
            may_second_release(actor, is_of_one(resource), teams, placed_by)
        }
        (Action::StartBot, Resource::Bot { team, .. }) => trades_in(team),
        (Action::SecondStart, _) => holds(Role::Lead) || holds(Role::Risk),
        (Action::CreateTeam, _) => holds(Role::Admin),
        (Action::EditBot, Resource::Team(team) | Resource::Bot { team, .. }) => trades_in(team),
        (Action::ListOperators, Resource::Team(team) | Resource::Bot { team, .. }) => actor.holds_in(Role::Lead, team),
        (Action::DeleteKey, Resource::Bot { team, .. }) => actor.holds_in(Role::Lead, team) || holds(Role::Risk),
        (Action::SetWatch, Resource::Team(team) | Resource::Bot { team, .. }) => actor.holds_in(Role::Lead, team) || holds(Role::Risk),
        (Action::EditVenues, _) => holds(Role::Lead) || holds(Role::Risk) || holds(Role::Admin),
        (Action::TightenLimits, Resource::Team(team) | Resource::Bot { team, .. }) => trades_in(team) || holds(Role::Risk),
        (Action::TightenLimits, Resource::Installation) => holds(Role::Risk),
        (Action::InstallKey, Resource::Bot { team, .. }) => trades_in(team),
        (Action::EndKey | Action::AttestKey | Action::MarkChecklist, Resource::Bot { team, .. }) => trades_in(team) || holds(Role::Risk),
        (Action::ChangeInEmergency, Resource::Bot { team, .. }) => trades_in(team),
        (Action::SecondEmergency, Resource::Bot { team, .. }) => actor.holds_in(Role::Lead, team) || holds(Role::Risk),
        // An auditor only reads: who judges a change could not audit it later.
        (Action::ReviewEmergency, _) => holds(Role::Lead) || holds(Role::Risk),
        (Action::SetStage, Resource::Bot { team, .. }) => trades_in(team) || holds(Role::Risk),
        (Action::EnrolAgent, Resource::Bot { team, stage, .. }) => match stage {
            Stage::Draft | Stage::Sandbox => trades_in(team),
            Stage::Limited | Stage::Live | Stage::Retired => actor.holds_in(Role::Lead, team),
        },
        (Action::ManagePeople | Action::AskRecovery, _) => holds(Role::Admin),
        (Action::RecoverSite, _) => holds(Role::Lead) || holds(Role::Risk) || holds(Role::Admin),
        (Action::ApproveRecovery, Resource::Recovery { user, grants, asked_by, .. }) => may_approve(actor, user, grants, asked_by.as_ref()),
        // Whoever asked never sees the link; that of a recovery on the server's host is made there alone.
        (Action::LinkRecovery, Resource::Recovery { user, asked_by: Some(asked_by), approved_by, .. }) => {
            let has_approved = actor.user().is_some_and(|own| approved_by.contains(own));
            let is_concerned = actor.user() == Some(user) || actor.user() == Some(asked_by);
            !is_concerned && (holds(Role::Admin) || has_approved)
        }
        (Action::StopRecovery, Resource::Recovery { user, asked_by, .. }) => {
            let is_askers = asked_by.is_some() && (holds(Role::Admin) || actor.user() == asked_by.as_ref());
            actor.user() == Some(user) || is_askers
        }
        (Action::VetoRecovery, Resource::Recovery { user, .. }) => actor.user() == Some(user),
        (Action::ManageTokens, Resource::Team(team)) => holds(Role::Admin) || actor.holds_in(Role::Lead, team),
        (Action::ManageTokens, _) => holds(Role::Admin),
        (Action::OwnDevices, Resource::User(id)) => actor.user() == Some(id),
        (Action::ManageDevices, _) => holds(Role::Admin),
        (Action::OwnKeys | Action::OwnAddress | Action::OwnSessions, Resource::User(id)) => actor.user() == Some(id),
        (Action::RunDrill, Resource::Team(team)) => trades_in(team) || holds(Role::Risk),
        (Action::SecondDrill, _) => holds(Role::Lead) || holds(Role::Risk),
        (Action::RunDrill, Resource::Installation) => holds(Role::Operator) || holds(Role::Lead) || holds(Role::Risk),
        (Action::AskRequest, Resource::Team(team) | Resource::Bot { team, .. }) => trades_in(team) || holds(Role::Risk),
        (Action::AskRequest, Resource::Installation) => holds(Role::Lead) || holds(Role::Risk) || holds(Role::Admin),
        (Action::ImportRegister | Action::VoteRequest | Action::DiscussRequest, _) => {
            holds(Role::Operator) || holds(Role::Lead) || holds(Role::Risk) || holds(Role::Admin)
        }
        // One that concerns no bot concerns everybody who trades.
        (Action::TendAlert, Resource::Team(team)) => trades_in(team) || holds(Role::Risk) || holds(Role::Admin),
        (Action::TendAlert, _) => holds(Role::Operator) || holds(Role::Lead) || holds(Role::Risk) || holds(Role::Admin),
        _ => false,
    }
}

/// Ruling C7, kill: one bot by an operator or lead of its team, a team by its lead. Anything wider is for risk.
fn may_kill_own(actor: &Actor, scope: &Scope, team: Option<&TeamId>) -> bool {
    match (scope, team) {
        (Scope::Bot(_), Some(team)) => actor.holds_in(Role::Operator, team) || actor.holds_in(Role::Lead, team),
        (Scope::Team(team), _) => actor.holds_in(Role::Lead, team),
        _ => false,
    }
}

/// True for a hold that is released like one on one bot: scope `bot`, and no kill.
fn is_of_one(hold: &Resource) -> bool {
    matches!(hold, Resource::Hold { scope: Scope::Bot(_), level, .. } if *level < Level::Kill)
}

/// Ruling C7, first signer. One bot: operator or lead of its team (placed by `risk`: a risk too, whom a lead of the team then seconds). Wider,
/// or a kill: lead of a covered team, or risk.
fn may_release(actor: &Actor, is_of_one: bool, teams: &[TeamId], placed_by: &PlacedBy) -> bool {
    let leads = teams.iter().any(|team| actor.holds_in(Role::Lead, team));
    let operates = teams.iter().any(|team| actor.holds_in(Role::Operator, team));
    let risk = actor.holds(Role::Risk);
    if is_of_one { leads || operates || (placed_by.as_risk && risk) } else { leads || risk }
}

/// Ruling C7, second signer. One bot placed by `risk`: a risk; a lead of its team where the first signer is a risk. One bot placed by a trigger:
/// another operator of its team, a lead or risk. Everything else: a lead or risk. What the two must hold together is in [`may_release_together`].
fn may_second_release(actor: &Actor, is_of_one: bool, teams: &[TeamId], placed_by: &PlacedBy) -> bool {
    let leads = teams.iter().any(|team| actor.holds_in(Role::Lead, team));
    let operates = teams.iter().any(|team| actor.holds_in(Role::Operator, team));
    let risk = actor.holds(Role::Risk);
    match is_of_one {
        true if placed_by.as_risk => leads || risk,
        true if placed_by.kind == PlacerKind::Trigger => operates || actor.holds(Role::Lead) || risk,
        _ => actor.holds(Role::Lead) || risk,
    }
}

/// What two signers of a release must hold together (ruling C7), by what each of them holds: one of them `risk` where `risk` placed it; and of a
/// hold on one bot, the other one of its team.
///
/// # Errors
/// The reason in words.
pub fn may_release_together(first: &[Grant], second: &[Grant], hold: &Resource) -> Result<(), &'static str> {
    let Resource::Hold { teams, placed_by, .. } = hold else { return Ok(()) };
    if !placed_by.as_risk {
        return Ok(());
    }
    let is_risk = |grants: &[Grant]| grants.iter().any(|grant| grant.role == Role::Risk);
    let is_of_team = |grants: &[Grant]| grants.iter().any(|grant| grant.team.as_ref().is_some_and(|team| teams.contains(team)));
    if !is_of_one(hold) {
        let has_risk = is_risk(first) || is_risk(second);
        return if has_risk { Ok(()) } else { Err("risk placed this hold: one of the two signers must hold risk") };
    }
    let is_pair = (is_of_team(first) && is_risk(second)) || (is_risk(first) && is_of_team(second));
    if is_pair { Ok(()) } else { Err("risk placed this hold on one bot: one signer must be of the bot's team, and the other hold risk") }
}

/// Of a recovery: somebody else than the person and whoever asked, not below the person, and no auditor. That the two who approve are not
/// both of the person's teams is checked with the other at hand.
fn may_approve(actor: &Actor, user: &UserId, grants: &[Grant], asked_by: Option<&UserId>) -> bool {
    let Actor::User { id, grants: own, .. } = actor else { return false };
    let (person, approver) = (Party { id: user.clone(), grants: grants.to_vec() }, Party { id: id.clone(), grants: own.clone() });
    recovery::may_approve(&person, asked_by, &approver, &[]).is_ok()
}

fn token_may(scope: TokenScope, team: Option<&TeamId>, action: Action, resource: &Resource) -> bool {
    let within = match resource {
        // Venues belong to nobody: whoever edits them for one team does it for all. And what concerns everybody is asked for, and spoken about,
        // by anybody whose maker may; it takes effect by others.
        Resource::Installation => {
            let is_everybodys =
                matches!(action, Action::See | Action::SeeCounts | Action::EditVenues | Action::AskRequest | Action::DiscussRequest);
            team.is_none() || is_everybodys
        }
        Resource::Team(id) => team.is_none_or(|own| own == id),
        Resource::Bot { team: of, .. } => team.is_none_or(|own| own == of),
        Resource::Scope { scope: Scope::Fleet, .. } => team.is_none(),
        Resource::Scope { scope: Scope::Team(id), .. } => team.is_none_or(|own| own == id),
        Resource::Scope { scope: Scope::Bot(_) | Scope::Subaccount(_), team: of } => team.is_none_or(|own| Some(own) == of.as_ref()),
        Resource::Scope { scope: Scope::Venue(_) | Scope::Strategy(_) | Scope::Symbol(..), .. } => team.is_none(),
        Resource::Hold { .. } | Resource::User(_) | Resource::Recovery { .. } => team.is_none(),
    };
    within
        && match action {
            Action::SeeCounts => scope != TokenScope::Build,
            Action::FileBuild => scope == TokenScope::Build,
            // The register of changes; whoever made it, an admin, sees the whole log.
            Action::SeeAudit => scope == TokenScope::Read,
            Action::PlaceHold => matches!(scope, TokenScope::StopOnly | TokenScope::Operate),
            Action::See | Action::SeeCheckpoint => matches!(scope, TokenScope::Read | TokenScope::Operate),
            Action::EditBot | Action::EditVenues | Action::SetStage | Action::TendAlert | Action::TightenLimits => {
                scope == TokenScope::Operate
            }
            // As its maker may; it approves nothing.
            Action::AskRequest | Action::VoteRequest | Action::DiscussRequest => scope == TokenScope::Operate,
            _ => false,
        }
}

/// True when a person may give a token of this scope and team: a lead for their own team, an admin for any and for the whole installation.
/// Nobody gives what they do not have: `operate` is of one team, and given by its lead.
/// What files builds is of one team, and made by whoever may ask there themselves.
pub fn may_give_token(maker: &Actor, scope: TokenScope, team: Option<&TeamId>) -> bool {
    check(maker, to_give(scope), &of_team(team)).is_ok() && gives(maker, scope, team)
}

/// What whoever makes a token of this scope must be allowed to do.
pub fn to_give(scope: TokenScope) -> Action {
    if scope == TokenScope::Build { Action::AskRequest } else { Action::ManageTokens }
}

/// True while a token stands: it does not outlive the rights of whoever made it. Trouble with their keys, or a freeze of a day, ends nothing.
/// A stop button asks for no more than that they may stop bots.
pub fn may_keep_token(maker: &Actor, scope: TokenScope, team: Option<&TeamId>) -> bool {
    match scope {
        TokenScope::StopOnly => user_may(maker, Action::PlaceHold, &Resource::Installation),
        TokenScope::Read | TokenScope::Operate | TokenScope::Build => {
            user_may(maker, to_give(scope), &of_team(team)) && gives(maker, scope, team)
        }
    }
}

/// True when a token works at this moment. One that does more than stop rests while its maker could not give it.
pub fn token_works(maker: &Actor, scope: TokenScope, team: Option<&TeamId>) -> bool {
    may_keep_token(maker, scope, team) && (scope == TokenScope::StopOnly || may_give_token(maker, scope, team))
}

fn of_team(team: Option<&TeamId>) -> Resource {
    team.cloned().map_or(Resource::Installation, Resource::Team)
}

fn gives(maker: &Actor, scope: TokenScope, team: Option<&TeamId>) -> bool {
    match scope {
        TokenScope::StopOnly | TokenScope::Read => true,
        TokenScope::Operate => team.is_some_and(|team| maker.holds_in(Role::Lead, team)),
        TokenScope::Build => team.is_some(),
    }
}

fn who_may(action: Action) -> &'static str {
    match action {
        Action::SeeCounts | Action::See => "anyone with a role who is signed in",
        Action::SeeAudit | Action::SeeCheckpoint => "an auditor, admin, risk or lead",
        Action::SeeMatrix | Action::SeeAccess => "an auditor or admin",
        Action::PlaceHold | Action::ExplainHold => "an operator, lead, risk or admin",
        Action::ReleaseHold => "an operator or lead of the bot's team (a wide hold: a lead of a covered team, or risk)",
        Action::RunDrill => "an operator or lead of the bot's team, or risk",
        Action::SecondRelease | Action::SecondStart | Action::SecondDrill => "another lead, or risk",
        Action::StartBot | Action::EditBot | Action::InstallKey | Action::ChangeInEmergency => "an operator or lead of the bot's team",
        Action::SetStage | Action::EndKey | Action::AttestKey | Action::MarkChecklist => "an operator or lead of the bot's team, or risk",
        Action::TightenLimits => "an operator or lead of the bot's team, or risk (of the installation: risk)",
        Action::EnrolAgent => "an operator (to sandbox) or a lead of the bot's team",
        Action::CreateTeam | Action::ManagePeople | Action::AskRecovery | Action::ManageDevices => "an admin",
        Action::ApproveRecovery => "another person who stands no lower and did not ask for it; no auditor",
        Action::LinkRecovery => "an admin, or somebody who approved it; never whoever asked, nor the person",
        Action::StopRecovery => "the person themselves, whoever asked for it, or an admin",
        Action::VetoRecovery => "the person themselves",
        Action::RecoverSite => "a lead, risk or admin, two together, one of them risk or admin",
        Action::RecoverOnHost => "whoever runs the server, on its host",
        Action::ManageTokens => "an admin, or a lead for their own team",
        Action::OwnKeys | Action::OwnAddress | Action::OwnDevices | Action::OwnSessions => "the person themselves",
        Action::CheckIn => "the bot's agent",
        Action::Record => "the server",
        Action::PlaceKill => "an operator or lead of the bot's team, its lead for a whole team, and risk for anything wider",
        Action::EditVenues => "a lead, risk or an admin",
        Action::TendAlert => "an operator or lead of the bot's team, risk or an admin",
        Action::AskRequest => "an operator or lead of the bot's team, or risk (of who approves what: a lead, risk or an admin)",
        Action::VoteRequest => "whom the request's policy names",
        Action::DiscussRequest | Action::ImportRegister => "an operator, lead, risk or admin",
        Action::ListOperators => "a lead of the bot's team",
        Action::SetWatch | Action::DeleteKey | Action::SecondEmergency => "a lead of the bot's team, or risk",
        Action::ReviewEmergency => "a lead, or risk, who did not sign it",
        Action::FileBuild => "a token with scope build, in the team that it is of",
    }
}

#[cfg(test)]
mod tests;
