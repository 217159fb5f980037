//! The server side of the wire, over real sockets: the agent protocol by poll and by stream, and the API for programs.

mod api;
mod client;
mod document;
mod fuzz;
mod long_poll;
mod poll;
mod same;
mod stage;
mod stop_path;
mod stream;
mod stream_bounds;
