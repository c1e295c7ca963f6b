//! Backup, restore and check with the real program, and the formats that must stay readable.

mod checking;
mod formats;
mod installation;
mod restoring;
mod taking;
mod worker;
