//! What commands print. A reader that went away, as `head` does, is no fault; a disk that is full is one. What a server says while it runs never
//! ends it.

use super::Failure;
use std::{
    fmt::Arguments,
    io::{ErrorKind, Write, stdout},
};

/// Prints what a command was asked for.
///
/// # Errors
/// When it cannot be written, unless nobody reads it any more.
pub fn written(text: Arguments<'_>) -> Result<(), Failure> {
    let mut out = stdout().lock();
    match out.write_fmt(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(format!("standard output: {error}").into()),
        _ => Ok(()),
    }
}

/// Says something beside the work, which goes on whether anybody reads it or not.
pub fn said(text: Arguments<'_>) {
    if let Err(error) = written(text) {
        tracing::debug!(%error, "what was said was not written");
    }
}

/// A line of what was asked for.
macro_rules! put {
    () => { $crate::cli::out::written(format_args!("\n")) };
    ($($text:tt)+) => { $crate::cli::out::written(format_args!("{}\n", format_args!($($text)+))) };
}

/// A line beside the work.
macro_rules! tell {
    () => { $crate::cli::out::said(format_args!("\n")) };
    ($($text:tt)+) => { $crate::cli::out::said(format_args!("{}\n", format_args!($($text)+))) };
}

pub(crate) use {put, tell};
