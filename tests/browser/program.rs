//! The program itself: `andon demo` and `andon serve` as a user starts them.

use std::{collections::HashMap, path::Path, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

pub struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    pub fn start(arguments: &[&str], dir: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_andon"))
            .args(arguments)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next line that holds these words.
    pub async fn says(&mut self, words: &str) -> String {
        let find = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if line.contains(words) {
                    return line;
                }
            }
            panic!("it ended without saying {words:?}")
        };
        tokio::time::timeout(Duration::from_secs(120), find).await.unwrap_or_else(|_| panic!("it does not say {words:?}"))
    }

    /// Ends it as Ctrl-C does, and waits.
    pub async fn end(mut self) {
        let pid = rustix::process::Pid::from_raw(self.child.id().unwrap().cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        assert!(self.child.wait().await.unwrap().success());
    }
}

/// A demo that is ready: its sign-in links by role.
pub struct Demo {
    pub program: Program,
    pub links: HashMap<String, String>,
    pub origin: String,
}

impl Demo {
    pub async fn start(dir: &Path) -> Self {
        let mut program = Program::start(&["demo", "--listen", "127.0.0.1:0"], dir);
        let ready = program.says("Ready at").await;
        let origin = ready.split_whitespace().nth(2).unwrap().trim_end_matches(['/', '.']).to_owned();
        let mut links = HashMap::new();
        for role in ["operator", "lead", "risk", "admin", "auditor"] {
            let line = program.says(role).await;
            let link = line.split_whitespace().last().unwrap().to_owned();
            assert!(link.starts_with("http://localhost:"), "{line}");
            links.insert(role.to_owned(), link);
        }
        Self { program, links, origin }
    }
}
