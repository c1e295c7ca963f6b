//! The state machine stands on the ground: it knows the model and entries, and nothing of what writes it down.

use std::fs;
use std::path::Path;

/// Modules of this crate that the state may use.
const BELOW: [&str; 3] = ["connection_map", "entry", "state"];
/// Crates of the workspace that neither the state nor entries may use.
const FORBIDDEN: [&str; 3] = ["chat_rpc", "chat_node", "serde"];

fn check(path: &Path) {
    let source = fs::read_to_string(path).unwrap();
    for (index, line) in source.lines().enumerate() {
        let place = format!("{}:{}: {line}", path.display(), index + 1);
        let names_forbidden = FORBIDDEN.iter().any(|name| line.contains(name));
        assert!(!names_forbidden, "{place}");
        for rest in line.split("crate::").skip(1) {
            let module =
                rest.split(|character: char| !(character == '_' || character.is_alphanumeric()));
            let module = module.into_iter().next().unwrap_or_default();
            assert!(BELOW.contains(&module), "{place}");
        }
    }
}

#[test]
fn state_imports_only_model_and_entries() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    check(&src.join("entry.rs"));
    let files = fs::read_dir(src.join("state")).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let files: Vec<_> = files
        .filter(|path| !path.ends_with("layer_tests.rs"))
        .collect();
    assert!(files.len() > 10, "the state has its files here");
    for path in files {
        check(&path);
    }
}
