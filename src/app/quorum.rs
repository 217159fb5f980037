//! Quorum safety where it meets acts. Taking roles away is refused when a policy would be left with too few people, unless the installation is
//! small; disabling somebody is a stop and never is. Whatever is missing already is said on the page of people, with how to mend it.

use super::{
    App, AppError,
    people::key_counts,
    recoveries::{freeze_of, party},
    tx::Act,
};
use crate::domain::{
    AlertKind, Audience, Grant, KEYS_NEEDED, Notice, NoticeKind, Rules, Subject, UserId,
    quorum::{self, Gap, Policy},
    recovery::Party,
};
use crate::storage::{self, Conn, users::User};

impl App {
    /// Policies that cannot be met now.
    pub fn quorum_gaps(&self) -> Vec<Gap> {
        let members = self.members();
        quorum::gaps_with(&members, &quorum::teams(&members), &self.rules())
    }

    /// Policies that can be met now and could not without this person.
    pub fn quorum_gaps_without(&self, user: &UserId) -> Vec<Gap> {
        let members = self.members();
        let left: Vec<Party> = members.iter().filter(|member| member.id != *user).cloned().collect();
        quorum::broken(&members, &left, user, &self.rules())
    }

    /// A policy in words: what nobody could do any more, and how to mend it.
    pub fn gap_words(&self, gap: &Gap) -> String {
        let team = |id| self.people_book.team_name(id).unwrap_or_else(|| "a team that is gone".to_owned());
        let (what, mend) = match &gap.policy {
            Policy::Admin => ("looking after people".to_owned(), "give somebody the role admin".to_owned()),
            Policy::ReleaseFleet => {
                ("releasing a hold on the whole fleet".to_owned(), "give another person the role lead or risk".to_owned())
            }
            Policy::ReleaseTeam(id) => (
                format!("releasing a hold on team {}", team(id)),
                format!("it takes a lead of {} or risk, and another lead or risk", team(id)),
            ),
            Policy::StartSeveral(id) => (
                format!("starting several bots of team {} at once", team(id)),
                format!("it takes an operator or lead of {}, and another person who is lead or risk", team(id)),
            ),
            Policy::Recovery(id) => (
                format!("recovering the account of {}", self.people_book.who(id)),
                "it takes two others who stand no lower, one of them outside of their teams; until then only the server's host can"
                    .to_owned(),
            ),
            Policy::Approval(kind, of) => (
                format!("approving {}{}", kind.words(), of.as_ref().map_or_else(String::new, |id| format!(" in team {}", team(id)))),
                format!("it takes somebody who asks, and others: {}", self.rules().of(*kind).words()),
            ),
        };
        format!("{what}: {} of {} people. To mend it, {mend}", gap.have, gap.need)
    }

    /// Refuses a change of roles after which a policy could not be met that can be met now, unless the installation is small by its enabled
    /// people.
    pub(crate) fn keeps_quorum(
        &self,
        (before, enabled): (&[Party], usize),
        (user, grants): (&UserId, &[Grant]),
        rules: &Rules,
    ) -> Result<(), AppError> {
        if quorum::is_small(enabled) {
            return Ok(());
        }
        let change = |member: &Party| if member.id == *user { Party { id: user.clone(), grants: grants.to_vec() } } else { member.clone() };
        let after: Vec<Party> = before.iter().map(change).collect();
        let broken = quorum::broken(before, &after, user, rules);
        if broken.is_empty() {
            return Ok(());
        }
        let words = |gap: &Gap| format!("too few people would be left for {}", self.gap_words(gap));
        Err(AppError::Conflict(broken.iter().map(words).collect()))
    }

    /// Everybody who could be asked to sign something, as this transaction sees them: enabled, with two keys that count, not frozen.
    pub(crate) async fn members_in(&self, conn: &mut Conn) -> Result<Vec<Party>, AppError> {
        let now = self.clock.now();
        let keys = key_counts(storage::credentials::credential_tally(conn).await?);
        let recoveries = self.recent_recoveries(conn).await?;
        let may_sign = |user: &User| {
            let keys = keys.get(&user.id).copied().unwrap_or_default().for_grants(&user.grants);
            user.enabled && keys >= KEYS_NEEDED && freeze_of(recoveries.iter(), &user.id, now).is_none()
        };
        let users = storage::users::user_all(conn).await?;
        Ok(users.iter().filter(|user| may_sign(user)).map(party).collect())
    }

    /// Tells everyone who administers what is missing without somebody who is being disabled.
    pub(crate) async fn tell_of_gaps(&self, act: &mut Act<'_>, user: &UserId) -> Result<(), AppError> {
        let gaps = self.quorum_gaps_without(user);
        if gaps.is_empty() {
            return Ok(());
        }
        let whose = self.people_book.who(user);
        let lines: Vec<String> = gaps.iter().map(|gap| self.gap_words(gap)).collect();
        let text = format!("{whose} was disabled. That leaves too few people for:\n\n{}", lines.join("\n"));
        let title = format!("Too few people are left without {whose}");
        let notice = Notice::new(NoticeKind::Disabled, format!("{user}:{}:gaps", act.now().0), title, text).at("/people");
        act.tell(&Audience::admins(), &notice).await.map(drop)
    }
}

impl App {
    /// Raises an alert for policies that too few people are left for, and settles it when there are enough again. An installation that is small by
    /// its people has its own rules, which every page says.
    pub fn check_quorum(&self) {
        let subject = Subject::installation();
        let gaps = if quorum::is_small(self.people_book.enabled()) { Vec::new() } else { self.quorum_gaps() };
        if gaps.is_empty() {
            if self.alerts.is_open(AlertKind::QuorumUnmet, &subject) {
                self.settle(AlertKind::QuorumUnmet, &subject, "enough people hold the roles again");
            }
            return;
        }
        let lines: Vec<String> = gaps.iter().map(|gap| self.gap_words(gap)).collect();
        self.raise(AlertKind::QuorumUnmet, subject, format!("Too few people are left for: {}. See People and Policies.", lines.join("; ")));
    }
}
