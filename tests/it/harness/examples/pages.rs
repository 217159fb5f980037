//! Pages and forms.

use super::{Ask, golive::is_about_golive};
use crate::harness::{
    agent,
    app::ORIGIN,
    browser::PASSWORD,
    callers::{Caller, Who, sign_in},
    exchange_keys,
    scene::{Scene, Whose, exception, site_link},
};
use andon::{
    app::{acts::ActView, sign_in::Chosen},
    authn::SoftKey,
    domain::{ActKind, Grant, KeyPurpose, Role, UserId},
    storage,
    web::{router::Route, session},
};

impl Scene {
    /// Pages: they are about things that stay as they are.
    pub(super) fn of_readers(&self, route: &Route, whose: Whose) -> Option<Ask> {
        let of = self.of(whose);
        let path = match route.path {
            "/healthz" | "/readyz" | "/" | "/sign-in" | "/sign-in/key" | "/sign-in/lost" | "/recoveries" | "/welcome" | "/fleet"
            | "/pause" | "/holds" | "/live/fleet" | "/acts" | "/me" | "/me/keys/new" | "/people" | "/people/invite" | "/teams"
            | "/venues" | "/kill" | "/tokens" | "/matrix" | "/system" | "/card" | "/bots/new" | "/agents" | "/audit" | "/audit/changes"
            | "/audit/changes.csv" | "/audit/checkpoint" | "/audit/verify" | "/first-run" | "/live/first-run" | "/notices"
            | "/demo/mail" | "/stop-device" | "/stop-devices" | "/me/stop-devices" | "/alerts" | "/drills" | "/requests" | "/policies"
            | "/limits" | "/limits/ask" | "/bots" | "/subaccounts" | "/assignments" | "/register" | "/register/export" | "/keys"
            | "/keys/new" | "/keys/calendar" | "/checklists" | "/emergency" => route.path.to_owned(),
            "/keys/{id}" | "/keys/{id}/install" => route.path.replace("{id}", of.key.as_str()),
            "/audit/{seq}" => "/audit/3".to_owned(),
            "/welcome/{link}" => format!("/welcome/{}", self.link),
            "/demo/{link}" => format!("/demo/{}", self.demo_link),
            "/recover/{link}" => format!("/recover/{}", self.site_link),
            "/notices/{id}" => format!("/notices/{}", of.notice),
            "/stop-device/enrol/{link}" => format!("/stop-device/enrol/{}", self.phone_link),
            "/stop-device/holds/{id}" => format!("/stop-device/holds/{}", of.hold.id),
            "/alerts/{id}" => format!("/alerts/{}", of.alert),
            "/drills/{id}" | "/live/drills/{id}" => route.path.replace("{id}", of.drill.as_str()),
            "/holds/{id}" => format!("/holds/{}", of.hold.id),
            "/holds/{id}/evidence" => format!("/holds/{}/evidence", of.hold.id),
            "/live/holds/{id}" => format!("/live/holds/{}", of.hold.id),
            "/acts/{id}" => format!("/acts/{}", of.act.stored.id),
            "/people/{id}" => format!("/people/{}", of.member),
            "/recoveries/{id}" => format!("/recoveries/{}", of.linked),
            "/teams/{id}" => format!("/teams/{}", of.team),
            "/requests/{id}" | "/requests/{id}/edit" => route.path.replace("{id}", of.request.as_str()),
            "/bots/{id}"
            | "/bots/{id}/move"
            | "/bots/{id}/edit"
            | "/bots/{id}/seat"
            | "/bots/{id}/seat/ask"
            | "/bots/{id}/golive"
            | "/bots/{id}/emergency"
            | "/bots/{id}/keys/ask"
            | "/bots/{id}/fills"
            | "/bots/{id}/fills.csv"
            | "/bots/{id}/limits"
            | "/bots/{id}/reconciliation"
            | "/bots/{id}/limits/ask"
            | "/bots/{id}/enrol"
            | "/live/bots/{id}/enrol" => route.path.replace("{id}", of.bot.id.as_str()),
            "/bots/{id}/golive/files/{file}" => format!("/bots/{}/golive/files/{}", of.bot.id, of.file),
            "/starts/new" => format!("/starts/new?bot={}", of.bot.id),
            "/starts/{id}" | "/live/starts/{id}" => route.path.replace("{id}", of.staged.as_str()),
            "/agents/{id}" => format!("/agents/{}", of.agent.id()),
            "/venues/{id}" => format!("/venues/{}", self.place.venue_id),
            "/accounts/{id}/safety" => format!("/accounts/{}/safety", self.place.account_id),
            "/subaccounts/{id}" => format!("/subaccounts/{}", self.place.id),
            "/register/imports/{id}" => format!("/register/imports/{}", self.import),
            _ => return None,
        };
        Some(Ask::get(path))
    }

    /// Forms: each gets a thing of its own where sending it uses the thing up.
    pub(super) async fn of_writers(&self, route: &Route, whose: Whose, caller: &Caller) -> Option<Ask> {
        Some(match route.path {
            "/sign-in" | "/sign-in/key" | "/sign-out" | "/welcome/{link}" | "/welcome/password" | "/welcome/key" => {
                self.at_the_door(route, caller).await
            }
            "/sign-in/lost" | "/sign-in/lost/withdraw" => self.about_lost_keys(route, caller).await,
            "/recover/{link}" => {
                self.forgive("risk");
                let link = site_link(&self.test).await;
                Ask::form(format!("/recover/{link}"), &[("name", "risk"), ("password", PASSWORD)])
            }
            "/recover/{link}/sign" => self.site_signature(caller).await,
            "/recoveries/{id}/approve" | "/recoveries/{id}/veto" | "/recoveries/{id}/withdraw" => {
                Ask::form(route.path.replace("{id}", self.recovery(whose).await.as_str()), &[])
            }
            "/recoveries/{id}/link" => Ask::form(format!("/recoveries/{}/link", self.of(whose).linked), &[]),
            "/starts/{id}/end" => Ask::form(format!("/starts/{}/end", self.staged(whose).await), &[]),
            "/starts" => Ask::form("/starts", &[("bot", self.of(whose).bot.id.as_str())]),
            path if path.starts_with("/me/keys") => self.about_own_keys(path, caller).await,
            // Boxed, as the largest: the rest would carry their state.
            path if path.starts_with("/keys") => return Box::pin(self.about_exchange_keys(path, whose, caller)).await,
            path if is_about_golive(path) => return Box::pin(self.about_golive(path, whose, caller)).await,
            path if path == "/bots/{id}/keys/ask" || path.starts_with("/bots/{id}/reconciliation") => {
                return Box::pin(self.about_venues_of_bots(path, whose)).await;
            }
            path if ["/bots", "/agents", "/limits"].iter().any(|start| path.starts_with(start)) => {
                return Box::pin(self.about_bots(path, whose)).await;
            }
            path if path.starts_with("/holds") => return self.about_holds(path, whose).await,
            "/acts/{id}/sign" => {
                let act = self.act(whose).await;
                let answer = self.signature(&act, caller).await;
                Ask::form(format!("/acts/{}/sign", act.stored.id), &[("response", &answer)])
            }
            "/acts/{id}/deny" => {
                let act = self.half_signed(whose).await;
                Ask::form(format!("/acts/{}/deny", act.stored.id), &[("why", "its orders are still open")])
            }
            "/acts/{id}/withdraw" => Ask::form(format!("/acts/{}/withdraw", self.act(whose).await.stored.id), &[]),
            "/acts/{id}/sign-demo" => Ask::form(format!("/acts/{}/sign-demo", self.act(whose).await.stored.id), &[]),
            path if path.starts_with("/people") => return self.about_people(path, whose).await,
            path if path.starts_with("/requests") || path == "/policies" => return self.about_requests(path, whose, caller).await,
            "/me/address" => Ask::form("/me/address", &[("address", "new@people.example")]),
            "/notices/read" => Ask::form("/notices/read", &[("up_to", self.arb.notice.as_str())]),
            "/notices/{id}/read" => Ask::form(format!("/notices/{}/read", self.of(whose).notice), &[]),
            "/system/mail" => Ask::form("/system/mail", &[]),
            "/first-run" => Ask::form("/first-run", &[("shown", "no")]),
            "/me/sessions/end" => {
                // One more to be ended.
                self.caller(caller.who).await;
                Ask::form("/me/sessions/end", &[("which", "others")])
            }
            "/teams" => Ask::form("/teams", &[("name", &self.name("team"))]),
            path if path.starts_with("/teams") || path.starts_with("/venues") => return self.about_places(path, whose).await,
            path if path.starts_with("/accounts") || path.starts_with("/subaccounts") => return self.about_places(path, whose).await,
            "/register/import" => {
                let text = format!("kind,name,environment\nvenue,{},test\n", self.name("venue"));
                Ask::form(route.path, &[("format", "csv"), ("text", &text)])
            }
            "/register/imports/{id}" => self.import_of(caller).await,
            "/tokens" => {
                let team = if whose == Whose::Everybodys { String::new() } else { self.of(whose).team.to_string() };
                Ask::form("/tokens", &[("name", "pager"), ("scope", "stop-only"), ("team", &team), ("days", "30")])
            }
            "/stop-device/holds" => {
                let scope = format!("bot:{}", self.bot(Whose::Arbs).await.id);
                Ask::form(route.path, &[("scope", &scope), ("level", "pause"), ("key", &self.name("key")), ("proof", "")])
            }
            "/stop-device/enrol" => Ask::form(route.path, &[("link", &self.test.phone_link("operator").await), ("public_key", "")]),
            "/stop-devices/allow" => Ask::form(route.path, &[("allowed", "no")]),
            "/stop-devices/{id}/end" => Ask::form(format!("/stop-devices/{}/end", self.device(whose).await), &[]),
            "/me/stop-devices" => Ask::form(route.path, &[("name", "my phone")]),
            "/drills" => {
                let (bot, control) = (self.trading(whose).await, self.control().await);
                Ask::form("/drills", &[("bot", bot.id.as_str()), ("control", control.id.as_str())])
            }
            "/alerts/{id}/take" => Ask::form(format!("/alerts/{}/take", self.alert(whose).await), &[]),
            "/alerts/{id}/close" => Ask::form(format!("/alerts/{}/close", self.alert(whose).await), &[("why", "it was set by NTP")]),
            "/tokens/{id}/revoke" => Ask::form(format!("/tokens/{}/revoke", self.token(whose).await), &[]),
            _ => return None,
        })
    }

    /// After the right password, with no key at hand.
    async fn about_lost_keys(&self, route: &Route, caller: &Caller) -> Ask {
        // The limit of these two is tried elsewhere.
        let operator = &self.test.people["operator"].id;
        self.test.app.throttle.step_was_good(andon::authn::Step::Lost, operator, "unknown");
        match route.path {
            "/sign-in/lost" => self.no_recovery(Whose::Arbs).await,
            _ => drop(self.recovery(Whose::Arbs).await),
        }
        // As after the right password; somebody without a session cannot have given it.
        if let (Some(session), Some(_)) = (&caller.session, caller.who.person()) {
            session.insert("pending", operator).await.unwrap();
            session.save().await.unwrap();
        }
        let fields: &[(&str, &str)] = if route.path == "/sign-in/lost" { &[("why", "left on a train")] } else { &[] };
        Ask::form(route.path, fields)
    }

    /// Presses and their ends.
    async fn about_holds(&self, path: &str, whose: Whose) -> Option<Ask> {
        Some(match path {
            "/holds" => {
                let scope = match whose {
                    Whose::Everybodys => "fleet".to_owned(),
                    _ => format!("bot:{}", self.bot(whose).await.id),
                };
                Ask::form("/holds", &[("scope", &scope), ("level", "pause"), ("key", &self.name("key"))])
            }
            "/holds/{id}/why" => Ask::form(format!("/holds/{}/why", self.hold(whose).await.id), &[("why", "venue outage")]),
            "/holds/{id}/release" => {
                let hold = match whose {
                    Whose::Everybodys => self.fleet_hold().await,
                    _ => self.of(whose).hold.id.to_string(),
                };
                Ask::form(format!("/holds/{hold}/release"), &[("release_why", "it is over")])
            }
            _ => return None,
        })
    }

    /// People and what is done about them.
    async fn about_people(&self, path: &str, whose: Whose) -> Option<Ask> {
        Some(match path {
            "/people/{id}/recover" => Ask::form(format!("/people/{}/recover", self.of(whose).fellow), &[("why", "told me on a call")]),
            "/people/invite" => {
                let grant = format!("operator:{}", self.arb.team);
                Ask::form("/people/invite", &[("name", &self.name("new")), ("grant", &grant)])
            }
            "/people/{id}/roles" => {
                let grant = format!("lead:{}", self.of(whose).team);
                Ask::form(format!("/people/{}/roles", self.of(whose).member), &[("grant", &grant), ("roles_why", "she knows the desk")])
            }
            "/people/{id}/link" => Ask::form(format!("/people/{}/link", self.invited().await), &[]),
            "/people/{id}/sessions/end" => {
                let member = &self.of(whose).member;
                let session = self.session();
                sign_in(&self.test, &session, member).await;
                session.save().await.unwrap();
                let handle = session::read(&session).await.handle.unwrap();
                Ask::form(format!("/people/{member}/sessions/end"), &[("which", &handle)])
            }
            "/people/{id}/disable" => Ask::form(format!("/people/{}/disable", self.of(whose).member), &[]),
            "/people/{id}/enable" => {
                let somebody = self.invited().await;
                self.test.app.disable(&self.test.actor("admin"), &somebody).await.unwrap();
                Ask::form(format!("/people/{somebody}/enable"), &[])
            }
            _ => return None,
        })
    }

    /// Requests, and the policies that they change.
    async fn about_requests(&self, path: &str, whose: Whose, caller: &Caller) -> Option<Ask> {
        let at = |id: &andon::domain::RequestId| path.replace("{id}", id.as_str());
        Some(match path {
            "/policies" => {
                self.no_policy_asked().await;
                let fields = [("about", "limits"), ("seat1", "risk"), ("delay_h", "1"), ("why", "risk alone")];
                Ask::form(path, &fields)
            }
            "/requests/{id}/edit" => {
                Ask::form(at(&self.asked(whose).await), &[("max_order_notional", "4000"), ("why", "deeper than I thought")])
            }
            "/requests/{id}/approve" => {
                let id = self.asked(whose).await;
                let seen = self.test.app.request(&self.test.actor("auditor"), &id).await.unwrap();
                Ask::form(at(&id), &[("digest", &seen.case.request.digest)])
            }
            "/requests/{id}/take-back" => Ask::form(at(&self.voted(caller.who.person()).await), &[]),
            "/requests/{id}/deny" => Ask::form(at(&self.asked(whose).await), &[("why", "not before the audit")]),
            "/requests/{id}/read" => Ask::form(at(&self.of(whose).request), &[]),
            "/requests/{id}/raise" => Ask::form(at(&self.asked(whose).await), &[("more", "admin")]),
            "/requests/{id}/withdraw" => Ask::form(at(&self.asked(whose).await), &[]),
            "/requests/{id}/comments" => Ask::form(at(&self.of(whose).request), &[("text", "looks right")]),
            _ => return None,
        })
    }

    /// Venues, and what is done to a whole team.
    async fn about_places(&self, path: &str, whose: Whose) -> Option<Ask> {
        let at = |id: &str| path.replace("{id}", id);
        Some(match path {
            "/teams/{id}/limits/half" => {
                let bot = self.limited(whose).await;
                let seen = format!("{}:{}", bot.id, bot.limits.version);
                Ask::form(format!("/teams/{}/limits/half", bot.team), &[("limits", &seen)])
            }
            "/venues" => Ask::form("/venues", &[("name", &self.name("venue")), ("environment", "test")]),
            "/venues/accounts" => {
                let fields = [("venue", self.venue().await), ("account", self.name("account"))];
                Ask::form(path, &fields.each_ref().map(|(name, text)| (*name, text.as_str())))
            }
            "/venues/{id}" => Ask::form(at(&self.venue().await), &[("name", &self.name("venue")), ("exchange", "binance")]),
            "/venues/{id}/retire" => Ask::form(at(&self.venue().await), &[("retired", "yes")]),
            "/venues/{id}/changes" => Ask::form(at(&self.venue().await), &[("what", "tick sizes of all pairs")]),
            "/accounts/{id}" => Ask::form(at(&self.account().await), &[("name", &self.name("account"))]),
            "/accounts/{id}/safety" => {
                let fields = [("second_factor", "security_key"), ("whitelist_locked", "yes"), ("notices_to", "desk@example.org")];
                let rest = [("recovery", "two of us"), ("support", "the lead"), ("devices", "one laptop"), ("diligence", "licensed")];
                Ask::form(at(&self.account().await), &[fields.as_slice(), &rest].concat())
            }
            "/accounts/{id}/retire" => Ask::form(at(&self.account().await), &[("retired", "yes")]),
            "/subaccounts/{id}" => {
                Ask::form(at(self.subaccount("test").await.id.as_str()), &[("name", &self.name("sub")), ("account", "main")])
            }
            "/subaccounts/{id}/retire" => Ask::form(at(self.subaccount("test").await.id.as_str()), &[("retired", "yes")]),
            "/venues/subaccounts" => {
                let fields = [("venue", self.venue().await), ("subaccount", self.name("sub"))];
                Ask::form("/venues/subaccounts", &fields.each_ref().map(|(name, text)| (*name, text.as_str())))
            }
            _ => return None,
        })
    }

    /// Bots and their agents.
    async fn about_bots(&self, path: &str, whose: Whose) -> Option<Ask> {
        let of = self.of(whose);
        let at = |id: &str| path.replace("{id}", id);
        Some(match path {
            "/bots" => Ask::form(path, &[("name", &self.name("bot")), ("team", of.team.as_str()), ("strategy", "grid"), ("owner", "")]),
            "/bots/{id}/stage" => Ask::form(at(self.bot(whose).await.id.as_str()), &[("stage", "draft")]),
            "/bots/{id}/move" => Ask::form(at(self.bot(whose).await.id.as_str()), &[("team", self.desk.as_str())]),
            "/bots/{id}/seat" => {
                let (venue, name) = (self.venue().await, self.name("sub"));
                let one = self.test.app.create_subaccount(&self.test.actor("admin"), &venue, &name).await.unwrap();
                Ask::form(at(self.bot(whose).await.id.as_str()), &[("subaccount", one.id.as_str())])
            }
            "/bots/{id}/edit" => {
                let fields = [
                    ("name", self.name("bot")),
                    ("strategy", "grid".to_owned()),
                    ("objective", "earn".to_owned()),
                    ("owner", of.fellow.to_string()),
                ];
                let fields: Vec<(&'static str, &str)> = fields.iter().map(|(name, text)| (*name, text.as_str())).collect();
                Ask::form(at(self.bot(whose).await.id.as_str()), &fields)
            }
            "/bots/{id}/operators" => Ask::form(at(self.bot(whose).await.id.as_str()), &[("operator", of.fellow.as_str())]),
            "/bots/{id}/seat/ask" => {
                let (bot, one) = (self.bot(whose).await, self.subaccount("live").await);
                self.test.app.set_stage(&self.test.actor(of.operator), &bot.id, andon::domain::Stage::Draft).await.unwrap();
                Ask::form(at(bot.id.as_str()), &[("subaccount", one.id.as_str()), ("why", "it is proven")])
            }
            "/bots/{id}/links" => {
                let other = self.bot(whose).await;
                Ask::form(at(self.bot(whose).await.id.as_str()), &[("other", &other.name), ("why", "two legs of one hedge")])
            }
            "/bots/{id}/links/end" => {
                let (bot, other) = (self.bot(whose).await, self.bot(whose).await);
                let by = self.test.actor(of.operator);
                self.test.app.link_bots(&by, &bot.id, &other.name, "two legs").await.unwrap();
                Ask::form(at(bot.id.as_str()), &[("other", other.id.as_str())])
            }
            "/bots/{id}/limits" => Ask::form(at(self.bot(whose).await.id.as_str()), &[("max_leverage", "2"), ("why", "storm ahead")]),
            "/bots/{id}/limits/ask" => {
                let bot = self.limited(whose).await;
                Ask::form(at(bot.id.as_str()), &[("max_order_notional", "3000"), ("why", "the book is deeper now")])
            }
            "/limits" => {
                let level = format!("bot:{}", self.bot(whose).await.id);
                Ask::form(path, &[("of", &level), ("max_leverage", "2"), ("why", "storm ahead")])
            }
            "/limits/ask" => {
                let level = format!("symbol:{}:BTC/USDT", self.bot(whose).await.id);
                let node = andon::domain::limits::Node::from_one(&level).unwrap();
                let stands = [("max_order_notional".to_owned(), "2000".to_owned())];
                self.test.app.tighten(&self.test.actor("risk"), &node, &stands, "").await.unwrap();
                Ask::form(path, &[("of", &level), ("max_order_notional", "3000"), ("why", "the book is deeper now")])
            }
            "/bots/{id}/limits/override" => {
                let bot = self.positioned(whose).await;
                Ask::form(at(bot.id.as_str()), &[("symbol", "BTC/USDT"), ("most", "3000"), ("hours", "2"), ("why", "a large hedge")])
            }
            "/limits/overrides/{id}/end" => Ask::form(at(self.overridden(whose).await.as_str()), &[]),
            "/bots/{id}/limits/half" => {
                let bot = self.limited(whose).await;
                Ask::form(at(bot.id.as_str()), &[("version", &bot.limits.version.to_string())])
            }
            "/bots/{id}/enrol" => Ask::form(at(of.bot.id.as_str()), &[]),
            "/bots/{id}/confirm" => {
                let bot = self.bot(whose).await;
                let agent = agent::enrol(&self.test, &bot, of.operator).await;
                let row = self.test.app.agent(&self.test.actor(of.operator), agent.id()).await.unwrap();
                Ask::form(at(bot.id.as_str()), &[("agent", row.id.as_str()), ("fingerprint", &row.fingerprint)])
            }
            "/agents/{id}/revoke" => Ask::form(at(of.agent.id().as_str()), &[("why", "the host is gone")]),
            _ => return None,
        })
    }

    /// An account that nothing uses, by its id.
    pub(super) async fn account(&self) -> String {
        let venue = self.venue().await;
        self.test.app.create_account(&self.test.actor("admin"), &venue, "second").await.unwrap().id.to_string()
    }

    /// A subaccount that no bot has.
    pub(super) async fn subaccount(&self, environment: &str) -> andon::app::venues::Subaccount {
        let venue = self.test.app.create_venue(&self.test.actor("admin"), &self.name("venue"), environment).await.unwrap();
        self.test.app.create_subaccount(&self.test.actor("admin"), venue.id.as_str(), &self.name("sub")).await.unwrap()
    }

    /// The confirmation of a file that the caller has brought; of one of the admin's where they may bring none.
    async fn import_of(&self, caller: &Caller) -> Ask {
        use andon::app::register::{file::Format, import::Source};
        // Who trades in a team may change its bots, and no venue.
        let text = match caller.who.person() {
            Some("operator") => format!("kind,name,objective\nbot,{},{}\n", self.arb.bot.name, self.name("earn")),
            Some("grid operator") => format!("kind,name,objective\nbot,{},{}\n", self.grid.bot.name, self.name("earn")),
            _ => format!("kind,name,environment\nvenue,{},test\n", self.name("venue")),
        };
        let source = Source { format: Format::Csv, text: &text };
        let own = caller.who.person().and_then(|name| self.test.people.get(name)).and_then(|one| self.test.app.actor_of(&one.id, false));
        let admin = self.test.actor("admin");
        let (by, id) = match own {
            Some(own) => match self.test.app.draft_import(&own, source).await {
                Ok(id) => (own, id),
                Err(_) => (admin.clone(), self.test.app.draft_import(&admin, source).await.unwrap()),
            },
            None => (admin.clone(), self.test.app.draft_import(&admin, source).await.unwrap()),
        };
        let (_, difference) = self.test.app.import(&by, &id).await.unwrap();
        Ask::form(format!("/register/imports/{id}"), &[("seen", &difference.digest().unwrap())])
    }

    /// A venue, by its id.
    pub(super) async fn venue(&self) -> String {
        self.test.app.create_venue(&self.test.actor("admin"), &self.name("venue"), "test").await.unwrap().id.to_string()
    }

    /// A bot whose positions are limited.
    async fn positioned(&self, whose: Whose) -> andon::domain::BotFacts {
        let bot = self.bot(whose).await;
        let asked = [("max_position_notional".to_owned(), "2000".to_owned())];
        self.test.app.tighten_limits(&self.test.actor(self.of(whose).operator), &bot.id, &asked, "").await.unwrap();
        bot
    }

    /// What bots have at their venues.
    async fn about_venues_of_bots(&self, path: &str, whose: Whose) -> Option<Ask> {
        let of = self.of(whose);
        let at = |id: &str| path.replace("{id}", id);
        Some(match path {
            "/bots/{id}/keys/ask" => {
                let bot = exchange_keys::seated(&self.test, &self.name("bot"), (of.name, &self.name("venue"))).await;
                Ask::form(at(bot.id.as_str()), &[("purpose", "execution"), ("ips", "203.0.113.7"), ("why", "it trades from there")])
            }
            "/bots/{id}/reconciliation" => {
                let bot = self.bot(whose).await;
                let id = self.difference(&bot.id).await;
                Ask::form(at(bot.id.as_str()), &[("reconciliation", id.as_str()), ("why", "placed by hand, and cancelled")])
            }
            "/bots/{id}/reconciliation/setting" => {
                Ask::form(at(self.bot(whose).await.id.as_str()), &[("reaction", "reduce"), ("guard_cancels", "all")])
            }
            _ => return None,
        })
    }

    /// Each about a key of its own, of a bot that has an agent.
    async fn about_exchange_keys(&self, path: &str, whose: Whose, caller: &Caller) -> Option<Ask> {
        let of = self.of(whose);
        let acts = [Who::Operator, Who::Lead, Who::OtherOperator, Who::OtherLead, Who::Risk];
        if !acts.contains(&caller.who) {
            // Whoever may do none of it uses none up.
            let fields = [("version", "1"), ("seen", "00"), ("why", "over"), ("api_key", "k"), ("secret", "s")];
            return Some(Ask::form(path.replace("{id}", of.key.as_str()), &fields));
        }
        let new = async || exchange_keys::approved(&self.test, &self.name("key-bot"), (of.name, &self.name("venue")), of.operator).await;
        let secret = || (self.name("api-key"), self.name("secret-of"));
        let in_use = async || {
            let key = new().await;
            let (api_key, secret) = secret();
            exchange_keys::install(&self.test, of.operator, &key, (&api_key, &secret)).await.unwrap();
            exchange_keys::attest(&self.test, of.operator, &key).await.unwrap();
            key
        };
        let at = |id: &andon::domain::KeyId| path.replace("{id}", id.as_str());
        Some(match path {
            "/keys/{id}/install" => {
                let (api_key, secret) = secret();
                Ask::form(at(&new().await), &[("api_key", &api_key), ("secret", &secret)])
            }
            "/keys/{id}/attest" => {
                let key = new().await;
                let (api_key, secret) = secret();
                exchange_keys::install(&self.test, of.operator, &key, (&api_key, &secret)).await.unwrap();
                let seen = exchange_keys::seen(&self.test, &key).await;
                Ask::form(at(&key), &[("version", "1"), ("seen", &seen), ("why", "looked at its page")])
            }
            "/keys/{id}/measure" => {
                let bot = exchange_keys::seated(&self.test, &self.name("key-bot"), (of.name, "bybit")).await;
                agent::ready(&self.test, &bot, of.operator).await;
                let key = exchange_keys::approved_as(&self.test, &bot, exchange_keys::usual(KeyPurpose::Execution), of.operator).await;
                let (api_key, secret) = secret();
                exchange_keys::install(&self.test, of.operator, &key, (&api_key, &secret)).await.unwrap();
                // Its venue does not answer here: that it is in use is written by hand.
                self.test.execute(&format!("UPDATE key_version SET state = 'active' WHERE key_id = '{key}'")).await;
                Ask::form(at(&key), &[("version", "1")])
            }
            "/keys/{id}/end" => Ask::form(at(&in_use().await), &[("version", "0"), ("why", "another desk takes over")]),
            "/keys/{id}/gone" | "/keys/{id}/delete" => {
                let key = in_use().await;
                self.test.app.end_key(&self.test.actor(of.operator), &key, "over").await.unwrap();
                if path.ends_with("/delete") {
                    exchange_keys::lend_admin(&self.test, &key).await;
                }
                Ask::form(at(&key), &[("version", "1"), ("why", "deleted it there")])
            }
            "/keys/{id}/compromised" => Ask::form(at(&in_use().await), &[("why", "it stood in a log")]),
            "/keys/{id}/settled" => {
                let (key, by) = (in_use().await, self.test.actor(of.operator));
                self.test.app.compromise_key(&by, &key, "it stood in a log").await.unwrap();
                self.test.app.note_gone(&by, &key, 1, "deleted it there").await.unwrap();
                Ask::form(at(&key), &[("why", "orders and balances are what we have")])
            }
            _ => return None,
        })
    }

    /// An exception that is in force.
    pub(super) async fn overridden(&self, whose: Whose) -> andon::domain::RequestId {
        let of = self.of(whose);
        exception(&self.test, &self.name("bot"), of.name, of.operator).await
    }

    /// A bot with limits that can be halved.
    pub(super) async fn limited(&self, whose: Whose) -> andon::domain::BotFacts {
        let bot = self.bot(whose).await;
        let asked = [("max_order_notional".to_owned(), "2000".to_owned())];
        self.test.app.tighten_limits(&self.test.actor(self.of(whose).operator), &bot.id, &asked, "").await.unwrap();
        andon::domain::BotFacts::clone(self.test.app.fleet.view().bot(&bot.id).unwrap())
    }

    /// One's own keys: a third one is made for whoever removes one.
    async fn about_own_keys(&self, path: &str, caller: &Caller) -> Ask {
        let Some(person) = caller.who.person().filter(|_| caller.who != Who::Frozen) else {
            return Ask::form(path.replace("{id}", "nobodys"), &[("nickname", "blue"), ("response", "{}")]);
        };
        match path {
            "/me/keys" => {
                let ceremony = self.test.app.own_key_options(&self.test.actor(person)).await.unwrap();
                caller.begins(self, "add key", ceremony.state).await;
                let answer = SoftKey::new(ORIGIN.parse().unwrap()).register(&ceremony.options).unwrap();
                Ask::form(path, &[("nickname", "blue"), ("response", &answer)])
            }
            "/me/keys/{id}/name" => Ask::form(path.replace("{id}", self.test.keys(person).await[0].id.as_str()), &[("nickname", "blue")]),
            // The one that signs nothing; with a third they would have two again.
            _ if caller.who == Who::FewKeys => Ask::form(path.replace("{id}", self.test.keys(person).await[1].id.as_str()), &[]),
            _ => {
                let mut keys = self.test.keys(person).await;
                if keys.len() < 3 {
                    let (_, act) = self.test.make_key(person, "third").await;
                    self.test.sign(person, &act).await.unwrap();
                    keys = self.test.keys(person).await;
                }
                Ask::form(path.replace("{id}", keys[2].id.as_str()), &[])
            }
        }
    }

    /// Signing in and out, and what an invited person sends.
    async fn at_the_door(&self, route: &Route, caller: &Caller) -> Ask {
        let app = &self.test.app;
        match route.path {
            "/sign-in" => {
                // A name has few tries: they take turns.
                let people = ["operator", "lead", "grid operator", "grid lead", "risk", "auditor"];
                let somebody = &self.test.people[people[caller.who as usize % people.len()]];
                let name = app.people().user(&somebody.id).unwrap().name.clone();
                Ask::form("/sign-in", &[("name", &name), ("password", PASSWORD)])
            }
            "/sign-in/key" => {
                let Some(person) = caller.who.person() else { return Ask::form("/sign-in/key", &[("response", "{}")]) };
                let ceremony = app.sign_in_key_options(&self.test.people[person].id).await.unwrap();
                caller.begins(self, "sign-in", ceremony.state).await;
                let answer = self.test.people[person].key.sign(&ceremony.options).unwrap();
                Ask::form("/sign-in/key", &[("response", &answer)])
            }
            "/welcome/{link}" => Ask::form(format!("/welcome/{}", self.link), &[]),
            "/welcome/password" => {
                let fields =
                    [("display_name", "S. Guest"), ("password", PASSWORD), ("again", PASSWORD), ("address", "guest@people.example")];
                Ask::form("/welcome/password", &fields)
            }
            "/welcome/key" if caller.who == Who::Invited => {
                let link = caller.link.as_deref().unwrap();
                let password = andon::domain::Secret::new(PASSWORD.into());
                let chosen = Chosen { display_name: "S. Guest".into(), password, address: String::new() };
                app.welcome_password(link, chosen).await.unwrap();
                let ceremony = app.welcome_key_options(link).await.unwrap();
                caller.begins(self, "welcome", ceremony.state).await;
                let answer = SoftKey::new(ORIGIN.parse().unwrap()).register(&ceremony.options).unwrap();
                Ask::form("/welcome/key", &[("nickname", "blue"), ("response", &answer)])
            }
            "/welcome/key" => Ask::form("/welcome/key", &[("nickname", "blue"), ("response", "{}")]),
            _ => Ask::form("/sign-out", &[]),
        }
    }

    /// A good signature of the caller's over an act, as their key makes it whether they may sign or not.
    async fn signature(&self, act: &ActView, caller: &Caller) -> String {
        let Some(person) = caller.who.person() else { return "{}".to_owned() };
        let person = &self.test.people[person];
        let mut tx = self.test.fresh.db.read().await.unwrap();
        let keys = storage::credentials::credential_of_user(&mut tx, &person.id).await.unwrap();
        let passkeys: Vec<String> = keys.into_iter().map(|key| key.passkey).collect();
        let ceremony = self.test.app.keys.begin_assertion(&passkeys, Some(act.challenge())).unwrap();
        caller.begins(self, &format!("act {}", act.stored.id), ceremony.state).await;
        person.key.sign(&ceremony.options).unwrap()
    }

    /// Forgets wrong passwords: their limit is tried elsewhere.
    fn forgive(&self, name: &str) {
        for from in ["", "unknown"] {
            self.test.app.throttle.was_good(andon::authn::throttle::Trying { name, from, known_browser: None });
        }
    }

    /// A good signature over a recovery of the site, by risk, in the session of whoever asks.
    async fn site_signature(&self, caller: &Caller) -> Ask {
        let link = site_link(&self.test).await;
        let path = format!("/recover/{link}/sign");
        let id = self.test.people["risk"].id.to_string();
        if caller.session.is_none() {
            return Ask::form(path, &[("user", &id), ("response", "{}")]);
        }
        self.forgive("risk");
        let given = ("risk", andon::domain::Secret::new(PASSWORD.into()));
        let whence = andon::app::sign_in::Whence::default();
        let (user, ceremony, act) = self.test.app.begin_site_signature(&link, given, &[], &whence).await.unwrap();
        caller.begins(self, &format!("recover {} {user}", act.stored.id), ceremony.state).await;
        let answer = self.test.people["risk"].key.sign(&ceremony.options).unwrap();
        Ask::form(path, &[("user", &id), ("response", &answer)])
    }

    /// Somebody who was invited and has not come in.
    async fn invited(&self) -> UserId {
        let user = UserId::new();
        let grants = vec![Grant { role: Role::Auditor, team: None }];
        let kind = ActKind::Invite { user: user.clone(), name: self.name("guest"), grants };
        let act = self.test.app.prepare_single(&self.test.actor("admin"), kind).await.unwrap();
        self.test.sign("admin", &act).await.unwrap();
        user
    }

    /// A pause of the whole fleet, the same one while it stands.
    async fn fleet_hold(&self) -> String {
        self.test.press("operator", andon::domain::Scope::Fleet, andon::domain::Level::Pause).await.hold.id.to_string()
    }
}
