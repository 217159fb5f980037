//! What every test stands on: databases, an application with people in it, a clock moved by hand, agents and browsers as small clients.

pub mod db;
