//! The documents, compared with the code: what they say of settings, versions, dependencies, `unsafe`, files, tests and
//! commands must be what the code has. A test names the document, the line, and what is wrong with it.
#![allow(clippy::unwrap_used)]

mod checkout;
mod commands;
mod dependencies;
mod help;
mod limits;
mod links;
mod monitoring;
mod names;
mod page;
mod quotes;
mod runbook;
mod settings;
mod style;
mod unsafe_code;
mod versions;

/// Fails with all complaints at once.
#[track_caller]
fn expect_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}
