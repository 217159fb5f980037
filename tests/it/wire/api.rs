//! The API for programs.
