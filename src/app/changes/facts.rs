//! Entries of the log as the register of changes reads them: what each changed, in words, and the request that must stand behind it.

use crate::app::{App, AppError, golive::drift};
use crate::audit::Event;
use crate::domain::{
    BotId, Environment, RequestId, RequestKind, Stage, SubaccountId, Timestamp, UserId,
    change_register::{Behind, Reviewed, What, is_bound},
    emergency::Verdict,
    golive::short,
    limits::Node,
};
use crate::storage::{self, Conn, changes::ChangeEntry, emergencies::EmergencyRow};

/// An entry that was read.
pub(super) struct Read {
    pub(super) what: What,
    /// What was changed, in words.
    pub(super) words: String,
    pub(super) bot: Option<BotId>,
    /// The request that it names.
    pub(super) request: Option<RequestId>,
    /// What explains it beside a request.
    pub(super) note: String,
    /// It is a line of the register, and not only needed to judge others.
    pub(super) is_listed: bool,
}

const LIMITED: &[RequestKind] = &[RequestKind::Limited];
const LIVE: &[RequestKind] = &[RequestKind::Live];
const LIMITS: &[RequestKind] = &[RequestKind::Limits];
const OVERRIDE: &[RequestKind] = &[RequestKind::Override];
const ASSIGN: &[RequestKind] = &[RequestKind::Assign];
const KEYS: &[RequestKind] = &[RequestKind::Keys, RequestKind::Withdrawals];
const POLICY: &[RequestKind] = &[RequestKind::Policy];
const CHECKLIST: &[RequestKind] = &[RequestKind::Checklist];
const ROLES: &[RequestKind] = &[RequestKind::Roles];

fn behind(request: Option<RequestId>, kinds: &'static [RequestKind], target: impl ToString) -> Behind {
    Behind { request, kinds, target: target.to_string() }
}

impl Read {
    /// What only says where bots are.
    fn unlisted(what: What) -> Self {
        Self { what, words: String::new(), bot: None, request: None, note: String::new(), is_listed: false }
    }

    pub(super) fn listed(what: What, (bot, request): (Option<&BotId>, Option<&RequestId>), words: String) -> Self {
        Self { what, words, bot: bot.cloned(), request: request.cloned(), note: String::new(), is_listed: true }
    }

    /// What takes a request and nothing else.
    fn by_request(bot: Option<&BotId>, behind: Behind, words: String) -> Self {
        let request = behind.request.clone();
        Self::listed(What::ByRequest { bot: bot.cloned(), behind }, (bot, request.as_ref()), words)
    }
}

fn reviewed(row: &EmergencyRow, now: Timestamp) -> Reviewed {
    match row.verdict {
        Some(Verdict::Justified) => Reviewed::Justified,
        Some(Verdict::NotJustified) => Reviewed::NotJustified,
        None if row.is_overdue(now) => Reviewed::Overdue,
        None => Reviewed::NotDue,
    }
}

impl App {
    /// What an entry says; none: nothing that the register needs.
    pub(super) async fn change_read(&self, conn: &mut Conn, entry: &ChangeEntry, event: Event) -> Result<Option<Read>, AppError> {
        Ok(match event {
            Event::BotCreated { bot, .. } => Some(Read::unlisted(What::Made(bot))),
            Event::BotsKilled { bots, .. } => Some(Read::unlisted(What::Killed(bots))),
            Event::BotsStarted { bots, .. } | Event::StagedStartWave { bots, .. } => Some(Read::unlisted(What::Started(bots))),
            Event::StageChanged { bot, from, to } => {
                let words = format!("stage {from} to {to}, by hand");
                let read = Read::listed(What::StageSet { bot: bot.clone(), from, to }, (Some(&bot), None), words);
                Some(Read { is_listed: is_bound(from) || is_bound(to), ..read })
            }
            Event::WentUp { bot, from, to, request, .. } => {
                let kinds = if to == Stage::Live { LIVE } else { LIMITED };
                let behind = behind(Some(request.clone()), kinds, &bot);
                let words = if from == to { format!("stage {to}, approved anew") } else { format!("stage {from} to {to}") };
                Some(Read::listed(What::WentUp { bot: bot.clone(), to, behind }, (Some(&bot), Some(&request)), words))
            }
            Event::BotSeated { bot, from, to } => self.seated(conn, (&bot, entry.at), (from.as_ref(), to.as_ref())).await?,
            Event::EmergencyChanged { change, bot, to, until_us, .. } => {
                let row = storage::emergencies::emergency_by_id(conn, &change).await?;
                let (build, config) = (short(&to.build), short(&to.config));
                let words = format!("build {build} with configuration {config} until {}", Timestamp(until_us).plain());
                Some(self.emergency_read(&bot, row.as_ref(), words))
            }
            Event::RequestAsked { request, bot, .. } => Some(Read::listed(What::Nothing, (bot.as_ref(), Some(&request)), String::new())),
            Event::KeyApproved { key, bot, purpose, request, .. } => {
                let behind = behind(Some(request.clone()), KEYS, format!("{bot}:{purpose}"));
                let words = format!("exchange key {}", purpose.words());
                Some(Read::listed(What::KeyApproved { key, bot: bot.clone(), behind }, (Some(&bot), Some(&request)), words))
            }
            Event::HoldPlaced { bot: Some(bot), by, why, .. } if by == drift::placer().words() => {
                let words = "held, since it was not what was approved".to_owned();
                Some(Read::listed(What::Differed { bot: bot.clone(), words: why }, (Some(&bot), None), words))
            }
            Event::KeyInstalled { key, version, bot, .. } => {
                let words = format!("version {version} of exchange key {key} handed in");
                Some(Read::listed(What::KeyInUse { key, bot: bot.clone() }, (Some(&bot), None), words))
            }
            other => self.setting_read(other),
        })
    }

    /// The same of limits, policies, lists and roles: of what takes a request.
    fn setting_read(&self, event: Event) -> Option<Read> {
        Some(match event {
            Event::LimitsTightened { bot, version, values, .. } => self.limits_read(Node::Bot(bot), version, &values, None),
            Event::LimitsChanged { bot, version, values, request, .. } => self.limits_read(Node::Bot(bot), version, &values, Some(request)),
            Event::LimitsSet { level, version, values, request, .. } => {
                self.limits_read(Node::from_one(&level)?, version, &values, request)
            }
            Event::LimitsOverridden { bot, symbol, most, until_us, request, .. } => {
                let words = format!("a position of up to {most} in {symbol} until {}", Timestamp(until_us).plain());
                Read::by_request(Some(&bot), behind(Some(request), OVERRIDE, format!("{bot}:{symbol}")), words)
            }
            Event::PolicyChanged { version, about, request, .. } => {
                let words = format!("version {version} of the policies: {}", about.words());
                Read::by_request(None, behind(Some(request), POLICY, about), words)
            }
            Event::ChecklistChanged { stage, version, request, .. } => {
                let words = format!("version {version} of the checklist for stage {stage}");
                Read::by_request(None, behind(Some(request), CHECKLIST, stage), words)
            }
            Event::GrantsChanged { user, request: Some(request), .. } => {
                let words = format!("roles of {}", self.people().who(&user));
                Read::by_request(None, behind(Some(request), ROLES, user), words)
            }
            Event::UserEnabled { user, request: Some(request), .. } => {
                let words = format!("{} was enabled again", self.people().who(&user));
                Read::by_request(None, behind(Some(request), ROLES, user), words)
            }
            other => return self.free_read(other),
        })
    }

    fn limits_read(&self, node: Node, version: i64, values: &str, request: Option<RequestId>) -> Read {
        let (level, bot) = (node.in_one(), node.bot().cloned());
        let words = format!("version {version} of the limits of {}", self.limits_words(&node));
        let behind = behind(request.clone(), LIMITS, &level);
        // What cannot be read sets nothing, and is then looser than anything.
        let values = serde_json::from_str(values).unwrap_or_default();
        let note = if request.is_none() { "one person's: tighter limits take no request" } else { "" };
        let read = Read::listed(What::Limits { level, values, behind }, (bot.as_ref(), request.as_ref()), words);
        Read { note: note.to_owned(), ..read }
    }

    async fn seated(
        &self,
        conn: &mut Conn,
        (bot, at): (&BotId, Timestamp),
        (from, to): (Option<&SubaccountId>, Option<&SubaccountId>),
    ) -> Result<Option<Read>, AppError> {
        let name =
            |id: &SubaccountId| self.venues().subaccount(id).map_or_else(|| id.to_string(), |subaccount| self.venues().label(&subaccount));
        Ok(match (from, to) {
            (_, Some(to)) if self.is_live(to) => {
                let request = storage::changes::change_given(conn, bot, to, at).await?;
                Some(Read::by_request(Some(bot), behind(request, ASSIGN, bot), format!("subaccount {}", name(to))))
            }
            (Some(from), _) if self.is_live(from) => {
                let read = Read::listed(What::Nothing, (Some(bot), None), format!("subaccount {} taken away", name(from)));
                Some(Read { note: "one person's: giving a subaccount back takes no request".to_owned(), ..read })
            }
            _ => None,
        })
    }

    /// What nobody knows counts as live.
    fn is_live(&self, id: &SubaccountId) -> bool {
        let venue = self.venues().subaccount(id).and_then(|subaccount| self.venues().venue(&subaccount.venue_id));
        venue.is_none_or(|venue| venue.environment == Environment::Live)
    }

    fn emergency_read(&self, bot: &BotId, row: Option<&EmergencyRow>, words: String) -> Read {
        let who = |id: &UserId| self.people().who(id);
        let reviewed = row.map_or(Reviewed::Overdue, |row| reviewed(row, self.clock.now()));
        let signed = row.map_or_else(
            || "an emergency change that is not stored".to_owned(),
            |row| format!("an emergency change, signed by {} and {}: {}", who(&row.asked_by), who(&row.seconded_by), row.why),
        );
        let review = row.map(|row| match (&row.reviewed_by, row.reviewed_at, row.verdict) {
            (Some(by), Some(at), Some(verdict)) => {
                let said = row.review_words.as_deref().unwrap_or_default();
                format!("; reviewed {} by {}, {}: {said}", at.plain(), who(by), verdict.words())
            }
            _ => format!("; to be reviewed until {}", row.review_by.plain()),
        });
        let read = Read::listed(What::Emergency { bot: bot.clone(), reviewed }, (Some(bot), None), words);
        Read { note: signed + &review.unwrap_or_default(), ..read }
    }
}
