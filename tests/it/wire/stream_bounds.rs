//! The stream's bounds: bad frames, silence, size, pace, and headers.

use super::{
    client::{Line, refused_stream},
    stage::Stage,
};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn who_says_no_hello_in_time_is_sent_away() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let mut line = Line::connect(&stage, &agent).await;
    assert_eq!(line.closed().await, 4408);
    let mut rude = Line::connect(&stage, &agent).await;
    rude.check_in("halted", 0).await;
    assert_eq!(rude.closed().await, 4400);
}

#[tokio::test]
async fn a_malformed_frame_ends_the_stream_with_its_place_and_without_its_value() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    for wrong in ["", "hunter2", "[]", "{}", r#"{"type":"check_in","seq":"hunter2"}"#, r#"{"type":"ack","epoch":1,"step":"hunter2"}"#] {
        let (mut line, _) = Line::hello(&stage, &agent, "boot-1", "halted", 0).await;
        line.send_text(wrong).await;
        let frame = line.next().await.unwrap_err().unwrap();
        assert_eq!(u16::from(frame.code), 4400, "{wrong}");
        assert!(!frame.reason.contains("hunter2"), "{}", frame.reason);
    }
    let (mut line, _) = Line::hello(&stage, &agent, "boot-1", "halted", 0).await;
    line.send_message(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(line.closed().await, 4400);
    let (mut line, _) = Line::hello(&stage, &agent, "boot-1", "halted", 0).await;
    line.send(json!({"type": "check_in", "boot": "boot-2", "seq": 1})).await;
    assert_eq!(line.closed().await, 4400, "one stream is one boot");
}

#[tokio::test]
async fn a_frame_over_the_bound_ends_the_stream() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    for bytes in [65 * 1024, 2 * 1024 * 1024] {
        let (mut line, _) = Line::hello(&stage, &agent, "boot-1", "halted", 0).await;
        line.send(json!({"type": "check_in", "pad": "x".repeat(bytes)})).await;
        assert_eq!(line.closed().await, 1009, "{bytes}");
    }
    let (mut line, welcome) = Line::hello(&stage, &agent, "boot-1", "halted", 0).await;
    let epoch = welcome["directive"]["epoch"].as_i64().unwrap();
    let seq = line.check_in_with("halted", epoch, json!({"pad": "x".repeat(60 * 1024)})).await;
    assert_eq!(line.expect("renew").await["seq"], seq);
}

#[tokio::test]
async fn an_unknown_type_is_named_and_ignored() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let (mut line, welcome) = Line::hello(&stage, &agent, "boot-1", "halted", 0).await;
    line.send(json!({"type": "decisions", "records": []})).await;
    let error = line.expect("error").await;
    assert!(error["detail"].as_str().unwrap().contains("decisions"));
    let seq = line.check_in("halted", welcome["directive"]["epoch"].as_i64().unwrap()).await;
    assert_eq!(line.expect("renew").await["seq"], seq);
}

#[tokio::test]
async fn too_many_frames_end_the_stream_after_what_was_taken_is_answered() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let (mut line, welcome) = Line::hello(&stage, &agent, "boot-1", "halted", 0).await;
    let epoch = welcome["directive"]["epoch"].as_i64().unwrap();
    let seq = line.check_in("halted", epoch).await;
    for _ in 0..400 {
        line.send(json!({"type": "ack", "epoch": epoch, "step": "received"})).await;
    }
    assert_eq!(line.expect("renew").await["seq"], seq);
    assert_eq!(line.expect("error").await["title"], "too many frames");
    assert_eq!(line.closed().await, 1013);
}

#[tokio::test]
async fn a_stream_needs_its_subprotocol_and_its_token_in_the_header() {
    let stage = Stage::new().await;
    let agent = stage.agent("grid-btc").await;
    let bearer = format!("Bearer {}", agent.token);
    let path = "/agent/v1/stream";
    assert_eq!(refused_stream(&stage, path, &[("authorization", &bearer)]).await, 400);
    assert_eq!(refused_stream(&stage, path, &[("authorization", &bearer), ("sec-websocket-protocol", "other")]).await, 400);
    assert_eq!(refused_stream(&stage, path, &[("sec-websocket-protocol", "andon.v1")]).await, 401);
    let unknown = [("authorization", "Bearer andon_agent_x"), ("sec-websocket-protocol", "andon.v1")];
    assert_eq!(refused_stream(&stage, path, &unknown).await, 401);
    let in_address = format!("{path}?token={}", agent.token);
    assert_eq!(refused_stream(&stage, &in_address, &[("sec-websocket-protocol", "andon.v1")]).await, 400);
    assert_eq!(stage.poller(&agent).get(path).await.status, 400, "no websocket at all");
}
