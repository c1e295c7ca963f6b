//! The run directory of an installation, whether it can be trusted, and safe ways to open and read what is in it.

pub mod regular_file;
pub mod run_dir;
pub mod run_dir_trust;
pub mod socket_file;
pub mod text_file;
