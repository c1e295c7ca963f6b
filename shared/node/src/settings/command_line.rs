//! Reads the flags of a program from its command line and from environment variables.

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgMatches, Command, Error, Parser};

use super::environment::unset_empty_variables;
use super::pages;
use crate::logs::output;

/// The exit status for wrong usage.
pub const WRONG_USAGE: u8 = 2;

/// Parses the flags of program `P`. Empty variables count as unset and are removed, so call this before any thread is
/// started. Errors and help texts are printed here; the returned exit status tells them apart.
pub fn parse<P: Parser>() -> Result<P, ExitCode> {
    parse_with(|command| command).map(|(program, _)| program)
}

/// Like [`parse`], by a changed command of the program. Also returns where the values come from.
pub fn parse_with<P: Parser>(
    change: impl FnOnce(Command) -> Command,
) -> Result<(P, ArgMatches), ExitCode> {
    // A command has the values of variables as soon as it is made.
    unset_empty_variables();
    let arguments: Vec<OsString> = env::args_os().collect();
    if let Some(written) = pages::write_if_asked(P::command(), &arguments) {
        return Err(written);
    }
    try_parse(change(P::command()), &arguments)
        .map_err(|error| print(&error, P::command(), &arguments))
}

/// Parses the flags of this process again, by a changed command, while it runs. Prints nothing.
pub(crate) fn parse_again<P: Parser>(
    change: impl FnOnce(Command) -> Command,
) -> Result<(P, ArgMatches), Error> {
    let arguments: Vec<OsString> = env::args_os().collect();
    try_parse(change(P::command()), &arguments)
}

fn try_parse<P: Parser>(
    mut command: Command,
    arguments: &[OsString],
) -> Result<(P, ArgMatches), Error> {
    let matches = command.try_get_matches_from_mut(arguments)?;
    let program = P::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    Ok((program, matches))
}

fn print(error: &Error, command: Command, arguments: &[OsString]) -> ExitCode {
    let program = command.get_name().to_owned();
    let printed = error.print().and_then(|()| output::flush());
    if let Some(variable) = source_of_value(error, command, arguments) {
        output::complain(format_args!(
            "\nThe value comes from the environment variable {variable}."
        ));
    }
    let is_help = !error.use_stderr();
    if is_help && let Err(error) = output::unless_unread(printed) {
        output::complain(format_args!(
            "{program}: cannot write to the standard output: {error}"
        ));
        return ExitCode::FAILURE;
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(u8::MAX))
}

/// The environment variable that the invalid value came from, if it came from one.
fn source_of_value(error: &Error, mut command: Command, arguments: &[OsString]) -> Option<String> {
    // The name of a flag in error texts is only known after this.
    command.build();
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let argument = command.get_arguments().find(|a| a.to_string() == *flag)?;
    let variable = argument.get_env()?;
    let given = &arguments[1.min(arguments.len())..];
    (!is_given(argument, given, error)).then(|| variable.to_string_lossy().into_owned())
}

fn is_given(argument: &Arg, given: &[OsString], error: &Error) -> bool {
    given.iter().any(|given| {
        let given = given.to_string_lossy();
        match (argument.get_long(), error.get(ContextKind::InvalidValue)) {
            (Some(name), _) => {
                let name_given = given.split('=').next().and_then(|it| it.strip_prefix("--"));
                name_given == Some(name)
            }
            // A positional argument.
            (None, Some(ContextValue::String(value))) => given == *value,
            (None, _) => false,
        }
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
        source_in(command, arguments)
    }

    fn source_in(command: Command, arguments: &[&str]) -> Option<String> {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let error = command
            .clone()
            .try_get_matches_from(&arguments)
            .unwrap_err();
        source_of_value(&error, command, &arguments)
    }

    #[test]
    fn error_names_variable_of_bad_value() {
        assert_eq!(source(&["x"]), Some("PATH".to_owned()));
        assert_eq!(source(&["x", "--count=many"]), None);
        assert_eq!(source(&["x", "--count", "many"]), None);
        assert_eq!(source(&["x", "--count=1", "--plain=no"]), None);
        assert_eq!(source(&["x", "--what"]), None);
    }

    #[test]
    fn positional_value_has_source_too() {
        let port = Arg::new("port").env("PATH");
        let command = Command::new("x").arg(port.value_parser(clap::value_parser!(u16)));
        let path = Some("PATH".to_owned());
        assert_eq!(source_in(command.clone(), &["x"]), path);
        assert_eq!(source_in(command, &["x", "many"]), None);
    }
}
