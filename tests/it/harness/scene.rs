//! A stage on which every route can be tried: in each of two teams a bot with an agent, a held bot, an act that waits, a person;
//! fresh ones whenever a try would use them up. Requests go through the program's own router.

use super::{
    agent::{self, Agent},
    app::{ORIGIN, TestApp},
    callers::{Caller, Who},
    db::Fresh,
    examples::Ask,
    exchange_keys, files,
};
use crate::faults::until;
use andon::{
    app::{
        acts::{ActView, Outcome, prepare::Waves},
        limit_overrides::{Asked, Lasts},
        register::{file::Format, import::Source},
        venues::Subaccount,
    },
    domain::{
        ActId, ActKind, AlertId, AlertKind, Audience, BotFacts, BotId, DeviceId, DrillId, Epoch, FileId, Grant, Hold, ImportId, KeyId,
        KeyPurpose, Level, Notice, NoticeId, NoticeKind, PlacerKind, ReconciliationId, RecoveryId, RequestId, RequestKind, Role, Scope,
        State, Subject, TeamId, Timestamp, TokenId, UserId,
        reconciliation::{Difference, Reaction, Reconciliation},
        recovery::RecoveryState,
    },
    fleet::AgentSeen,
    storage::{self, Lane, WriteTx, drill_runs::DrillRun, recoveries::Recovery},
    web::router::{Access, Route, router},
};
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode, header},
};
use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
};
use tower::ServiceExt;

/// What belongs to one team and stays as it is.
pub struct Things {
    pub name: &'static str,
    pub team: TeamId,
    /// Whoever runs the team's bots here.
    pub operator: &'static str,
    /// In sandbox, with an agent that was compared, and ready to be started.
    pub bot: BotFacts,
    /// A pause of another bot, without a reason.
    pub hold: Hold,
    /// The agent of the held bot.
    pub agent: Agent,
    /// An enrolment code that waits for its signature.
    pub act: ActView,
    /// Somebody who was invited as an operator of the team.
    pub member: UserId,
    /// An operator of the team with two keys, whom nobody signs in as.
    pub fellow: UserId,
    /// The recovery of another such operator: approved, its link made.
    pub linked: RecoveryId,
    /// A start in waves of two bots of the team's.
    pub staged: ActId,
    /// A notice of the operator's.
    pub notice: NoticeId,
    /// An alert about the bot.
    pub alert: AlertId,
    /// A drill beside the bot.
    pub drill: DrillId,
    /// A file of the bot's, put down as evidence.
    pub file: FileId,
    /// A request of the operator's for looser limits of another bot, which nobody has approved.
    pub request: RequestId,
    /// An exception of a bot of the team's, in force.
    pub exception: RequestId,
    pub key: KeyId,
}

/// Whose thing a try is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Nobody's: the route is about no team.
    Nobodys,
    /// Team arb's.
    Arbs,
    /// Team grid's.
    Grids,
    /// The whole installation's.
    Everybodys,
}

impl Whose {
    pub fn words(self) -> &'static str {
        match self {
            Self::Nobodys => "",
            Self::Arbs => "of arb",
            Self::Grids => "of grid",
            Self::Everybodys => "of all",
        }
    }
}

pub struct Scene {
    pub test: TestApp,
    pub router: Router,
    pub arb: Things,
    pub grid: Things,
    /// A third team, which both leads lead as well: bots can be moved to it.
    pub desk: TeamId,
    /// The token of a link that an invited person has not opened.
    pub link: String,
    /// The token of the one that another invited person has.
    pub invited: String,
    /// A demo's sign-in link; empty elsewhere.
    pub demo_link: String,
    /// What the cookie of the operator's stop device holds.
    pub phone: String,
    /// The secret of a link that makes a phone of risk's a stop device.
    pub phone_link: String,
    /// The secret of a link by which somebody signs the recovery of the site.
    pub site_link: String,
    /// A subaccount that stays as it is.
    pub place: Subaccount,
    /// A file that was taken into the register.
    pub import: ImportId,
    pub(super) bearers: HashMap<Who, String>,
    count: AtomicUsize,
    trading: tokio::sync::Mutex<Vec<(Whose, BotFacts)>>,
}

/// An answer.
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Empty for a stream that does not end.
    pub text: String,
}

impl Reply {
    pub fn leads_to(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |value| value.to_str().unwrap())
    }
    pub fn kind(&self) -> &str {
        self.headers.get(header::CONTENT_TYPE).map_or("", |value| value.to_str().unwrap())
    }
}

impl Scene {
    pub async fn new(fresh: Fresh) -> Self {
        Self::on(TestApp::new(fresh).await).await
    }

    pub async fn demo(fresh: Fresh) -> Self {
        Self::on(TestApp::demo(fresh).await).await
    }

    async fn on(mut test: TestApp) -> Self {
        let count = AtomicUsize::new(0);
        let arb = things(&test, "arb", "operator").await;
        let grid = things(&test, "grid", "grid operator").await;
        let mut bearers = HashMap::from([(Who::Agent, arb.agent.enrolled.token.clone())]);
        for who in Who::ALL {
            if let Some((scope, team)) = who.token() {
                let by = if team.is_some() { "lead" } else { "admin" };
                bearers.insert(who, secret_by(&test, by, token_act(scope, team.map(|team| test.team(team)))).await);
            }
        }
        let mut demo_link = String::new();
        if test.app.is_demo() {
            demo_link = test.app.demo_link(&test.people["operator"].id).await.unwrap().expose().rsplit('/').next().unwrap().to_owned();
        }
        test.open_log().await;
        test.app.publish(true).await.unwrap();
        let router = router(test.app.clone());
        let desk = test.app.create_team(&test.actor("admin"), "desk").await.unwrap().id;
        for (lead, team) in [("lead", "arb"), ("grid lead", "grid")] {
            let grants = [test.team(team), desk.clone()].map(|team| Grant { role: Role::Lead, team: Some(team) }).into();
            test.give(&test.people[lead].id, grants).await;
        }
        for who in ["lead", "grid lead", "risk", "admin", "auditor"] {
            test.give_address(who, &format!("{}@people.example", who.replace(' ', "-"))).await;
        }
        for name in ["lead with one key", "recovered lead"] {
            let somebody = test.invite(name, vec![Grant { role: Role::Lead, team: Some(test.team("arb")) }]).await;
            test.people.insert(name, somebody);
        }
        let mut tx = test.fresh.db.write(Lane::Normal).await.unwrap();
        let spare = test.keys("lead with one key").await.remove(1).id;
        storage::credentials::credential_suspend(&mut tx, &spare, Timestamp(1), "a copy", "").await.unwrap();
        for name in ["lead with one key", "recovered lead"] {
            let address = "lead@people.example".parse().unwrap();
            storage::notices::address_set(&mut tx, &test.people[name].id, Some(&address), Timestamp(1)).await.unwrap();
        }
        recovered(&mut tx, &test.people["recovered lead"].id, test.app.clock.now()).await;
        tx.commit().await.unwrap();
        let link = invitation(&test, "guest").await;
        let invited = invitation(&test, "visitor").await;
        test.allow_stop_devices().await;
        let phone = test.phone("operator").await;
        let phone_link = test.phone_link("risk").await;
        let site_link = site_link(&test).await;
        let trading = tokio::sync::Mutex::default();
        let admin = test.actor("admin");
        let text = "kind,name,venue,environment\nvenue,kept,,test\nsubaccount,kept,kept,\n";
        let source = Source { format: Format::Csv, text };
        let import = test.app.draft_import(&admin, source).await.unwrap();
        let (_, seen) = test.app.import(&admin, &import).await.unwrap();
        test.app.confirm_import(&admin, &import, &seen.digest().unwrap()).await.unwrap();
        let place = test.app.venues().subaccount_named("kept/kept").unwrap();
        Self {
            place,
            import,
            test,
            router,
            arb,
            grid,
            desk,
            link,
            invited,
            demo_link,
            phone,
            phone_link,
            site_link,
            bearers,
            count,
            trading,
        }
    }

    /// The things that a try is about.
    pub fn of(&self, whose: Whose) -> &Things {
        if whose == Whose::Grids { &self.grid } else { &self.arb }
    }

    /// Waits until what follows a press by itself is on disk: nothing changes any more unless somebody asks for it.
    pub async fn quiet(&self) {
        until("evidence of presses", async || self.test.app.evidence.pending() == 0).await;
        self.test.said_is_stored().await;
    }

    /// A name that nothing has yet.
    pub fn name(&self, noun: &str) -> String {
        format!("{noun}-{}", self.count.fetch_add(1, Ordering::SeqCst))
    }

    /// A bot in sandbox that nothing has happened to.
    pub async fn bot(&self, whose: Whose) -> BotFacts {
        self.test.bot(&self.name("bot"), self.of(whose).name).await
    }

    /// A pause of a bot of its own, without a reason.
    pub async fn hold(&self, whose: Whose) -> Hold {
        let bot = self.bot(whose).await;
        self.test.press(self.of(whose).operator, Scope::Bot(bot.id), Level::Pause).await.hold
    }

    /// An enrolment code that waits for its signature.
    pub async fn act(&self, whose: Whose) -> ActView {
        code_act(&self.test, &self.of(whose).bot, self.of(whose).operator).await
    }

    /// The release of a hold that risk placed, signed by the team's operator: it waits for a second person.
    pub async fn half_signed(&self, whose: Whose) -> ActView {
        let (bot, by) = (self.bot(whose).await, self.of(whose).operator);
        let hold = self.test.press("risk", Scope::Bot(bot.id), Level::Pause).await.hold;
        let act = self.test.app.prepare_release(&self.test.actor(by), &hold.id, "it is over").await.unwrap();
        self.test.sign(by, &act).await.unwrap();
        act
    }

    /// No recovery of the team's operator is open, and none was asked for within a day.
    pub async fn no_recovery(&self, whose: Whose) {
        let user = &self.test.people[self.of(whose).operator].id;
        let closed = "UPDATE recovery SET state = 'withdrawn', closed_at = asked_at WHERE state IN ('asked', 'approved', 'linked')";
        self.test.execute(&format!("{closed} AND user_id = '{user}'")).await;
        self.long_ago(user).await;
    }

    /// What a person asked for before and is over was long ago.
    async fn long_ago(&self, user: &UserId) {
        let over = "UPDATE recovery SET asked_at = asked_at - 864000000000 WHERE closed_at IS NOT NULL";
        self.test.execute(&format!("{over} AND user_id = '{user}'")).await;
    }

    /// A start in waves, to be ended.
    pub async fn staged(&self, whose: Whose) -> ActId {
        let of = self.of(whose);
        staged(&self.test, of.name, of.operator, [self.name("wave"), self.name("wave")]).await
    }

    /// The recovery of the team's operator, asked for by themselves, that waits for approvals.
    pub async fn recovery(&self, whose: Whose) -> RecoveryId {
        self.long_ago(&self.test.people[self.of(whose).operator].id).await;
        let user = &self.test.people[self.of(whose).operator].id;
        self.test.app.ask_own_recovery(user, "left on a train").await.unwrap()
    }

    /// A bot of the team that trades: the one of before while nothing has stopped it.
    pub async fn trading(&self, whose: Whose) -> BotFacts {
        let mut known = self.trading.lock().await;
        let view = self.test.app.fleet.view();
        let goes_on = |bot: &BotFacts| view.bot(&bot.id).is_some_and(|bot| view.directive(bot).state == State::Active);
        if let Some((_, bot)) = known.iter().rfind(|(of, bot)| *of == whose && goes_on(bot)) {
            return bot.clone();
        }
        let (bot, operator) = (self.bot(whose).await, self.of(whose).operator);
        let mut agent = agent::ready(&self.test, &bot, operator).await;
        self.test.start(std::slice::from_ref(&bot.id), &[operator]).await.unwrap();
        agent.settle(&self.test.app).await;
        known.push((whose, bot.clone()));
        bot
    }

    /// A bot that trades and that nobody drills.
    pub async fn control(&self) -> BotFacts {
        self.trading(Whose::Everybodys).await
    }

    /// A difference between a bot and its venue that nobody has closed.
    pub async fn difference(&self, bot: &BotId) -> ReconciliationId {
        let now = self.test.hand.clock().now();
        let one = Difference { subject: "open orders".into(), venue: "the venue has one".into(), agent: "the agent reports none".into() };
        let new = Reconciliation {
            id: ReconciliationId::new(),
            bot: bot.clone(),
            first_seen_at: now,
            confirmed_at: now,
            differences: vec![one],
            key: "key-1".into(),
            reaction: Reaction::Off,
            hold: None,
            closed: None,
        };
        let mut tx = self.test.fresh.db.write(Lane::Normal).await.unwrap();
        storage::reconciliations::reconciliation_insert(&mut tx, &new).await.unwrap();
        tx.commit().await.unwrap();
        new.id
    }

    /// An alert of its own about a bot of the team.
    pub async fn alert(&self, whose: Whose) -> AlertId {
        alert(&self.test, &self.bot(whose).await).await
    }

    /// A token to be revoked.
    pub async fn token(&self, whose: Whose) -> TokenId {
        let team = (whose != Whose::Everybodys).then(|| self.of(whose).team.clone());
        make_token(&self.test, team).await
    }

    /// A stop device to be ended.
    pub async fn device(&self, whose: Whose) -> DeviceId {
        let owner = self.of(whose).operator;
        self.test.phone(owner).await;
        let own = self.test.app.stop_devices_of(&self.test.actor(owner), &self.test.people[owner].id).await.unwrap();
        own.into_iter().max_by(|a, b| a.id.cmp(&b.id)).unwrap().id
    }

    /// A request for looser limits of a bot of its own, asked by somebody.
    pub async fn asked_by(&self, whose: Whose, by: &str) -> RequestId {
        ask(&self.test, &self.name("bot"), self.of(whose).name, by).await
    }

    /// The same, asked by the team's operator.
    pub async fn asked(&self, whose: Whose) -> RequestId {
        self.asked_by(whose, self.of(whose).operator).await
    }

    /// No request for another policy of limits is open.
    pub async fn no_policy_asked(&self) {
        self.none_asked(RequestKind::Policy, "limits").await;
    }

    /// No request of a kind for this is open.
    pub async fn none_asked(&self, kind: RequestKind, target: &str) {
        let mut tx = self.test.fresh.db.read().await.unwrap();
        let open = storage::requests::request_open_of(&mut tx, kind, target).await.unwrap();
        drop(tx);
        if let Some(open) = open {
            let by = self.test.app.actor_of(&open.requester, false).unwrap();
            self.test.app.withdraw_request(&by, &open.id).await.unwrap();
        }
    }

    /// A request for another policy, asked by the admin, which somebody has approved if they may.
    pub async fn voted(&self, by: Option<&str>) -> RequestId {
        self.no_policy_asked().await;
        let rule = andon::domain::Rule::new(&[&[andon::domain::approval::Approver::Risk]], 3_600);
        let id = self.test.app.ask_policy(&self.test.actor("admin"), RequestKind::Limits, rule, "risk alone").await.unwrap();
        if let Some(by) = by {
            let digest = self.test.app.request(&self.test.actor(by), &id).await.unwrap().case.request.digest;
            if let Ok(act) = self.test.app.prepare_approval(&self.test.actor(by), &id, &digest).await {
                self.test.sign(by, &act).await.unwrap();
            }
        }
        id
    }

    /// Tries a route.
    pub async fn send(&self, route: &Route, caller: &Caller, ask: &Ask) -> Reply {
        self.answer(self.request(route.method, caller, ask)).await
    }

    /// The request as this caller would make it.
    pub fn request(&self, method: &str, caller: &Caller, ask: &Ask) -> Request<Body> {
        let mut request = Request::builder().method(method).uri(&ask.path).header(header::HOST, ORIGIN.strip_prefix("http://").unwrap());
        if !caller.cookies.is_empty() {
            request = request.header(header::COOKIE, &caller.cookies);
        }
        if let Some(bearer) = &caller.bearer {
            request = request.header(header::AUTHORIZATION, format!("Bearer {bearer}"));
        }
        request = if method == "POST" { request.header(header::ORIGIN, ORIGIN) } else { request.header("sec-fetch-mode", "navigate") };
        if let Some(kind) = ask.content_type() {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let csrf = if ask.path == "/stop-device/holds" { &caller.device_csrf } else { &caller.csrf };
        request.body(Body::from(ask.body(csrf))).unwrap()
    }

    pub async fn answer(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let is_endless = head.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
        let bytes = if is_endless { Default::default() } else { axum::body::to_bytes(body, 8_000_000).await.unwrap() };
        Reply { status: head.status, headers: head.headers, text: String::from_utf8_lossy(&bytes).into_owned() }
    }
}

/// The secret of a fresh link by which somebody signs the recovery of the site: an agent has seen more than this database.
pub async fn site_link(test: &TestApp) -> String {
    let app = &test.app;
    let bot = app.fleet.view().bots().find(|bot| bot.name == "arb-1").cloned().unwrap();
    let seen = app.book.seen(&bot.id).unwrap();
    app.book.note(AgentSeen { epoch: Some(Epoch(1_000_000)), ..AgentSeen::clone(&seen) });
    let links = app.ask_site_recovery("root", "a restore", false).await.unwrap();
    links[0].expose().rsplit('/').next().unwrap().to_owned()
}

/// Which rows a route has: one for each team's things where it is about a team's, and one for everybody's where it can be.
pub fn rows(route: &Route) -> &'static [Whose] {
    match (route.method, route.path) {
        ("POST", "/holds" | "/holds/{id}/release" | "/tokens" | "/tokens/{id}/revoke" | "/api/v1/holds") => {
            &[Whose::Arbs, Whose::Grids, Whose::Everybodys]
        }
        ("POST", "/bots" | "/starts" | "/drills" | "/api/v1/bots" | "/limits" | "/limits/ask" | "/api/v1/limits" | "/api/v1/requests")
        | ("GET", "/starts/new") => &[Whose::Arbs, Whose::Grids],
        (_, path) if path.starts_with("/me/") => &[Whose::Nobodys],
        (_, path)
            if ["/venues", "/accounts", "/subaccounts", "/register"]
                .iter()
                .any(|root| path.trim_start_matches("/api/v1").starts_with(root)) =>
        {
            &[Whose::Nobodys]
        }
        (_, path) if path.contains("{id}") => &[Whose::Arbs, Whose::Grids],
        _ => &[Whose::Nobodys],
    }
}

/// True for what only a demo has.
pub fn is_of_demos(route: &Route) -> bool {
    route.access == Access::Demo
}

async fn things(test: &TestApp, name: &'static str, operator: &'static str) -> Things {
    let bot = test.bot(&format!("{name}-1"), name).await;
    agent::ready(test, &bot, operator).await;
    let held = test.bot(&format!("{name}-held"), name).await;
    let held = exchange_keys::seat(test, &held, (name, "elsewhere")).await;
    let key = exchange_keys::approved_as(test, &held, exchange_keys::usual(KeyPurpose::Execution), operator).await;
    let agent = agent::ready(test, &held, operator).await;
    let hold = test.press(operator, Scope::Bot(held.id), Level::Pause).await.hold;
    // What was known at the press is on its way to the disk.
    until("the evidence", async || test.app.evidence(&test.actor(operator), &hold.id, "", 1).await.is_ok()).await;
    let act = code_act(test, &bot, operator).await;
    let (member, _) = invite(test, &format!("{name}-member"), test.team(name)).await;
    let operators = || vec![Grant { role: Role::Operator, team: Some(test.team(name)) }];
    let fellow = test.invite(&format!("{name}-fellow"), operators()).await.id;
    let lost = test.invite(&format!("{name}-lost"), operators()).await.id;
    let linked = test.app.ask_own_recovery(&lost, "the bag with both was stolen").await.unwrap();
    for by in ["lead", "grid lead"] {
        let kind = ActKind::RecoveryApprove { recovery: linked.clone(), user: lost.clone() };
        let act = test.app.prepare_single(&test.actor(by), kind).await.unwrap();
        test.sign(by, &act).await.unwrap();
    }
    let notice = notice(test, operator).await;
    let alert = alert(test, &bot).await;
    let drill = drill(test, &bot, &hold).await;
    let file = files::filed(test, &bot.id, operator).await;
    let staged = staged(test, name, operator, [format!("{name}-wave-1"), format!("{name}-wave-2")]).await;
    let request = ask(test, &format!("{name}-asked"), name, operator).await;
    let exception = exception(test, &format!("{name}-excepted"), name, operator).await;
    let team = test.team(name);
    Things {
        name,
        team,
        operator,
        bot,
        hold,
        agent,
        act,
        member,
        fellow,
        linked,
        staged,
        notice,
        alert,
        drill,
        file,
        request,
        exception,
        key,
    }
}

/// A request for a larger order of a new bot: 3000 instead of 2000.
async fn ask(test: &TestApp, bot: &str, team: &str, by: &str) -> RequestId {
    let bot = test.bot(bot, team).await;
    let limit = |text: &str| [("max_order_notional".to_owned(), text.to_owned())];
    test.app.tighten_limits(&test.actor(by), &bot.id, &limit("2000"), "").await.unwrap();
    test.app.ask_limits(&test.actor(by), &bot.id, &limit("3000"), "the book is deeper now").await.unwrap()
}

/// An exception of a new bot, in force: a position of 3000 instead of 2000.
pub async fn exception(test: &TestApp, bot: &str, team: &str, by: &str) -> RequestId {
    let bot = test.bot(bot, team).await;
    let limit = [("max_position_notional".to_owned(), "2000".to_owned())];
    test.app.tighten_limits(&test.actor(by), &bot.id, &limit, "").await.unwrap();
    let asked = Asked { symbol: "BTC/USDT", most: "3000", lasts: Lasts::Hours("2"), why: "a large hedge" };
    let id = test.app.ask_override(&test.actor(by), &bot.id, asked).await.unwrap();
    let digest = test.app.request(&test.actor("auditor"), &id).await.unwrap().case.request.digest;
    let act = test.app.prepare_approval(&test.actor("risk"), &id, &digest).await.unwrap();
    test.sign("risk", &act).await.unwrap();
    id
}

/// A start in waves of two new bots.
async fn staged(test: &TestApp, team: &str, operator: &str, names: [String; 2]) -> ActId {
    let mut ids = Vec::new();
    for name in names {
        let bot = test.bot(&name, team).await;
        agent::ready(test, &bot, operator).await;
        ids.push(bot.id);
    }
    let waves = Waves { canary: ids[0].clone(), settle_s: 3_600 };
    let act = test.app.prepare_start_in(&test.actor(operator), &ids, &[], Some(&waves)).await.unwrap();
    test.sign(operator, &act).await.unwrap();
    test.sign("risk", &act).await.unwrap();
    act.stored.id
}

/// A drill that runs, of the held bot beside another.
async fn drill(test: &TestApp, control: &BotFacts, hold: &Hold) -> DrillId {
    let Scope::Bot(paused) = &hold.scope else { panic!("not of a bot") };
    let run = DrillRun {
        id: DrillId::new(),
        by_kind: PlacerKind::User,
        by_id: "x".into(),
        by_name: "somebody".into(),
        control_bot: control.id.clone(),
        began_at: hold.at,
        ends_at: hold.at.plus_ms(45_000),
        ended_at: None,
        passed: None,
        reasons: String::new(),
        control_at: None,
        expires_at: None,
    };
    let mut tx = test.fresh.db.write(Lane::Normal).await.unwrap();
    storage::drill_runs::drill_run_insert(&mut tx, &run).await.unwrap();
    storage::drill_runs::drill_bot_insert(&mut tx, &run.id, paused, &hold.id).await.unwrap();
    tx.commit().await.unwrap();
    run.id
}

/// An alert about a bot, a mere warning: nobody is told.
async fn alert(test: &TestApp, bot: &BotFacts) -> AlertId {
    let subject = Subject::bot(&bot.id);
    test.app.raise(AlertKind::ClockOff, subject.clone(), "Its clock is off by 3000 ms.");
    test.app.write_alerts().await.unwrap();
    test.app.alerts.find(AlertKind::ClockOff, &subject).unwrap().id
}

/// A notice of somebody's, who has an address from then on.
async fn notice(test: &TestApp, who: &str) -> NoticeId {
    let id = &test.people[who].id;
    test.give_address(who, &format!("{}@people.example", who.replace(' ', "-"))).await;
    test.app
        .tell(&Audience::person(id), &Notice::new(NoticeKind::RolesChanged, "scene", "Your roles changed", "For a test."))
        .await
        .unwrap();
    test.app.notices_of(&test.actor(who), None).await.unwrap().0[0].id.clone()
}

async fn code_act(test: &TestApp, bot: &BotFacts, by: &str) -> ActView {
    test.app.prepare_single(&test.actor(by), ActKind::EnrolmentCode { bot: bot.id.clone() }).await.unwrap()
}

/// Signs an act of the admin's and answers with the secret that comes of it.
async fn secret_of(test: &TestApp, kind: ActKind) -> String {
    secret_by(test, "admin", kind).await
}

/// The same of somebody's.
async fn secret_by(test: &TestApp, by: &str, kind: ActKind) -> String {
    let act = test.app.prepare_single(&test.actor(by), kind).await.unwrap();
    match test.sign(by, &act).await.unwrap() {
        Outcome::Secret { secret, .. } => secret.expose().clone(),
        other => panic!("{other:?} instead of a secret"),
    }
}

async fn invite(test: &TestApp, name: &str, team: TeamId) -> (UserId, String) {
    let user = UserId::new();
    let grants = vec![Grant { role: Role::Operator, team: Some(team) }];
    let link = secret_of(test, ActKind::Invite { user: user.clone(), name: name.into(), grants }).await;
    (user, link)
}

/// A recovery of somebody's account that was done a moment ago.
async fn recovered(tx: &mut WriteTx, user: &UserId, now: Timestamp) {
    let row = Recovery {
        id: RecoveryId::new(),
        user_id: user.clone(),
        asked_by: None,
        why: "keys lost".into(),
        state: RecoveryState::Asked,
        asked_at: now,
        expires_at: now,
        ready_at: None,
        told_at: None,
        link_until: None,
        began_at: None,
        closed_at: None,
    };
    storage::recoveries::recovery_insert(tx, &row).await.unwrap();
    storage::recoveries::recovery_close(tx, &row.id, RecoveryState::Done, now).await.unwrap();
}

/// The token of a fresh link for an operator.
async fn invitation(test: &TestApp, name: &str) -> String {
    invite(test, name, test.team("arb")).await.1.rsplit('/').next().unwrap().to_owned()
}

fn token_act(scope: &str, team: Option<TeamId>) -> ActKind {
    let of = if team.is_some() { "of arb" } else { "of all" };
    ActKind::TokenCreate { name: format!("{scope} {of}"), scope: scope.into(), team, days: 30 }
}

async fn make_token(test: &TestApp, team: Option<TeamId>) -> TokenId {
    secret_of(test, token_act("stop-only", team)).await;
    let all = test.app.tokens(&test.actor("admin")).await.unwrap();
    all.into_iter().max_by(|a, b| a.id.cmp(&b.id)).unwrap().id
}
