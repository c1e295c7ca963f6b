//! Why a state cannot be restored.

/// Why parts do not make a state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// The records contradict each other.
    #[error("the records contradict each other: {0}")]
    Contradiction(&'static str),
    /// The checkpoint has messages without their texts, because they were read by the time it was written, and the
    /// journal behind it ends before that.
    #[error(
        "it ends before messages were read that the checkpoint takes for read: its end is missing"
    )]
    ReadingMissing,
}
