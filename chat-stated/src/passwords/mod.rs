//! Passwords: what the accounts keep of them, and who hashes them without keeping anybody waiting.

mod breaks;
pub mod cost;
pub mod pool;
mod queue;
pub mod remembered;
mod rounds;
pub mod secret;
pub mod thread_priority;
