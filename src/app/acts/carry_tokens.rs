//! Carrying out what is about tokens and stop devices: a new API token, a link for a phone, and whether phones may be stop devices.

use super::{ActView, Outcome, carry_out::Effect, sign::signed_act};
use crate::app::{
    App, AppError,
    stop_devices::{LINK_LIVES_MS, OFF, ended_notice},
    tx::Act as OpenAct,
};
use crate::audit::Event;
use crate::crypto::token::{self, TokenDigest};
use crate::domain::{Audience, Notice, NoticeKind, Secret, TeamId, TokenId, TokenScope, UserId, time::DAY_MS};
use crate::storage::{self, settings, stop_devices::DeviceLink, tokens::StoredToken};

impl App {
    pub(super) async fn carry_token(
        &self,
        open: &mut OpenAct<'_>,
        act: &ActView,
        (name, scope, team, days): (&str, &str, Option<&TeamId>, u32),
    ) -> Result<Effect, AppError> {
        let scope: TokenScope = scope.parse().map_err(|_| AppError::conflict("this version knows no such scope"))?;
        let token = token::new_token(scope.prefix())?;
        let now = open.now();
        let row = StoredToken {
            id: TokenId::new(),
            name: name.to_owned(),
            token_hash: TokenDigest::of(token.expose()).hex(),
            scope: scope.as_str().to_owned(),
            team_id: team.cloned(),
            made_by: act.stored.made_by.clone(),
            made_at: now,
            expires_at: now.plus_ms(i64::from(days) * DAY_MS),
            revoked_at: None,
            last_used_at: None,
            last_used_from: None,
            warned_at: None,
        };
        storage::tokens::token_insert(open.tx(), &row).await?;
        open.changes_books();
        let maker = self.people().who(&row.made_by);
        let of = team.map_or_else(|| "the whole installation".to_owned(), |team| self.people().team_name(team).unwrap_or_default());
        let said = format!("{maker} made the API token {name}: {scope}, in {of}, for {days} days. Revoke it if nobody should have it.");
        let notice = Notice::new(NoticeKind::TokenMade, &row.id, format!("API token {name} was made"), said).at("/tokens");
        open.tell(&self.token_audience(&row), &notice).await?;
        let event = Event::TokenCreated { token: row.id, name: row.name, scope: row.scope, team: row.team_id, signed: signed_act(act)? };
        Ok(Effect { event, outcome: Outcome::Secret { title: "API token", secret: token, next: "/tokens".into() }, after: None })
    }

    /// Off ends every device: what is forbidden is not left lying about until somebody allows it again.
    pub(super) async fn carry_stop_devices(&self, open: &mut OpenAct<'_>, act: &ActView, allowed: bool) -> Result<Effect, AppError> {
        let now = open.now();
        if settings::setting_is_on(open.tx(), settings::STOP_DEVICES).await? == allowed {
            return Err(AppError::conflict(if allowed { "stop devices are allowed already" } else { "stop devices are off already" }));
        }
        settings::setting_turn(open.tx(), settings::STOP_DEVICES, allowed, now).await?;
        let who = self.people().who(&act.stored.made_by);
        let mut ended = 0;
        if !allowed {
            let why = format!("{who} turned stop devices off");
            for device in storage::stop_devices::device_all(open.tx()).await? {
                storage::stop_devices::device_links_end(open.tx(), &device.user_id, now).await?;
                if storage::stop_devices::device_end(open.tx(), &device.id, now, &why).await? && device.expires_at > now {
                    ended += 1;
                    open.tell(&Audience::person(&device.user_id), &ended_notice(&device, &why)).await?;
                    open.record(Event::DeviceEnded { device: device.id, user: device.user_id, why: why.clone() }).await?;
                }
            }
        }
        open.changes_books();
        let (title, said) = if allowed {
            (
                "Stop devices are allowed",
                format!("{who} allowed stop devices: people who may stop bots may enrol phones that can do just that."),
            )
        } else {
            ("Stop devices are off", format!("{who} turned stop devices off. {ended} phones ended with that."))
        };
        let notice = Notice::new(NoticeKind::PolicyChanged, &act.stored.id, title, said).at("/stop-devices");
        open.tell(&Audience::admins(), &notice).await?;
        let event = Event::StopDevicesSet { allowed, signed: signed_act(act)? };
        Ok(Effect { event, outcome: Outcome::Done("/stop-devices".into()), after: None })
    }

    /// The link for one phone. Earlier ones of theirs end.
    pub(super) async fn carry_device_link(
        &self,
        open: &mut OpenAct<'_>,
        act: &ActView,
        (owner, name): (&UserId, &str),
    ) -> Result<Effect, AppError> {
        if !settings::setting_is_on(open.tx(), settings::STOP_DEVICES).await? {
            return Err(AppError::conflict(OFF));
        }
        let secret = token::new_token("phone")?;
        let now = open.now();
        let link = DeviceLink {
            token_hash: TokenDigest::of(secret.expose()).hex(),
            user_id: owner.clone(),
            name: name.to_owned(),
            made_at: now,
            expires_at: now.plus_ms(LINK_LIVES_MS),
        };
        storage::stop_devices::device_link_insert(open.tx(), &link).await?;
        let event = Event::DeviceLinkMade { user: owner.clone(), name: name.to_owned(), signed: signed_act(act)? };
        let secret = Secret::new(format!("{}stop-device/enrol/{}", self.origin, secret.expose()));
        let outcome = Outcome::Secret { title: "Link for 1 phone", secret, next: "/me/stop-devices".into() };
        Ok(Effect { event, outcome, after: None })
    }
}
