//! Limits: what the system allows this process (descriptors, memory, control groups), and the building blocks of limits
//! on clients, which are rates and the networks that they are counted by.

pub mod descriptor_limit;
pub mod disk;
pub mod memory;
pub mod network;
pub mod system_limits;
pub mod token_bucket;
