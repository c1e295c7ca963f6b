//! The state in plain parts: what is written down of it, and what it is made of again.

pub(crate) use super::account_record::{AccountRecord, BroadcastsAfter, FileStatus};
pub(crate) use super::builder::StateBuilder;
pub(crate) use super::clock::{Clock, HostClock, StateMs};
pub(crate) use super::failures::{FailureRecord, KeptFailure, Source};
pub(crate) use super::groups::Group;
pub(crate) use super::header::Header;
pub(crate) use super::hosts::{HostParts, HostsParts};
pub(crate) use super::kept::Keeping;
pub(crate) use super::last_message::LastMessage;
pub(crate) use super::membership::{Membership, Memberships};
pub(crate) use super::message::{
    MessageParts, PageNumber, Readers, RoomReaders, StoredMessage, Text,
};
pub(crate) use super::once_page::{OncePage, OncePageKey, RememberedSend};
pub(crate) use super::places::{PlaceId, PlaceParts, Places, Reader, Session};
pub(crate) use super::rate::{Allowance, UsedAllowance};
pub(crate) use super::retained::{Retained, Segment};
pub(crate) use super::room::{LastDropped, RoomRecord};
pub(crate) use super::rooms::RoomsHeader;
pub(crate) use super::snapshot_sink::SnapshotSink;
pub(crate) use super::token::Token;
pub(crate) use super::worker_sessions::{ConnectionParts, WorkerSessionParts};
