//! `andon serve` as a process of its own.

use super::{arm::Arm, ground::Ground, until};
use crate::harness::{browser::exchange, db::Place};
use axum::{body::Body, http::Request};
use rustix::process::Signal;
use std::{
    ffi::OsStr,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
};

/// The program under test.
pub fn andon() -> PathBuf {
    // Where the tests are run from an archive, the path at build time is not the one at run time.
    std::env::var_os("NEXTEST_BIN_EXE_andon").map_or_else(|| env!("CARGO_BIN_EXE_andon").into(), PathBuf::from)
}

/// A command, with none of this process's own settings for the program but `ANDON_LOG`.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ANDON_") && name != "ANDON_LOG") {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// A server; killed when dropped.
pub struct Server {
    child: Child,
    pub arm: Arm,
}

impl Server {
    /// Starts it and waits until it answers. A write beyond the limit of a file's size is to be an error and no signal, which `sh` sees to.
    pub async fn start(ground: &Ground) -> Self {
        Self::start_with(ground, &[]).await
    }

    /// The same with more in its environment.
    pub async fn start_with(ground: &Ground, environment: &[(&str, String)]) -> Self {
        let mut command = command("sh");
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]).arg(andon());
        let arm = Arm::new(ground.path().join("server.failpoint"));
        command.arg("serve").arg("--data").arg(ground.path()).arg("--state-dir").arg(ground.state_dir());
        command.args(["--listen", &ground.address.to_string(), "--origin", &ground.origin]);
        if let Place::Url(url) = &ground.place {
            command.args(["--database-url", url]);
        }
        let log = ground.log("server");
        command.env("ANDON_FAILPOINT", arm.variable()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().unwrap();
        let mut server = Self { child, arm };
        until("a server that answers", async || {
            assert!(server.ended().is_none(), "the server ended while it started");
            let health = Request::get("/healthz").header("host", "localhost").body(Body::empty()).unwrap();
            exchange(ground.address, health).await.is_ok_and(|answer| answer.status() == 200)
        })
        .await;
        server
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// How it ended, when it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Ends it as `kill -9` does, and waits.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    /// Asks it to end.
    pub fn ask_to_end(&self) {
        super::proc::signal(self.pid(), Signal::TERM);
    }

    /// Asks it to end and waits until it has.
    pub async fn stop(&mut self) {
        self.ask_to_end();
        until("the server's orderly end", async || self.ended().is_some()).await;
        assert!(self.ended().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
