//! One file per screen. A page is a struct with `frame: Frame`, a template of its name and what else it shows:
//!
//! ```text
//! pub async fn index(State(app): Shared, person: Person) -> Answer {
//!     let teams = app.people().teams();
//!     frame::page(&Teams { frame: frame::of(&app, &person.visitor, "Teams").await, teams, typed: NewTeam::default(), problems: Problems::none() })
//! }
//! pub async fn create(State(app): Shared, person: Person, Posted(typed): Posted<NewTeam>) -> Answer {
//!     match app.create_team(&person.actor, &typed.name).await {
//!         Ok(_) => Ok(frame::see("/teams")),
//!         Err(error) => { let problems = Problems::of_error(error)?; … frame::page_with(StatusCode::UNPROCESSABLE_ENTITY, &Teams { … }) }
//!     }
//! }
//! ```
//!
//! `Person` turns away who is not signed in or whose session is asleep; `StopOnly` lets sleeping sessions in; `Visitor` is anybody. `Posted`
//! is the last argument, after who is there is known. A form that needs a change is drawn again with status 422 and what was typed, never a
//! password; everything else that goes wrong is returned as `WebError` and drawn by `layers/render.rs`.

pub mod acts;
pub mod agents;
pub mod alerts;
pub mod audit;
pub mod bots;
pub mod checklists;
pub mod drills;
pub mod emergency;
pub mod first_run;
pub mod fleet;
pub mod fleet_live;
pub mod golive;
pub mod health;
pub mod holds;
pub mod keeping;
pub mod keys;
pub mod kill;
pub mod limits;
pub mod lost;
pub mod mail;
pub mod mailbox;
pub mod matrix;
pub mod notices;
pub mod own_keys;
pub mod pause;
pub mod people;
pub mod policies;
pub mod recover;
pub mod recoveries;
pub mod register;
pub mod requests;
pub mod roles;
pub mod sessions;
pub mod sign_in;
pub mod staged;
pub mod starts;
pub mod stop_device;
pub mod stop_devices;
pub mod system;
pub mod team;
pub mod teams;
pub mod tokens;
pub mod venues;
pub mod welcome;
