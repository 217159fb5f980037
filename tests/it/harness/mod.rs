//! What every test stands on: databases, an application with people in it, a clock moved by hand, agents as small clients.

pub mod agent;
pub mod app;
pub mod browser;
pub mod callers;
pub mod db;
pub mod emergency;
pub mod examples;
pub mod exchange_keys;
pub mod files;
pub mod golive;
pub mod plain;
pub mod plastic;
pub mod scene;
pub mod smtp;
pub mod tables;
pub mod tls;
pub mod written;
