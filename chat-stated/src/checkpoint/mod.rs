//! Checkpoint.
/// A change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// t
    pub table: u8,
    /// k
    pub key: u64,
    /// v
    pub value: Option<Vec<u8>>,
}
