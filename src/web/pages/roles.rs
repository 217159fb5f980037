//! The roles of a form: what may be chosen, what was chosen. A choice is `risk`, or `lead:ID` for a role in a team.

use crate::app::App;
use crate::domain::{Grant, Role, TeamId, role};
use crate::web::problems::Problems;

/// One box to tick.
pub struct Choice {
    /// What the form sends.
    pub value: String,
    /// The role.
    pub word: &'static str,
    /// What it may do.
    pub hint: &'static str,
    /// It is ticked.
    pub is_on: bool,
}

/// The roles of one team.
pub struct InTeam {
    /// Its name.
    pub team: String,
    /// Operator and lead.
    pub choices: Vec<Choice>,
}

/// Everything that may be ticked.
pub struct Choices {
    /// For the installation.
    pub all: Vec<Choice>,
    /// For each team.
    pub teams: Vec<InTeam>,
}

fn value(role: Role, team: Option<&TeamId>) -> String {
    team.map_or_else(|| role.to_string(), |team| format!("{role}:{team}"))
}

/// What a role may do, in one line.
fn hint(role: Role) -> &'static str {
    match role {
        Role::Operator => "runs its bots: pauses anything, releases and starts single bots of the team",
        Role::Lead => "the same, and is a signer for several bots, wide releases and agents above sandbox",
        Role::Risk => "watches over everything: pauses anything, signs wide releases and starts",
        Role::Admin => "looks after people, teams and tokens; pauses anything, starts nothing",
        Role::Auditor => "reads everything, changes nothing",
    }
}

fn choice(role: Role, team: Option<&TeamId>, on: &[String]) -> Choice {
    let value = value(role, team);
    Choice { is_on: on.contains(&value), value, word: role.as_str(), hint: hint(role) }
}

impl Choices {
    /// With these ticked.
    pub fn new(app: &App, on: &[String]) -> Self {
        let all = [Role::Risk, Role::Admin, Role::Auditor].map(|role| choice(role, None, on)).into();
        let teams = app.people().teams().into_iter().map(|team| InTeam {
            choices: [Role::Operator, Role::Lead].map(|role| choice(role, Some(&team.id), on)).into(),
            team: team.name,
        });
        Self { all, teams: teams.collect() }
    }
}

/// What a person has, as the form sends it.
pub fn ticked(grants: &[Grant]) -> Vec<String> {
    grants.iter().map(|grant| value(grant.role, grant.team.as_ref())).collect()
}

/// Reads what was ticked. `joining` counts people who come with it. What cannot be held together is a problem of the field `grant`.
pub fn read(app: &App, ticked: &[String], joining: usize, problems: &mut Problems) -> Vec<Grant> {
    let mut grants = Vec::new();
    for text in ticked {
        let (word, team) = text.split_once(':').map_or((text.as_str(), None), |(word, team)| (word, Some(team)));
        let team = team.map(|team| TeamId::parse(team).ok().filter(|team| app.people().team_name(team).is_some()));
        match (word.parse::<Role>(), team) {
            (Ok(role), None) => grants.push(Grant { role, team: None }),
            (Ok(role), Some(Some(team))) => grants.push(Grant { role, team: Some(team) }),
            _ => problems.add("grant", "One of the roles is not known here. Choose again"),
        }
    }
    if ticked.is_empty() {
        problems.add("grant", "Choose at least one role");
    }
    let people = app.people().enabled() + joining;
    if let Err(toxic) = role::check_grants(&grants, people) {
        problems.add("grant", crate::web::error::sentence(&toxic.to_string()));
    }
    grants
}
