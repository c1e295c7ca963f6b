//! Reload results: what happened when a daemon read its files, at its start or because an operator requested a reload.
//! The files are the account file, or certificate and key.

use serde::{Deserialize, Serialize};

/// For people: a summary of what was read, or the reason why the previous content stays in use.
pub type ReloadResult = Result<String, String>;

/// The report of a process that has read its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadReport {
    /// Whether the files could be used.
    pub result: ReloadResult,
    /// Whether the process read them because it was requested to, rather than by itself.
    pub was_requested: bool,
}

/// The progress of a daemon with the reloads that were requested.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadStatus {
    /// Reloads requested since the daemon started.
    pub requested: u64,
    /// How many of these were requested before the last completed reload began.
    pub answered: u64,
    /// The result of the last reload, requested or not.
    pub result: Option<ReloadResult>,
}
