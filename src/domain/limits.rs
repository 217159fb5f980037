//! Limits: what a bot may do at most. Versioned; agents acknowledge the version. Values are kept as the protocol names them.

/// One version of a bot's limits. Version 0 with no values means that none were set.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Limits {
    /// Grows by one at every change.
    pub version: i64,
    /// Names and values as in the protocol, decimal strings for money.
    #[serde(default)]
    pub values: serde_json::Map<String, serde_json::Value>,
}
