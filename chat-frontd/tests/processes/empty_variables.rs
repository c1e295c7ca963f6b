//! A variable set to nothing counts as unset.

use std::process::Command;

use crate::installation::{FRONTD, Installation, STATED, bin_dir};

/// The variables of a program, from its own help.
fn variables(program: &str) -> Vec<String> {
    let help = Command::new(bin_dir().join(program)).arg("--help").output();
    let help = String::from_utf8(help.unwrap().stdout).unwrap();
    // Lines are wrapped anywhere.
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let parts = help.split("[env: ").skip(1);
    let names = parts.filter_map(|part| part.split(['=', ']']).next());
    names.map(str::to_owned).collect()
}

#[test]
fn daemons_ignore_empty_variables() {
    let installation = Installation::new();
    for (program, one) in [(FRONTD, "TIME_OUT"), (STATED, "BLOCK_TIME")] {
        let variables = variables(program);
        assert!(variables.contains(&one.to_owned()), "{variables:?}");
        for variable in &variables {
            let mut command = installation.command(bin_dir().join(program));
            command.arg("--check-settings").env(variable, "");
            let said = installation.run(command);
            assert_eq!((said.status, &*said.err), (0, ""), "{program} {variable}");
        }
    }
}

#[test]
fn client_ignores_empty_variables() {
    let variables = variables("chat-client");
    assert!(variables.contains(&"CHAT_PORT".to_owned()), "{variables:?}");
    let installation = Installation::new();
    for variable in &variables {
        let mut command = installation.command(bin_dir().join("chat-client"));
        command.env("CHAT_HOST", "127.0.0.1").env("CHAT_PORT", "1");
        // A default host or port may be served by somebody: a wrong line ends it there, too.
        command.env(variable, "");
        let said = installation.run(command);
        assert_ne!(said.status, 2, "{variable}: {said:?}");
        assert!(!said.err.contains("invalid value"), "{variable}: {said:?}");
    }
}
