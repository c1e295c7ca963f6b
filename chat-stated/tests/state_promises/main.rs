//! What the state promises, one promise a test, each in the words of its name.

mod accounts;
mod blocks;
mod checkpoints;
mod history;
mod once;
mod password_changes;
mod queues;
mod requests;
mod rooms;
mod sessions;
mod tokens;
mod user_sessions;
mod waiting;
mod world;
