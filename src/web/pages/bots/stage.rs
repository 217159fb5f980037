//! Moving a bot to another stage: to `sandbox`, or down. Down is immediate and a stop.

use super::id_of;
use crate::domain::Stage;
use crate::web::{
    Answer, Shared, WebError,
    extract::{ByTouch, MayNeedTouch},
    frame,
    query::Named,
};
use axum::{extract::State, http::StatusCode};

/// A stage that a person can set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The stage's word.
    pub to: &'static str,
    /// The button: verb, number, noun.
    pub words: String,
    /// What it means.
    pub note: &'static str,
}

/// What a person can set from here; up to `sandbox` only who edits the bot. Above it takes an approval, which is not a person's alone.
pub fn steps(from: Stage, may_edit: bool) -> Vec<Step> {
    let mut all = match from {
        Stage::Draft => vec![Stage::Sandbox, Stage::Retired],
        Stage::Sandbox => vec![Stage::Draft, Stage::Retired],
        Stage::Limited => vec![Stage::Sandbox, Stage::Draft, Stage::Retired],
        Stage::Live => vec![Stage::Limited, Stage::Sandbox, Stage::Draft, Stage::Retired],
        Stage::Retired => vec![Stage::Draft],
    };
    all.retain(|to| may_edit || *to != Stage::Sandbox || *to < from);
    let step = |to: Stage| Step {
        to: to.as_str(),
        words: match to {
            Stage::Retired => "Retire 1 bot".to_owned(),
            to if to > from => format!("Move 1 bot up to {to}"),
            to => format!("Move 1 bot to {to}"),
        },
        note: match to {
            Stage::Sandbox if from == Stage::Draft => "test venues only; it still needs an agent and a start",
            Stage::Retired => "it ends; nothing may start it",
            _ => "immediate, and a stop",
        },
    };
    all.into_iter().map(step).collect()
}

/// The stage to move to.
#[derive(Debug, serde::Deserialize)]
pub struct Wanted {
    #[serde(default)]
    stage: String,
}

/// Sets the stage.
pub async fn set(State(app): Shared, Named(id): Named, asked: MayNeedTouch<Wanted>) -> Answer {
    let id = id_of(&id)?;
    let to: Stage = asked.fields.stage.parse().map_err(|error: crate::domain::text::UnknownWord| {
        WebError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "Something needs a change", format!("{error}. Nothing was changed."))
    })?;
    // Down is a stop: no touch is asked for.
    let is_down = app.fleet.view().bot(&id).is_some_and(|bot| to < bot.stage || to == Stage::Retired);
    let person = match is_down {
        true => asked.person,
        false => match asked.touched(&app).await {
            Ok(ByTouch(person, _)) => person,
            Err(page) => return Ok(page),
        },
    };
    app.set_stage(&person.actor, &id, to).await?;
    Ok(frame::see(&format!("/bots/{id}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_edit_the_bot_only_takes_it_down() {
        let to = |from| steps(from, false).into_iter().map(|step| step.to).collect::<Vec<_>>();
        assert_eq!(to(Stage::Draft), ["retired"]);
        assert_eq!(to(Stage::Limited), ["sandbox", "draft", "retired"]);
    }

    #[test]
    fn no_step_leads_up_beyond_sandbox() {
        for from in Stage::ALL {
            for step in steps(*from, true) {
                let to: Stage = step.to.parse().unwrap();
                let goes_up = *from != Stage::Retired && to > *from && to != Stage::Retired;
                assert!(!goes_up || to == Stage::Sandbox, "from {from} to {to}");
                assert!(step.words.contains('1'), "{}", step.words);
            }
        }
    }
}
