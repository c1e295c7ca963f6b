//! Backups: taken from a running daemon, checked, and restored by a daemon that starts.
//!
//! A backup is one file with everything in it: the records of the checkpoint, the batches of the journal after it, and
//! the account file. The tool that takes it reads the files itself, beside the daemon, as SQLite allows one reader
//! more; it asks the daemon only how far it has come. So the daemon's loop does nothing for it but to answer once, its
//! threads do nothing at all, and a slow disk for backups slows down nobody.
//!
//! Why that is consistent. The snapshot of the checkpoint is begun first: it has everything up to its position P, but
//! for the texts of messages whose reading was durable when it became current. The snapshot of the journal is begun
//! second: it holds the batches after its anchor A, up to the last durable one, L, without gaps, and so that reading.
//! If another checkpoint became current in between, A may be beyond P; then both are begun anew. So the backup is the
//! state after batch L, a state the daemon was in. What it answered before it was asked was durable before either
//! snapshot, so it is in it: the position that the daemon gives as an answer is compared with L.
//!
//! The account file is read last, under its lock: a line that the state knows to be filed was in it before. A line that
//! the state does not know yet is taken over at the start after a restore, like every line an operator adds.

pub mod ask;
pub mod check;
pub mod command;
pub mod format;
pub mod read;
pub mod restore;
pub mod take;

use jiff::Timestamp;

/// A time of a backup for people.
pub(crate) fn shown_time(wall_ms: i64) -> String {
    match Timestamp::from_millisecond(wall_ms) {
        Ok(time) => format!("{time:.0}"),
        Err(_) => format!("{wall_ms} ms after 1970"),
    }
}
