//! Passwords: the secrets that accounts keep, and the threads that hash them.

pub mod cost;
pub mod pool;
mod preemption;
mod queue;
pub mod remembered;
mod rounds;
pub mod secret;
pub mod thread_priority;
