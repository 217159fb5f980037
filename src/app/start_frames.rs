//! The start that a directive stands on, as an agent may check it: act, leaf, proof, signatures. Read once per start and remembered.

use super::{App, AppError};
use crate::domain::{BotFacts, BotId, Epoch};
use crate::protocol::{StartFrame, directive::AssertionFrame};
use crate::storage;
use data_encoding::BASE64URL_NOPAD;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The frames of the present starts.
#[derive(Default)]
pub struct StartFrames(Mutex<HashMap<BotId, (Epoch, Arc<StartFrame>)>>);

impl App {
    /// The frame of a bot's latest start.
    ///
    /// # Errors
    /// When the database is gone, or holds no such start.
    pub(crate) async fn start_frame(&self, bot: &BotFacts) -> Result<StartFrame, AppError> {
        let known = {
            let frames = self.start_frames.0.lock().unwrap_or_else(PoisonError::into_inner);
            frames.get(&bot.id).filter(|(epoch, _)| *epoch == bot.start_epoch).map(|(_, frame)| frame.clone())
        };
        if let Some(frame) = known {
            return Ok(StartFrame::clone(&frame));
        }
        let mut tx = self.db.read().await?;
        let start = storage::starts::start_get(&mut tx, &bot.id, bot.start_epoch).await?.ok_or(AppError::NotFound("start"))?;
        let act = storage::acts::act_by_id(&mut tx, &start.act_id).await?.ok_or(AppError::NotFound("act"))?;
        let signatures = storage::acts::act_signatures(&mut tx, &start.act_id).await?;
        let unreadable = |what: &str| AppError::from(storage::Error::Unreadable(what.to_owned()));
        let frame = StartFrame {
            epoch: start.epoch,
            act: BASE64URL_NOPAD.encode(&act.body),
            leaf: serde_json::from_str(&start.leaf).map_err(|_| unreadable("leaf of a start"))?,
            proof: serde_json::from_str(&start.proof).map_err(|_| unreadable("proof of a start"))?,
            leaf_index: u64::try_from(start.leaf_index).unwrap_or_default(),
            assertions: signatures
                .iter()
                .map(|s| AssertionFrame {
                    user: s.user_id.to_string(),
                    credential: s.credential_id.0.clone(),
                    authenticator_data: BASE64URL_NOPAD.encode(&s.authenticator_data),
                    client_data: BASE64URL_NOPAD.encode(&s.client_data),
                    signature: BASE64URL_NOPAD.encode(&s.signature),
                })
                .collect(),
        };
        let mut frames = self.start_frames.0.lock().unwrap_or_else(PoisonError::into_inner);
        frames.insert(bot.id.clone(), (bot.start_epoch, Arc::new(frame.clone())));
        Ok(frame)
    }
}
