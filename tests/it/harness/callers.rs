//! Everybody who may try a route: each with a fresh session or a token of their own, so that no try spoils the next.

use super::{app::TestApp, scene::Scene};
use andon::{
    authn::sessions::SEEN,
    crypto::token::{self, TokenDigest},
    domain::UserId,
    web::{
        extract::{csrf, device::device_cookie, visitor::early_cookie},
        layers::sessions::cookie_name,
        session,
    },
};
use std::sync::Arc;
use tower_sessions::Session;

/// Somebody who tries a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Who {
    Nobody,
    Invited,
    Idle,
    Operator,
    Lead,
    OtherOperator,
    OtherLead,
    Risk,
    Admin,
    Auditor,
    FewKeys,
    Frozen,
    Device,
    StopToken,
    ReadToken,
    TeamStopToken,
    TeamReadToken,
    TeamOperateToken,
    TeamBuildToken,
    Agent,
}

impl Who {
    pub const ALL: [Self; 20] = [
        Self::Nobody,
        Self::Invited,
        Self::Idle,
        Self::Operator,
        Self::Lead,
        Self::OtherOperator,
        Self::OtherLead,
        Self::Risk,
        Self::Admin,
        Self::Auditor,
        Self::FewKeys,
        Self::Frozen,
        Self::Device,
        Self::StopToken,
        Self::ReadToken,
        Self::TeamStopToken,
        Self::TeamReadToken,
        Self::TeamOperateToken,
        Self::TeamBuildToken,
        Self::Agent,
    ];

    /// The head of a column, in two lines.
    pub fn heading(self) -> [&'static str; 2] {
        match self {
            Self::Nobody => ["nobody", ""],
            Self::Invited => ["has an", "invite"],
            Self::Idle => ["idle", "session"],
            Self::Operator => ["operator", "of arb"],
            Self::Lead => ["lead", "of arb"],
            Self::OtherOperator => ["operator", "of grid"],
            Self::OtherLead => ["lead", "of grid"],
            Self::Risk => ["risk", ""],
            Self::Admin => ["admin", ""],
            Self::Auditor => ["auditor", ""],
            Self::FewKeys => ["lead with", "one key"],
            Self::Frozen => ["recovered", "lead"],
            Self::Device => ["stop", "device"],
            Self::StopToken => ["stop-only", "token"],
            Self::ReadToken => ["read", "token"],
            Self::TeamStopToken => ["stop-only", "of arb"],
            Self::TeamReadToken => ["read", "of arb"],
            Self::TeamOperateToken => ["operate", "of arb"],
            Self::TeamBuildToken => ["build", "of arb"],
            Self::Agent => ["agent", "of arb"],
        }
    }

    /// The harness's person behind a session.
    pub fn person(self) -> Option<&'static str> {
        match self {
            Self::Idle | Self::Operator => Some("operator"),
            Self::Lead => Some("lead"),
            Self::OtherOperator => Some("grid operator"),
            Self::OtherLead => Some("grid lead"),
            Self::Risk => Some("risk"),
            Self::Admin => Some("admin"),
            Self::Auditor => Some("auditor"),
            Self::FewKeys => Some("lead with one key"),
            Self::Frozen => Some("recovered lead"),
            _ => None,
        }
    }

    /// Scope and team of an API token.
    pub fn token(self) -> Option<(&'static str, Option<&'static str>)> {
        match self {
            Self::StopToken => Some(("stop-only", None)),
            Self::ReadToken => Some(("read", None)),
            Self::TeamStopToken => Some(("stop-only", Some("arb"))),
            Self::TeamReadToken => Some(("read", Some("arb"))),
            Self::TeamOperateToken => Some(("operate", Some("arb"))),
            Self::TeamBuildToken => Some(("build", Some("arb"))),
            _ => None,
        }
    }
}

/// One of them, ready to ask.
pub struct Caller {
    pub who: Who,
    /// Their browser session, when they have one.
    pub session: Option<Session>,
    /// Digest of the invitation in their hand.
    pub link: Option<String>,
    /// The cookies they send.
    pub cookies: String,
    /// The token that their forms carry.
    pub csrf: String,
    /// The same of the forms of a stop device.
    pub device_csrf: String,
    /// What stands behind `Bearer`.
    pub bearer: Option<String>,
}

impl Caller {
    /// Keeps the server's half of a ceremony in the session, as the page with the form does.
    pub async fn begins(&self, scene: &Scene, purpose: &str, state: String) {
        let session = self.session.as_ref().unwrap();
        session::keep_ceremony(session, purpose, state, scene.test.app.clock.now()).await.unwrap();
        session.save().await.unwrap();
    }
}

/// Signs somebody in, in a session that their browser keeps.
pub async fn sign_in(test: &TestApp, session: &Session, user: &UserId) {
    let rights = test.app.actor_of(user, false).as_ref().map(session::rights_of).unwrap_or_default();
    let came = session::CameIn { recorded: true, rights, ..session::CameIn::default() };
    session::sign_in(session, user, &came, test.app.clock.now()).await.unwrap();
}

impl Scene {
    /// Somebody, in a session that was never used.
    pub async fn caller(&self, who: Who) -> Caller {
        let now = self.test.app.clock.now();
        let mut link = None;
        let session = match who {
            Who::Invited => {
                let session = self.session();
                link = Some(TokenDigest::of(&self.invited).hex());
                session::hold_link(&session, link.as_deref().unwrap(), now).await.unwrap();
                Some(session)
            }
            _ => match who.person() {
                Some(person) => {
                    let session = self.session();
                    sign_in(&self.test, &session, &self.test.people[person].id).await;
                    if who == Who::Idle {
                        session.insert(SEEN, now.plus_ms(-16 * 60 * 1_000).0).await.unwrap();
                    }
                    Some(session)
                }
                None => None,
            },
        };
        let is_secure = self.test.app.origin.scheme() == "https";
        let early = token::random::<16>().unwrap();
        let mut cookies = format!("{}={early}", early_cookie(is_secure));
        let mut csrf = early;
        if let Some(session) = &session {
            session.save().await.unwrap();
            csrf = session::read(session).await.csrf.unwrap();
            cookies = format!("{cookies}; {}={}", cookie_name(&self.test.app.origin), session.id().unwrap());
        }
        let mut device_csrf = String::new();
        if who == Who::Device {
            cookies = format!("{cookies}; {}={}", device_cookie(is_secure), self.phone);
            device_csrf = csrf::masked(&csrf::of_secret(&self.phone));
        }
        Caller { who, session, link, cookies, csrf: csrf::masked(&csrf), device_csrf, bearer: self.bearers.get(&who).cloned() }
    }

    pub(super) fn session(&self) -> Session {
        Session::new(None, Arc::new(self.test.app.sessions.clone()), None)
    }
}
