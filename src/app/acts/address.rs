//! Where a person's mail goes. Whoever can change that can keep a person from hearing of everything else, so it is signed with a key and told
//! to the old address as well. The act and its entry hold a salted digest: an address never gets into the log, which forgets nothing.

use super::{ActView, Detail, Outcome, carry_out::Effect, sign::signed_act};
use crate::app::{App, AppError, Invalid, tx::Act as OpenAct};
use crate::audit::Event;
use crate::authz::Actor;
use crate::crypto::token;
use crate::domain::{ActKind, Audience, MailAddress, Notice, NoticeKind, UserId};
use crate::storage;
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

/// An address and the salt of its digest: beside an act, never in it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Opening {
    /// The address.
    pub address: String,
    /// 128 random bits, base64url.
    pub salt: String,
}

impl Opening {
    fn new(address: &MailAddress) -> Result<Self, AppError> {
        Ok(Self { address: address.to_string(), salt: token::random::<16>()? })
    }
    /// What is signed: base64url of the SHA-256 of `SALT:ADDRESS`.
    pub fn commitment(&self) -> String {
        BASE64URL_NOPAD.encode(&Sha256::digest(format!("{}:{}", self.salt, self.address)))
    }
}

impl App {
    /// Prepares a change of where a person's own mail goes; an empty text: nowhere.
    ///
    /// # Errors
    /// `Denied`; `Invalid` for what is no address; `Conflict` when nothing would change.
    pub async fn prepare_address(&self, actor: &Actor, typed: &str) -> Result<ActView, AppError> {
        let user = actor.user().ok_or(AppError::NotFound("person"))?;
        let address = match typed.trim() {
            "" => None,
            typed => Some(typed.parse::<MailAddress>().map_err(|why| Invalid::one("address", format!("The address {why}")))?),
        };
        if storage::notices::address_of(&mut *self.db.read().await?, user).await? == address {
            let why = if address.is_some() { "Your notices go there already." } else { "You have no address here." };
            return Err(Invalid::one("address", why).into());
        }
        let opening = address.as_ref().map(Opening::new).transpose()?;
        let kind = ActKind::MailAddress { user: user.clone(), address: opening.as_ref().map(Opening::commitment) };
        self.prepare(actor, kind, Detail { opening, ..Detail::default() }, 1).await
    }

    pub(super) async fn carry_address(
        &self,
        open: &mut OpenAct<'_>,
        act: &ActView,
        (user, commitment): (&UserId, Option<&String>),
    ) -> Result<Effect, AppError> {
        let opening = act.detail.opening.as_ref();
        if opening.map(Opening::commitment).as_ref() != commitment {
            return Err(AppError::conflict("the address of this act is not the one that was signed"));
        }
        let address = opening.map(|opening| opening.address.parse::<MailAddress>()).transpose();
        let address = address.map_err(|why| AppError::conflict(format!("the address {why}")))?;
        let name = self.people().who(user);
        // First to where notices went until now: whoever still reads there must hear of it.
        let before = "Your notices do not come to the address any more that they came to until now. If it was you, there is nothing to do. \
                      If it was not, somebody has one of your security keys and your password: tell an administrator at once.";
        let told = Notice::new(NoticeKind::AddressChanged, format_args!("{}:from", act.stored.id), "Your notices go elsewhere now", before);
        open.tell(&Audience::person(user), &told.at("/me")).await?;
        let now = open.now();
        storage::notices::address_set(open.tx(), user, address.as_ref(), now).await?;
        if address.is_some() {
            let after = "Your notices come to this address from now on. You signed for that with a security key.";
            let told = Notice::new(NoticeKind::AddressChanged, format_args!("{}:to", act.stored.id), "Your notices come here now", after);
            open.tell(&Audience::person(user), &told.at("/me")).await?;
        }
        let text = format!("{name} has changed where their notices go, signed with one of their security keys.");
        let told = Notice::new(NoticeKind::AddressChanged, &act.stored.id, format!("{name} changed their mail address"), text);
        self.tell_admins_but(open, user, &told.at(format!("/people/{user}"))).await?;
        let event = Event::AddressChanged { user: user.clone(), is_set: address.is_some(), signed: signed_act(act)? };
        Ok(Effect { event, outcome: Outcome::Done("/me".into()), after: None })
    }
}
