//! What came of the files that a daemon reads at its start and when an operator has it reload: the account file, or
//! certificate and key.

/// What came of a reading, for people: what was taken over, or why all stays as it was.
pub type Outcome = Result<String, String>;

/// What a process says that has read them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What came of it.
    pub outcome: Outcome,
    /// Whether it began when the process was asked for it, and not by itself.
    pub was_asked_for: bool,
}

/// How far a daemon is with its reloads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilesRead {
    /// How many it was asked for.
    pub asked: u64,
    /// So many of them were asked for before a reading began that has come to its end.
    pub answered: u64,
    /// What came of the last reading, asked for or not.
    pub outcome: Option<Outcome>,
}
