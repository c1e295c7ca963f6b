//! The state machine stands on the ground: it knows the model and entries, and nothing of what writes it down. Its
//! files stand on one another, and never in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

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
            let module = first_word(rest);
            assert!(BELOW.contains(&module), "{place}");
        }
    }
}

fn first_word(text: &str) -> &str {
    let end = text.find(|character: char| character != '_' && !character.is_alphanumeric());
    &text[..end.unwrap_or(text.len())]
}

/// Files of the state machine but this one.
fn files() -> Vec<PathBuf> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = fs::read_dir(src.join("state")).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let files: Vec<_> = files
        .filter(|path| !path.ends_with("layer_tests.rs"))
        .collect();
    assert!(files.len() > 10, "the state has its files here");
    files
}

/// The files beside it whose names a file uses. What is no file is `mod.rs`'s.
fn imports(name: &str, source: &str, names: &BTreeSet<String>) -> BTreeSet<String> {
    let product = source.split("#[cfg(test)]\nmod tests").next().unwrap();
    let lines = product.lines().map(str::trim_start);
    let code: Vec<&str> = lines.filter(|line| !line.starts_with("//")).collect();
    let code = code.join("\n");
    let mut used = Vec::new();
    for rest in code.split("super::").skip(1) {
        match rest.strip_prefix('{') {
            // `{State, clock::StateMs}`
            Some(list) => used.extend(list.split('}').next().unwrap().split(',').map(first_of)),
            None => used.push(first_of(rest)),
        }
    }
    // What `mod.rs` exports is not what it uses.
    let own = code.split("\nuse ").skip(1).map(first_of);
    let own = own.filter(|_| name == "mod");
    let used = used.into_iter().map(|word| match names.contains(word) {
        true => word,
        false => "mod",
    });
    let used = used.chain(own.filter(|word| names.contains(*word)));
    used.filter(|word| *word != name)
        .map(str::to_owned)
        .collect()
}

fn first_of(text: &str) -> &str {
    first_word(text.trim_start())
}

#[test]
fn state_imports_only_model_and_entries() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    check(&src.join("entry.rs"));
    check(&src.join("entry/limits.rs"));
    for path in files() {
        check(&path);
    }
}

#[test]
fn no_files_import_in_circle() {
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let files = files();
    let names: BTreeSet<String> = files.iter().map(|path| name(path)).collect();
    let of_file = |path: &PathBuf| {
        let source = fs::read_to_string(path).unwrap();
        (name(path), imports(&name(path), &source, &names))
    };
    let mut left: BTreeMap<String, BTreeSet<String>> = files.iter().map(of_file).collect();
    assert!(left["apply"].contains("mod") && left["mod"].contains("accounts"));
    // Takes away whoever stands on nothing that is left. Only circles, and what stands on them, stay.
    loop {
        let known: BTreeSet<String> = left.keys().cloned().collect();
        let before = left.len();
        left.retain(|_, imports| !imports.is_disjoint(&known));
        if left.len() == before {
            break;
        }
    }
    assert!(
        left.is_empty(),
        "these files import one another in a circle: {left:#?}"
    );
}
