//! Which records a checkpoint has. Numbers of tables are part of the format.

/// Everything that is small and changes all the time, in one record with key [`HEADER_KEY`]; and how much may wait.
pub(super) const HEADER_TABLE: u8 = 0;
pub(super) const HEADER_KEY: u64 = 0;
/// How much may wait. Since format 3; where it is missing, there were no limits.
pub(super) const WAITING_LIMITS_KEY: u64 = 1;
/// When places of sessions are given up. Since format 6; where it is missing, as it was at first.
pub(super) const SESSION_LIMITS_KEY: u64 = 2;
/// What is remembered of all rooms. Since format 6; where it is missing, there never was one.
pub(super) const ROOMS_KEY: u64 = 3;
/// What of the messages is kept in the history, if anything is or was. Since format 6.
pub(super) const KEEPING_KEY: u64 = 4;
/// The hosts that take part, if any did. Since format 7.
pub(super) const HOSTS_KEY: u64 = 5;
/// One record an account, by its number.
pub(super) const ACCOUNT_TABLE: u8 = 1;
/// One record a page of messages, by its number; their texts are the record of the same number in
/// [`crate::text_page::TEXT_TABLE`].
pub(super) const PAGE_TABLE: u8 = 2;
/// One record a page of messages that a user sent once, by user and number of the page. Since format 6.
pub(super) const ONCE_TABLE: u8 = 5;
/// One record a room, by its number. Since format 6.
pub(super) const ROOM_TABLE: u8 = 6;
/// What an account has in rooms, by its number, if it is a member of any. Since format 6.
pub(super) const MEMBERSHIP_TABLE: u8 = 7;
/// One record for the tokens of an account, by its number. Since format 6.
pub(super) const TOKEN_TABLE: u8 = 8;
/// One record a page of messages that waited when the snapshot began and were read while it was taken, by its number.
/// Their texts are nowhere: the journal behind the checkpoint has their reading.
pub(super) const READ_MEANWHILE_TABLE: u8 = 4;
