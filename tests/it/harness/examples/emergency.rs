//! Examples about emergency changes: each about a bot that runs what nobody approved, for those who may do something about it.

use super::Ask;
use crate::harness::{
    callers::{Caller, Who},
    emergency::{departs, let_run, newest},
    golive::{ARB, GRID},
    scene::{Scene, Whose},
};
use andon::domain::EmergencyId;

/// True for routes whose examples stand here.
pub(super) fn is_about_emergencies(path: &str) -> bool {
    path == "/bots/{id}/emergency" || path.starts_with("/emergency/")
}

impl Scene {
    pub(super) async fn about_emergencies(&self, path: &str, whose: Whose, caller: &Caller) -> Option<Ask> {
        let crew = if whose == Whose::Grids { GRID } else { ARB };
        let own = if whose == Whose::Grids { [Who::OtherOperator, Who::OtherLead] } else { [Who::Operator, Who::Lead] };
        Some(match path {
            "/bots/{id}/emergency" => {
                // Whoever may not uses none up.
                let bot = if own.contains(&caller.who) {
                    departs(&self.test, &self.name("bot"), crew).await.0.id
                } else {
                    self.of(whose).bot.id.clone()
                };
                let fields = [("hours", "24"), ("why", "the venue changed its tick size")];
                Ask::form(path.replace("{id}", bot.as_str()), &fields)
            }
            "/emergency/{id}/review" => {
                let change = if [Who::Lead, Who::OtherLead, Who::Risk].contains(&caller.who) {
                    let (bot, _agent) = departs(&self.test, &self.name("bot"), crew).await;
                    // Whoever reviews it has not signed it.
                    let second = if caller.who.person() == Some(crew.lead) { "risk" } else { crew.lead };
                    let_run(&self.test, &[crew.operator, second], &bot.id, 24).await.unwrap();
                    newest(&self.test, &bot.id).await.id
                } else {
                    EmergencyId::new()
                };
                let fields = [("verdict", "justified"), ("words", "the tests were run on it since")];
                Ask::form(path.replace("{id}", change.as_str()), &fields)
            }
            _ => return None,
        })
    }
}
