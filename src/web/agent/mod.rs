//! The agent protocol over HTTP: poll and stream. Bearer tokens of agents only; errors are problem details.
