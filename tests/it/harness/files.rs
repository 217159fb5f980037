//! Files as evidence: a form that carries some, as a browser sends it, and a file that a mark leads to already.

use super::{
    app::{ORIGIN, TestApp},
    browser::Browser,
    tables::Tables,
};
use andon::{
    domain::{BotId, FileId, FileKind, MarkId, Stage},
    storage::{
        self, Lane,
        checklists::MarkRow,
        files::{FileRow, file_bind, file_insert, piece_insert},
    },
};
use axum::{
    body::Body,
    http::{Request, header},
};
use sha2::{Digest, Sha256};

const BOUNDARY: &str = "----andon-test-0193f0a0";

/// SHA-256, hex.
pub fn sha256(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

/// The body of a form, part by part.
#[derive(Debug, Clone, Default)]
pub struct Parcel(Vec<u8>);

impl Parcel {
    /// A form for an item, with a token first.
    pub fn of(csrf: &str, item: &str) -> Self {
        Self::about(csrf, item, "")
    }

    /// The same with an address where it can be looked at.
    pub fn linked(csrf: &str, item: &str) -> Self {
        Self::about(csrf, item, "https://wiki.example/plan")
    }

    fn about(csrf: &str, item: &str, link: &str) -> Self {
        Self::default()
            .field("csrf", csrf)
            .field("stage", "limited")
            .field("item", item)
            .field("said", "back to 1.4, see the files")
            .field("link", link)
    }

    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        let part = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        self.0.extend(part.into_bytes());
        self
    }

    #[must_use]
    pub fn file(mut self, name: &str, bytes: &[u8]) -> Self {
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\nContent-Type: text/html\r\n\r\n"
        );
        self.0.extend(head.into_bytes());
        self.0.extend(bytes);
        self.0.extend(b"\r\n");
        self
    }

    /// The body, ended as it should be.
    pub fn whole(mut self) -> Vec<u8> {
        self.0.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
        self.0
    }

    /// The body, cut off.
    pub fn cut(mut self, bytes: usize) -> Vec<u8> {
        self.0.truncate(self.0.len() - bytes);
        self.0
    }
}

/// Posts a body as a page of this origin, or of another, does.
pub async fn post(browser: &mut Browser, bot: &BotId, origin: &str, body: Vec<u8>) {
    let request = Request::post(format!("/bots/{bot}/golive/evidence"))
        .header(header::CONTENT_TYPE, format!("multipart/form-data; boundary={BOUNDARY}"))
        .header(header::ORIGIN, origin);
    browser.send(request.body(Body::from(body)).unwrap()).await;
}

/// Opens the list of a bot and puts files down for its plan to go back.
pub async fn put(browser: &mut Browser, bot: &BotId, files: &[(&str, &[u8])]) {
    let csrf = token(browser, bot).await;
    let form = files.iter().fold(Parcel::of(&csrf, "rollback_plan"), |form, (name, bytes)| form.file(name, bytes));
    post(browser, bot, ORIGIN, form.whole()).await;
}

/// The token that stands on the list of a bot.
pub async fn token(browser: &mut Browser, bot: &BotId) -> String {
    browser.get(&format!("/bots/{bot}/golive")).await;
    browser.between(r#"name="csrf" value=""#, "\"").unwrap()
}

/// How many marks, files and pieces there are.
pub async fn counts(test: &TestApp) -> (usize, usize, usize) {
    let tables = Tables::of(&test.fresh).await;
    let count = async |table: &str| tables.rows(table).await.len();
    (count("checklist_mark").await, count("evidence_file").await, count("evidence_piece").await)
}

/// A file of a bot's that a mark leads to, as if somebody had put it down.
pub async fn filed(test: &TestApp, bot: &BotId, by: &str) -> FileId {
    let (now, content) = (test.hand.clock().now(), b"back to 1.4");
    let mark = MarkRow {
        id: MarkId::new(),
        bot_id: bot.clone(),
        stage: Stage::Limited,
        item: "rollback_plan".into(),
        said: "back to 1.4".into(),
        link: None,
        files: format!("[\"{}\"]", sha256(content)),
        build: None,
        config: None,
        marked_by: test.people[by].id.clone(),
        act_id: None,
        marked_at: now,
        until_at: now,
    };
    let file = FileRow {
        id: FileId::new(),
        bot_id: bot.clone(),
        name: "plan.md".into(),
        kind: FileKind::Text,
        bytes: content.len() as i64,
        sha256: sha256(content),
        uploaded_by: mark.marked_by.clone(),
        uploaded_at: now,
        mark_id: None,
        place: 0,
        dropped_at: None,
    };
    let mut tx = test.fresh.db.write(Lane::Normal).await.unwrap();
    storage::checklists::mark_insert(&mut tx, &mark).await.unwrap();
    file_insert(&mut tx, &file).await.unwrap();
    piece_insert(&mut tx, &file.id, 0, content).await.unwrap();
    assert!(file_bind(&mut tx, &file.id, &mark.id, 0).await.unwrap());
    tx.commit().await.unwrap();
    file.id
}
