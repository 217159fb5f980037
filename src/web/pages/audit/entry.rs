//! `/audit/{seq}`: one entry with everything that proves it: its bytes, its place in the tree, its signatures.

use super::{named, names};
use crate::app::audit::EntryView;
use crate::audit::number;
use crate::domain::Timestamp;
use crate::web::{Answer, Shared, WebError, extract::Person, frame, page::Frame, query::Named};
use askama::Template;
use axum::extract::State;

/// A signature of the entry.
pub(super) struct Signature {
    pub(super) who: String,
    pub(super) key: String,
    pub(super) wrong: Option<String>,
}

#[derive(Template)]
#[template(path = "audit_entry.html")]
pub(super) struct Entry {
    pub(super) frame: Frame,
    pub(super) seq: u64,
    pub(super) is_last: bool,
    pub(super) at: Timestamp,
    pub(super) kind: String,
    pub(super) who: String,
    pub(super) what: String,
    pub(super) pretty: String,
    pub(super) leaf: String,
    pub(super) size: i64,
    pub(super) root: String,
    pub(super) proof: Vec<String>,
    pub(super) included: bool,
    pub(super) signatures: Vec<Signature>,
}

/// One entry.
pub async fn show(State(app): Shared, person: Person, Named(seq): Named) -> Answer {
    let seq: i64 = seq.parse().map_err(|_| WebError::not_found())?;
    let EntryView { row, pretty, leaf, tree, proof, included, signatures } = app.entry(&person.actor, seq).await?;
    let people = signatures.iter().map(|check| format!("user:{}", check.user));
    let references: Vec<String> = people.chain([row.actor.clone()]).chain(row.obj.clone()).collect();
    let names = names(&app, &person.actor, &references).await?;
    let signature = |check: crate::app::audit::SignatureCheck| Signature {
        who: named(&names, &format!("user:{}", check.user)),
        key: check.credential,
        wrong: check.wrong,
    };
    frame::page(&Entry {
        frame: frame::of(&app, &person.visitor, format!("Entry {}", number::words(seq))).await,
        is_last: number::parts(seq).1 + 1 >= tree.0,
        seq: row.seq,
        at: Timestamp(row.ts),
        who: named(&names, &row.actor),
        what: row.obj.as_deref().map(|obj| named(&names, obj)).unwrap_or_default(),
        kind: row.kind,
        pretty,
        leaf,
        size: tree.0,
        root: tree.1,
        proof,
        included,
        signatures: signatures.into_iter().map(signature).collect(),
    })
}

#[cfg(test)]
pub(super) fn samples() -> Vec<(String, String)> {
    use crate::web::samples;
    let draw = |included, signatures| {
        let hash = "9f2c61d0a77b41f39f2c61d0a77b41f39f2c61d0a77b41f39f2c61d0a77b41f3".to_owned();
        let page = Entry {
            frame: Frame { held: None, ..Frame::sample("Entry 117", "/audit/117") },
            seq: 117,
            is_last: false,
            at: samples::now(),
            kind: "bots.started".to_owned(),
            who: "L. Sato".to_owned(),
            what: "bot grid-07".to_owned(),
            pretty: "{\n  \"kind\": \"bots.started\",\n  \"data\": {\n    \"bots\": [\"0193\"]\n  }\n}".to_owned(),
            leaf: hash.clone(),
            size: 120,
            root: hash.clone(),
            proof: vec![hash.clone(), hash],
            included,
            signatures,
        };
        page.render().unwrap()
    };
    let signature =
        |wrong: Option<&str>| Signature { who: "L. Sato".to_owned(), key: "c2FtcGxl".to_owned(), wrong: wrong.map(str::to_owned) };
    vec![
        ("audit-entry".to_owned(), draw(true, vec![signature(None), signature(None)])),
        ("audit-entry-wrong".to_owned(), draw(false, vec![signature(Some("the signature does not verify"))])),
    ]
}
