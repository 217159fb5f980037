//! The API against its own description: Schemathesis asks everything in it, rightly and wrongly, with a token of every kind. No answer may be
//! an error of the server's own, have a status, a type or a shape that the description does not know.

use super::stage::Stage;
use std::process::Stdio;
use tokio::process::Command;

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_asked_the_api_answers_as_its_description_says() {
    let program = std::env::var("ANDON_TEST_SCHEMATHESIS").expect("no Schemathesis: run tests through `cargo nextest run` or tests/run.sh");
    let stage = Stage::new().await;
    stage.agent("grid-btc").await;
    stage.bot("silent").await;
    let description = format!("http://{}/api/v1/openapi.json", stage.address);
    for token in ["stop", "read", "stop-arb", "read-arb", "operate"] {
        let mut command = Command::new(&program);
        command.args(["run", &description, "--header", &format!("Authorization: Bearer andon_api_{token}"), "--checks", CHECKS]);
        command.args(["--phases", "examples,coverage,fuzzing", "--max-examples", "10", "--seed", "20", "--warnings", "off", "--no-color"]);
        let dir = stage.fresh.dir.path();
        let output = command.current_dir(dir).env("NO_PROXY", "*").stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "with the token {token}:\n{said}\n{}", String::from_utf8_lossy(&output.stderr));
        println!("with the token {token}:\n{said}");
        assert!(said.contains("Tested:"), "nothing was asked");
    }
}
