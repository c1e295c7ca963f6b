//! Hosts that put batches into one order.

/// Names a host from when it is taken in until it is ended. One that comes back gets another number, so that what it
/// submitted before its end can be told from what comes after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub u64);

/// Which host put a batch into the order, and where it stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Which.
    pub host: HostId,
    /// What the host writes is numbered 1, 2, 3, ...: batches, and signs of life between them.
    pub number: u64,
    /// The number of the host's batch before this one; 0 before the first. A gap or a repetition is seen by it.
    pub previous: u64,
    /// Random: an earlier process of the same host may have written this number.
    pub nonce: u64,
    /// Its place in the order of all hosts. Rises from batch to batch, with gaps.
    pub revision: u64,
}
