//! Flows in a real browser against the real program: Chromium by WebDriver, security keys by its virtual authenticator.

mod demo;
mod driver;
mod first_run;
mod program;
