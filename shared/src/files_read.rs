//! What came of the files that a daemon reads at its start and when an operator has it reload: the account file, or
//! certificate and key.

/// The last reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesRead {
    /// How often they were read, with this.
    pub times: u64,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a reading, for people: what was taken over, or why all stays as it was.
pub type Outcome = Result<String, String>;

impl FilesRead {
    /// They were read once more.
    pub fn again(before: Option<&Self>, outcome: Outcome) -> Self {
        Self {
            times: before.map_or(0, |before| before.times) + 1,
            outcome,
        }
    }
}
