//! The list in several plights, drawn for the tests.

use super::*;
use crate::web::samples as made_up;
use Task::{Agent, Bot, Drill, Start};

fn page(open: Option<Task>, step: Step, waiting: Vec<Waiting>, who: Option<&'static str>) -> String {
    let mut frame = Frame { held: None, ..Frame::sample("First run", "/first-run") };
    frame.scripts = Scripts::Live;
    let now = frame.now;
    let is_done = |task: Task| match task {
        Task::SecondPerson => waiting.is_empty(),
        other => open.is_none_or(|open| other < open),
    };
    let tasks = items(is_done, |_| "as it is".to_owned());
    let lines = vec!["Agent host-7 checks in over a stream and says halted.".to_owned()];
    let page = Page {
        count: tasks.iter().filter(|task| task.is_done).count(),
        tasks,
        bot: (open != Some(Bot) || matches!(step, Step::Stage)).then(|| First { id: made_up::id(7), name: "grid-07".to_owned() }),
        choices: Choices { all: Vec::new(), teams: Vec::new() },
        drill: open.is_none().then(|| "idle after 412 ms (received 3 ms, applied 40 ms)".to_owned()),
        may_invite: true,
        who,
        waits: step.waits(),
        reloads: false,
        is_away: open == Some(Drill),
        facts: live::Facts { lines, heard: Some(now), is_news: open == Some(Agent) },
        mark: "0".to_owned(),
        waiting,
        step,
        frame,
    };
    page.render().unwrap()
}

pub(in crate::web) fn samples() -> Vec<(String, String)> {
    let waiting = |until| Waiting { name: "M. Okafor".to_owned(), href: "/people/1".to_owned(), until };
    let team = || (made_up::id(900), "grid".to_owned());
    let command = "andon agent enrol --server https://andon.example --code - --dir ./grid-07-agent".to_owned();
    let pending = Beside::Pending {
        agent: crate::domain::AgentId::from_stored(made_up::id(500)),
        name: "host-7".to_owned(),
        fingerprint: "QK7M-2XWD".to_owned(),
    };
    let obstacle = Obstacle { what: "its agent is not connected".to_owned(), who: "whoever runs its host", venue_can_tell: false };
    let hold = || Box::new(made_up::hold());
    let draw = |name: &str, at, step, waiting| (format!("first-run-{name}"), page(at, step, waiting, None));
    let looked_at =
        |name: &str, at, step| (format!("first-run-{name}"), page(at, step, Vec::new(), Some("an operator or lead of the bot's team")));
    let role = |can_combine| Step::Role {
        me: made_up::id(800),
        grants: vec!["admin".to_owned(), format!("lead:{}", made_up::id(900))],
        can_combine,
        team: "grid".to_owned(),
    };
    vec![
        draw("team", Some(Bot), Step::Team, vec![waiting(None), waiting(Some(made_up::now().plus_ms(60_000)))]),
        draw("role", Some(Bot), role(true), Vec::new()),
        draw("role-apart", Some(Bot), role(false), Vec::new()),
        draw("bot", Some(Bot), Step::Bot { teams: vec![team()], owner: made_up::id(800) }, Vec::new()),
        draw("stage", Some(Bot), Step::Stage, Vec::new()),
        looked_at("stage-looked-at", Some(Bot), Step::Stage),
        draw("code", Some(Agent), Step::Agent { beside: Beside::Nobody, command: command.clone() }, Vec::new()),
        draw("letters", Some(Agent), Step::Agent { beside: pending, command }, Vec::new()),
        draw("blocked", Some(Start), Step::Start(Some(vec![obstacle])), Vec::new()),
        draw("start", Some(Start), Step::Start(Some(Vec::new())), Vec::new()),
        draw("press", Some(Drill), Step::Press { key: "key".to_owned() }, Vec::new()),
        draw("measuring", Some(Drill), Step::Measuring { hold: hold(), cannot_tell: true }, Vec::new()),
        draw("release", Some(Drill), Step::Release { hold: hold(), is_measured: true }, Vec::new()),
        looked_at("release-looked-at", Some(Drill), Step::Release { hold: hold(), is_measured: true }),
        draw("done", None, Step::Done, Vec::new()),
    ]
}
