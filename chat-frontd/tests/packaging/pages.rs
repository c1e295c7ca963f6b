//! Manual pages and completions of shells, as the programs write them.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::installation::bin_dir;
use crate::{has_tool, run};

const PROGRAMS: [(&str, &str); 4] = [
    ("chat-stated", "8"),
    ("chat-frontd", "8"),
    ("chatctl", "8"),
    ("chat-client", "1"),
];

/// All pages, written where they would be below `/usr/share`.
fn pages() -> TempDir {
    let share = tempfile::tempdir().unwrap();
    for (program, section) in PROGRAMS {
        let mut command = Command::new(bin_dir().join(program));
        command.arg("--write-pages").arg(share.path()).arg(section);
        assert_eq!(run(&mut command), (0, String::new()));
    }
    share
}

/// The flags and environment variables that the help of a program names.
fn names(program: &str) -> Vec<String> {
    let (status, help) = run(Command::new(bin_dir().join(program)).arg("--help"));
    assert_eq!(status, 0);
    let is_end =
        |letter: char| !letter.is_ascii_lowercase() && !letter.is_ascii_digit() && letter != '-';
    let words = help
        .split(is_end)
        .filter(|it| it.starts_with("--") && it.len() > 2);
    let variables = help.split("[env: ").skip(1);
    let variables = variables.filter_map(|it| it.split('=').next());
    words.chain(variables).map(str::to_owned).collect()
}

#[test]
fn manual_has_every_flag_and_variable() {
    let share = pages();
    for (program, section) in PROGRAMS {
        let path = format!("man/man{section}/{program}.{section}");
        let page = fs::read_to_string(share.path().join(path)).unwrap();
        let page = page.replace('\\', "");
        let names = names(program);
        assert!(names.len() > 2, "{names:?}");
        for name in names {
            assert!(page.contains(&name), "the page of {program} has no {name}");
        }
    }
    assert!(share.path().join("man/man8/chatctl-status.8").exists());
    assert!(share.path().join("man/man8/chat-stated-backup.8").exists());
}

fn files_in(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn manual_is_good_roff() {
    if !has_tool("groff", "groff-base") {
        return;
    }
    let share = pages();
    for section in ["man/man1", "man/man8"] {
        for page in files_in(&share.path().join(section)) {
            let mut command = Command::new("groff");
            // All warnings, no output.
            command.args(["-man", "-Tutf8", "-ww", "-z"]).arg(&page);
            assert_eq!(run(&mut command), (0, String::new()), "{}", page.display());
        }
    }
}

#[test]
fn bash_reads_completions() {
    if !has_tool("bash", "bash") {
        return;
    }
    let share = pages();
    for file in files_in(&share.path().join("bash-completion/completions")) {
        let (status, said) = run(Command::new("bash").arg("-n").arg(&file));
        assert_eq!((status, &*said), (0, ""), "{}", file.display());
    }
}
