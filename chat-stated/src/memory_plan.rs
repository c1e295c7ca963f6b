//! What the memory that the process may have is for. The parts, and the workers' buffers beside them, leave a quarter
//! to what has limits of its own: connections, batches, a checkpoint that is written, databases.

use std::num::NonZeroUsize;

use chat_node::limits::memory::AvailableMemory;

use crate::core::CoreSettings;
use crate::entry::Limits;

/// What an account takes: its record, its names' places, its queue's first message, its remembered password.
const ACCOUNT_BYTES: u64 = 1024;

/// Defaults of limits that follow the memory.
#[derive(Clone, Copy, Debug)]
pub struct MemoryPlan {
    bytes: u64,
}

impl MemoryPlan {
    /// Of so much memory.
    pub const fn of(available: AvailableMemory) -> Self {
        let bytes = available.bytes;
        Self { bytes }
    }

    /// What all messages that wait may take.
    pub fn waiting_bytes(self) -> u64 {
        self.bytes / 4
    }

    /// How many accounts there may be.
    pub fn accounts(self) -> u32 {
        let accounts = u32::try_from(self.bytes / 4 / ACCOUNT_BYTES).unwrap_or(u32::MAX);
        accounts.min(Limits::default().accounts)
    }

    /// Bytes of text that are kept in memory. Twice that may come before a checkpoint has it, and the checkpoint
    /// copies it.
    pub fn resident_text_bytes(self) -> u64 {
        (self.bytes / 16).min(CoreSettings::default().resident_text_bytes)
    }

    /// Threads that hash passwords at a time: one fewer than there are cores, so that hashing leaves one to everybody
    /// else; at least one.
    pub fn hashing_threads(self, cores: usize, hash_kib: u32) -> NonZeroUsize {
        let fitting = self.bytes / 8 / (u64::from(hash_kib) * 1024).max(1);
        let fitting = usize::try_from(fitting).unwrap_or(usize::MAX);
        NonZeroUsize::new((cores - 1).min(fitting)).unwrap_or(NonZeroUsize::MIN)
    }
}

#[cfg(test)]
mod tests {
    use chat_node::limits::memory::MemorySource;

    use super::*;

    fn plan(bytes: u64) -> MemoryPlan {
        let by = MemorySource::Host;
        MemoryPlan::of(AvailableMemory { bytes, by })
    }

    #[test]
    fn limits_follow_memory() {
        let small = plan(1 << 30);
        assert_eq!(small.waiting_bytes(), 256 << 20);
        assert_eq!(small.accounts(), 262_144);
        assert_eq!(small.resident_text_bytes(), 64 << 20);
        assert_eq!(plan(256 << 20).resident_text_bytes(), 16 << 20);
        let large = plan(1 << 40);
        assert_eq!(large.accounts(), Limits::default().accounts);
        assert_eq!(large.resident_text_bytes(), 64 << 20);
    }

    #[test]
    fn hashing_takes_no_more_than_eighth() {
        assert_eq!(plan(1 << 30).hashing_threads(64, 19_456).get(), 6);
        assert_eq!(plan(1 << 40).hashing_threads(64, 19_456).get(), 63);
        assert_eq!(plan(1 << 20).hashing_threads(1, 19_456).get(), 1);
    }
}
