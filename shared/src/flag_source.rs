//! Where the value of a flag came from: one that is wrong may stand in the environment, not on the command line.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command, Error};

/// The environment variable that the value of which an error tells came from, if it did.
pub(crate) fn source_of_value(
    error: &Error,
    mut command: Command,
    arguments: &[OsString],
) -> Option<String> {
    // What a flag is called in an error is known only then.
    command.build();
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let argument = command.get_arguments().find(|a| a.to_string() == *flag)?;
    let variable = argument.get_env()?;
    (!is_given(argument, arguments)).then(|| variable.to_string_lossy().into_owned())
}

fn is_given(argument: &Arg, arguments: &[OsString]) -> bool {
    let Some(name) = argument.get_long() else {
        return false;
    };
    arguments.iter().skip(1).any(|given| {
        let given = given.to_string_lossy();
        let name_given = given.split('=').next().and_then(|it| it.strip_prefix("--"));
        name_given == Some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(arguments: &[&str]) -> Option<String> {
        // PATH is set everywhere, and is no number anywhere.
        let number = clap::value_parser!(u16);
        let count = Arg::new("count").long("count").env("PATH");
        let plain = Arg::new("plain").long("plain").value_parser(number);
        let command = Command::new("x").arg(count.value_parser(number)).arg(plain);
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let error = command
            .clone()
            .try_get_matches_from(&arguments)
            .unwrap_err();
        source_of_value(&error, command, &arguments)
    }

    #[test]
    fn the_variable_is_named_only_if_the_value_came_from_it() {
        assert_eq!(source(&["x"]), Some("PATH".to_owned()));
        assert_eq!(source(&["x", "--count=many"]), None);
        assert_eq!(source(&["x", "--count", "many"]), None);
        assert_eq!(source(&["x", "--count=1", "--plain=no"]), None);
        assert_eq!(source(&["x", "--what"]), None);
    }
}
