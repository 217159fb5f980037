//! One end of a pipe that words go into, a line each, between agent, minder and launcher. Writing never waits: whoever does not read stands
//! still, and that is noticed by other means.

use std::{io, os::fd::OwnedFd};

/// The writing end.
#[derive(Debug)]
pub struct Words(OwnedFd);

impl Words {
    /// Takes the writing end of a pipe.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn into(pipe: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&pipe, true)?;
        Ok(Self(pipe))
    }

    /// Writes one line. A line of up to 4,096 bytes is written whole or not at all.
    ///
    /// # Errors
    /// When the pipe is full or nobody holds its other end.
    pub fn say(&self, line: &str) -> io::Result<()> {
        let line = format!("{line}\n");
        let written = rustix::io::write(&self.0, line.as_bytes())?;
        if written == line.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }
}
