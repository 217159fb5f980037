//! What people answer for on a checklist. An item that is attested is signed with a security key, over its very words and what the bot runs; evidence
//! is put down with a touch. Both are rows that nobody changes: whoever has another word says another one.

use super::{
    files::{self, Kept},
    stages_of,
};
use crate::app::{
    App, AppError, Invalid,
    acts::{ActView, Detail, Outcome, carry_out::Effect, sign::signed_act},
    tx::Act as OpenAct,
};
use crate::audit::Event;
use crate::authz::{self, Action, Actor, Permit};
use crate::domain::{
    ActKind, BotFacts, BotId, FileNote, MarkId, Stage, UserId,
    checklist::{Item, Proof},
    file::FILES,
    golive::Ran,
    text,
    time::DAY_MS,
};
use crate::storage::{self, Lane, checklists::MarkRow};
use std::sync::Arc;

/// What was typed for an item.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub struct Said {
    /// The item's name.
    pub item: String,
    /// What is said.
    pub said: String,
    /// Where it can be looked at; empty: nowhere.
    pub link: String,
}

/// The longest link.
const LINK: usize = 500;

/// An item with what was said of it, checked.
struct Word {
    item: Item,
    said: String,
    link: Option<String>,
    ran: Option<Ran>,
}

fn link_of(link: &str) -> Result<Option<String>, String> {
    let link = link.trim();
    if link.is_empty() {
        return Ok(None);
    }
    let said = "Give an address that begins with https:// or http://, or leave it empty";
    let url = url::Url::parse(link).map_err(|_| said.to_owned())?;
    let is_one = matches!(url.scheme(), "https" | "http") && url.has_host() && url.password().is_none() && link.len() <= LINK;
    if is_one { Ok(Some(url.to_string())) } else { Err(said.to_owned()) }
}

impl App {
    fn may_mark(&self, actor: &Actor, id: &BotId, stage: Stage) -> Result<(Arc<BotFacts>, Permit), AppError> {
        let bot = self.fleet.view().bot(id).cloned().ok_or(AppError::NotFound("bot"))?;
        let permit = authz::check(actor, Action::MarkChecklist, &Self::bot_resource(&bot))?;
        if actor.user().is_none() {
            return Err(AppError::conflict("only a person answers for an item"));
        }
        let is_asked = stages_of(&bot).contains(&stage);
        if is_asked { Ok((bot, permit)) } else { Err(AppError::conflict(format!("in stage {} nobody asks for this list", bot.stage))) }
    }

    fn word(&self, bot: &BotFacts, stage: Stage, said: &Said, proof: Proof) -> Result<Word, AppError> {
        let list = self.list_of(stage)?;
        let mut invalid = Invalid::default();
        let item = list.item(&said.item).filter(|item| item.proof == proof).cloned();
        if item.is_none() {
            invalid.0.push(("item", "This item is not on the list, or is not shown in this way".to_owned()));
        }
        let words = invalid.check("said", "What you say", text::why(&said.said)).unwrap_or_default();
        if words.is_empty() && invalid.0.iter().all(|(field, _)| *field != "said") {
            invalid.0.push(("said", "Say what you looked at, and what it showed".to_owned()));
        }
        let link = link_of(&said.link).map_err(|why| invalid.0.push(("link", why))).ok().flatten();
        let Some(item) = item.filter(|_| invalid.0.is_empty()) else { return Err(invalid.into()) };
        let ran = if item.of_build { Some(self.ran(&bot.id).ok_or_else(not_known)?) } else { None };
        Ok(Word { item, said: words, link, ran })
    }

    /// Prepares that somebody answers for an item, to be signed by them.
    ///
    /// # Errors
    /// `Denied`; `Invalid`; `Conflict` when nobody asks for it, or it is about what the bot runs and its agent does not say that.
    pub async fn prepare_attest(&self, actor: &Actor, id: &BotId, stage: Stage, said: &Said) -> Result<ActView, AppError> {
        let (bot, _) = self.may_mark(actor, id, stage)?;
        let Word { item, said, link, ran } = self.word(&bot, stage, said, Proof::Attested)?;
        let kind = ActKind::ChecklistAttest { bot: id.clone(), stage, item: item.name, words: item.words, said, link, ran };
        self.prepare(actor, kind, Detail::default(), 1).await
    }

    pub(crate) async fn carry_attest(&self, open: &mut OpenAct<'_>, act: &ActView) -> Result<Effect, AppError> {
        let ActKind::ChecklistAttest { bot: id, stage, item, words, said, link, ran } = &act.act.kind else {
            return Err(AppError::conflict("this is no word for a checklist"));
        };
        let list = self.list_of(*stage)?;
        let Some(asked) = list.item(item).filter(|asked| asked.words == *words && asked.proof == Proof::Attested) else {
            return Err(AppError::conflict("the checklist changed since this was prepared: prepare it again"));
        };
        if asked.of_build && self.ran(id) != *ran {
            return Err(AppError::conflict("the bot runs something else since this was prepared: look at that, and prepare it again"));
        }
        if asked.of_build && self.venue_changed_after(open.tx(), id, act.stored.made_at).await? {
            return Err(AppError::conflict("its exchange changed since this was prepared: test again, and prepare it again"));
        }
        let by = act.signatures.last().map(|signature| signature.user_id.clone());
        let by = by.ok_or_else(|| AppError::conflict("nobody has signed this"))?;
        let word = Word { item: asked.clone(), said: said.clone(), link: link.clone(), ran: ran.clone() };
        let row = MarkRow { act_id: Some(act.stored.id.clone()), ..mark_row(open, (id, *stage), word, by) };
        storage::checklists::mark_insert(open.tx(), &row).await?;
        let event = marked(row, ran.clone(), Vec::new(), Some(signed_act(act)?));
        self.golive.drift.look_soon(id);
        Ok(Effect { event, outcome: Outcome::Done(format!("/bots/{id}/golive?stage={stage}")), after: None })
    }

    /// Puts evidence down for an item.
    ///
    /// # Errors
    /// As `prepare_attest`.
    pub async fn put_evidence(&self, actor: &Actor, id: &BotId, stage: Stage, said: &Said) -> Result<MarkId, AppError> {
        self.put_evidence_with(actor, (id, stage), said, &[]).await
    }

    /// The same with files that are kept already: this is what leads to them.
    ///
    /// # Errors
    /// As `put_evidence`; `Conflict` for files that are not kept any more.
    pub async fn put_evidence_with(
        &self,
        actor: &Actor,
        (id, stage): (&BotId, Stage),
        said: &Said,
        kept: &[Kept],
    ) -> Result<MarkId, AppError> {
        let by = self.check_evidence(actor, (id, stage), said)?;
        if kept.len() > FILES || !kept.iter().all(|file| file.is_of(id)) {
            return Err(Invalid::one("files", format!("{FILES} files at most are put down together")).into());
        }
        let (bot, permit) = self.may_mark(actor, id, stage)?;
        let word = self.word(&bot, stage, said, Proof::Evidence)?;
        if word.link.is_none() && kept.is_empty() {
            return Err(Invalid::one("link", "Give an address where it can be looked at, or a file: words alone are no evidence").into());
        }
        let (ran, notes) = (word.ran.clone(), files::notes(kept));
        let digests: Vec<&str> = notes.iter().map(|note| note.sha256.as_str()).collect();
        let digests = serde_json::to_string(&digests).map_err(AppError::internal)?;
        let mut act = self.begin(permit, Lane::Normal).await?;
        let row = MarkRow { files: digests, ..mark_row(&act, (id, stage), word, by) };
        storage::checklists::mark_insert(act.tx(), &row).await?;
        files::bind(&mut act, &row.id, kept).await?;
        let id = row.id.clone();
        act.commit(marked(row, ran, notes, None)).await?;
        self.golive.drift.look_soon(&bot.id);
        Ok(id)
    }

    /// Who puts evidence down, where it can be put down as it is said.
    pub(super) fn check_evidence(&self, actor: &Actor, (id, stage): (&BotId, Stage), said: &Said) -> Result<UserId, AppError> {
        let (bot, _) = self.may_mark(actor, id, stage)?;
        self.word(&bot, stage, said, Proof::Evidence)?;
        actor.user().cloned().ok_or(AppError::NotFound("person"))
    }
}

fn not_known() -> AppError {
    AppError::conflict("this is about what the bot runs, and its agent does not say which build and configuration that is")
}

fn mark_row(act: &OpenAct<'_>, (bot, stage): (&BotId, Stage), word: Word, by: UserId) -> MarkRow {
    let (build, config) = word.ran.map(|ran| (ran.build, ran.config)).unzip();
    MarkRow {
        id: MarkId::new(),
        bot_id: bot.clone(),
        stage,
        item: word.item.name,
        said: word.said,
        link: word.link,
        files: "[]".to_owned(),
        build,
        config,
        marked_by: by,
        act_id: None,
        marked_at: act.now(),
        until_at: act.now().plus_ms(i64::from(word.item.valid_days) * DAY_MS),
    }
}

fn marked(row: MarkRow, ran: Option<Ran>, files: Vec<FileNote>, signed: Option<crate::audit::SignedAct>) -> Event {
    Event::ChecklistMarked {
        mark: row.id,
        bot: row.bot_id,
        stage: row.stage,
        item: row.item,
        said: row.said,
        link: row.link,
        ran,
        files,
        until_us: row.until_at.0,
        signed,
    }
}
