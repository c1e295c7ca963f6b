//! Who may know the line protocol.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders with sources, below the workspace.
const FOLDERS: [&str; 5] = [
    "chat-client",
    "chat-frontd",
    "chat-stated",
    "shared",
    "tools",
];

/// Use its words: the crate itself, the dialect, and clients.
const USERS_OF_WORDS: [&str; 4] = [
    "shared/line-protocol/src/",
    "chat-frontd/src/core/dialect/line_protocol.rs",
    "chat-client/src/",
    "tools/bench/src/crash/",
];

/// Use anything of it in the front end: the dialect; who cuts a stream into lines; a client; a default of a setting.
const USERS_IN_FRONT_END: [&str; 6] = [
    "src/core/dialect/",
    "src/core/session/mod.rs",
    "src/core/session/intake.rs",
    "src/core/session/tests/",
    "src/master/",
    "src/settings",
];

/// Beginnings of what the protocol says.
const SAYINGS: [&str; 16] = [
    "DONE",
    "username",
    "password",
    "register",
    "connected",
    "blocked",
    "welcome",
    "sent",
    "send",
    "fetching",
    "goodbye",
    "timeout",
    "error:",
    "push:",
    "ids:",
    "args",
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All sources in a folder, by their paths from there, and what they hold.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let is_source = path.extension().is_some_and(|end| end == "rs");
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if is_source {
                let name = path.strip_prefix(folder).unwrap();
                let text = fs::read_to_string(&path).unwrap();
                found.push((name.to_str().unwrap().to_owned(), text));
            }
        }
    }
    found
}

fn is_among(path: &str, allowed: &[&str]) -> bool {
    allowed.iter().any(|allowed| path.starts_with(allowed))
}

#[test]
fn words_are_known_to_few() {
    for folder in FOLDERS {
        for (path, text) in sources(&workspace().join(folder)) {
            let path = format!("{folder}/{path}");
            let is_import = |line: &&str| {
                line.contains("chat_line_protocol::") || line.contains("chat_model::")
            };
            let mut imports = text.lines().filter(is_import);
            let uses_words = imports.any(|line| line.contains("words"));
            let is_allowed =
                is_among(&path, &USERS_OF_WORDS) || path.ends_with("boundary_tests.rs");
            assert!(!uses_words || is_allowed, "{path}");
        }
    }
}

#[test]
fn sessions_know_no_protocol() {
    for (path, text) in sources(Path::new(env!("CARGO_MANIFEST_DIR"))) {
        if path.starts_with("src/") && !is_among(&path, &USERS_IN_FRONT_END) {
            assert!(!text.contains("chat_line_protocol"), "{path}");
        }
        let is_of_tests = path.contains("tests");
        if path.starts_with("src/core/") && !path.contains("dialect") && !is_of_tests {
            let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            for saying in SAYINGS {
                assert!(
                    !product.contains(&format!("\"{saying}")),
                    "{path}: {saying}"
                );
            }
        }
    }
}
