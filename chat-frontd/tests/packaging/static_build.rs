//! `scripts/build --static`, as far as it goes without building.

use std::process::Command;

use crate::installation::repository;
use crate::run;

fn build(target: &str) -> (i32, String) {
    let mut command = Command::new(repository().join("scripts/build"));
    command.args(["--static", target]);
    for processor in ["x86_64", "aarch64"] {
        let variable = format!("CC_{processor}_unknown_linux_musl");
        command.env(variable, "/nonexistent/cc");
    }
    run(&mut command)
}

#[test]
fn static_build_names_missing_tools() {
    for target in ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"] {
        let (status, said) = build(target);
        assert_eq!(status, 1, "{said}");
        let advice = [
            format!("rustup target add {target}"),
            format!("cannot compile C for {target} with `/nonexistent/cc`: install "),
        ];
        assert!(advice.iter().any(|it| said.contains(it)), "{said}");
    }
    let (status, said) = build("sparc64-unknown-linux-musl");
    assert_eq!(status, 2, "{said}");
}
