//! A token as it stands in memory and in a checkpoint.

use crate::entry::TokenDigest;

/// What a token takes, in the bytes of what may wait.
pub(super) const TOKEN_BYTES: u64 = 128;

/// What may stand for a password. Its secret is nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) name: Box<str>,
    pub(crate) digest: TokenDigest,
}
