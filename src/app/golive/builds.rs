//! What a pipeline files: that a build which runs already, with its configuration, goes live. It is asked for in the name of whoever made the token,
//! over the same list as by hand, and only while the bot's agent says that it runs just this. Nothing else comes of it: whoever is named carries it
//! out and approves none of it, and what is refused changes nothing.

use super::{ask::AskGolive, stages_of};
use crate::app::{App, AppError, Invalid, said::DIGEST};
use crate::authz::{self, Action, Actor, Permit, Resource};
use crate::domain::{
    BotId, RequestId, Stage,
    golive::{OnDrift, Ran},
    leak,
};

/// What is filed, as it was sent.
#[derive(Debug, Clone, Default)]
pub struct Filed {
    /// Digest of the build.
    pub build: String,
    /// Digest of the configuration.
    pub config: String,
    /// Where the build comes from: an address.
    pub provenance: String,
    /// Why.
    pub why: String,
    /// What becomes of the bot when it is no longer so; empty: it is paused.
    pub on_drift: String,
    /// The stage that is asked for; empty: the next one, of a bot that is live its own.
    pub stage: String,
}

/// The longest address.
const LINK: usize = 500;

/// A digest as agents tell it: `sha256:` and hex, or what else a kind of bot has for one.
fn digest_of(text: &str) -> Result<String, &'static str> {
    let is_one = |byte: u8| byte.is_ascii_alphanumeric() || b":._+/=-".contains(&byte);
    let fits = (1..=DIGEST).contains(&text.len()) && text.bytes().all(is_one);
    if fits { Ok(text.to_owned()) } else { Err("must be the digest that the bot's agent tells: letters, digits and :._+/=- only") }
}

/// An address that others can look at, and that opens nothing.
fn link_of(text: &str) -> Result<String, &'static str> {
    let said = "must be an address that begins with https://, without a password, of at most 500 characters";
    let url = url::Url::parse(text.trim()).map_err(|_| said)?;
    let is_plain = url.scheme() == "https" && url.has_host() && url.username().is_empty() && url.password().is_none();
    if !is_plain || url.as_str().len() > LINK {
        return Err(said);
    }
    if leak::leak(url.as_str().as_bytes()).is_some() {
        Err("holds what looks like a secret: everybody here can read it")
    } else {
        Ok(url.to_string())
    }
}

impl App {
    /// Files what a pipeline built.
    ///
    /// # Errors
    /// `Denied`; `NotFound` for a bot of another team; `Invalid` by its field; `Conflict` when the bot runs something else, with every item that is
    /// open, and for what stands in the way of asking by hand.
    pub async fn file_build(&self, actor: &Actor, id: &BotId, filed: &Filed) -> Result<RequestId, AppError> {
        let bot = self.fleet.view().bot(id).cloned().filter(|bot| authz::sees_team(actor, &bot.team)).ok_or(AppError::NotFound("bot"))?;
        let permit = self.may_file(actor, &Self::bot_resource(&bot)).await?;
        let mut invalid = Invalid::default();
        let build = invalid.check("build", "build", digest_of(&filed.build));
        let config = invalid.check("config", "config", digest_of(&filed.config));
        let provenance = invalid.check("provenance", "provenance", link_of(&filed.provenance));
        let on_drift = if filed.on_drift.is_empty() { Ok(OnDrift::Pause) } else { filed.on_drift.parse::<OnDrift>() };
        let on_drift = invalid.check("on_drift", "on_drift:", on_drift);
        let stage = if filed.stage.is_empty() { Ok(None) } else { filed.stage.parse::<Stage>().map(Some) };
        let stage = invalid.check("stage", "stage:", stage);
        let (Some(build), Some(config), Some(provenance), Some(on_drift), Some(stage)) = (build, config, provenance, on_drift, stage)
        else {
            return Err(invalid.into());
        };
        let first = stages_of(&bot).first().copied();
        let to = stage.or(first).ok_or_else(|| AppError::conflict(format!("in stage {} nothing goes live by a request", bot.stage)))?;
        let expected = Some(Ran { build, config });
        let asked = AskGolive { on_drift, why: &filed.why, provenance: Some(provenance), expected };
        self.ask_golive_by(permit, &bot, to, asked).await
    }

    /// A token asks as its maker, so that both must be allowed to.
    async fn may_file(&self, actor: &Actor, about: &Resource) -> Result<Permit, AppError> {
        let permit = authz::check(actor, Action::FileBuild, about)?;
        let maker = self.person_behind(actor).await?;
        let maker = self.actor_of(&maker, false).ok_or(AppError::NotFound("token"))?;
        authz::check(&maker, Action::AskRequest, about)?;
        Ok(permit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_what_agents_tell() {
        for good in ["sha256:b0b0", "sha512-AB+/=", "a"] {
            assert_eq!(digest_of(good), Ok(good.to_owned()));
        }
        for wrong in ["", " sha256:b0", "<b>", "a\u{0}", &"a".repeat(129)] {
            assert!(digest_of(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_address_opens_nothing() {
        assert_eq!(link_of(" https://ci.example/runs/7 "), Ok("https://ci.example/runs/7".to_owned()));
        let token = format!("https://ci.example/?token={}", "ghp_".to_owned() + &"a1B2".repeat(9));
        for wrong in
            ["", "http://ci.example/7", "https://u:p@ci.example/7", "https://u@ci.example/7", "ci.example", "javascript:alert(1)", &token]
        {
            assert!(link_of(wrong).is_err(), "{wrong}");
        }
        assert!(link_of(&format!("https://ci.example/{}", "a".repeat(500))).is_err());
    }
}
