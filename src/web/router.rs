//! Every route in one table: method, path, who may call it, handler. The same lines make the router and the access matrix, so that no route
//! can be in one and not in the other.

use super::{WebError, assets, layers, live::Live};
use crate::app::App;
use crate::authz::Action;
use axum::{
    Extension, Router,
    routing::{connect, get, post},
};
use std::sync::Arc;

/// Who may call a route at all. What exactly they may do there is checked in `app`, with the thing it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody: sign-in, health, assets, emergency card.
    Public,
    /// Whoever holds a one-time link.
    Link,
    /// A signed-in person whose session is not stop-only; `app` checks the action.
    Person(Action),
    /// A signed-in person, stop-only sessions included.
    StopOnly(Action),
    /// The bearer of an API token; no cookie opens these.
    Token(Action),
    /// A stop device, by its cookie; it opens these and nothing else.
    Device(Action),
    /// The bearer of an agent token.
    Agent,
    /// Demo installations only.
    Demo,
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// `GET`, `POST`, or `CONNECT`, by which a websocket is opened over HTTP/2 (RFC 8441).
    pub method: &'static str,
    /// The path as axum writes it.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
}

macro_rules! routes {
    (@method GET $handler:path) => { get($handler) };
    (@method POST $handler:path) => { post($handler) };
    (@method CONNECT $handler:path) => { connect($handler) };
    ($($method:ident $path:literal $access:expr => $handler:path;)*) => {
        /// Every route.
        pub const ROUTES: &[Route] = &[$(Route { method: stringify!($method), path: $path, access: $access }),*];

        /// The routes without their layers. What is for demos is not there elsewhere.
        fn table(is_demo: bool) -> Router<Arc<App>> {
            let mut router = Router::new();
            $(if is_demo || !matches!($access, Access::Demo) {
                router = router.route($path, routes!(@method $method $handler));
            })*
            router
        }
    };
}

routes! {
    GET "/healthz" Access::Public => super::pages::health::live;
    GET "/readyz" Access::Public => super::pages::health::ready;

    GET "/" Access::Public => super::pages::sign_in::home;
    GET "/sign-in" Access::Public => super::pages::sign_in::show;
    POST "/sign-in" Access::Public => super::pages::sign_in::password;
    GET "/sign-in/key" Access::Public => super::pages::sign_in::show_key;
    POST "/sign-in/key" Access::Public => super::pages::sign_in::key;
    GET "/sign-in/lost" Access::Public => super::pages::lost::show;
    POST "/sign-in/lost" Access::Public => super::pages::lost::ask;
    POST "/sign-in/lost/withdraw" Access::Public => super::pages::lost::withdraw;
    POST "/sign-out" Access::Public => super::pages::sign_in::out;
    GET "/welcome/{link}" Access::Link => super::pages::welcome::open;
    POST "/welcome/{link}" Access::Link => super::pages::welcome::leave_and_open;
    GET "/welcome" Access::Link => super::pages::welcome::show;
    POST "/welcome/password" Access::Link => super::pages::welcome::password;
    POST "/welcome/key" Access::Link => super::pages::welcome::key;
    GET "/recover/{link}" Access::Link => super::pages::recover::show;
    POST "/recover/{link}" Access::Link => super::pages::recover::password;
    POST "/recover/{link}/sign" Access::Link => super::pages::recover::sign;

    GET "/first-run" Access::Person(Action::See) => super::pages::first_run::show;
    POST "/first-run" Access::Person(Action::See) => super::pages::first_run::set;
    GET "/live/first-run" Access::Person(Action::See) => super::pages::first_run::live::stream;
    GET "/fleet" Access::Person(Action::See) => super::pages::fleet::index;
    GET "/pause" Access::StopOnly(Action::SeeCounts) => super::pages::pause::show;
    POST "/holds" Access::StopOnly(Action::PlaceHold) => super::pages::holds::place::place;
    GET "/kill" Access::Person(Action::PlaceKill) => super::pages::kill::show;
    GET "/holds" Access::Person(Action::See) => super::pages::holds::index;
    GET "/holds/{id}" Access::StopOnly(Action::SeeCounts) => super::pages::holds::receipt::show;
    POST "/holds/{id}/why" Access::Person(Action::ExplainHold) => super::pages::holds::receipt::explain;
    POST "/holds/{id}/release" Access::Person(Action::ReleaseHold) => super::pages::holds::receipt::release;
    GET "/live/holds/{id}" Access::StopOnly(Action::SeeCounts) => super::pages::holds::live::stream;
    GET "/bots/new" Access::Person(Action::EditBot) => super::pages::bots::new::show;
    POST "/bots" Access::Person(Action::EditBot) => super::pages::bots::new::create;
    GET "/bots/{id}" Access::Person(Action::See) => super::pages::bots::show;
    POST "/bots/{id}/stage" Access::Person(Action::SetStage) => super::pages::bots::stage::set;
    GET "/bots/{id}/move" Access::Person(Action::See) => super::pages::bots::moving::show;
    POST "/bots/{id}/move" Access::Person(Action::EditBot) => super::pages::bots::moving::go;
    GET "/bots/{id}/seat" Access::Person(Action::See) => super::pages::bots::seat::show;
    POST "/bots/{id}/seat" Access::Person(Action::EditBot) => super::pages::bots::seat::set;
    POST "/bots/{id}/links" Access::Person(Action::EditBot) => super::pages::bots::seat::link;
    POST "/bots/{id}/links/end" Access::Person(Action::EditBot) => super::pages::bots::seat::unlink;
    GET "/bots/{id}/reconciliation" Access::Person(Action::See) => super::pages::bots::reconciliation::show;
    POST "/bots/{id}/reconciliation" Access::Person(Action::TendAlert) => super::pages::bots::reconciliation::close;
    POST "/bots/{id}/reconciliation/setting" Access::Person(Action::SetWatch) => super::pages::bots::reconciliation::set;
    GET "/bots/{id}/fills" Access::Person(Action::See) => super::pages::bots::fills::show;
    GET "/bots/{id}/fills.csv" Access::Person(Action::See) => super::pages::bots::fills::export;
    GET "/bots/{id}/limits" Access::Person(Action::See) => super::pages::bots::limits::show;
    POST "/bots/{id}/limits" Access::Person(Action::TightenLimits) => super::pages::bots::limits::tighten;
    POST "/bots/{id}/limits/half" Access::Person(Action::TightenLimits) => super::pages::bots::limits::halve;
    GET "/bots/{id}/enrol" Access::Person(Action::See) => super::pages::bots::enrol::show;
    POST "/bots/{id}/enrol" Access::Person(Action::EnrolAgent) => super::pages::bots::enrol::prepare_code;
    POST "/bots/{id}/confirm" Access::Person(Action::EnrolAgent) => super::pages::bots::enrol::prepare_confirm;
    GET "/live/bots/{id}/enrol" Access::Person(Action::See) => super::pages::bots::enrol_live::stream;
    GET "/teams/{id}" Access::Person(Action::See) => super::pages::team::show;
    GET "/starts/new" Access::Person(Action::StartBot) => super::pages::starts::show;
    POST "/starts" Access::Person(Action::StartBot) => super::pages::starts::create;
    GET "/starts/{id}" Access::Person(Action::See) => super::pages::staged::show;
    POST "/starts/{id}/end" Access::StopOnly(Action::PlaceHold) => super::pages::staged::end;
    GET "/live/starts/{id}" Access::Person(Action::See) => super::pages::staged::stream;
    GET "/agents" Access::Person(Action::See) => super::pages::agents::index;
    GET "/agents/{id}" Access::Person(Action::See) => super::pages::agents::show::show;
    POST "/agents/{id}/revoke" Access::Person(Action::EnrolAgent) => super::pages::agents::show::revoke;
    GET "/audit" Access::Person(Action::SeeAudit) => super::pages::audit::index;
    GET "/audit/verify" Access::Person(Action::SeeAudit) => super::pages::audit::verify::show;
    GET "/audit/checkpoint" Access::Person(Action::SeeCheckpoint) => super::pages::audit::checkpoint::download;
    GET "/audit/changes" Access::Person(Action::SeeAudit) => super::pages::audit::changes::index;
    GET "/audit/changes.csv" Access::Person(Action::SeeAudit) => super::pages::audit::changes::export;
    GET "/audit/{seq}" Access::Person(Action::SeeAudit) => super::pages::audit::entry::show;
    GET "/live/fleet" Access::Person(Action::See) => super::pages::fleet_live::stream;

    GET "/demo/mail" Access::Demo => super::pages::mailbox::show;
    GET "/demo/{link}" Access::Demo => super::pages::welcome::demo;

    GET "/acts" Access::Person(Action::See) => super::pages::acts::index;
    GET "/acts/{id}" Access::Person(Action::See) => super::pages::acts::show::show;
    POST "/acts/{id}/sign" Access::Person(Action::See) => super::pages::acts::show::sign;
    POST "/acts/{id}/deny" Access::Person(Action::VoteRequest) => super::pages::acts::show::deny;
    POST "/acts/{id}/withdraw" Access::Person(Action::See) => super::pages::acts::show::withdraw;
    POST "/acts/{id}/sign-demo" Access::Demo => super::pages::acts::show::sign_demo;

    GET "/me" Access::StopOnly(Action::SeeCounts) => super::pages::own_keys::me;
    GET "/me/keys/new" Access::Person(Action::OwnKeys) => super::pages::own_keys::new;
    POST "/me/keys" Access::Person(Action::OwnKeys) => super::pages::own_keys::create;
    POST "/me/keys/{id}/name" Access::Person(Action::OwnKeys) => super::pages::own_keys::rename;
    POST "/me/keys/{id}/remove" Access::Person(Action::OwnKeys) => super::pages::own_keys::remove;
    POST "/me/sessions/end" Access::Person(Action::OwnSessions) => super::pages::sessions::end_own;
    POST "/me/address" Access::Person(Action::OwnAddress) => super::pages::mail::set_address;
    GET "/notices" Access::Person(Action::See) => super::pages::notices::index;
    POST "/notices/read" Access::Person(Action::See) => super::pages::notices::read_all;
    GET "/notices/{id}" Access::Person(Action::See) => super::pages::notices::show;
    POST "/notices/{id}/read" Access::Person(Action::See) => super::pages::notices::read;
    GET "/people" Access::Person(Action::See) => super::pages::people::index;
    GET "/people/invite" Access::Person(Action::ManagePeople) => super::pages::people::invite;
    POST "/people/invite" Access::Person(Action::ManagePeople) => super::pages::people::prepare_invite;
    GET "/people/{id}" Access::Person(Action::See) => super::pages::people::show;
    POST "/people/{id}/roles" Access::Person(Action::ManagePeople) => super::pages::people::set_roles;
    POST "/people/{id}/link" Access::Person(Action::ManagePeople) => super::pages::people::prepare_link;
    POST "/people/{id}/sessions/end" Access::Person(Action::ManagePeople) => super::pages::sessions::end_of;
    POST "/people/{id}/recover" Access::Person(Action::AskRecovery) => super::pages::people::prepare_recovery;
    GET "/recoveries" Access::Person(Action::See) => super::pages::recoveries::index;
    GET "/recoveries/{id}" Access::Person(Action::See) => super::pages::recoveries::show;
    POST "/recoveries/{id}/approve" Access::Person(Action::ApproveRecovery) => super::pages::recoveries::approve;
    POST "/recoveries/{id}/link" Access::Person(Action::LinkRecovery) => super::pages::recoveries::link;
    POST "/recoveries/{id}/veto" Access::Person(Action::VetoRecovery) => super::pages::recoveries::veto;
    POST "/recoveries/{id}/withdraw" Access::Person(Action::StopRecovery) => super::pages::recoveries::withdraw;
    POST "/people/{id}/disable" Access::Person(Action::ManagePeople) => super::pages::people::disable;
    POST "/people/{id}/enable" Access::Person(Action::ManagePeople) => super::pages::people::enable;
    GET "/teams" Access::Person(Action::See) => super::pages::teams::index;
    POST "/teams" Access::Person(Action::CreateTeam) => super::pages::teams::create;
    POST "/teams/{id}/limits/half" Access::Person(Action::TightenLimits) => super::pages::team::halve;
    GET "/venues" Access::Person(Action::See) => super::pages::venues::index;
    POST "/venues" Access::Person(Action::EditVenues) => super::pages::venues::create;
    POST "/venues/subaccounts" Access::Person(Action::EditVenues) => super::pages::venues::create_subaccount;
    GET "/tokens" Access::Person(Action::See) => super::pages::tokens::index;
    POST "/tokens" Access::Person(Action::ManageTokens) => super::pages::tokens::create;
    POST "/tokens/{id}/revoke" Access::Person(Action::ManageTokens) => super::pages::tokens::revoke;
    GET "/stop-device" Access::Device(Action::SeeCounts) => super::pages::stop_device::show;
    POST "/stop-device/holds" Access::Device(Action::PlaceHold) => super::pages::stop_device::press;
    GET "/stop-device/holds/{id}" Access::Device(Action::SeeCounts) => super::pages::stop_device::receipt;
    GET "/stop-device/enrol/{link}" Access::Link => super::pages::stop_device::enrol::show;
    POST "/stop-device/enrol" Access::Link => super::pages::stop_device::enrol::take;
    GET "/stop-devices" Access::Person(Action::SeeAccess) => super::pages::stop_devices::index;
    POST "/stop-devices/allow" Access::Person(Action::ManageDevices) => super::pages::stop_devices::allow;
    POST "/stop-devices/{id}/end" Access::Person(Action::OwnDevices) => super::pages::stop_devices::end;
    GET "/me/stop-devices" Access::Person(Action::OwnDevices) => super::pages::stop_devices::mine;
    POST "/me/stop-devices" Access::Person(Action::OwnDevices) => super::pages::stop_devices::ask_link;
    GET "/matrix" Access::Person(Action::SeeMatrix) => super::pages::matrix::show;
    GET "/system" Access::Person(Action::See) => super::pages::system::show;
    POST "/system/mail" Access::Person(Action::See) => super::pages::mail::test;
    GET "/card" Access::Public => super::pages::system::card;
    GET "/alerts" Access::Person(Action::See) => super::pages::alerts::index;
    GET "/alerts/{id}" Access::Person(Action::See) => super::pages::alerts::show;
    POST "/alerts/{id}/take" Access::Person(Action::TendAlert) => super::pages::alerts::take;
    GET "/holds/{id}/evidence" Access::Person(Action::See) => super::pages::holds::evidence::show;
    GET "/drills" Access::Person(Action::See) => super::pages::drills::index;
    POST "/drills" Access::Person(Action::RunDrill) => super::pages::drills::create;
    GET "/drills/{id}" Access::Person(Action::See) => super::pages::drills::show;
    GET "/live/drills/{id}" Access::Person(Action::See) => super::pages::drills::stream;
    POST "/alerts/{id}/close" Access::Person(Action::TendAlert) => super::pages::alerts::close;
    GET "/requests" Access::Person(Action::See) => super::pages::requests::index;
    GET "/requests/{id}" Access::Person(Action::See) => super::pages::requests::show::show;
    GET "/requests/{id}/edit" Access::Person(Action::See) => super::pages::requests::edit::show;
    POST "/requests/{id}/edit" Access::Person(Action::AskRequest) => super::pages::requests::edit::revise;
    POST "/requests/{id}/approve" Access::Person(Action::VoteRequest) => super::pages::requests::decide::approve;
    POST "/requests/{id}/read" Access::Person(Action::See) => super::pages::requests::decide::read;
    POST "/requests/{id}/take-back" Access::Person(Action::VoteRequest) => super::pages::requests::decide::take_back;
    POST "/requests/{id}/deny" Access::Person(Action::VoteRequest) => super::pages::requests::decide::deny;
    POST "/requests/{id}/raise" Access::Person(Action::DiscussRequest) => super::pages::requests::decide::raise;
    POST "/requests/{id}/withdraw" Access::Person(Action::DiscussRequest) => super::pages::requests::decide::withdraw;
    POST "/requests/{id}/comments" Access::Person(Action::DiscussRequest) => super::pages::requests::decide::comment;
    GET "/bots/{id}/limits/ask" Access::Person(Action::See) => super::pages::requests::ask::show;
    POST "/bots/{id}/limits/ask" Access::Person(Action::AskRequest) => super::pages::requests::ask::create;
    GET "/policies" Access::Person(Action::See) => super::pages::policies::index;
    POST "/policies" Access::Person(Action::AskRequest) => super::pages::policies::ask;
    GET "/limits" Access::Person(Action::See) => super::pages::limits::show;
    POST "/limits" Access::Person(Action::TightenLimits) => super::pages::limits::tighten;
    GET "/limits/ask" Access::Person(Action::See) => super::pages::requests::ask::show_level;
    POST "/bots/{id}/limits/override" Access::Person(Action::AskRequest) => super::pages::bots::limits::ask_override;
    POST "/limits/overrides/{id}/end" Access::Person(Action::TightenLimits) => super::pages::limits::end_override;
    POST "/limits/ask" Access::Person(Action::AskRequest) => super::pages::requests::ask::create_level;
    GET "/bots" Access::Person(Action::See) => super::pages::register::bots::index;
    GET "/bots/{id}/edit" Access::Person(Action::See) => super::pages::bots::edit::show;
    POST "/bots/{id}/edit" Access::Person(Action::EditBot) => super::pages::bots::edit::set;
    POST "/bots/{id}/operators" Access::Person(Action::ListOperators) => super::pages::bots::edit::list;
    GET "/bots/{id}/seat/ask" Access::Person(Action::See) => super::pages::requests::assign::show;
    POST "/bots/{id}/seat/ask" Access::Person(Action::AskRequest) => super::pages::requests::assign::create;
    POST "/venues/accounts" Access::Person(Action::EditVenues) => super::pages::venues::create_account;
    GET "/venues/{id}" Access::Person(Action::See) => super::pages::register::things::venue;
    POST "/venues/{id}" Access::Person(Action::EditVenues) => super::pages::register::things::edit_venue;
    POST "/venues/{id}/retire" Access::Person(Action::EditVenues) => super::pages::register::things::retire_venue;
    POST "/venues/{id}/changes" Access::Person(Action::EditVenues) => super::pages::register::things::note_change;
    POST "/accounts/{id}" Access::Person(Action::EditVenues) => super::pages::register::things::edit_account;
    GET "/accounts/{id}/safety" Access::Person(Action::See) => super::pages::register::safety::show;
    POST "/accounts/{id}/safety" Access::Person(Action::EditVenues) => super::pages::register::safety::review;
    POST "/accounts/{id}/retire" Access::Person(Action::EditVenues) => super::pages::register::things::retire_account;
    GET "/checklists" Access::Person(Action::See) => super::pages::checklists::index;
    POST "/checklists/ask" Access::Person(Action::AskRequest) => super::pages::checklists::ask;
    GET "/bots/{id}/golive" Access::Person(Action::See) => super::pages::golive::show;
    POST "/bots/{id}/golive" Access::Person(Action::AskRequest) => super::pages::golive::ask;
    POST "/bots/{id}/golive/attest" Access::Person(Action::MarkChecklist) => super::pages::golive::attest;
    POST "/bots/{id}/golive/evidence" Access::Person(Action::MarkChecklist) => super::pages::golive::evidence;
    GET "/bots/{id}/golive/files/{file}" Access::Person(Action::See) => super::pages::golive::files::download;
    GET "/bots/{id}/emergency" Access::Person(Action::See) => super::pages::emergency::show;
    POST "/bots/{id}/emergency" Access::Person(Action::ChangeInEmergency) => super::pages::emergency::ask;
    GET "/emergency" Access::Person(Action::See) => super::pages::emergency::list::index;
    POST "/emergency/{id}/review" Access::Person(Action::ReviewEmergency) => super::pages::emergency::list::review;
    POST "/requests/{id}/execute" Access::Person(Action::AskRequest) => super::pages::requests::decide::execute;
    POST "/alerts/test" Access::Person(Action::TendAlert) => super::pages::alerts::test;
    GET "/bots/{id}/keys/ask" Access::Person(Action::See) => super::pages::requests::key::show;
    POST "/bots/{id}/keys/ask" Access::Person(Action::AskRequest) => super::pages::requests::key::create;
    GET "/keys" Access::Person(Action::See) => super::pages::keys::index;
    GET "/keys/new" Access::Person(Action::See) => super::pages::keys::show::new;
    GET "/keys/calendar" Access::Person(Action::See) => super::pages::keys::calendar::show;
    GET "/keys/{id}" Access::Person(Action::See) => super::pages::keys::show::show;
    GET "/keys/{id}/install" Access::Person(Action::See) => super::pages::keys::install::show;
    POST "/keys/{id}/install" Access::Person(Action::InstallKey) => super::pages::keys::install::create;
    POST "/keys/{id}/attest" Access::Person(Action::AttestKey) => super::pages::keys::end::attest;
    POST "/keys/{id}/measure" Access::Person(Action::AttestKey) => super::pages::keys::end::measure;
    POST "/keys/{id}/end" Access::Person(Action::EndKey) => super::pages::keys::end::end;
    POST "/keys/{id}/gone" Access::Person(Action::EndKey) => super::pages::keys::end::gone;
    POST "/keys/{id}/delete" Access::Person(Action::DeleteKey) => super::pages::keys::end::delete;
    POST "/keys/{id}/compromised" Access::Person(Action::EndKey) => super::pages::keys::end::compromise;
    POST "/keys/{id}/settled" Access::Person(Action::EndKey) => super::pages::keys::end::settle;
    GET "/subaccounts" Access::Person(Action::See) => super::pages::register::subaccounts::index;
    GET "/subaccounts/{id}" Access::Person(Action::See) => super::pages::register::things::subaccount;
    POST "/subaccounts/{id}" Access::Person(Action::EditVenues) => super::pages::register::things::edit_subaccount;
    POST "/subaccounts/{id}/retire" Access::Person(Action::EditVenues) => super::pages::register::things::retire_subaccount;
    GET "/assignments" Access::Person(Action::See) => super::pages::register::assignments::index;
    GET "/register" Access::Person(Action::See) => super::pages::register::imports::show;
    GET "/register/export" Access::Person(Action::See) => super::pages::register::imports::export;
    POST "/register/import" Access::Person(Action::ImportRegister) => super::pages::register::imports::draft;
    GET "/register/imports/{id}" Access::Person(Action::See) => super::pages::register::imports::look;
    POST "/register/imports/{id}" Access::Person(Action::ImportRegister) => super::pages::register::imports::confirm;

    POST "/agent/v1/enrol" Access::Public => super::agent::enrol::create;
    GET "/agent/v1/keys" Access::Agent => super::agent::keys::index;
    POST "/agent/v1/keys" Access::Agent => super::agent::keys::create;
    POST "/agent/v1/keys/measured" Access::Agent => super::agent::keys::measured;
    POST "/agent/v1/check-in" Access::Agent => super::agent::check_in::create;
    GET "/agent/v1/directive" Access::Agent => super::agent::directive::show;
    POST "/agent/v1/acks" Access::Agent => super::agent::reports::acks;
    POST "/agent/v1/events" Access::Agent => super::agent::reports::events;
    POST "/agent/v1/fills" Access::Agent => super::agent::reports::fills;
    POST "/agent/v1/holds" Access::Agent => super::agent::reports::holds;
    POST "/agent/v1/token" Access::Agent => super::agent::token::create;
    GET "/agent/v1/stream" Access::Agent => super::agent::stream::open;
    CONNECT "/agent/v1/stream" Access::Agent => super::agent::stream::open;

    GET "/api/v1/bots" Access::Token(Action::See) => super::api::v1::bots::index;
    POST "/api/v1/bots" Access::Token(Action::EditBot) => super::api::v1::bots::create;
    GET "/api/v1/bots/{id}" Access::Token(Action::See) => super::api::v1::bots::show;
    POST "/api/v1/bots/{id}/stage" Access::Token(Action::SetStage) => super::api::v1::bots::set_stage;
    GET "/api/v1/teams" Access::Token(Action::See) => super::api::v1::teams::index;
    GET "/api/v1/agents" Access::Token(Action::See) => super::api::v1::agents::index;
    GET "/api/v1/holds" Access::Token(Action::See) => super::api::v1::holds::index;
    POST "/api/v1/holds" Access::Token(Action::PlaceHold) => super::api::v1::holds::create;
    GET "/api/v1/holds/{id}" Access::Token(Action::SeeCounts) => super::api::v1::holds::show;
    GET "/api/v1/holds/{id}/receipt" Access::Token(Action::SeeCounts) => super::api::v1::receipts::show;
    GET "/api/v1/audit/checkpoint" Access::Token(Action::SeeCheckpoint) => super::api::v1::audit::checkpoint;
    POST "/api/v1/presses" Access::Token(Action::PlaceHold) => super::api::v1::presses::create;
    GET "/api/v1/alerts" Access::Token(Action::See) => super::api::v1::alerts::index;
    GET "/api/v1/alerts/{id}" Access::Token(Action::See) => super::api::v1::alerts::show;
    POST "/api/v1/alerts/{id}/take" Access::Token(Action::TendAlert) => super::api::v1::alerts::take;
    GET "/api/v1/holds/{id}/evidence" Access::Token(Action::See) => super::api::v1::evidence::show;
    GET "/api/v1/drills" Access::Token(Action::See) => super::api::v1::drills::index;
    GET "/api/v1/drills/{id}" Access::Token(Action::See) => super::api::v1::drills::show;
    POST "/api/v1/alerts/{id}/close" Access::Token(Action::TendAlert) => super::api::v1::alerts::close;
    GET "/api/v1/requests" Access::Token(Action::See) => super::api::v1::requests::index;
    POST "/api/v1/requests" Access::Token(Action::AskRequest) => super::api::v1::requests::create;
    GET "/api/v1/requests/{id}" Access::Token(Action::See) => super::api::v1::requests::show;
    POST "/api/v1/requests/{id}/revise" Access::Token(Action::AskRequest) => super::api::v1::requests::revise;
    POST "/api/v1/requests/{id}/deny" Access::Token(Action::VoteRequest) => super::api::v1::requests::deny;
    POST "/api/v1/requests/{id}/raise" Access::Token(Action::DiscussRequest) => super::api::v1::requests::raise;
    POST "/api/v1/requests/{id}/withdraw" Access::Token(Action::DiscussRequest) => super::api::v1::requests::withdraw;
    POST "/api/v1/requests/{id}/comments" Access::Token(Action::DiscussRequest) => super::api::v1::requests::comment;
    GET "/api/v1/limits" Access::Token(Action::See) => super::api::v1::limits::show;
    POST "/api/v1/limits" Access::Token(Action::TightenLimits) => super::api::v1::limits::tighten;
    GET "/api/v1/limits/versions" Access::Token(Action::See) => super::api::v1::limits::versions;
    GET "/api/v1/policies" Access::Token(Action::See) => super::api::v1::policies::show;
    GET "/api/v1/policies/history" Access::Token(Action::See) => super::api::v1::policies::history;
    GET "/api/v1/overrides" Access::Token(Action::See) => super::api::v1::overrides::index;
    GET "/api/v1/overrides/{id}" Access::Token(Action::See) => super::api::v1::overrides::show;
    POST "/api/v1/overrides/{id}/end" Access::Token(Action::TightenLimits) => super::api::v1::overrides::end;
    POST "/api/v1/bots/{id}" Access::Token(Action::EditBot) => super::api::v1::bots::edit;
    POST "/api/v1/bots/{id}/subaccount" Access::Token(Action::EditBot) => super::api::v1::bots::assign;
    GET "/api/v1/venues" Access::Token(Action::See) => super::api::v1::venues::venues;
    POST "/api/v1/venues" Access::Token(Action::EditVenues) => super::api::v1::venues::create_venue;
    GET "/api/v1/venues/{id}" Access::Token(Action::See) => super::api::v1::venues::venue;
    POST "/api/v1/venues/{id}" Access::Token(Action::EditVenues) => super::api::v1::venues::edit_venue;
    POST "/api/v1/venues/{id}/retire" Access::Token(Action::EditVenues) => super::api::v1::venues::retire_venue;
    GET "/api/v1/venues/{id}/changes" Access::Token(Action::See) => super::api::v1::venue_changes::changes;
    POST "/api/v1/venues/{id}/changes" Access::Token(Action::EditVenues) => super::api::v1::venue_changes::note_change;
    GET "/api/v1/accounts" Access::Token(Action::See) => super::api::v1::venues::accounts;
    POST "/api/v1/accounts" Access::Token(Action::EditVenues) => super::api::v1::venues::create_account;
    POST "/api/v1/accounts/{id}" Access::Token(Action::EditVenues) => super::api::v1::venues::edit_account;
    POST "/api/v1/accounts/{id}/retire" Access::Token(Action::EditVenues) => super::api::v1::venues::retire_account;
    GET "/api/v1/subaccounts" Access::Token(Action::See) => super::api::v1::subaccounts::index;
    POST "/api/v1/subaccounts" Access::Token(Action::EditVenues) => super::api::v1::subaccounts::create;
    GET "/api/v1/subaccounts/{id}" Access::Token(Action::See) => super::api::v1::subaccounts::show;
    POST "/api/v1/subaccounts/{id}" Access::Token(Action::EditVenues) => super::api::v1::subaccounts::edit;
    POST "/api/v1/subaccounts/{id}/retire" Access::Token(Action::EditVenues) => super::api::v1::subaccounts::retire;
    GET "/api/v1/bots/{id}/fills" Access::Token(Action::See) => super::api::v1::fills::index;
    GET "/api/v1/audit/changes" Access::Token(Action::SeeAudit) => super::api::v1::changes::index;
    POST "/api/v1/bots/{id}/golive" Access::Token(Action::FileBuild) => super::api::v1::golive::create;
    GET "/api/v1/keys" Access::Token(Action::See) => super::api::v1::keys::index;
    GET "/api/v1/keys/{id}" Access::Token(Action::See) => super::api::v1::keys::show;
    GET "/api/v1/emergency-changes" Access::Token(Action::See) => super::api::v1::emergencies::index;
    GET "/api/v1/assignments" Access::Token(Action::See) => super::api::v1::subaccounts::assignments;
    GET "/api/v1/openapi.json" Access::Public => super::api::openapi::show;
}

/// The whole web side of an installation.
pub fn router(app: Arc<App>) -> Router {
    let routes = table(app.is_demo()).merge(assets::routes()).fallback(nothing_here).layer(Extension(Live::default()));
    layers::around(routes, &app).with_state(app)
}

async fn nothing_here() -> WebError {
    WebError::not_found()
}
