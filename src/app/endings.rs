//! What ends by itself: API tokens and stop devices whose people lost the right to them, and those whose time runs out, of which people hear
//! before. Also writes down last uses, which are noted in memory first. All of it may be late; what may no more is refused at once, by memory.

use super::{App, AppError, stop_devices::ended_notice};
use crate::audit::Event;
use crate::authz::{self, Action, Resource};
use crate::domain::{Audience, Notice, NoticeKind, Timestamp, time::DAY_MS};
use crate::storage::{self, Lane, stop_devices::StoredDevice, tokens::StoredToken};

/// True when it is time to say that something ends: a week before; a day before for what lives no longer than two weeks.
fn is_near_its_end(from: Timestamp, until: Timestamp, now: Timestamp) -> bool {
    let before = if until.ms_since(from) > 14 * DAY_MS { 7 * DAY_MS } else { DAY_MS };
    until > now && until.ms_since(now) <= before
}

impl App {
    /// Writes down the last uses of tokens and devices that are not written yet.
    ///
    /// # Errors
    /// When the database is gone: they are written the next time.
    pub async fn write_uses(&self) -> Result<(), AppError> {
        let (tokens, devices) = (self.token_book.uses.unwritten(), self.device_book.uses.unwritten());
        if tokens.is_empty() && devices.is_empty() {
            return Ok(());
        }
        let mut tx = self.db.write(Lane::Normal).await?;
        for (id, last) in &tokens {
            storage::tokens::token_used(&mut tx, id, last.at, &last.from).await?;
        }
        for (id, last) in &devices {
            storage::stop_devices::device_used(&mut tx, id, last.at, &last.from).await?;
        }
        tx.commit().await?;
        tokens.iter().for_each(|(id, last)| self.token_book.uses.written(id, last));
        devices.iter().for_each(|(id, last)| self.device_book.uses.written(id, last));
        Ok(())
    }

    /// Ends tokens and devices whose people lost the right to them, and says of the others that their end is near. Says how many it ended.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn end_and_warn(&self) -> Result<usize, AppError> {
        let (tokens, devices) = {
            let mut tx = self.db.read().await?;
            (storage::tokens::token_all(&mut tx).await?, storage::stop_devices::device_all(&mut tx).await?)
        };
        let now = self.clock.now();
        let mut ended = 0;
        for token in tokens.iter().filter(|token| token.revoked_at.is_none() && token.expires_at > now) {
            if !self.token_stands(token) {
                self.end_token(token).await?;
                ended += 1;
            } else if token.warned_at.is_none() && is_near_its_end(token.made_at, token.expires_at, now) {
                self.warn_of_token(token).await?;
            }
        }
        for device in devices.iter().filter(|device| device.ended_at.is_none() && device.expires_at > now) {
            let owner = self.actor_of(&device.user_id, false);
            if owner.is_none_or(|owner| authz::check(&owner, Action::PlaceHold, &Resource::Installation).is_err()) {
                self.end_device_of_who_may_not(device).await?;
                ended += 1;
            } else if device.warned_at.is_none() && is_near_its_end(device.enrolled_at, device.expires_at, now) {
                self.warn_of_device(device).await?;
            }
        }
        Ok(ended)
    }

    async fn end_token(&self, token: &StoredToken) -> Result<(), AppError> {
        let why = "whoever made it is disabled or lost the rights that it takes";
        let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
        act.epoch().await?;
        let now = act.now();
        if !storage::tokens::token_revoke(act.tx(), &token.id, now).await? {
            return Ok(());
        }
        act.changes_books();
        let title = format!("API token {} has ended", token.name);
        let said = format!("The API token {} is refused from now on: {why}. Make another one if something still needs it.", token.name);
        let notice = Notice::new(NoticeKind::TokenEnded, &token.id, title, said).at("/tokens");
        act.tell(&self.token_audience(token), &notice).await?;
        act.commit_stop(Event::TokenRevoked { token: token.id.clone(), why: Some(why.to_owned()) }).await?;
        Ok(())
    }

    async fn end_device_of_who_may_not(&self, device: &StoredDevice) -> Result<(), AppError> {
        let why = "its owner is disabled or may not stop bots any more";
        let mut act = self.begin(self.server_permit()?, Lane::Normal).await?;
        act.epoch().await?;
        let now = act.now();
        if !storage::stop_devices::device_end(act.tx(), &device.id, now, why).await? {
            return Ok(());
        }
        storage::stop_devices::device_links_end(act.tx(), &device.user_id, now).await?;
        act.changes_books();
        act.tell(&Audience::person(&device.user_id).and_admins(), &ended_notice(device, why)).await?;
        act.commit_stop(Event::DeviceEnded { device: device.id.clone(), user: device.user_id.clone(), why: why.to_owned() }).await?;
        Ok(())
    }

    async fn warn_of_token(&self, token: &StoredToken) -> Result<(), AppError> {
        let now = self.clock.now();
        let mut tx = self.db.write(Lane::Normal).await?;
        let is_first = storage::tokens::token_warned(&mut tx, &token.id, now).await?;
        tx.commit().await?;
        if is_first {
            let title = format!("API token {} ends soon", token.name);
            let said = format!(
                "The API token {} ends {}. Make another one in time and change it where it is used.",
                token.name,
                token.expires_at.plain()
            );
            let notice = Notice::new(NoticeKind::TokenEnded, format!("{}:soon", token.id), title, said).at("/tokens");
            self.tell_soon(self.token_audience(token), notice);
        }
        Ok(())
    }

    async fn warn_of_device(&self, device: &StoredDevice) -> Result<(), AppError> {
        let now = self.clock.now();
        let mut tx = self.db.write(Lane::Normal).await?;
        let is_first = storage::stop_devices::device_warned(&mut tx, &device.id, now).await?;
        tx.commit().await?;
        if is_first {
            let title = format!("Stop device {} ends soon", device.name);
            let said = format!(
                "The phone {} can pause bots until {}. Enrol it again from My account in time.",
                device.name,
                device.expires_at.plain()
            );
            let notice = Notice::new(NoticeKind::StopDeviceEnded, format!("{}:soon", device.id), title, said).at("/me/stop-devices");
            self.tell_soon(Audience::person(&device.user_id), notice);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_hear_a_week_before_an_end_and_of_a_short_life_a_day_before() {
        let day = |n: i64| Timestamp(0).plus_ms(n * DAY_MS);
        assert!(!is_near_its_end(day(0), day(90), day(82)) && is_near_its_end(day(0), day(90), day(83)));
        assert!(!is_near_its_end(day(0), day(90), day(90)), "what is over needs no warning");
        assert!(!is_near_its_end(day(0), day(7), day(5)) && is_near_its_end(day(0), day(7), day(6)));
    }
}
