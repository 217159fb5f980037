//! How a main account at a venue is kept safe: what no key of it can read, so that somebody looks it up there and answers for it.

use super::text::text_enum;

text_enum! {
    /// What a sign-in at the venue asks for beside the password.
    SecondFactor {
        /// A security key or passkey.
        SecurityKey = "security_key",
        /// A code of an app.
        App = "app",
        /// A code by message or mail.
        Message = "message",
        /// Nothing.
        None = "none",
        /// Nobody has looked.
        Unknown = "unknown",
    }
}

text_enum! {
    /// Whether something is so.
    Holds {
        /// It is.
        Yes = "yes",
        /// It is not.
        No = "no",
        /// Nobody has looked.
        Unknown = "unknown",
    }
}

/// After how many days a sheet is to be looked over again.
pub const REVIEW_DAYS: i64 = 90;

/// The safety sheet of an account.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SafetySheet {
    /// What a sign-in asks for.
    pub second_factor: SecondFactor,
    /// Withdrawals go to whitelisted addresses only, and the list is locked.
    pub whitelist_locked: Holds,
    /// Notices of new devices, keys and addresses arrive where somebody watches: where.
    pub notices_to: String,
    /// Who can recover the account, and how.
    pub recovery: String,
    /// Who may speak with the venue's support, and with what proof.
    pub support: String,
    /// From which devices people sign in there.
    pub devices: String,
    /// What is known of the venue itself: licence, custody, outages; and when that was looked at.
    pub diligence: String,
}

impl Default for SafetySheet {
    fn default() -> Self {
        Self {
            second_factor: SecondFactor::Unknown,
            whitelist_locked: Holds::Unknown,
            notices_to: String::new(),
            recovery: String::new(),
            support: String::new(),
            devices: String::new(),
            diligence: String::new(),
        }
    }
}

impl SafetySheet {
    /// What is not safe or not known of it, in words. Empty: everything is in order.
    pub fn gaps(&self) -> Vec<&'static str> {
        let texts = [
            (&self.notices_to, "nobody is named who watches the venue's notices"),
            (&self.recovery, "how the account is recovered is not written down"),
            (&self.support, "who may speak with support is not written down"),
            (&self.devices, "the devices that people sign in from are not written down"),
            (&self.diligence, "the venue itself was not looked at"),
        ];
        let mut gaps = Vec::new();
        match self.second_factor {
            SecondFactor::SecurityKey => {}
            SecondFactor::App => gaps.push("a code of an app can be asked out of somebody; a security key cannot"),
            SecondFactor::Message => gaps.push("a code by message or mail goes to whoever takes the number or the mailbox"),
            SecondFactor::None => gaps.push("a password alone opens it"),
            SecondFactor::Unknown => gaps.push("its second factor is not known"),
        }
        match self.whitelist_locked {
            Holds::Yes => {}
            Holds::No => gaps.push("whoever signs in can withdraw to an address of their own"),
            Holds::Unknown => gaps.push("whether withdrawals are whitelisted is not known"),
        }
        gaps.extend(texts.into_iter().filter(|(text, _)| text.is_empty()).map(|(_, gap)| gap));
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_a_gap_and_so_is_what_is_weak() {
        let mut sheet = SafetySheet::default();
        assert_eq!(sheet.gaps().len(), 7);
        for text in [&mut sheet.notices_to, &mut sheet.recovery, &mut sheet.support, &mut sheet.devices, &mut sheet.diligence] {
            *text = "written down".to_owned();
        }
        (sheet.second_factor, sheet.whitelist_locked) = (SecondFactor::SecurityKey, Holds::Yes);
        assert!(sheet.gaps().is_empty());
        for weak in [SecondFactor::App, SecondFactor::Message, SecondFactor::None, SecondFactor::Unknown] {
            assert_eq!(SafetySheet { second_factor: weak, ..sheet.clone() }.gaps().len(), 1, "{weak}");
        }
    }
}
