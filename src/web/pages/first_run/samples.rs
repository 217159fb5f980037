//! The list in several plights, drawn for the tests.

use super::*;
use crate::web::samples as made_up;

fn page(at: usize, step: Step, waiting: Vec<Waiting>, who: Option<&'static str>) -> String {
    let mut frame = Frame { held: None, ..Frame::sample("First run", "/first-run") };
    frame.scripts = Scripts::Live;
    let now = frame.now;
    let done = |n: usize| n < at && (n != 1 || waiting.is_empty());
    let tasks: Vec<Task> = TITLES
        .into_iter()
        .enumerate()
        .map(|(n, title)| Task { title, said: "as it is".to_owned(), is_done: done(n), is_open: !done(n) && (n == 1 || n == at) })
        .collect();
    let lines = vec!["Agent host-7 checks in over a stream and says halted.".to_owned()];
    let page = Page {
        count: tasks.iter().filter(|task| task.is_done).count(),
        tasks,
        bot: (at > 2).then(|| First { id: made_up::id(7), name: "grid-07".to_owned() }),
        choices: Choices { all: Vec::new(), teams: Vec::new() },
        drill: (at == 6).then(|| "idle after 412 ms (received 3 ms, applied 40 ms)".to_owned()),
        at,
        may_invite: true,
        who,
        waits: step.waits(),
        reloads: false,
        is_away: at == 5,
        facts: live::Facts { lines, heard: Some(now), is_news: at == 3 },
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
        draw("team", 2, Step::Team, vec![waiting(None), waiting(Some(made_up::now().plus_ms(60_000)))]),
        draw("role", 2, role(true), Vec::new()),
        draw("role-apart", 2, role(false), Vec::new()),
        draw("bot", 2, Step::Bot { teams: vec![team()], owner: made_up::id(800) }, Vec::new()),
        draw("stage", 2, Step::Stage, Vec::new()),
        looked_at("stage-looked-at", 2, Step::Stage),
        draw("code", 3, Step::Agent { beside: Beside::Nobody, command: command.clone() }, Vec::new()),
        draw("letters", 3, Step::Agent { beside: pending, command }, Vec::new()),
        draw("blocked", 4, Step::Start(Some(vec![obstacle])), Vec::new()),
        draw("start", 4, Step::Start(Some(Vec::new())), Vec::new()),
        draw("press", 5, Step::Press { key: "key".to_owned() }, Vec::new()),
        draw("measuring", 5, Step::Measuring { hold: hold(), cannot_tell: true }, Vec::new()),
        draw("release", 5, Step::Release { hold: hold(), is_measured: true }, Vec::new()),
        looked_at("release-looked-at", 5, Step::Release { hold: hold(), is_measured: true }),
        draw("done", 6, Step::Done, Vec::new()),
    ]
}
