//! Andon is the cord that stops the line: a self-hosted control plane for fleets of crypto trading bots.
//!
//! # The words
//! A *bot* trades; an *agent* beside it obeys; a *hold* is a latched stop; a *release* ends a hold and starts nothing; a *start* lets a
//! stopped bot trade again and needs a security key. Everything that changes what a bot may do takes the next *epoch*. What a bot may do
//! is its *directive*, computed by [`domain::directive`] and never stored.
//!
//! # The rooms, and who may use whom
//! | room | for | may use |
//! |---|---|---|
//! | [`domain`] | words and rules: pure, no I/O, no clock | – |
//! | [`protocol`] | the wire's types | `domain` |
//! | [`authz`] | the one policy table and the permit | `domain` |
//! | [`crypto`] | passwords, tokens, digests, sealed secrets | `domain` |
//! | [`audit`] | canonical record, tree, signed notes, proofs, verify | `domain` |
//! | [`storage`] | both databases; the only room that knows SQL | `domain`, `protocol`, `audit` |
//! | [`mail`] | letters and the mail server | `domain` |
//! | [`fleet`] | the live part: snapshot of holds, connected agents, fan-out, spool | `domain`, `protocol` |
//! | [`venues`] | exchanges: what a key is, which orders rest, cancel, demote; HTTP and nothing else | `domain`, `protocol` |
//! | [`authn`] | WebAuthn ceremonies, sessions, throttle | `storage`, `crypto`, `domain` |
//! | [`app`] | use cases, one file per noun | all above |
//! | [`workers`] | reconcilers | `app` and below |
//! | [`web`] | pages, `/api/v1`, `/agent/v1` | `app` and below, never `storage` |
//! | [`agent`] | the sidecar beside a bot | `domain`, `crypto`, `protocol` |
//! | [`config`], [`telemetry`] | settings, logs | – |
//! | [`cli`] | one file per command; puts everything together | everything |
//!
//! `tests/it/architecture.rs` reads the `use crate::` lines and enforces this table.
//!
//! # Where do I put …
//! * a rule about what a bot may do → `domain/directive.rs`, with a property test
//! * a new act that needs a signature → a variant in `domain/act.rs`, its rule in `authz/policy.rs`, its effect in `app/acts/`
//! * a page → one file in `web/pages/`, one line in `web/router.rs`, one template
//! * a table → a migration in both folders of `migrations`, one file in `storage`
//! * a check of the log from outside of its database → `app/log/`, with a planted fault in `tests/it/log/verify.rs`
//! * a kind of bot → one file in `agent/adapters/`, and its section of `agent.toml` in `agent/settings/`
//! * an exchange that keys are measured at → one folder in `venues/`, one line in its registry, a fake in `tests/it/venues/`

#[macro_use]
mod failpoint;

pub mod agent;
pub mod app;
pub mod audit;
pub mod authn;
pub mod authz;
pub mod cli;
pub mod config;
pub mod crypto;
pub mod domain;
pub mod fleet;
pub mod mail;
pub mod protocol;
pub mod storage;
pub mod telemetry;
pub mod venues;
pub mod web;
pub mod workers;
