//! One file per screen. A page is a struct with a typed context and a template of its name.

pub mod health;
