//! Acts in plain sentences: what is signed, what comes of it, who may sign. The sentences are made from the very bytes that are signed, never
//! from what a form said.

use super::changed;
use crate::app::{App, acts::ActView};
use crate::domain::{
    ActKind, Grant, HoldId, Level, PlacerKind, RequestId, Scope, StartPlan, TokenScope,
    request::{Document, Line},
};
use crate::web::frame;

/// What an act does, as one sentence without its full stop.
pub fn sentence(app: &App, act: &ActView) -> String {
    match &act.act.kind {
        ActKind::Release { level, scope, .. } => format!("Release the {level} of {}", scope_of(app, scope)),
        ActKind::Start { count: 1, .. } => {
            format!("Start bot {}", act.detail.leaves.first().map_or_else(String::new, |leaf| bot(app, &leaf.bot)))
        }
        ActKind::Start { count, plan: Some(plan), .. } => {
            format!("Start {count} bots in {} waves, {} first", plan.waves.len(), canary(app, act, plan))
        }
        ActKind::Start { count, .. } => format!("Start {count} bots"),
        ActKind::EnrolmentCode { bot: id } => format!("Make a one-time code that enrols an agent for bot {}", bot(app, id)),
        ActKind::AgentConfirm { bot: id, fingerprint, .. } => {
            format!("Confirm that agent {fingerprint} is the one beside bot {}", bot(app, id))
        }
        ActKind::AgentRevoke { bot: id, .. } => format!("Revoke the agent of bot {}, which stops the bot", bot(app, id)),
        ActKind::KeyDelete { bot: id, version, .. } => {
            format!("Delete version {version} of an exchange key of bot {} at its venue, for good", bot(app, id))
        }
        ActKind::Invite { name, grants, .. } => format!("Invite {name} as {}", roles(app, grants)),
        ActKind::InviteAgain { user } => format!("Make a new link for {}, who was invited", person(app, user)),
        ActKind::Grants { user, grants } => {
            let who = person(app, user);
            format!("Change the roles of {who} to {}", roles(app, grants))
        }
        ActKind::Enable { user } => format!("Enable {}, who was disabled", person(app, user)),
        ActKind::CredentialAdd { user, nickname, .. } => format!("Add security key “{nickname}” to those of {}", person(app, user)),
        ActKind::CredentialRemove { user, nickname, .. } => {
            format!("Remove security key “{nickname}” from those of {}", person(app, user))
        }
        ActKind::RecoveryAsk { user, .. } => format!("Ask to recover the account of {}, whose keys are lost", person(app, user)),
        ActKind::RecoveryApprove { user, .. } => format!("Approve the recovery of the account of {}", person(app, user)),
        ActKind::RecoveryLink { user, .. } => format!("Make the link that recovers the account of {}", person(app, user)),
        ActKind::RecoveryVeto { .. } => "Veto the recovery of your own account".to_owned(),
        ActKind::MailAddress { user, address: Some(_) } => format!("Send the notices of {} to another address", person(app, user)),
        ActKind::MailAddress { user, address: None } => format!("Send the notices of {} to no address any more", person(app, user)),
        ActKind::TokenCreate { name, scope, team, days } => {
            let of = team.as_ref().map_or_else(|| "the whole installation".to_owned(), |team| format!("team {}", team_name(app, team)));
            format!("Make API token {name} that may {} in {of}, for {days} days", token_words(scope))
        }
        ActKind::StopDevices { allowed: true } => "Allow stop devices".to_owned(),
        ActKind::StopDevices { allowed: false } => "Turn stop devices off, which ends every one of them".to_owned(),
        ActKind::StopDeviceLink { user, name } => format!("Make the phone {name} of {} a stop device", person(app, user)),
        ActKind::Recover { site: Some(_), .. } => "Take the site over, with the fleet paused".to_owned(),
        ActKind::Recover { next, .. } => format!("Let the log go on as {next}, with the fleet paused"),
        ActKind::RequestApprove { content, .. } => format!("Approve: {}", asked(app, content)),
        ActKind::Releases { holds, .. } => format!("Release {} holds of one press", holds.len()),
        ActKind::ChecklistAttest { bot: id, words, .. } => format!("Answer for bot {}: {words}", bot(app, id)),
        ActKind::GoLive { bot: id, to, .. } => format!("Let bot {} up to stage {to}, as was approved", bot(app, id)),
        ActKind::EmergencyChange { bot: id, hours, .. } => {
            format!("Let bot {} run another build or configuration than was approved, for {hours} hours", bot(app, id))
        }
        ActKind::EmergencyReview { bot: id, verdict, .. } => {
            format!("Find an emergency change of bot {} {}", bot(app, id), verdict.words())
        }
        ActKind::Drill { bot: id, control } => format!("Pause bot {} for a drill, while bot {} goes on", bot(app, id), bot(app, control)),
    }
}

/// The bot that goes first.
fn canary(app: &App, act: &ActView, plan: &StartPlan) -> String {
    let first = plan.order.first().and_then(|leaf| act.detail.leaves.get(usize::try_from(*leaf).ok()?));
    first.map_or_else(|| "nobody".to_owned(), |leaf| bot(app, &leaf.bot))
}

/// The button that signs it: number and noun.
pub fn button(act: &ActView) -> String {
    match &act.act.kind {
        ActKind::Release { .. } => "Sign the release of 1 hold".to_owned(),
        ActKind::Start { count: 1, .. } => "Sign the start of 1 bot".to_owned(),
        ActKind::Start { count, .. } => format!("Sign the start of {count} bots"),
        ActKind::EnrolmentCode { .. } => "Sign for 1 enrolment code".to_owned(),
        ActKind::AgentConfirm { .. } => "Sign that 1 agent is the right one".to_owned(),
        ActKind::AgentRevoke { .. } => "Sign the end of 1 agent".to_owned(),
        ActKind::KeyDelete { .. } => "Sign the deletion of 1 exchange key".to_owned(),
        ActKind::Invite { .. } => "Sign the invitation of 1 person".to_owned(),
        ActKind::InviteAgain { .. } => "Sign for 1 new link".to_owned(),
        ActKind::Grants { .. } => "Sign the new roles of 1 person".to_owned(),
        ActKind::Enable { .. } => "Sign the enabling of 1 person".to_owned(),
        ActKind::CredentialAdd { .. } => "Sign for 1 new key with a key that you have".to_owned(),
        ActKind::CredentialRemove { .. } => "Sign the removal of 1 key".to_owned(),
        ActKind::RecoveryAsk { .. } => "Sign the request for 1 recovery".to_owned(),
        ActKind::RecoveryApprove { .. } => "Sign the approval of 1 recovery".to_owned(),
        ActKind::RecoveryLink { .. } => "Sign for 1 recovery link".to_owned(),
        ActKind::RecoveryVeto { .. } => "Sign the veto of 1 recovery".to_owned(),
        ActKind::MailAddress { .. } => "Sign for 1 change of address".to_owned(),
        ActKind::TokenCreate { .. } => "Sign for 1 API token".to_owned(),
        ActKind::StopDevices { .. } => "Sign 1 change for everybody".to_owned(),
        ActKind::StopDeviceLink { .. } => "Sign for 1 phone".to_owned(),
        ActKind::Recover { .. } => "Sign 1 recovery of the site".to_owned(),
        ActKind::ChecklistAttest { .. } => "Sign 1 item".to_owned(),
        ActKind::GoLive { .. } => "Sign 1 step up".to_owned(),
        ActKind::EmergencyChange { .. } => "Sign 1 emergency change".to_owned(),
        ActKind::EmergencyReview { .. } => "Sign 1 review".to_owned(),
        ActKind::Drill { .. } => "Sign 1 drill".to_owned(),
        ActKind::RequestApprove { .. } => "Sign 1 approval".to_owned(),
        ActKind::Releases { holds, .. } => format!("Sign the release of {} holds", holds.len()),
    }
}

/// What is true once it is carried out.
pub fn effect(act: &ActView) -> &'static str {
    match &act.act.kind {
        ActKind::Release { level: Level::Reduce, .. } => {
            "The hold ends. Bots that were running before it go on at once; a stopped bot stays stopped."
        }
        ActKind::Release { .. } => "The hold ends. No bot starts by that: each needs a start of its own, signed again.",
        ActKind::Start { plan: Some(_), .. } => {
            "One bot starts at once. Each further wave starts by itself once every bot before it is active and has settled, within four hours. A pause or \
             a stop of any of them ends it, and what has not started never does."
        }
        ActKind::Start { .. } => {
            "The bots may trade again as soon as their agents have taken the start up. One that does not within 60 s stays stopped."
        }
        ActKind::EnrolmentCode { .. } => {
            "A code is shown once, to you, and works once within 15 minutes. An agent that is there now is replaced, which stops the bot."
        }
        ActKind::AgentConfirm { .. } => {
            "The agent may be given starts from then on. Sign only if the letters are those on the agent's own terminal."
        }
        ActKind::AgentRevoke { .. } => "The bot is stopped, then the agent's credential ends. Another agent needs another code.",
        ActKind::KeyDelete { .. } => {
            "The venue is told at once, with the key of the main account, and asked whether it still lists the key. There is no way back."
        }
        ActKind::Invite { .. } => "A link is shown once, to you, and works for 1 hour. It leads to a password and two security keys.",
        ActKind::InviteAgain { .. } => {
            "The link they were given before is over at once. A new one is shown once, to you, and works for 1 hour."
        }
        ActKind::Grants { .. } => "The roles count from the next page that they open.",
        ActKind::Enable { .. } => "They may sign in again and have their roles and keys back.",
        ActKind::CredentialAdd { .. } => {
            "The new key signs for you from then on. Sign with a key that you had before. You and everybody who administers are told."
        }
        ActKind::CredentialRemove { .. } => {
            "The key signs nothing any more, and sessions that were signed in with it end. You and everybody who administers are told."
        }
        ActKind::RecoveryAsk { .. } => {
            "Two others must approve. The person and everyone who administers are told at every step, and any key that is not lost vetoes it."
        }
        ActKind::RecoveryApprove { .. } => {
            "With the second approval the link to new keys can be made: for a lead, risk or admin after 24 hours, else at once, and then it is \
             shown to you. Sign only if you have spoken with the person, in a way that nobody can imitate."
        }
        ActKind::RecoveryLink { .. } => {
            "A link is shown once, to you, and works for 1 hour. Their sessions end at once, their open acts are withdrawn, and until a day after \
             the new keys they may see and stop only."
        }
        ActKind::RecoveryVeto { .. } => {
            "The recovery ends, and a link that was made is over. Your keys and your password stay as they are."
        }
        ActKind::MailAddress { .. } => "Mail goes there from then on. The address before it and every admin are told.",
        ActKind::TokenCreate { scope, .. } if *scope == TokenScope::Build.as_str() => {
            "The token is shown once, to you. What it files is asked for in your name: you carry it out, and approve none of it. It ends when its \
             days are over, when somebody revokes it, or when you may no longer ask for a step up yourself."
        }
        ActKind::TokenCreate { .. } => {
            "The token is shown once, to you. It ends when its days are over, when somebody revokes it, or when you lose the rights that it takes."
        }
        ActKind::StopDevices { allowed: true } => {
            "Whoever may stop bots may enrol phones of their own. Such a phone pauses and reduces, for 90 days, and does nothing else."
        }
        ActKind::StopDevices { allowed: false } => "Every stop device ends at once. Holds that they placed stand.",
        ActKind::Recover { .. } => {
            "The log goes on under a new incarnation, and the whole fleet is paused. Nothing starts by it. It is signed by the links that andon \
             recover printed on the server's host."
        }
        ActKind::StopDeviceLink { .. } => {
            "A link is shown once, to you, and works once within 5 minutes. The phone that opens it may pause bots for 90 days, and nothing else."
        }
        ActKind::RequestApprove { .. } => {
            "Your approval counts for exactly this content. The last one that is needed carries the request out, at once or after its delay. Until then you can take it back."
        }
        ActKind::Releases { .. } => {
            "The holds end together, each under its own rule, or none does. No bot starts by the end of a pause or a kill; after a reduce bots go on as before."
        }
        ActKind::ChecklistAttest { .. } => "Your name stands for it until its time is over. You approve nothing that rests on it.",
        ActKind::GoLive { .. } | ActKind::EmergencyChange { .. } | ActKind::EmergencyReview { .. } => changed::effect(&act.act.kind),
        ActKind::Drill { .. } => {
            "The bot is paused at once, and each step is measured. It stays paused until the hold is released and the bot is started again."
        }
    }
}

/// What else is signed: a word and its value each.
pub fn facts(app: &App, act: &ActView) -> Vec<(&'static str, String)> {
    match &act.act.kind {
        ActKind::Release { hold, placed_epoch, why, .. } => {
            let mut facts = placed(app, hold);
            facts.extend([
                ("Reason for the release", why.clone()),
                ("Epoch of the hold", placed_epoch.to_string()),
                ("Hold", hold.to_string()),
            ]);
            facts
        }
        ActKind::Releases { holds, why } => {
            let mut facts = vec![("Reason for the release", why.clone())];
            for held in holds {
                facts.push((
                    "Hold",
                    format!("{} of {}, epoch {}, {}", held.level, scope_of(app, &held.scope), held.placed_epoch, held.hold),
                ));
                facts.extend(placed(app, &held.hold));
            }
            facts
        }
        ActKind::Start { root, plan, .. } => start_facts(app, act, root, plan.as_ref()),
        ActKind::EnrolmentCode { bot } => vec![("Bot", bot.to_string())],
        ActKind::AgentConfirm { agent, bot, .. } => vec![("Agent", agent.to_string()), ("Bot", bot.to_string())],
        ActKind::AgentRevoke { agent, bot, why } => vec![("Reason", why.clone()), ("Agent", agent.to_string()), ("Bot", bot.to_string())],
        ActKind::KeyDelete { key, version, fingerprint, why, .. } => vec![
            ("Reason", why.clone()),
            ("Exchange key", key.to_string()),
            ("Version", version.to_string()),
            ("Fingerprint", fingerprint.clone()),
        ],
        ActKind::Invite { user, name, grants } => {
            let wanted = act.detail.wanted.as_ref().map(|wanted| ("Asked for, which others approve", roles(app, &wanted.grants)));
            let mut facts = vec![("Signs in as", name.clone()), ("Roles", roles(app, grants)), ("Person", user.to_string())];
            facts.extend(wanted);
            facts
        }
        ActKind::InviteAgain { user } => vec![("Person", user.to_string())],
        ActKind::Grants { user, grants } => {
            let now = app.people().user(user).map(|user| roles(app, &user.grants)).unwrap_or_default();
            vec![("Roles now", now), ("Roles after it", roles(app, grants)), ("Person", user.to_string())]
        }
        ActKind::Enable { user } => {
            let roles = app.people().user(user).map(|user| roles(app, &user.grants)).unwrap_or_default();
            vec![("Roles", roles), ("Person", user.to_string())]
        }
        ActKind::CredentialAdd { credential, public_key, aaguid, backup_eligible, .. } => vec![
            ("Model", aaguid.as_ref().map_or_else(|| "not given".to_owned(), |id| format!("AAGUID {id}"))),
            ("Where it lives", if *backup_eligible { "can be copied to other devices" } else { "bound to one device" }.to_owned()),
            ("SHA-256 of its public key", public_key.clone()),
            ("Key", credential.0.clone()),
        ],
        ActKind::CredentialRemove { credential, .. } => vec![("Key", credential.0.clone())],
        ActKind::RecoveryAsk { recovery, user, why } => {
            vec![("Reason", why.clone()), ("Recovery", recovery.to_string()), ("Person", user.to_string())]
        }
        ActKind::RecoveryApprove { recovery, user }
        | ActKind::RecoveryLink { recovery, user }
        | ActKind::RecoveryVeto { recovery, user } => {
            let why = app.recovery_book().find(recovery).map(|view| view.row.why.clone()).unwrap_or_default();
            vec![("Reason given", why), ("Recovery", recovery.to_string()), ("Person", user.to_string())]
        }
        // The address itself is shown to whoever signs, and to nobody else.
        ActKind::MailAddress { address, .. } => address.iter().map(|digest| ("Salted digest of the address", digest.clone())).collect(),
        ActKind::Recover { .. } => recover_facts(app, &act.act.kind),
        ActKind::RequestApprove { request, revision, digest, content } => request_facts(app, (request, *revision), digest, content),
        ActKind::ChecklistAttest { .. } => attest_facts(&act.act.kind),
        ActKind::EmergencyChange { .. } | ActKind::EmergencyReview { .. } => changed::facts(&act.act.kind),
        ActKind::GoLive { request, revision, digest, bot, .. } => vec![
            ("SHA-256 of what was approved", digest.clone()),
            ("Revision", revision.to_string()),
            ("Request", request.to_string()),
            ("Bot", bot.to_string()),
        ],
        ActKind::Drill { bot, control } => vec![("Bot", bot.to_string()), ("Must go on", control.to_string())],
        ActKind::StopDeviceLink { user, name } => vec![("Phone", name.clone()), ("Person", user.to_string())],
        ActKind::TokenCreate { .. } | ActKind::StopDevices { .. } => Vec::new(),
    }
}

/// What else is signed with a word for an item of a checklist.
fn attest_facts(kind: &ActKind) -> Vec<(&'static str, String)> {
    let ActKind::ChecklistAttest { bot, stage, item, said, link, ran, .. } = kind else { return Vec::new() };
    let mut facts = vec![("You say", said.clone()), ("Item", item.clone()), ("Of the list for stage", stage.to_string())];
    facts.extend(link.iter().map(|link| ("To be looked at", link.clone())));
    facts.extend(ran.iter().flat_map(|ran| [("Build", ran.build.clone()), ("Configuration", ran.config.clone())]));
    facts.push(("Bot", bot.to_string()));
    facts
}

/// What else is signed with a start.
fn start_facts(app: &App, act: &ActView, root: &str, plan: Option<&StartPlan>) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Tree hash over the bots below", root.to_owned())];
    if let Some(plan) = plan {
        let sizes: Vec<String> = plan.waves.iter().map(u64::to_string).collect();
        facts.extend([
            ("Goes first", canary(app, act, plan)),
            ("Bots in each wave", sizes.join(", then ")),
            ("Settling time before each wave", format!("{} s", plan.settle_s)),
        ]);
    }
    facts
}

/// What else is signed with a recovery of the site.
fn recover_facts(app: &App, kind: &ActKind) -> Vec<(&'static str, String)> {
    let ActKind::Recover { log, next, reason, why, database_size, known_size, checkpoint, database_epoch, accepted_epoch, left_out, site } =
        kind
    else {
        return Vec::new();
    };
    let bots: Vec<String> = left_out.iter().map(|id| bot(app, id)).collect();
    let mut facts = vec![
        ("Reason", why.clone()),
        ("The log takes nothing because of", reason.clone()),
        ("Closed", format!("{log}, with {database_size} entries in the database of {known_size} that are known")),
        ("Goes on as", next.clone()),
        ("Highest epoch of the database", database_epoch.to_string()),
        ("Highest report that is believed", accepted_epoch.to_string()),
        ("Not believed", if bots.is_empty() { "nobody".to_owned() } else { bots.join(", ") }),
        ("SHA-256 of the last known checkpoint", if checkpoint.is_empty() { "there is none".to_owned() } else { checkpoint.clone() }),
    ];
    facts.extend(site.iter().map(|site| ("Site that takes over", site.clone())));
    facts
}

/// Who may take a seat, as the table of acts says.
pub fn who(app: &App, act: &ActView, seat: usize) -> String {
    match &act.act.kind {
        ActKind::Release { hold, .. } => {
            let view = app.fleet.view();
            let Some(hold) = view.open_hold(hold) else { return "nobody any more: the hold is over".to_owned() };
            let of_one = matches!(hold.scope, Scope::Bot(_)) && hold.level < Level::Kill;
            let by_trigger = of_one && hold.placed_by.kind == PlacerKind::Trigger;
            let of_one_by_risk = of_one && hold.placed_by.as_risk;
            let one_is_risk = if hold.placed_by.as_risk { "; one of the two holds risk, since risk placed it" } else { "" };
            match seat {
                1 if of_one_by_risk => {
                    "an operator or lead of the bot's team, or risk; one of the two holds risk, the other is of the team".to_owned()
                }
                1 if of_one => "an operator or lead of the bot's team".to_owned(),
                1 => format!("a lead of a covered team, or risk{one_is_risk}"),
                _ if of_one_by_risk => "another person who holds risk; where risk signed first, a lead of the bot's team".to_owned(),
                _ if by_trigger => "another operator of the bot's team, a lead, or risk".to_owned(),
                _ => format!("another lead, or risk{one_is_risk}"),
            }
        }
        ActKind::Releases { .. } if seat == 1 => "whoever may release each of these holds".to_owned(),
        ActKind::Releases { .. } => "another person who may be the second for each of those that take two".to_owned(),
        ActKind::Start { .. } if seat == 1 => "an operator or lead of the team of every bot in it".to_owned(),
        ActKind::Drill { .. } if seat == 1 => "an operator or lead of the bot's team, or risk".to_owned(),
        ActKind::RequestApprove { .. } => "whom the request's policy names".to_owned(),
        ActKind::ChecklistAttest { .. } => "an operator or lead of the bot's team, or risk".to_owned(),
        ActKind::GoLive { .. } => "whoever asked for it".to_owned(),
        ActKind::EmergencyChange { .. } if seat == 1 => "an operator or lead of the bot's team".to_owned(),
        ActKind::EmergencyChange { .. } => "another person: a lead of the bot's team, or risk".to_owned(),
        ActKind::EmergencyReview { .. } => "a lead, or risk, who did not sign the change".to_owned(),
        ActKind::Start { .. } | ActKind::Drill { .. } => "another person: a lead, or risk".to_owned(),
        ActKind::EnrolmentCode { .. } | ActKind::AgentConfirm { .. } | ActKind::AgentRevoke { .. } => {
            "an operator (up to stage sandbox) or a lead of the bot's team".to_owned()
        }
        ActKind::KeyDelete { .. } => "a lead of the bot's team, or risk".to_owned(),
        ActKind::Invite { .. }
        | ActKind::InviteAgain { .. }
        | ActKind::Grants { .. }
        | ActKind::Enable { .. }
        | ActKind::StopDevices { .. } => "an admin".to_owned(),
        ActKind::CredentialAdd { .. } | ActKind::CredentialRemove { .. } => "the person themselves, with a key that they have".to_owned(),
        ActKind::RecoveryAsk { .. } => "an admin, for somebody else".to_owned(),
        ActKind::RecoveryApprove { .. } => "another person who did not ask for it and stands no lower; no auditor".to_owned(),
        ActKind::RecoveryLink { .. } => "an admin, or somebody who approved it; never whoever asked".to_owned(),
        ActKind::RecoveryVeto { .. } => "the person themselves".to_owned(),
        ActKind::MailAddress { .. } | ActKind::StopDeviceLink { .. } => "the person themselves".to_owned(),
        ActKind::TokenCreate { scope, .. } if *scope == TokenScope::Build.as_str() => "whoever may ask for a step up themselves".to_owned(),
        ActKind::TokenCreate { .. } => "an admin, or a lead for their own team".to_owned(),
        ActKind::Recover { .. } => "a lead, risk or admin, by a link from the server's host; one of the two is risk or an admin".to_owned(),
    }
}

/// What a token of this scope may do.
pub fn token_words(scope: &str) -> &'static str {
    match scope.parse::<TokenScope>() {
        Ok(TokenScope::StopOnly) => "place holds and see how they go",
        Ok(TokenScope::Read) => "read bots, agents and holds",
        Ok(TokenScope::Operate) => {
            "read, place holds, make bots and move them up to sandbox, tighten limits, and ask for, change and deny requests"
        }
        Ok(TokenScope::Build) => "file a build for going live, in the name of whoever made it, and nothing else",
        Err(_) => "do nothing that this version knows",
    }
}

/// Roles in words.
pub fn roles(app: &App, grants: &[Grant]) -> String {
    if grants.is_empty() {
        return "no role".to_owned();
    }
    grants.iter().map(|grant| frame::role_words(app, grant)).collect::<Vec<_>>().join(", ")
}

fn placed(app: &App, id: &HoldId) -> Vec<(&'static str, String)> {
    let view = app.fleet.view();
    let Some(hold) = view.open_hold(id) else { return Vec::new() };
    let why = if hold.why.is_empty() { "none given".to_owned() } else { hold.why.clone() };
    let covers = view.under(hold).len();
    let covers = if covers == 1 { "1 bot".to_owned() } else { format!("{covers} bots") };
    let mut all =
        vec![("Placed", format!("{} by {}", hold.at.plain(), hold.placed_by.name)), ("Reason for the hold", why), ("Covers now", covers)];
    let disobeyed = app.unconfirmed_under(hold);
    if !disobeyed.is_empty() {
        all.push((
            "Never confirmed it",
            format!("{}: look at {} first", disobeyed.join(", "), if disobeyed.len() == 1 { "it" } else { "them" }),
        ));
    }
    all
}

/// A scope as an act writes it, in words.
fn scope_of(app: &App, text: &str) -> String {
    Scope::from_one(text).map_or_else(|| text.to_owned(), |scope| frame::scope_words(app, &scope))
}

fn person(app: &App, id: &crate::domain::UserId) -> String {
    app.people().who(id)
}

fn bot(app: &App, id: &crate::domain::BotId) -> String {
    app.fleet.view().bot(id).map_or_else(|| id.to_string(), |bot| bot.name.clone())
}

fn team_name(app: &App, id: &crate::domain::TeamId) -> String {
    app.people().team_name(id).unwrap_or_else(|| id.to_string())
}

/// What the signed content of a request asks for, as one line.
fn asked(app: &App, content: &str) -> String {
    let document: Option<Document> = serde_json::from_str(content).ok();
    let title = document.map(|document| app.request_title(document.content.kind(), &document.content.target()));
    title.unwrap_or_else(|| "what this version cannot read".to_owned())
}

/// The difference that the signed content makes, line by line.
fn request_facts(app: &App, (request, revision): (&RequestId, i64), digest: &str, content: &str) -> Vec<(&'static str, String)> {
    let document: Option<Document> = serde_json::from_str(content).ok();
    let lines = document.map(|document| document.content.lines_with(&|id| team_name(app, id))).unwrap_or_default();
    let line = |line: Line| {
        let raises = if line.raises { " (raises)" } else { "" };
        ("Change", format!("{}: now {}, after {}{raises}", line.setting, line.now, line.after))
    };
    let mut facts: Vec<_> = lines.into_iter().map(line).collect();
    facts.push(("Request", format!("{request}, revision {revision}")));
    facts.push(("SHA-256 of its content", digest.to_owned()));
    facts
}
