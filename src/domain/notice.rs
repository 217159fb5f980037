//! Notices: what people are told about their account and what they look after, who is told, and where their mail goes.
//! A notice never holds a secret or a one-time link: it says where to look instead.

use super::{UserId, text::text_enum};
use std::{fmt, str::FromStr};

/// The longest title, in characters.
const TITLE: usize = 150;
/// The longest text, in characters.
const TEXT: usize = 2_000;

text_enum! {
    /// What a notice is about.
    NoticeKind {
        /// A security key was added.
        KeyAdded = "key_added",
        /// A security key was removed.
        KeyRemoved = "key_removed",
        /// A security key gave an answer that its counter says it cannot have given.
        KeySuspect = "key_suspect",
        /// The password was set.
        PasswordSet = "password_set",
        /// Where notices go was changed.
        AddressChanged = "address_changed",
        /// A sign-in from a device that was not seen before.
        NewDevice = "new_device",
        /// A sign-in was refused: a wrong key, or wrong passwords again and again.
        SignInRefused = "sign_in_refused",
        /// Sessions were ended by somebody else.
        SessionsEnded = "sessions_ended",
        /// Roles were changed.
        RolesChanged = "roles_changed",
        /// A person was invited, or again.
        Invited = "invited",
        /// An account was disabled.
        Disabled = "disabled",
        /// An account was enabled again.
        Enabled = "enabled",
        /// Somebody asked to recover an account.
        RecoveryAsked = "recovery_asked",
        /// A recovery was approved by one or by all who must.
        RecoveryApproved = "recovery_approved",
        /// A recovery was vetoed or refused.
        RecoveryStopped = "recovery_stopped",
        /// A recovery happened, or was done on the server's host.
        RecoveryDone = "recovery_done",
        /// A stop device was enrolled.
        StopDeviceAdded = "stop_device_added",
        /// A stop device was used.
        StopDeviceUsed = "stop_device_used",
        /// A stop device was revoked, or its time is over.
        StopDeviceEnded = "stop_device_ended",
        /// An API token was made.
        TokenMade = "token_made",
        /// An API token was revoked, or its time is over.
        TokenEnded = "token_ended",
        /// A policy of the installation was changed.
        PolicyChanged = "policy_changed",
        /// A person asked whether notices reach them.
        Test = "test",
        /// The site was recovered after a restore or a freeze.
        SiteRecovered = "site_recovered",
        /// Something needs somebody at once.
        Alert = "alert",
        /// A request waits for somebody's approval, or for its requester.
        RequestAsked = "request_asked",
        /// What became of a request.
        RequestEnded = "request_ended",
        /// What the register says of something one is accountable for was changed.
        RegisterChanged = "register_changed",
        /// Something that a bot's approval to trade live rests on ends soon.
        GoLiveEnds = "golive_ends",
        /// A bot went up a stage.
        WentUp = "went_up",
    }
}

/// What somebody is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it is about.
    pub kind: NoticeKind,
    /// Names what it tells of, once per person for ever: a repeat with the same words tells nobody twice. `key_added:CREDENTIAL`.
    pub once: String,
    /// One line, the mail's subject.
    pub title: String,
    /// Sentences in plain text. An empty line parts paragraphs.
    pub text: String,
    /// Where to look: a path of this installation.
    pub link: Option<String>,
}

impl Notice {
    /// A notice. `about` tells this one from others of its kind: an id. What does not fit is cut; control characters become spaces.
    pub fn new(kind: NoticeKind, about: impl fmt::Display, title: impl AsRef<str>, text: impl AsRef<str>) -> Self {
        let clean = |text: &str, most: usize, keep: &[char]| -> String {
            let calm = text.chars().map(|c| if c.is_control() && !keep.contains(&c) { ' ' } else { c });
            calm.take(most).collect::<String>().trim().to_owned()
        };
        Self {
            kind,
            once: format!("{kind}:{about}"),
            title: clean(title.as_ref(), TITLE, &[]),
            text: clean(text.as_ref(), TEXT, &['\n']),
            link: None,
        }
    }

    /// With a place to look: a path such as `/me`. Anything else is left out, so that no link leads away from here.
    #[must_use]
    pub fn at(mut self, path: impl Into<String>) -> Self {
        let path = path.into();
        let leads_away = !path.starts_with('/') || path.starts_with("//") || path.contains(['\\', '\n', '\r', ' ']);
        self.link = (!leads_away).then_some(path);
        self
    }
}

/// Who is told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Audience {
    /// These, enabled or not: who was disabled is told as well.
    pub people: Vec<UserId>,
    /// Every enabled admin.
    pub admins: bool,
}

impl Audience {
    /// One person.
    pub fn person(id: &UserId) -> Self {
        Self { people: vec![id.clone()], admins: false }
    }
    /// Everyone who administers.
    pub fn admins() -> Self {
        Self { people: Vec::new(), admins: true }
    }
    /// And this person.
    #[must_use]
    pub fn and(mut self, id: &UserId) -> Self {
        self.people.push(id.clone());
        self
    }
    /// And everyone who administers.
    #[must_use]
    pub fn and_admins(mut self) -> Self {
        self.admins = true;
        self
    }
}

/// Where a person's mail goes: `NAME@HOST` in ASCII.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailAddress(String);

/// A text that is no mail address, to be read after the field's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// Too long for a mail server.
    #[error("is longer than 254 characters")]
    TooLong,
    /// Not of the form.
    #[error("is not of the form name@example.com; letters beyond ASCII go in their xn-- form")]
    Form,
}

impl MailAddress {
    /// Takes an address that our own database holds.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }
    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MailAddress {
    type Err = BadAddress;
    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let text = text.trim();
        if text.len() > 254 {
            return Err(BadAddress::TooLong);
        }
        let (name, host) = text.rsplit_once('@').ok_or(BadAddress::Form)?;
        let in_name = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(c);
        let name_is_good = (1..=64).contains(&name.len()) && name.chars().all(in_name) && name.split('.').all(|part| !part.is_empty());
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if name_is_good && host.split('.').all(is_label) {
            Ok(Self(format!("{name}@{}", host.to_ascii_lowercase())))
        } else {
            Err(BadAddress::Form)
        }
    }
}

impl fmt::Display for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_name_at_one_host() {
        for good in ["lea@example.com", "a.b+andon@Mail.Example.COM", "root@localhost", "x@xn--bcher-kva.example", " lea@example.com\n"] {
            assert!(good.parse::<MailAddress>().is_ok(), "{good}");
        }
        assert_eq!("Lea@Example.COM".parse::<MailAddress>().unwrap().as_str(), "Lea@example.com");
        for bad in [
            "",
            "lea",
            "@example.com",
            "lea@",
            "a b@example.com",
            "lea@ex ample",
            "lea@-x.example",
            "a..b@x.example",
            ".a@x.example",
            "lea@x..y",
        ] {
            assert_eq!(bad.parse::<MailAddress>(), Err(BadAddress::Form), "{bad}");
        }
        for attack in [
            "lea@x.example\r\nRCPT TO:<eve@x.example>",
            "<lea@x.example>",
            "lea@x.example,eve@x.example",
            "lea\0@x.example",
            "léa@x.example",
        ] {
            assert!(attack.parse::<MailAddress>().is_err(), "{attack}");
        }
        assert_eq!(format!("{}@x.example", "a".repeat(300)).parse::<MailAddress>(), Err(BadAddress::TooLong));
    }

    #[test]
    fn a_notice_is_one_line_and_leads_nowhere_else() {
        let notice = Notice::new(NoticeKind::Test, "1", "Hello\r\nBcc: eve@x.example", "One.\n\nTwo.\u{7}");
        assert_eq!(notice.title, "Hello  Bcc: eve@x.example");
        assert_eq!(notice.text, "One.\n\nTwo.");
        assert_eq!(notice.once, "test:1");
        assert_eq!(notice.clone().at("/me").link.as_deref(), Some("/me"));
        for away in ["https://x.example", "//x.example", "/\\x.example", "me", "/a\nb"] {
            assert_eq!(notice.clone().at(away).link, None, "{away}");
        }
        assert_eq!(Notice::new(NoticeKind::Test, "1", "x".repeat(999), "").title.len(), TITLE);
    }
}
