//! Pages, assets and the shape of what a browser gets. Reads `app` and below, never `storage`; decides nothing about bots.

pub mod assets;
pub mod chip;
pub mod format;
pub mod html;
pub mod icon;
#[cfg(test)]
mod kit;
pub mod page;
pub mod picture;
pub mod problems;
