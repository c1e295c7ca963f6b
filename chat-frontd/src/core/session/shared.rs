//! What all sessions of a worker share.

use super::SessionCounts;
use crate::core::dialect::Dialect;
use crate::core::secrets::Secrets;

/// What all sessions of a worker share.
#[derive(Debug)]
pub(crate) struct Shared<D: Dialect> {
    pub(crate) scratch: D::Scratch,
    pub(crate) counts: SessionCounts,
    pub(crate) secrets: Secrets,
}

impl<D: Dialect> Shared<D> {
    pub(crate) fn new(secrets: Secrets) -> Self {
        Self {
            scratch: D::Scratch::default(),
            counts: SessionCounts::default(),
            secrets,
        }
    }
}

#[cfg(test)]
impl<D: Dialect> Default for Shared<D> {
    fn default() -> Self {
        Self::new(Secrets::of([7; 32]))
    }
}
