//! Clients by the thousand, to load a chat server with, and what is done with them.

pub mod crash;
pub mod crowd;
pub mod dialogue;
pub mod histogram;
pub mod installation;
pub mod message_line;
pub mod payload;
pub mod random;
pub mod socket_owner;
