//! Who may do what, found out by trying: every route of the router's table, as everybody, about things of either team. What came of it is
//! kept in `access_matrix.txt`, for people who read no Rust; a difference fails the test. `ANDON_BLESS=1` writes the file anew.
//! Reading changes nothing, and HEAD answers like GET; both are looked at on the way.

use crate::harness::{
    callers::Who,
    db::{Kind, fresh},
    scene::{Reply, Scene, Whose, is_of_demos, rows},
    tables::{SESSIONS, Tables},
    written,
};
use andon::web::router::{ROUTES, Route};
use axum::http::StatusCode;
use std::collections::BTreeMap;

const ABOUT: &str = "\
Who may do what. One line for each address and method of the server, one column for each kind of caller; every cell was found out by trying
it. Where an address is about a thing of a team there is a line for a thing of team arb and one for a thing of team grid, and \"of all\" for
what concerns the whole installation.

  yes    it was done, or shown
  no     refused: this caller may not (403)
  door   first sign in: sent to the sign-in page, or told so (303, 401)
  key    this session was idle for 15 minutes: first touch the security key (303, 401)
  token  first show a token that is good here (401)
  -      answered as if there were nothing at this address (404)

An address that sends a request of somebody's on its way (\"prepare\") says yes to whoever may ask; what is asked for happens only with the
signatures that it needs. Both leads lead team desk as well, where bots are moved to. The lines of demos were tried on a demo; everywhere else they are \"-\" for everybody.
Written by the test access_matrix; run it with ANDON_BLESS=1 after a change that was meant.
";

type Key = (&'static str, &'static str, &'static str);
type Cells = BTreeMap<Who, String>;

/// What came of a try, in a word.
fn word(route: &Route, reply: &Reply) -> String {
    let says = |text: &str| reply.text.contains(text);
    match reply.status {
        status if status.is_success() => "yes".to_owned(),
        // The sockets that are behind a websocket are not there in a test without a network: what counts is that the token was taken.
        StatusCode::BAD_REQUEST if route.path == "/agent/v1/stream" && says("speaks websocket") => "yes".to_owned(),
        StatusCode::SEE_OTHER if route.method == "GET" && reply.leads_to().starts_with("/sign-in/key") => "key".to_owned(),
        StatusCode::SEE_OTHER if route.method == "GET" && reply.leads_to().starts_with("/sign-in") => "door".to_owned(),
        StatusCode::SEE_OTHER => "yes".to_owned(),
        StatusCode::UNAUTHORIZED if reply.kind() == "application/problem+json" => "token".to_owned(),
        StatusCode::UNAUTHORIZED if says("Touch your security key first") => "key".to_owned(),
        StatusCode::UNAUTHORIZED => "door".to_owned(),
        StatusCode::FORBIDDEN => "no".to_owned(),
        StatusCode::NOT_FOUND => "-".to_owned(),
        other => format!("{}!", other.as_u16()),
    }
}

/// Tries one line as everybody. Whatever reads must leave every table as it was.
async fn tried(scene: &Scene, tables: &Tables, route: &Route, whose: Whose) -> Cells {
    let is_read = route.method == "GET";
    let mut callers = Vec::new();
    for who in Who::ALL {
        callers.push((scene.caller(who).await, if is_read { Some(scene.caller(who).await) } else { None }));
    }
    scene.quiet().await;
    let before = if is_read { Some(tables.digest(SESSIONS).await) } else { None };
    let mut cells = Cells::new();
    for (caller, again) in callers {
        let ask = scene.example(route, whose, &caller).await;
        let reply = scene.send(route, &caller, &ask).await;
        assert!(!reply.status.is_server_error(), "{} {} as {:?}: {}", route.method, ask.path, caller.who, reply.text);
        if let Some(again) = again {
            let head = scene.answer(scene.request("HEAD", &again, &ask)).await;
            let (said, expected) = ((head.status, head.kind(), head.text.as_str()), (reply.status, reply.kind(), ""));
            assert_eq!(said, expected, "HEAD {} as {:?}", ask.path, again.who);
        }
        cells.insert(caller.who, word(route, &reply));
    }
    // A demo's link signs in, and signing in is an entry.
    if let Some(before) = before.filter(|_| route.path != "/demo/{link}") {
        for (table, digest) in tables.digest(SESSIONS).await {
            assert_eq!(before.get(&table), Some(&digest), "GET {} changed the table {table}", route.path);
        }
    }
    cells
}

/// Everything of one scene.
async fn all(scene: &Scene, found: &mut BTreeMap<Key, Cells>, routes: impl Fn(&Route) -> bool) {
    let tables = Tables::of(&scene.test.fresh).await;
    // Recomputing the log takes the longer the more is in it, so it comes first; what concerns everybody would be in the way of the rest.
    let turn = |route: &Route, whose: Whose| match whose {
        _ if route.path == "/audit/verify" => 0,
        Whose::Everybodys => 2,
        _ => 1,
    };
    for now in 0..3 {
        for route in ROUTES.iter().filter(|route| routes(route)) {
            for whose in rows(route).iter().filter(|whose| turn(route, **whose) == now) {
                found.insert((route.method, route.path, whose.words()), tried(scene, &tables, route, *whose).await);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_may_do_what_the_written_matrix_says() {
    let mut found = BTreeMap::new();
    let demo = Scene::demo(fresh(Kind::Sqlite).await).await;
    all(&demo, &mut found, is_of_demos).await;
    let live = Scene::new(fresh(Kind::Sqlite).await).await;
    all(&live, &mut found, |route| !is_of_demos(route)).await;
    let table = written::table(|route, whose, who| found[&(route.method, route.path, whose.words())][&who].clone());
    let text = format!("{ABOUT}\n{table}");
    if std::env::var_os("ANDON_BLESS").is_some() {
        std::fs::write(written::file(), &text).unwrap();
    }
    let kept = std::fs::read_to_string(written::file()).unwrap_or_default();
    let differ: Vec<String> = text.lines().filter(|line| !kept.lines().any(|kept| kept == *line)).map(str::to_owned).collect();
    assert!(text == kept, "the matrix differs from tests/it/access_matrix.txt; what is new:\n{}", differ.join("\n"));
    live.test.log_is_good().await;
}
