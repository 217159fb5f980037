//! Rights that the log gives: from the moment on in which somebody else could approve them, nobody gets a wide role by one person's signature. What
//! the log does not tell of a person, as in one that went on from a copy, is not held against anybody.

use super::Event;
use crate::domain::{Grant, Role, Rules, UserId};
use std::collections::HashMap;

/// What somebody holds.
struct Standing {
    enabled: bool,
    grants: Vec<Grant>,
}

/// What everybody holds by the entries seen so far.
#[derive(Default)]
pub(super) struct Rights {
    held: HashMap<UserId, Standing>,
    rules: Rules,
    // The moment from which on others approve.
    since: Option<i64>,
}

impl Rights {
    /// Takes the next entry, of this moment.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn take(&mut self, (ts, actor): (i64, &str), event: &Event) -> Result<(), String> {
        // What the same act gives was still one person's: its entries have one moment.
        let others_approve = self.since.is_some_and(|since| ts > since);
        match event {
            Event::InstallationSetUp { admin, .. } => self.hold(admin, vec![Grant { role: Role::Admin, team: None }]),
            Event::RightsTakeApproval {} => {
                self.since.get_or_insert(ts);
            }
            Event::PolicyChanged { version, about, rule, .. } => {
                self.rules = std::mem::take(&mut self.rules).with(*version, *about, rule.clone());
            }
            Event::UserInvited { user, grants, .. } => {
                let gives = others_approve && self.rules.gives_wide(&[], grants);
                self.hold(user, grants.clone());
                return refuse(gives);
            }
            // A new link is a way to everything that they hold.
            Event::UserInvitedAgain { user, .. } => {
                let gives = self.held.get(user).is_some_and(|held| self.rules.gives_wide(&[], &held.grants));
                return refuse(others_approve && gives);
            }
            // What entries that are lost said of anybody is not so any more. An incarnation in which others approve says so at its beginning.
            Event::LogRecovered { .. } => self.begin_anew(),
            Event::GrantsChanged { user, grants, request, .. } => {
                let gives = self.held.get(user).is_some_and(|held| self.rules.gives_wide(&held.grants, grants));
                self.hold(user, grants.clone());
                return refuse(others_approve && gives && request.is_none());
            }
            Event::UserDisabled { user } => self.enable(user, false),
            Event::UserEnabled { user, request, .. } => {
                let was = self.held.get(user).filter(|held| !held.enabled);
                let gives = was.is_some_and(|held| self.rules.gives_wide(&[], &held.grants));
                self.enable(user, true);
                // Where nobody is left who could approve it, whoever runs the host enables them, and everybody is told.
                return refuse(others_approve && gives && request.is_none() && !actor.starts_with("host:"));
            }
            _ => {}
        }
        Ok(())
    }

    fn begin_anew(&mut self) {
        *self = Self::default();
    }

    fn hold(&mut self, user: &UserId, grants: Vec<Grant>) {
        let enabled = self.held.get(user).is_none_or(|held| held.enabled);
        self.held.insert(user.clone(), Standing { enabled, grants });
    }

    fn enable(&mut self, user: &UserId, enabled: bool) {
        if let Some(held) = self.held.get_mut(user) {
            held.enabled = enabled;
        }
    }
}

fn refuse(is_wrong: bool) -> Result<(), String> {
    if is_wrong { Err("rights that others approve, given without a request".into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::SignedAct;
    use crate::domain::RequestId;

    fn signed() -> SignedAct {
        SignedAct { act: String::new(), assertions: Vec::new() }
    }
    fn user(name: &str) -> UserId {
        UserId::from_stored(name.into())
    }
    fn grant(role: Role) -> Vec<Grant> {
        vec![Grant { role, team: None }]
    }
    fn invited(name: &str, role: Role) -> Event {
        Event::UserInvited { user: user(name), name: name.into(), grants: grant(role), signed: signed() }
    }
    fn changed(name: &str, role: Role, request: Option<RequestId>) -> Event {
        Event::GrantsChanged { user: user(name), grants: grant(role), signed: None, request }
    }
    fn enabled(name: &str) -> Event {
        Event::UserEnabled { user: user(name), signed: None, request: None }
    }
    /// Whether each of these entries, a second apart, is right.
    fn all(entries: &[(&str, Event)]) -> Vec<bool> {
        let mut rights = Rights::default();
        entries.iter().enumerate().map(|(n, (actor, event))| rights.take((n as i64, actor), event).is_ok()).collect()
    }

    #[test]
    fn one_signature_gives_wide_rights_only_until_somebody_else_could_approve_them() {
        let by = "user:a";
        let entries = [
            (by, invited("b", Role::Risk)),
            (by, Event::RightsTakeApproval {}),
            (by, invited("c", Role::Auditor)),
            (by, invited("d", Role::Risk)),
            (by, changed("c", Role::Admin, None)),
            (by, changed("c", Role::Admin, Some(RequestId::new()))),
            (by, changed("b", Role::Auditor, None)),
            (by, changed("unknown", Role::Admin, None)),
        ];
        assert_eq!(all(&entries), [true, true, true, false, false, true, true, true]);
    }

    #[test]
    fn whoever_holds_such_is_enabled_by_a_request_or_on_the_host() {
        let by = "user:a";
        let disabled = || Event::UserDisabled { user: user("b") };
        let entries = [
            (by, invited("b", Role::Risk)),
            (by, Event::RightsTakeApproval {}),
            (by, enabled("b")),
            (by, disabled()),
            (by, enabled("b")),
            (by, disabled()),
            ("host:root", enabled("b")),
        ];
        assert_eq!(all(&entries), [true, true, true, true, false, true, true], "who is enabled gains nothing by it");
    }

    #[test]
    fn a_new_incarnation_is_held_to_what_it_says_itself() {
        let recovered = |says: bool| {
            let mut rights = Rights::default();
            assert!(rights.take((1, "user:a"), &Event::RightsTakeApproval {}).is_ok());
            rights.begin_anew();
            if says {
                assert!(rights.take((2, "user:a"), &Event::RightsTakeApproval {}).is_ok());
            }
            rights.take((3, "user:a"), &invited("b", Role::Risk)).is_ok()
        };
        assert!(!recovered(true) && recovered(false), "one that was restored from before the second approver has none yet");
    }

    #[test]
    fn what_the_same_act_gives_is_still_one_persons() {
        let mut rights = Rights::default();
        assert!(rights.take((7, "user:a"), &Event::RightsTakeApproval {}).is_ok());
        assert!(rights.take((7, "user:a"), &invited("b", Role::Lead)).is_ok());
        assert!(rights.take((8, "user:a"), &invited("c", Role::Lead)).is_err());
    }
}
