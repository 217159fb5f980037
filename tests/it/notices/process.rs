//! The program itself: killed between sending and noting it, a stop while the mail server hangs, and what the doctor says.

use crate::faults::{
    server::{andon, command},
    until,
};
use crate::harness::{
    app::TestApp,
    browser::exchange,
    db::{Fresh, Place, on_both, reopen},
    smtp::{Server, Way},
};
use andon::{
    domain::{Audience, Notice, NoticeKind},
    storage::{self, Conn, Lane},
};
use axum::{body::Body, http::Request};
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
};

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn arguments(mut command: Command, dir: &Path, place: &Place, port: u16, smtp: &SocketAddr) -> Command {
    command.arg("--data").arg(dir).args(["--listen", &format!("127.0.0.1:{port}"), "--origin", &format!("http://localhost:{port}")]);
    command.args(["--smtp-url", &format!("smtp-plain://{smtp}"), "--smtp-from", "Andon <andon@desk.example>"]);
    if let Place::Url(url) = place {
        command.args(["--database-url", url]);
    }
    command
}

/// A server with a mail server; killed when dropped.
struct Program(Child);

impl Program {
    fn start(dir: &Path, place: &Place, port: u16, smtp: &SocketAddr, failpoint: &str) -> Self {
        let mut serve = command(andon());
        serve.arg("serve");
        let mut serve = arguments(serve, dir, place, port, smtp);
        Self(serve.env("ANDON_FAILPOINT", failpoint).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn state(place: &Place) -> String {
    let db = reopen(place).await;
    let mut tx = db.read().await.unwrap();
    let sql = "SELECT state FROM delivery";
    let state = match &mut *tx {
        Conn::Sqlite(tx) => sqlx::query_scalar(sql).fetch_one(&mut **tx).await.unwrap(),
        Conn::Postgres(tx) => sqlx::query_scalar(sql).fetch_one(&mut **tx).await.unwrap(),
    };
    drop(tx);
    db.close().await;
    state
}

/// As if the wait between two tries were over.
async fn time_goes_by(place: &Place) {
    let db = reopen(place).await;
    let mut tx = db.write(Lane::Normal).await.unwrap();
    let sql = "UPDATE delivery SET next_at = 0";
    match &mut *tx {
        Conn::Sqlite(tx) => sqlx::raw_sql(sql).execute(&mut **tx).await.map(drop).unwrap(),
        Conn::Postgres(tx) => sqlx::raw_sql(sql).execute(&mut **tx).await.map(drop).unwrap(),
    }
    tx.commit().await.unwrap();
    db.close().await;
}

/// An installation with one letter that waits; nothing of it runs.
async fn with_a_letter(fresh: Fresh, origin: &str) -> (Place, tempfile::TempDir) {
    let test = TestApp::at(fresh, origin).await;
    test.give_address("operator", "operator@people.example").await;
    let notice = Notice::new(NoticeKind::KeyAdded, "1", "A key was added", "Somebody added a key.");
    test.app.tell(&Audience::person(&test.people["operator"].id), &notice).await.unwrap();
    test.app.db.close().await;
    let Fresh { place, dir, .. } = test.fresh;
    (place, dir)
}

on_both!(a_process_killed_after_sending_and_before_noting_it_sends_again_the_same_letter, |fresh: Fresh| async move {
    let smtp = Server::start(Way::Plain, None, None).await;
    let port = free_port();
    let (place, dir) = with_a_letter(fresh, &format!("http://localhost:{port}")).await;
    let mut first = Program::start(dir.path(), &place, port, &smtp.address, "mail:sent:1");
    until("the end of the process", async || first.0.try_wait().unwrap().is_some()).await;
    assert_eq!((smtp.taken().len(), state(&place).await.as_str()), (1, "waiting"), "sent, and nobody knows");
    time_goes_by(&place).await;
    let second = Program::start(dir.path(), &place, port, &smtp.address, "none:1");
    until("the second copy", async || smtp.taken().len() == 2).await;
    until("that it is noted", async || state(&place).await == "delivered").await;
    drop(second);
    let taken = smtp.taken();
    assert_eq!(taken[0].head("Message-ID"), taken[1].head("Message-ID"), "mail readers can tell that it is the same");
});

on_both!(a_process_killed_before_sending_loses_no_letter, |fresh: Fresh| async move {
    let smtp = Server::start(Way::Plain, None, None).await;
    let port = free_port();
    let (place, dir) = with_a_letter(fresh, &format!("http://localhost:{port}")).await;
    let mut first = Program::start(dir.path(), &place, port, &smtp.address, "mail:before_send:1");
    until("the end of the process", async || first.0.try_wait().unwrap().is_some()).await;
    assert!(smtp.taken().is_empty());
    time_goes_by(&place).await;
    let _second = Program::start(dir.path(), &place, port, &smtp.address, "none:1");
    until("the letter", async || smtp.taken().len() == 1).await;
});

on_both!(a_mail_server_that_takes_the_connection_and_says_nothing_holds_up_no_stop, |fresh: Fresh| async move {
    // It accepts in the kernel's queue and never speaks.
    let mute = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = free_port();
    let (place, dir) = with_a_letter(fresh, &format!("http://localhost:{port}")).await;
    let _server = Program::start(dir.path(), &place, port, &mute.local_addr().unwrap(), "none:1");
    let (mut held, _) = tokio::task::spawn_blocking(move || mute.accept().unwrap()).await.unwrap();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    until("a server that answers", async || {
        let health = Request::get("/healthz").header("host", "localhost").body(Body::empty()).unwrap();
        exchange(address, health).await.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
    // The letter is under way; a stop from the host's command line goes through.
    let mut stop = command(andon());
    stop.args(["stop", "--all", "--control"]).arg(dir.path().join("state/control"));
    let output = tokio::task::spawn_blocking(move || stop.output().unwrap()).await.unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // Held and recorded; there is no bot yet, which has a code of its own.
    assert!(output.status.code() == Some(3) && said.contains("(recorded)"), "{said}");
    std::io::Write::write_all(&mut held, b"220 late\r\n").unwrap();
    let db = reopen(&place).await;
    assert_eq!(storage::holds::hold_since(&mut db.read().await.unwrap(), andon::domain::Epoch(-1)).await.unwrap().len(), 1);
    db.close().await;
});

on_both!(the_doctor_asks_the_mail_server_and_counts_what_waits, |fresh: Fresh| async move {
    let mut smtp = Server::start(Way::Plain, None, Some(("andon", "right"))).await;
    let port = free_port();
    let (place, dir) = with_a_letter(fresh, &format!("http://localhost:{port}")).await;
    let password = dir.path().join("password");
    std::fs::write(&password, "right\n").unwrap();
    std::fs::set_permissions(&password, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let examine = async |smtp: &SocketAddr| {
        let mut doctor = command(andon());
        doctor.arg("doctor").args(["--smtp-user", "andon", "--smtp-password-file"]).arg(&password);
        let mut doctor = arguments(doctor, dir.path(), &place, port, smtp);
        let output = tokio::task::spawn_blocking(move || doctor.output().unwrap()).await.unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let said = examine(&smtp.address).await;
    assert!(said.contains("answers in plain on this machine and lets us in"), "{said}");
    assert!(said.contains("1 wait to be sent, none was given up") && smtp.taken().is_empty(), "{said}");
    std::fs::write(&password, "canary-wrong\n").unwrap();
    let said = examine(&smtp.address).await;
    assert!(said.contains("bad   mail") && said.contains("535") && !said.contains("canary"), "{said}");
    smtp.down();
    let said = examine(&smtp.address).await;
    assert!(said.contains("bad   mail") && said.contains("does not take us"), "{said}");
});
