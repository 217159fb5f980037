//! What programs send: agents under `/agent/v1`, others under `/api/v1`.

use super::Ask;
use crate::harness::{
    agent::RECIPIENT,
    scene::{Scene, Whose},
};
use andon::{app::acts::Outcome, domain::HoldId, web::router::Route};
use serde_json::json;

impl Scene {
    pub(super) async fn of_programs(&self, route: &Route, whose: Whose) -> Option<Ask> {
        let of = self.of(whose);
        Some(match (route.method, route.path) {
            ("POST", "/agent/v1/enrol") => {
                let body = json!({"code": self.code().await, "recipient": RECIPIENT,
                    "agent": {"name": "host-2", "version": "1.0.0", "platform": "linux-x86_64"}});
                Ask::json(route.path, body)
            }
            ("POST", "/agent/v1/token") => Ask::json(route.path, json!({})),
            ("POST", "/agent/v1/check-in") => Ask::json(route.path, json!({})),
            ("GET", "/agent/v1/directive") => Ask::get("/agent/v1/directive?wait_ms=0"),
            ("POST", "/agent/v1/acks") => {
                let epoch = self.arb.hold.epoch;
                Ask::json(route.path, json!({"epoch": epoch, "step": "received", "state": "halted"}))
            }
            ("POST", "/agent/v1/events") => Ask::json(route.path, json!({"kind": "order_rejected", "severity": "warning", "message": "m"})),
            ("POST", "/agent/v1/fills") => {
                let body = json!({"id": self.name("fill"), "order_id": "o-1", "client_order_id": "c-1", "at": "2024-11-23T03:12:07.120Z",
                    "symbol": "BTC/USDT", "side": "buy", "quantity": "0.25", "price": "65000.1", "fee": "0.5", "fee_currency": "USDT",
                    "maker": true});
                Ask::json(route.path, body)
            }
            ("GET", "/agent/v1/keys") => Ask::get(route.path),
            ("POST", "/agent/v1/keys") => {
                let fingerprint = andon::app::keys::install::fingerprint(&andon::domain::Secret::new(self.name("api-key")));
                let sealed = "-----BEGIN AGE ENCRYPTED FILE-----\nYQ==\n-----END AGE ENCRYPTED FILE-----\n";
                let body = json!({"key_id": self.arb.key, "version": 1, "fingerprint": fingerprint, "sealed": sealed});
                Ask::json(route.path, body)
            }
            ("POST", "/agent/v1/keys/measured") => {
                let sealed = "-----BEGIN AGE ENCRYPTED FILE-----\nYQ==\n-----END AGE ENCRYPTED FILE-----\n".to_owned();
                let (key_id, fingerprint) = (self.arb.key.clone(), "cd".repeat(32));
                let handed = andon::protocol::HandedKey { key_id, version: 1, fingerprint, sealed, told: None };
                // Once is enough: what was handed in stays.
                let _ = self.test.app.install_sealed(&self.arb.agent.live(&self.test.app), handed).await;
                let told = json!({"nothing": {"said": "the venue is down"}});
                Ask::json(route.path, json!({"key_id": self.arb.key, "version": 1, "told": told}))
            }
            ("POST", "/agent/v1/holds") => Ask::json(route.path, json!({"id": HoldId::new(), "level": "pause", "why": "loss"})),
            (
                "GET",
                "/agent/v1/stream" | "/api/v1/bots" | "/api/v1/teams" | "/api/v1/agents" | "/api/v1/holds" | "/api/v1/audit/checkpoint",
            )
            | ("GET", "/api/v1/openapi.json")
            | ("CONNECT", "/agent/v1/stream") => Ask::get(route.path),
            ("POST", "/api/v1/bots") => {
                let body = json!({"name": self.name("bot"), "team": of.team, "strategy": "grid", "owner": of.member});
                Ask::json(route.path, body)
            }
            ("GET", "/api/v1/bots/{id}/fills") => Ask::get(format!("/api/v1/bots/{}/fills", of.bot.id)),
            ("GET", "/api/v1/bots/{id}") => Ask::get(format!("/api/v1/bots/{}", of.bot.id)),
            ("POST", "/api/v1/bots/{id}/stage") => {
                Ask::json(format!("/api/v1/bots/{}/stage", self.bot(whose).await.id), json!({"stage": "draft"}))
            }
            ("POST", "/api/v1/holds") if whose == Whose::Everybodys => Ask::json(route.path, json!({"scope": "fleet"})),
            ("POST", "/api/v1/holds") => Ask::json(route.path, json!({"scope": "bot", "bot": self.bot(whose).await.id})),
            ("POST", "/api/v1/presses") if whose == Whose::Everybodys => {
                Ask::json(route.path, json!({"scopes": [{"scope": "fleet"}, {"scope": "symbol", "name": "BTC/USDT"}]}))
            }
            ("POST", "/api/v1/presses") => Ask::json(route.path, json!({"scopes": [{"scope": "bot", "name": self.bot(whose).await.id}]})),
            ("GET", "/api/v1/holds/{id}") => Ask::get(format!("/api/v1/holds/{}", of.hold.id)),
            ("GET", "/api/v1/holds/{id}/receipt") => Ask::get(format!("/api/v1/holds/{}/receipt", of.hold.id)),
            ("GET", "/api/v1/holds/{id}/evidence") => Ask::get(format!("/api/v1/holds/{}/evidence", of.hold.id)),
            ("GET", "/api/v1/drills" | "/api/v1/emergency-changes" | "/api/v1/audit/changes") => Ask::get(route.path),
            ("GET", "/api/v1/drills/{id}") => Ask::get(format!("/api/v1/drills/{}", of.drill)),
            ("GET", "/api/v1/alerts") => Ask::get(route.path),
            ("GET", "/api/v1/alerts/{id}") => Ask::get(format!("/api/v1/alerts/{}", of.alert)),
            ("POST", "/api/v1/alerts/{id}/take") => Ask::json(format!("/api/v1/alerts/{}/take", self.alert(whose).await), json!({})),
            ("POST", "/api/v1/alerts/{id}/close") => {
                Ask::json(format!("/api/v1/alerts/{}/close", self.alert(whose).await), json!({"why": "set by NTP"}))
            }
            _ => match self.of_programs_of_requests(route, whose).await {
                Some(ask) => ask,
                None => return self.of_programs_of_the_register(route, whose).await,
            },
        })
    }

    /// What takes approvals, and what came of it.
    async fn of_programs_of_requests(&self, route: &Route, whose: Whose) -> Option<Ask> {
        let of = self.of(whose);
        Some(match (route.method, route.path) {
            ("GET", "/api/v1/requests") => Ask::get(route.path),
            ("GET", "/api/v1/requests/{id}") => Ask::get(format!("/api/v1/requests/{}", of.request)),
            ("POST", "/api/v1/requests") => {
                let level = format!("bot:{}", self.limited(whose).await.id);
                Ask::json(route.path, json!({"kind": "limits", "level": level, "set": {"max_order_notional": "3000"}, "why": "deeper"}))
            }
            ("POST", "/api/v1/requests/{id}/revise") => {
                let id = self.asked_by(whose, if whose == Whose::Grids { "grid lead" } else { "lead" }).await;
                let bot = self.test.app.request(&self.test.actor("auditor"), &id).await.unwrap().row.target;
                let body = json!({"kind": "limits", "level": format!("bot:{bot}"), "set": {"max_order_notional": "4000"}, "why": "deeper"});
                Ask::json(format!("/api/v1/requests/{id}/revise"), body)
            }
            ("GET", "/api/v1/policies" | "/api/v1/policies/history" | "/api/v1/overrides") => Ask::get(route.path),
            ("GET", "/api/v1/overrides/{id}") => Ask::get(format!("/api/v1/overrides/{}", of.exception)),
            ("POST", "/api/v1/overrides/{id}/end") => {
                Ask::json(format!("/api/v1/overrides/{}/end", self.overridden(whose).await), json!({}))
            }
            ("POST", "/api/v1/requests/{id}/deny") => {
                Ask::json(format!("/api/v1/requests/{}/deny", self.asked(whose).await), json!({"why": "not before the audit"}))
            }
            ("POST", "/api/v1/requests/{id}/raise") => {
                let by = if whose == Whose::Grids { "grid lead" } else { "lead" };
                Ask::json(format!("/api/v1/requests/{}/raise", self.asked_by(whose, by).await), json!({"more": "admin"}))
            }
            ("POST", "/api/v1/requests/{id}/withdraw") => {
                let by = if whose == Whose::Grids { "grid lead" } else { "lead" };
                Ask::json(format!("/api/v1/requests/{}/withdraw", self.asked_by(whose, by).await), json!({}))
            }
            ("POST", "/api/v1/requests/{id}/comments") => {
                Ask::json(format!("/api/v1/requests/{}/comments", of.request), json!({"text": "looks right"}))
            }
            _ => return None,
        })
    }

    /// Limits, and what exists.
    async fn of_programs_of_the_register(&self, route: &Route, whose: Whose) -> Option<Ask> {
        let of = self.of(whose);
        Some(match (route.method, route.path) {
            ("GET", "/api/v1/limits" | "/api/v1/limits/versions") => Ask::get(format!("{}?of=bot:{}", route.path, of.bot.id)),
            ("POST", "/api/v1/limits") => {
                let level = format!("bot:{}", self.bot(whose).await.id);
                Ask::json(route.path, json!({"of": level, "set": {"max_leverage": "2"}, "why": "storm ahead"}))
            }
            ("GET", "/api/v1/keys") => Ask::get(route.path),
            ("GET", "/api/v1/keys/{id}") => Ask::get(format!("/api/v1/keys/{}", of.key)),
            ("GET", "/api/v1/venues" | "/api/v1/accounts" | "/api/v1/subaccounts" | "/api/v1/assignments") => Ask::get(route.path),
            ("GET", "/api/v1/venues/{id}") => Ask::get(format!("/api/v1/venues/{}", self.place.venue_id)),
            ("GET", "/api/v1/subaccounts/{id}") => Ask::get(format!("/api/v1/subaccounts/{}", self.place.id)),
            ("POST", "/api/v1/bots/{id}") => {
                let body = json!({"name": self.name("bot"), "strategy": "grid", "objective": "earn", "owner": of.fellow});
                Ask::json(format!("/api/v1/bots/{}", self.bot(whose).await.id), body)
            }
            ("POST", "/api/v1/bots/{id}/subaccount") => {
                let one = self.subaccount("test").await;
                Ask::json(format!("/api/v1/bots/{}/subaccount", self.bot(whose).await.id), json!({"subaccount": one.id}))
            }
            ("POST", "/api/v1/venues") => Ask::json(route.path, json!({"name": self.name("venue"), "environment": "test"})),
            ("POST", "/api/v1/venues/{id}") => {
                Ask::json(format!("/api/v1/venues/{}", self.venue().await), json!({"name": self.name("venue"), "exchange": "binance"}))
            }
            ("POST", "/api/v1/venues/{id}/retire") => {
                Ask::json(format!("/api/v1/venues/{}/retire", self.venue().await), json!({"retired": true}))
            }
            ("GET", "/api/v1/venues/{id}/changes") => Ask::get(format!("/api/v1/venues/{}/changes", self.place.venue_id)),
            ("POST", "/api/v1/venues/{id}/changes") => {
                Ask::json(format!("/api/v1/venues/{}/changes", self.venue().await), json!({"what": "tick sizes of all pairs"}))
            }
            ("POST", "/api/v1/accounts") => Ask::json(route.path, json!({"venue": self.venue().await, "name": self.name("account")})),
            ("POST", "/api/v1/accounts/{id}") => {
                Ask::json(format!("/api/v1/accounts/{}", self.account().await), json!({"name": self.name("account")}))
            }
            ("POST", "/api/v1/accounts/{id}/retire") => {
                Ask::json(format!("/api/v1/accounts/{}/retire", self.account().await), json!({"retired": true}))
            }
            ("POST", "/api/v1/subaccounts") => {
                Ask::json(route.path, json!({"venue": self.venue().await, "account": "main", "name": self.name("sub")}))
            }
            ("POST", "/api/v1/subaccounts/{id}") => {
                Ask::json(format!("/api/v1/subaccounts/{}", self.subaccount("test").await.id), json!({"name": self.name("sub")}))
            }
            ("POST", "/api/v1/subaccounts/{id}/retire") => {
                Ask::json(format!("/api/v1/subaccounts/{}/retire", self.subaccount("test").await.id), json!({"retired": true}))
            }
            _ => return None,
        })
    }

    /// A one-time code for a bot of arb that has no agent.
    pub async fn code(&self) -> String {
        let bot = self.bot(Whose::Arbs).await;
        let kind = andon::domain::ActKind::EnrolmentCode { bot: bot.id };
        let act = self.test.app.prepare_single(&self.test.actor("operator"), kind).await.unwrap();
        match self.test.sign("operator", &act).await.unwrap() {
            Outcome::Secret { secret, .. } => secret.expose().clone(),
            other => panic!("{other:?} instead of a code"),
        }
    }
}
