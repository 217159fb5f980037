//! Examples about going live: each about a bot of which everything is so, where sending it uses that up.

use super::{Ask, emergency::is_about_emergencies};
use crate::harness::{
    callers::{Caller, Who},
    golive::{ARB, BUILD, CONFIG, Crew, GRID, ask, whole_of},
    scene::{Scene, Whose},
};
use crate::requests;
use andon::domain::RequestKind;

/// True for routes whose examples stand here.
pub(super) fn is_about_golive(path: &str) -> bool {
    is_about_emergencies(path)
        || path.starts_with("/bots/{id}/golive")
        || ["/requests/{id}/execute", "/alerts/test", "/checklists/ask"].contains(&path)
}

impl Scene {
    fn crew(&self, whose: Whose) -> Crew {
        if whose == Whose::Grids { GRID } else { ARB }
    }

    /// What a pipeline files, about a bot of which everything is so where that comes to something.
    pub(super) async fn filed(&self, whose: Whose, caller: &Caller) -> Ask {
        let bot = match whose {
            Whose::Arbs if caller.who == Who::TeamBuildToken => whole_of(&self.test, &self.name("bot"), ARB).await.bot,
            _ => self.of(whose).bot.clone(),
        };
        let body = serde_json::json!({"build": BUILD, "config": CONFIG, "provenance": "https://ci.example/runs/7", "why": "it is ready"});
        Ask::json(format!("/api/v1/bots/{}/golive", bot.id), body)
    }

    pub(super) async fn about_golive(&self, path: &str, whose: Whose, caller: &Caller) -> Option<Ask> {
        let at = |id: &str| path.replace("{id}", id);
        let crew = self.crew(whose);
        let acts = [Who::Operator, Who::Lead, Who::OtherOperator, Who::OtherLead, Who::Risk].contains(&caller.who);
        let word =
            |item: &'static str| [("stage", "limited"), ("item", item), ("said", "looked at"), ("link", "https://wiki.example/plan")];
        Some(match path {
            // Whoever may do none of it uses none up.
            "/bots/{id}/golive" | "/bots/{id}/golive/evidence" if !acts => {
                Ask::form(at(self.of(whose).bot.id.as_str()), &[("on_drift", "pause"), ("why", "it is ready")])
            }
            "/bots/{id}/golive" => {
                let ready = whole_of(&self.test, &self.name("bot"), crew).await;
                Ask::form(at(ready.bot.id.as_str()), &[("on_drift", "pause"), ("why", "it is ready")])
            }
            "/bots/{id}/golive/attest" => Ask::form(at(self.bot(whose).await.id.as_str()), &word("runbook_intrusion")),
            "/bots/{id}/golive/evidence" => {
                let ready = crate::harness::golive::measured_of(&self.test, &self.name("bot"), crew).await;
                Ask::form(at(ready.bot.id.as_str()), &word("rollback_plan"))
            }
            "/alerts/test" => {
                crate::harness::golive::no_test_alert(&self.test).await;
                Ask::form(path, &[])
            }
            "/checklists/ask" => {
                // One request about a list is open at a time.
                self.none_asked(RequestKind::Checklist, "limited").await;
                let caps = [("caps_position", "9000"), ("caps_daily_loss", "400"), ("caps_currencies", "USDT, USD"), ("caps_days", "20")];
                Ask::form(path, &[[("stage", "limited"), ("why", "we know better")].as_slice(), &caps].concat())
            }
            "/requests/{id}/execute" => {
                if caller.who.person() != Some(crew.operator) {
                    return Some(Ask::form(at(self.of(whose).request.as_str()), &[]));
                }
                let ready = whole_of(&self.test, &self.name("bot"), crew).await;
                let request = ask(&self.test, crew.operator, &ready.bot.id).await.unwrap();
                requests::approve(&self.test, "risk", &request).await.unwrap();
                Ask::form(at(request.as_str()), &[])
            }
            _ => return Box::pin(self.about_emergencies(path, whose, caller)).await,
        })
    }
}
