//! Files as evidence. What is sent is looked at (name, kind, secrets) and kept piece by piece, each in a write of its own, so that no stop waits for
//! a large one; it is nothing until a mark leads to it. What no mark leads to is removed: at once where it is refused, otherwise after an hour.

use super::marks::Said;
use crate::app::{App, AppError, Invalid, tx::Act as OpenAct};
use crate::authz::{self, Action, Actor, Resource};
use crate::crypto::token;
use crate::domain::{
    BotId, FileId, FileKind, FileNote, MarkId, Stage,
    file::{self, BOT_BYTES, BOT_FILES, MIB},
    leak,
};
pub use crate::storage::files::FileRow;
use crate::storage::{self, Lane};
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, SemaphorePermit};

/// The largest piece of a content, bytes: what one write holds.
const PIECE: usize = 256 * 1024;
/// How long a file stays that no mark leads to.
const LOOSE_MS: i64 = 60 * 60 * 1_000;
/// Files that are removed in one round.
const ROUND: i64 = 50;
/// People whose files are taken at the same time: one file of each is in memory.
const AT_ONCE: usize = 4;

/// How many send files now.
pub(crate) struct Door(Semaphore);

impl Default for Door {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

/// A file as it was sent.
pub struct Sent {
    /// What it was called.
    pub name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// A file that is kept, and that no mark leads to yet.
#[derive(Debug)]
pub struct Kept(FileRow);

impl Kept {
    pub(super) fn is_of(&self, bot: &BotId) -> bool {
        self.0.bot_id == *bot
    }
}

/// What a file is called, what it is, and its SHA-256.
struct Looked {
    name: String,
    kind: FileKind,
    sha256: String,
}

fn sha256(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

/// The first secret in a file: what it is, and where it begins.
fn secret_in(bytes: &[u8]) -> Option<(String, usize)> {
    let ours = token::spot(bytes).into_iter().next().map(|found| (found.what, found.at));
    let others = leak::leak(bytes).map(|found| (found.what.to_owned(), found.at));
    ours.into_iter().chain(others).min_by_key(|(_, at)| *at)
}

fn look(sent: &Sent) -> Result<Looked, String> {
    let name = file::name_of(&sent.name)?;
    let kind = file::kind_of(&name, &sent.bytes)?;
    if let Some((what, at)) = secret_in(&sent.bytes) {
        let place = match kind {
            FileKind::Text | FileKind::Csv | FileKind::Json => format!(" in line {}", leak::line_of(&sent.bytes, at)),
            FileKind::Pdf | FileKind::Png | FileKind::Jpeg => String::new(),
        };
        return Err(format!(
            "The file {name} holds what looks like {what}{place}. It was not kept. Take it out; if it is a real one, replace it: it has left its place"
        ));
    }
    Ok(Looked { name, kind, sha256: sha256(&sent.bytes) })
}

impl App {
    /// Lets somebody in who sends files; none while too many do.
    pub fn enter_with_files(&self) -> Option<SemaphorePermit<'_>> {
        self.golive.door.0.try_acquire().ok()
    }

    /// Looks at a file and keeps it. It is nothing until `put_evidence_with` has a mark lead to it.
    ///
    /// # Errors
    /// As `put_evidence`; `Invalid` for a file that is not taken.
    pub async fn keep_file(&self, actor: &Actor, (id, stage): (&BotId, Stage), said: &Said, sent: Sent) -> Result<Kept, AppError> {
        let by = self.check_evidence(actor, (id, stage), said)?;
        // Megabytes are looked at beside what answers people and agents.
        let looked = tokio::task::spawn_blocking(move || look(&sent).map(|looked| (looked, sent.bytes)));
        let (looked, bytes) = looked.await.map_err(AppError::internal)?.map_err(|why| Invalid::one("files", why))?;
        let row = FileRow {
            id: FileId::new(),
            bot_id: id.clone(),
            name: looked.name,
            kind: looked.kind,
            bytes: i64::try_from(bytes.len()).map_err(AppError::internal)?,
            sha256: looked.sha256,
            uploaded_by: by,
            uploaded_at: self.clock.now(),
            mark_id: None,
            place: 0,
            dropped_at: None,
        };
        self.write_file(&row).await?;
        let kept = Kept(row);
        if let Err(error) = self.write_pieces(&kept.0.id, &bytes).await {
            self.drop_files(&[kept]).await;
            return Err(error);
        }
        Ok(kept)
    }

    async fn write_file(&self, row: &FileRow) -> Result<(), AppError> {
        let mut tx = self.db.write(Lane::Normal).await?;
        storage::files::file_insert(&mut tx, row).await?;
        let (files, bytes) = storage::files::file_held(&mut tx, &row.bot_id).await?;
        if files > BOT_FILES || bytes > BOT_BYTES {
            let most = BOT_BYTES / MIB as i64;
            let said = format!("The files of one bot are {BOT_FILES} at most and hold {most} MiB at most: {} is too much", row.name);
            return Err(Invalid::one("files", said).into());
        }
        Ok(tx.commit().await?)
    }

    async fn write_pieces(&self, file: &FileId, bytes: &[u8]) -> Result<(), AppError> {
        for (n, piece) in (0..).zip(bytes.chunks(PIECE)) {
            let mut tx = self.db.write(Lane::Normal).await?;
            storage::files::piece_insert(&mut tx, file, n, piece).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Removes files that no mark leads to: what they were sent with was refused. What cannot be removed now is after an hour.
    pub async fn drop_files(&self, kept: &[Kept]) {
        for Kept(row) in kept {
            let dropped = async {
                let mut tx = self.db.write(Lane::Normal).await?;
                storage::files::file_drop(&mut tx, &row.id, self.clock.now()).await?;
                tx.commit().await?;
                self.forget_file(&row.id).await
            };
            if let Err(error) = dropped.await {
                tracing::warn!(error = &error as &dyn std::error::Error, "a file that was refused is not removed yet");
            }
        }
    }

    /// Removes what no mark leads to since an hour, and what was left of that before.
    ///
    /// # Errors
    /// When the database is gone: the next round goes on.
    pub async fn forget_files(&self) -> Result<(), AppError> {
        let now = self.clock.now();
        let mut tx = self.db.write(Lane::Normal).await?;
        storage::files::file_drop_old(&mut tx, now.plus_ms(-LOOSE_MS), now).await?;
        tx.commit().await?;
        let mut tx = self.db.read().await?;
        let dropped = storage::files::file_dropped(&mut tx, ROUND).await?;
        drop(tx);
        for id in &dropped {
            self.forget_file(id).await?;
        }
        Ok(())
    }

    /// Piece by piece, for the same reason as it was written so. Only what is being removed.
    async fn forget_file(&self, id: &FileId) -> Result<(), AppError> {
        loop {
            let mut tx = self.db.write(Lane::Normal).await?;
            let is_more = storage::files::piece_forget(&mut tx, id).await?;
            if !is_more {
                storage::files::file_forget(&mut tx, id).await?;
            }
            tx.commit().await?;
            if !is_more {
                return Ok(());
            }
        }
    }

    /// Every file of a bot that a mark leads to, without its content.
    ///
    /// # Errors
    /// `Denied`; `NotFound`; when the database is gone.
    pub async fn files_of(&self, actor: &Actor, bot: &BotId) -> Result<Vec<FileRow>, AppError> {
        self.may_see_files(actor, bot)?;
        let mut tx = self.db.read().await?;
        Ok(storage::files::file_of_bot(&mut tx, bot).await?)
    }

    /// A file with its content, which is what was put down.
    ///
    /// # Errors
    /// `Denied`; `NotFound`; `Conflict` when the content is another; when the database is gone.
    pub async fn file(&self, actor: &Actor, bot: &BotId, id: &FileId) -> Result<(FileRow, Vec<u8>), AppError> {
        self.may_see_files(actor, bot)?;
        let mut tx = self.db.read().await?;
        let row = storage::files::file_by_id(&mut tx, id).await?.filter(|row| row.bot_id == *bot && row.mark_id.is_some());
        let row = row.ok_or(AppError::NotFound("file"))?;
        let bytes = storage::files::file_pieces(&mut tx, id).await?.concat();
        drop(tx);
        let (digest, bytes) = tokio::task::spawn_blocking(move || (sha256(&bytes), bytes)).await.map_err(AppError::internal)?;
        if digest != row.sha256 {
            tracing::error!(file = %id, "the content of a file in the database is not what was put down");
            return Err(AppError::conflict("what the database holds is not the file that was put down: its SHA-256 is another"));
        }
        Ok((row, bytes))
    }

    fn may_see_files(&self, actor: &Actor, bot: &BotId) -> Result<(), AppError> {
        authz::check(actor, Action::See, &Resource::Installation)?;
        self.fleet.view().bot(bot).map(|_| ()).ok_or(AppError::NotFound("bot"))
    }
}

/// Has a mark lead to its files.
pub(super) async fn bind(act: &mut OpenAct<'_>, mark: &MarkId, kept: &[Kept]) -> Result<(), AppError> {
    for (place, Kept(row)) in (0..).zip(kept) {
        if !storage::files::file_bind(act.tx(), &row.id, mark, place).await? {
            return Err(AppError::conflict("a file was sent too long ago: send it again"));
        }
    }
    Ok(())
}

/// Files as the log names them, in order.
pub(super) fn notes(kept: &[Kept]) -> Vec<FileNote> {
    kept.iter().map(|Kept(row)| row.note()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look_at(name: &str, bytes: &[u8]) -> Result<Looked, String> {
        look(&Sent { name: name.to_owned(), bytes: bytes.to_vec() })
    }

    #[test]
    fn a_file_with_a_secret_is_refused_by_its_kind_and_line_without_the_value() {
        let ours = token::new_token("agent").unwrap().expose().clone();
        let theirs = "BYBIT_API_SECRET=q7Zp2VdK9sLx4TnB8wRy";
        for (text, said, value) in [
            (format!("started\nwith {ours}\n"), "an agent's token in line 2", ours.as_str()),
            (format!("a\nb\n{theirs}\nwith {ours}\n"), "a secret beside its name in line 3", "q7Zp2VdK9sLx4TnB8wRy"),
        ] {
            let why = look_at("C:\\logs\\bot.log", text.as_bytes()).err().unwrap();
            assert!(why.starts_with("The file bot.log holds") && why.contains(said) && !why.contains(value), "{why}");
        }
    }

    #[test]
    fn a_file_is_known_by_its_digest() {
        let looked = look_at("plan.md", b"abc").ok().unwrap();
        assert_eq!((looked.name.as_str(), looked.kind), ("plan.md", FileKind::Text));
        assert_eq!(looked.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
