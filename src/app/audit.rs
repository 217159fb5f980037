//! The log for people: a page of entries, one entry with its proof and signatures, and the full verification.

use super::{App, AppError};
use crate::audit::{AssertionText, Assertions, Canonical, Report, Row, Verifier, number, tree};
use crate::authn::{Assertion, Keys, keys::made};
use crate::authz::{self, Action, Actor, Resource};
use crate::domain::{Timestamp, act};
use crate::storage::{
    self, Conn,
    audit::{Filter, Head},
};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};

/// How many entries a page shows.
pub const PAGE: i64 = 100;
/// How many entries verification reads at a time.
const CHUNK: i64 = 2_000;
/// How many entries verification checks before it lets others go first.
const BREATH: usize = 32;

/// What a page of entries is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// `user:ID` and the like, or empty.
    pub actor: String,
    /// The dotted word, or empty.
    pub kind: String,
    /// `bot:ID` and the like, or empty.
    pub about: String,
    /// From this moment.
    pub from: Option<Timestamp>,
    /// To before this moment.
    pub to: Option<Timestamp>,
    /// Only entries before this number.
    pub before: Option<i64>,
}

/// One signature of an entry, and whether it verifies.
#[derive(Debug, Clone)]
pub struct SignatureCheck {
    /// Whose.
    pub user: crate::domain::UserId,
    /// With which key.
    pub credential: String,
    /// What is wrong with it; none: it verifies.
    pub wrong: Option<String>,
}

/// One entry with everything that proves it.
#[derive(Debug, Clone)]
pub struct EntryView {
    /// As stored, with its number as its position.
    pub row: Row,
    /// For people.
    pub pretty: String,
    /// The leaf hash, hex.
    pub leaf: String,
    /// Its incarnation's size and root (hex), which the proof leads to.
    pub tree: (i64, String),
    /// The proof's hashes, hex.
    pub proof: Vec<String>,
    /// True when bytes, leaf, proof and root fit.
    pub included: bool,
    /// Its signatures.
    pub signatures: Vec<SignatureCheck>,
}

/// Checks assertions by the WebAuthn library, with keys as they were recorded.
pub struct ByLibrary<'a>(pub &'a Keys);

impl Assertions for ByLibrary<'_> {
    fn check(&self, passkey: &str, challenge: &[u8; 32], text: &AssertionText) -> Result<(), String> {
        let bytes = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| "not base64url".to_owned());
        let assertion = Assertion {
            authenticator_data: bytes(&text.authenticator_data)?,
            client_data: bytes(&text.client_data)?,
            signature: bytes(&text.signature)?,
        };
        self.0.check_offline(passkey, challenge, &assertion).map_err(|error| error.to_string())
    }

    fn check_elsewhere(&self, rp_id: &str, passkey: &str, challenge: &[u8; 32], text: &AssertionText) -> Result<(), String> {
        let said = "it was made neither here nor at the host name before";
        let client = BASE64URL_NOPAD.decode(text.client_data.as_bytes()).map_err(|_| "not base64url")?;
        let client: serde_json::Value = serde_json::from_slice(&client).map_err(|_| "not JSON")?;
        let origin = client.get("origin").and_then(serde_json::Value::as_str).and_then(|origin| url::Url::parse(origin).ok());
        let origin = origin.filter(|origin| origin.host_str() == Some(rp_id)).ok_or(said)?;
        let keys = Keys::new(&origin, "andon").map_err(|error| error.to_string())?;
        ByLibrary(&keys).check(passkey, challenge, text)
    }

    fn digest_of_key(&self, passkey: &str, cose: &str) -> Result<String, String> {
        let digest = made::digest_of(cose).filter(|_| made::is_of(passkey, cose));
        digest.ok_or_else(|| "the public key of this entry is not that of its record of the key".to_owned())
    }
}

/// Recomputes a whole log: bytes, leaves, columns, order, tree, head, signatures.
///
/// # Errors
/// When the database cannot be read; what is wrong with the log is in the report.
pub async fn verify_log(conn: &mut Conn, keys: &Keys) -> Result<Report, AppError> {
    verify_log_noting(conn, keys, []).await
}

/// The same, noting the root at each of these sizes.
///
/// # Errors
/// When the database cannot be read; what is wrong with the log is in the report.
pub async fn verify_log_noting(conn: &mut Conn, keys: &Keys, sizes: impl IntoIterator<Item = u64>) -> Result<Report, AppError> {
    let assertions = ByLibrary(keys);
    let mut verifier = Verifier::new(&assertions);
    verifier.note_roots_at(sizes);
    let mut heads = storage::audit::audit_heads(conn).await?;
    let last = heads.pop().ok_or_else(|| AppError::from(storage::Error::Unreadable("the log's head".into())))?;
    for head in heads {
        take_all(conn, &mut verifier, &head).await?;
        let nodes = storage::audit::audit_nodes_of(conn, head.log).await?;
        verifier.end(&nodes, head.size.unsigned_abs(), &head.frontier);
    }
    take_all(conn, &mut verifier, &last).await?;
    let nodes = storage::audit::audit_nodes_of(conn, last.log).await?;
    // Read again: a running server appends meanwhile.
    let head = storage::audit::audit_head(conn).await?;
    Ok(verifier.finish(&nodes, head.size.unsigned_abs(), &head.frontier))
}

/// Takes every entry of one incarnation.
async fn take_all(conn: &mut Conn, verifier: &mut Verifier<'_>, head: &Head) -> Result<(), AppError> {
    verifier.begin(&head.origin);
    let mut next = 0;
    loop {
        let rows = storage::audit::audit_of(conn, head.log, next, CHUNK).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        next = last.seq as i64 + 1;
        for (n, row) in rows.into_iter().enumerate() {
            verifier.take(row);
            // Signatures take their time; a press on the same thread does not wait for them.
            if n % BREATH == BREATH - 1 {
                tokio::task::yield_now().await;
            }
        }
    }
}

impl App {
    /// A page of entries, newest first, and the kinds there are.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn entries(&self, actor: &Actor, query: &Query) -> Result<(Vec<Row>, Vec<String>), AppError> {
        authz::check(actor, Action::SeeAudit, &Resource::Installation)?;
        let filter = Filter {
            before: query.before.unwrap_or(i64::MAX),
            actor: query.actor.clone(),
            kind: query.kind.clone(),
            from: query.from.unwrap_or(Timestamp(i64::MIN)),
            to: query.to.unwrap_or(Timestamp(i64::MAX)),
            about: query.about.clone(),
            most: PAGE,
        };
        let mut tx = self.db.read().await?;
        Ok((storage::audit::audit_list(&mut tx, &filter).await?, storage::audit::audit_kinds(&mut tx).await?))
    }

    /// One entry by its number, with its inclusion proof and its signatures checked.
    ///
    /// # Errors
    /// `Denied`, `NotFound`; when the database is gone.
    pub async fn entry(&self, actor: &Actor, number: i64) -> Result<EntryView, AppError> {
        authz::check(actor, Action::SeeAudit, &Resource::Installation)?;
        let mut tx = self.db.read().await?;
        let row = storage::audit::audit_entry(&mut tx, number).await?.ok_or(AppError::NotFound("entry"))?;
        let (log, seq) = number::parts(number);
        let heads = storage::audit::audit_heads(&mut tx).await?;
        let head = heads.into_iter().find(|head| head.log == log).ok_or(AppError::NotFound("entry"))?;
        let leaves = storage::audit::audit_leaves_of(&mut tx, log, 0, head.size).await?;
        let canonical = Canonical::from_stored(row.body.clone()).map_err(AppError::internal)?;
        let (leaf, root) = (canonical.leaf(), tree::root_of(&leaves));
        let proof = tree::inclusion_of(&leaves, usize::try_from(seq).unwrap_or(usize::MAX));
        let included = tree::verify_inclusion(&leaf, seq.unsigned_abs(), head.size.unsigned_abs(), &proof, &root)
            && row.leaf_hash == leaf
            && crate::audit::Frontier::decode(head.size.unsigned_abs(), &head.frontier).is_ok_and(|f| f.root() == root);
        let signatures = self.check_signatures(&mut tx, &canonical).await?;
        Ok(EntryView {
            pretty: canonical.pretty(),
            leaf: HEXLOWER.encode(&leaf),
            tree: (head.size, HEXLOWER.encode(&root)),
            proof: proof.iter().map(|hash| HEXLOWER.encode(hash)).collect(),
            included,
            signatures,
            row,
        })
    }

    async fn check_signatures(&self, conn: &mut Conn, canonical: &Canonical) -> Result<Vec<SignatureCheck>, AppError> {
        let Ok(event) = canonical.event() else { return Ok(Vec::new()) };
        let Some(signed) = event.signed() else { return Ok(Vec::new()) };
        let body = BASE64URL_NOPAD.decode(signed.act.as_bytes()).map_err(AppError::internal)?;
        let challenge = act::digest(&body);
        let mut checks = Vec::new();
        for assertion in &signed.assertions {
            let key = storage::credentials::credential_by_id(conn, &assertion.credential).await?;
            let wrong = match key {
                Some(key) if key.user_id == assertion.user => ByLibrary(&self.keys).check(&key.passkey, &challenge, assertion).err(),
                _ => Some("its key was never enrolled for this person".to_owned()),
            };
            checks.push(SignatureCheck { user: assertion.user.clone(), credential: assertion.credential.0.clone(), wrong });
        }
        Ok(checks)
    }

    /// Recomputes the whole log.
    ///
    /// # Errors
    /// `Denied`; when the database is gone.
    pub async fn verify_audit(&self, actor: &Actor) -> Result<Report, AppError> {
        authz::check(actor, Action::SeeAudit, &Resource::Installation)?;
        verify_log(&mut *self.db.read().await?, &self.keys).await
    }
}
