//! Environment variables.

#![allow(unsafe_code)]

use std::env;

/// A variable set to nothing counts as unset, also for the libraries that read some (`TZ`, `SSL_CERT_FILE`). To be
/// called before anything else in `main`.
pub(crate) fn unset_empty_variables() {
    for (name, value) in env::vars_os() {
        if value.is_empty() {
            // SAFETY: no other thread has been started that could read the environment at the same time.
            unsafe { env::remove_var(name) };
        }
    }
}
