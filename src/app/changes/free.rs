//! Settings that take no request, as the register of changes lists them: rights that one admin gives or takes, what the register says of a bot, who
//! may start it, what its agent declares, what watches over it, tokens, stop devices, and what changed at an exchange.

use super::facts::Read;
use crate::app::{App, register};
use crate::audit::Event;
use crate::domain::{BotId, change_register::What};

/// A setting of one person's.
fn free(bot: Option<&BotId>, words: String, note: &str) -> Read {
    Read { note: note.to_owned(), ..Read::listed(What::Nothing, (bot, None), words) }
}

const ONE_PERSONS: &str = "one person's: this takes no request";
const SIGNED: &str = "signed by one person: this takes no request";

impl App {
    /// What an entry of such a setting says; none: it is of no such thing.
    pub(super) fn free_read(&self, event: Event) -> Option<Read> {
        let who = |user: &crate::domain::UserId| self.people().who(user);
        Some(match event {
            Event::BotMoved { bot, from, to } => {
                let team = |id| self.people().team_name(id).unwrap_or_else(|| "a team that is gone".to_owned());
                let words = format!("moved from team {} to {}", team(&from), team(&to));
                Read { what: What::Unapproved(bot.clone()), ..free(Some(&bot), words, "what was approved of it ended with that") }
            }
            Event::ApplyWithinDeclared { bot, apply_within_ms } => {
                free(Some(&bot), format!("a stop is applied within {apply_within_ms} ms"), "its agent's own word")
            }
            Event::OperatorsListed { bot, operators } => {
                let names: Vec<String> = operators.iter().map(who).collect();
                let words = if names.is_empty() { "whoever its team's roles allow".to_owned() } else { names.join(", ") };
                free(Some(&bot), format!("may be started by {words}"), ONE_PERSONS)
            }
            Event::RegisterEdited { what, name, bot, changes, .. } => {
                free(bot.as_ref(), format!("{what} {name}: {}", register::words(&changes)), ONE_PERSONS)
            }
            Event::RegisterRetired { what, name, retired, .. } => {
                free(None, format!("{what} {name} {}", if retired { "retired" } else { "in use again" }), ONE_PERSONS)
            }
            Event::BotsLinked { bot, other, why } => free(Some(&bot), format!("bound to {}: {why}", self.change_bot(&other)), ONE_PERSONS),
            Event::BotsUnlinked { bot, other } => {
                free(Some(&bot), format!("not bound to {} any more", self.change_bot(&other)), ONE_PERSONS)
            }
            Event::AccountReviewed { name, .. } => free(None, format!("the safety sheet of account {name}"), ONE_PERSONS),
            Event::WatchSet { bot, reaction, guard_cancels } => {
                let words = format!("a difference with its venue: {reaction}; the guard cancels: {guard_cancels}");
                free(Some(&bot), words, ONE_PERSONS)
            }
            Event::RegisterImported { added, changed, .. } => {
                free(None, format!("a file was taken into the register: {added} added, {changed} changed"), ONE_PERSONS)
            }
            Event::UserInvited { user, .. } => free(None, format!("{} was invited", who(&user)), SIGNED),
            Event::GrantsChanged { user, request: None, .. } => free(None, format!("roles of {}", who(&user)), SIGNED),
            Event::UserDisabled { user } => free(None, format!("{} was disabled", who(&user)), ONE_PERSONS),
            Event::UserEnabled { user, request: None, .. } => free(None, format!("{} was enabled again", who(&user)), SIGNED),
            Event::TokenCreated { name, scope, .. } => free(None, format!("token {name} was made, for {scope}"), SIGNED),
            Event::TokenRevoked { token, why } => {
                free(None, format!("token {token} was revoked"), &why.unwrap_or_else(|| ONE_PERSONS.to_owned()))
            }
            Event::StopDevicesSet { allowed, .. } => {
                free(None, format!("stop devices are {}", if allowed { "allowed" } else { "not allowed" }), SIGNED)
            }
            Event::AgentEnrolled { bot, name, .. } => {
                free(Some(&bot), format!("agent {name} enrolled itself"), "with a code of one person's")
            }
            Event::AgentConfirmed { bot, fingerprint, .. } => free(Some(&bot), format!("its agent was confirmed by {fingerprint}"), SIGNED),
            Event::AgentRevoked { bot, why, .. } => free(Some(&bot), format!("its agent was revoked: {why}"), SIGNED),
            Event::CredentialAdded { user, nickname, .. } => free(None, format!("security key {nickname} of {}", who(&user)), "their own"),
            Event::CredentialRemoved { user, nickname, .. } => {
                free(None, format!("security key {nickname} of {} was removed", who(&user)), SIGNED)
            }
            Event::CredentialSuspended { user, why, .. } => free(None, format!("a security key of {} was suspended", who(&user)), &why),
            Event::RpIdChanged { from, to, .. } => {
                free(None, format!("keys are of {to} from here on, before of {from}"), "on the server's host")
            }
            Event::RecoveryDone { user, .. } => free(None, format!("the account of {} was recovered", who(&user)), "by a recovery"),
            Event::DeviceEnrolled { user, name, .. } => free(None, format!("stop device {name} of {}", who(&user)), ONE_PERSONS),
            Event::DeviceEnded { user, why, .. } => free(None, format!("a stop device of {} ended", who(&user)), &why),
            other => return self.ended_read(other),
        })
    }

    /// The same of what ended, and of what was written down or changed at an exchange.
    fn ended_read(&self, event: Event) -> Option<Read> {
        Some(match event {
            Event::LimitsOverrideEnded { bot, symbol, why, .. } => free(Some(&bot), format!("the larger position in {symbol} ended"), &why),
            Event::EmergencyEnded { bot, why, .. } => free(Some(&bot), "an emergency change ended".to_owned(), &why),
            Event::KeyEnded { bot, key, why, .. } => free(Some(&bot), format!("exchange key {key} ended"), &why),
            Event::TeamCreated { name, .. } => free(None, format!("team {name} was written down"), ONE_PERSONS),
            Event::VenueCreated { name, .. } => free(None, format!("venue {name} was written down"), ONE_PERSONS),
            Event::AccountCreated { name, .. } => free(None, format!("account {name} was written down"), ONE_PERSONS),
            Event::SubaccountCreated { name, .. } => free(None, format!("subaccount {name} was written down"), ONE_PERSONS),
            Event::VenueChanged { name, what, .. } => {
                free(None, format!("exchange {name}: {what}"), "the exchange's own: tests of builds there are due again")
            }
            _ => return None,
        })
    }
}
