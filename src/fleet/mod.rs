//! The live part: a snapshot of every hold and bot, what each agent last said, and how a change reaches every open stream.
//! Works without a database: what it knows is enough to stop. It never writes to one; `app` does, and tells this room.

pub mod book;
pub mod exposure;
pub mod gauge;
pub mod gauges;
pub mod lines;
mod marks;
pub mod pass;
pub mod receipt;
pub mod spool;
pub mod view;

pub use book::{AckSeen, AgentSeen, Book, BootStanding, DrillSeen, Instance, Proof, Word, worst_case_stop_ms};
pub use gauge::Breach;
pub use gauges::Gauges;
pub use lines::{Ended, Lines};
pub use pass::{Pass, Saying};
pub use receipt::{BotReceipt, Receipt, of_bot, receipt};
pub use spool::Spool;
pub use view::{Fleet, View};
