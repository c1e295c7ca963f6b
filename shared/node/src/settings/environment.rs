//! Environment variables, which this program and its libraries read.
#![allow(unsafe_code)]

use std::env;

/// Variables whose empty value has a meaning: here, that nobody is trusted.
const EMPTY_IS_A_VALUE: [&str; 1] = ["CHAT_TRUSTED"];

/// Removes empty variables, so that they count as unset for flags and for libraries (`TZ`, `SSL_CERT_FILE`). Call this
/// while the process has only one thread.
pub(super) fn unset_empty_variables() {
    for (name, value) in env::vars_os() {
        let has_meaning = EMPTY_IS_A_VALUE.iter().any(|it| name == *it);
        if value.is_empty() && !has_meaning {
            // SAFETY: `main` parses the command line first, so no other thread reads the environment.
            unsafe { env::remove_var(name) };
        }
    }
}
