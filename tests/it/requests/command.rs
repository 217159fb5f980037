//! `andon request` against a real server: what it sends, what it says, and what it ends with.

use super::{
    api::{REQUESTS, program},
    approve, ask, limited, state,
};
use crate::{
    faults::server::{andon, command},
    harness::{
        app::TestApp,
        db::{Kind, fresh},
    },
    wire::client::Client,
};
use andon::domain::{RequestId, RequestState, Stage};
use std::path::PathBuf;

/// A terminal with a token in a file.
struct Terminal {
    server: String,
    token: PathBuf,
}

impl Terminal {
    fn new(test: &TestApp, of: &Client, name: &str) -> Self {
        let token = test.fresh.dir.path().join(format!("{name}.token"));
        std::fs::write(&token, format!("{}\n", of.token.as_ref().unwrap())).unwrap();
        Self { server: format!("http://{}", of.address), token }
    }

    /// What the command says, on either stream, and what it ends with.
    async fn request(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut request = command(andon());
        request.arg("request").args(arguments).args(["--server", &self.server]).arg("--token-file").arg(&self.token);
        let ended = tokio::process::Command::from(request).output().await.unwrap();
        let [out, err] = [ended.stdout, ended.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert!(!format!("{out}{err}").contains(std::fs::read_to_string(&self.token).unwrap().trim()), "the token is in {out}{err}");
        (ended.status.code().unwrap(), out, err)
    }

    /// What a command that does what was asked says.
    async fn says(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.request(arguments).await;
        assert_eq!((code, err.as_str()), (0, ""), "{arguments:?}: {out}");
        out
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_asked_looked_at_spoken_about_and_taken_back_from_a_terminal() {
    let test = TestApp::on_the_wall_clock(fresh(Kind::Sqlite).await).await;
    let bot = limited(&test, "arb-1").await;
    let lead = program(&test, "lead", "operate", Some("arb")).await;
    let terminal = Terminal::new(&test, &lead, "lead");
    assert_eq!(terminal.says(&["list"]).await, "There is none.\n");
    let said = terminal.says(&["ask", "limits", "--level", "bot:arb-1", "max_order_notional=3000", "--why", "deeper"]).await;
    assert!(said.starts_with("Asked: Looser limits of bot arb-1, request ") && said.contains("/requests/"), "{said}");
    let id = said.split_whitespace().find_map(|word| RequestId::parse(word.trim_end_matches(',')).ok()).unwrap();
    assert_eq!(state(&test, &id).await, RequestState::Pending);
    let listed = terminal.says(&["list", "--team", "arb", "--kind", "limits", "--requester", "lead"]).await;
    assert!(listed.contains(id.as_str()) && listed.contains("pending") && listed.contains(" by lead)"), "{listed}");
    let shown = terminal.says(&["show", id.as_str()]).await;
    for words in [
        "Largest order: 2000 -> 3000, raises",
        "open: a lead of the team or risk",
        "You cannot approve this. It is your own request",
        "Its page: http",
    ] {
        assert!(shown.contains(words), "{words} is not in {shown}");
    }
    let said =
        terminal.says(&["ask", "limits", "--level", "bot:arb-1", "max_order_notional=none", "--why", "w", "--revise", id.as_str()]).await;
    assert!(said.starts_with("Changed: "), "{said}");
    terminal.says(&["comment", id.as_str(), "two venues list it"]).await;
    let json: serde_json::Value = serde_json::from_str(&terminal.says(&["show", id.as_str(), "--json"]).await).unwrap();
    assert_eq!((json["revision"].as_i64(), json["comments"][0]["text"].as_str()), (Some(2), Some("two venues list it")), "{json}");
    assert_eq!(json, lead.get(&format!("{REQUESTS}/{id}")).await.json, "it is the API's own answer");
    let said = terminal.says(&["raise", id.as_str(), "--more", "admin"]).await;
    assert!(said.starts_with("Asked for one approval more: ") && said.ends_with("pending\n"), "{said}");
    let said = terminal.says(&["withdraw", id.as_str()]).await;
    assert!(said.starts_with("Taken back: ") && said.ends_with("withdrawn\n"), "{said}");
    assert_eq!(state(&test, &id).await, RequestState::Withdrawn);

    let theirs = ask(&test, "operator", &bot.id, "3000").await.unwrap();
    let shown = terminal.says(&["show", theirs.as_str()]).await;
    assert!(shown.contains("You can approve revision 1.\nApproving is done in a browser, with a security key: http"), "{shown}");
    let said = terminal.says(&["deny", theirs.as_str(), "--why", "not before the audit"]).await;
    assert!(said.starts_with("Denied: "), "{said}");
    assert_eq!(state(&test, &theirs).await, RequestState::Denied);
    assert!(terminal.says(&["list", "--state", "denied"]).await.contains("not before the audit"));
    let piece = terminal.says(&["list", "--state", "all", "--limit", "1"]).await;
    assert!(piece.contains(theirs.as_str()) && piece.contains(&format!("--after {theirs}")), "{piece}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seats_and_positions_are_asked_for_and_what_is_refused_is_said() {
    let test = TestApp::on_the_wall_clock(fresh(Kind::Sqlite).await).await;
    let bot = test.bot("arb-1", "arb").await;
    test.app.set_stage(&test.actor("operator"), &bot.id, Stage::Draft).await.unwrap();
    let limit = [("max_position_notional".to_owned(), "1000".to_owned())];
    test.app.tighten_limits(&test.actor("operator"), &bot.id, &limit, "").await.unwrap();
    let venue = test.app.create_venue(&test.actor("lead"), "binance", "live").await.unwrap();
    test.app.create_subaccount(&test.actor("lead"), venue.id.as_str(), "a").await.unwrap();
    let terminal = Terminal::new(&test, &program(&test, "lead", "operate", Some("arb")).await, "lead");
    let larger = ["ask", "override", "--bot", "arb-1", "--symbol", "BTC/USDT", "--most", "2000", "--hours", "2", "--why", "a hedge"];
    assert!(terminal.says(&larger).await.contains("A larger position in BTC/USDT of bot arb-1"));
    let said = terminal.says(&["ask", "assign", "--bot", "arb-1", "--subaccount", "binance/a", "--why", "live", "--json"]).await;
    let asked: serde_json::Value = serde_json::from_str(&said).unwrap();
    let id = RequestId::parse(asked["id"].as_str().unwrap()).unwrap();
    approve(&test, "risk", &id).await.unwrap();
    let shown = terminal.says(&["show", id.as_str()]).await;
    assert!(shown.contains("executed") && shown.contains("risk approved it") && shown.contains("This request is over"), "{shown}");

    for (arguments, code, said) in [
        (&["show", "0193f0a0-0000-7000-8000-00000000dead"] as &[&str], 1, "There is no such request"),
        (&["show", "../bots"], 2, "no id of a request"),
        (&["deny", id.as_str(), "--why", "late"], 1, "This request is over"),
        (&["ask", "limits", "--level", "bot:arb-1", "colour=red", "--why", "w"], 1, "colour is no setting"),
        (&["ask", "limits", "--level", "bot:arb-1", "a=1", "a=2", "--why", "w"], 1, "stands there twice"),
        (&["ask", "limits", "--level", "bot:arb-1", "max_leverage", "--why", "w"], 2, "NAME=VALUE"),
        (&["ask", "limits", "--level", "bot:arb-1", "max_leverage=3"], 2, "--why"),
        (&["list", "--state", "x"], 1, "state must be one of"),
    ] {
        let (ended, out, err) = terminal.request(arguments).await;
        assert!(ended == code && err.contains(said) && out.is_empty(), "{arguments:?}: {ended} {out}{err}");
    }
    let mut bare = command(andon());
    bare.args(["request", "list", "--server", &terminal.server]);
    let ended = tokio::process::Command::from(bare).output().await.unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("needs a token"));
    let reader = Terminal::new(&test, &program(&test, "admin", "read", None).await, "reader");
    let (code, _, err) = reader.request(&["withdraw", id.as_str()]).await;
    assert!(code == 1 && err.starts_with("andon: Not allowed to"), "{err}");
}
