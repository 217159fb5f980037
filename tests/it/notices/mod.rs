//! Notices: who is told, once, within the act; mail over a real SMTP server, at least once and never for ever; the pages; the demo's mailbox.

mod address;
mod mail;
mod pages;
mod process;
mod telling;
