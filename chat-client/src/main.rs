//! `chat-client`: a client of the line protocol of chatserv, for people at terminals and for scripts.
// See `chat_node::logs::output`.
#![warn(clippy::print_stderr)]

mod arguments;
mod back_off;
mod check_config;
mod client_settings;
mod connection;
mod conversation;
mod display;
mod event_loop;
mod exit_status;
mod first_run;
mod kept_logins;
mod keys;
mod layout;
mod line_editor;
mod named_servers;
mod output;
mod password_source;
mod private_file;
mod report;
mod safe_text;
mod screen;
mod scripting;
mod secret_file;
mod signals;
mod state_directory;
mod target;
mod terminal;
mod time_zone;
mod tls;
mod user_input;
mod wording;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use chat_model::Password;
use chat_node::process::inherited_fd;
use chat_node::process::standard_streams::stdout_was_closed;
use chat_node::sandbox::keep_memory_secret;
use chat_node::settings::command_line;
use clap::ArgMatches;
use rustls::ClientConfig;

use crate::arguments::Arguments;
use crate::client_settings::ClientSettings;
use crate::connection::Connection;
use crate::conversation::{Conversation, Keeping, Options};
use crate::display::Display;
use crate::event_loop::EventLoop;
use crate::exit_status::ExitStatus;
use crate::output::Output;
use crate::password_source::PasswordSource;
use crate::screen::{Credentials, Settings};
use crate::scripting::command_line::ScriptCommand;
use crate::signals::Signals;
use crate::target::Target;
use crate::terminal::TerminalMode;
use crate::user_input::{KeyInput, LineInput, UserInput};

/// What `TERM` calls terminals whose cursor cannot be moved.
const TERMS_WITHOUT_CURSOR: [&str; 5] = ["", "dumb", "unknown", "network", "dialup"];

fn main() -> ExitCode {
    let (arguments, matches): (Arguments, _) = match command_line::parse_with(|command| command) {
        Ok(parsed) => parsed,
        Err(done) => return done,
    };
    if arguments.take_descriptors()
        && let Err(error) = inherited_fd::adopt_all()
    {
        let _ = writeln!(
            io::stderr(),
            "chat-client: cannot take over descriptors: {error}"
        );
        return ExitStatus::Lost.into();
    }
    // This process will hold a password.
    if let Err(error) = keep_memory_secret() {
        let _ = writeln!(
            io::stderr(),
            "chat-client: core dumps cannot be forbidden: {error}"
        );
    }
    let result = match &arguments.command {
        Some(ScriptCommand::CheckConfig) => check_config(&arguments),
        Some(command) => Target::of(&arguments, &matches)
            .and_then(|target| scripting::run(command, target, arguments.json)),
        None => run(arguments, &matches),
    };
    match result {
        Ok(status) => status.into(),
        Err(message) => {
            let message = format!("chat-client: {message}\n");
            // If even this fails, only the exit status tells of the error.
            let _ = match io::stderr().is_terminal() {
                // It may be the one that took nothing.
                true => terminal::write_unless_blocked(io::stderr(), message.as_bytes()),
                false => io::stderr().write_all(message.as_bytes()),
            };
            ExitStatus::Lost.into()
        }
    }
}

fn check_config(arguments: &Arguments) -> Result<ExitStatus, String> {
    let found = check_config::check(arguments.connecting.config.as_deref())?;
    let written = writeln!(io::stdout(), "{found}");
    written.map_err(|error| format!("cannot write the output: {error}"))?;
    Ok(ExitStatus::Good)
}

/// A server, and a connection to it.
struct Connected {
    target: Target,
    password: Option<Password<'static>>,
    tls: Option<ClientConfig>,
    connection: Connection,
}

/// Connects to the server that was named. If nobody has named one and none answers, a person is asked.
fn connect(arguments: &mut Arguments, matches: &ArgMatches) -> Result<Connected, String> {
    let failed = |error| format!("cannot use the terminal: {error}");
    let may_ask = first_run::is_server_unnamed(matches)
        && !arguments.forget_login
        && io::stdin().is_terminal()
        && io::stdout().is_terminal();
    let mut is_new = false;
    loop {
        let target = Target::of(arguments, matches)?;
        let password = target.password.as_ref();
        let password = password.map(PasswordSource::read).transpose()?;
        let tls = target.tls_config()?;
        match target.connect(tls.clone(), None) {
            Ok(_) if std::mem::take(&mut is_new) => {
                // The server does not wait so long for a login: it is connected to again.
                first_run::offer_to_keep(arguments).map_err(failed)?;
            }
            Ok(connection) => {
                return Ok(Connected {
                    target,
                    password,
                    tls,
                    connection,
                });
            }
            Err(error) if may_ask => {
                is_new = first_run::ask_for_server(arguments, &error).map_err(failed)?;
                if !is_new {
                    return Err("no server was named".to_owned());
                }
            }
            Err(error) => return Err(error),
        }
    }
}

fn run(mut arguments: Arguments, matches: &ArgMatches) -> Result<ExitStatus, String> {
    if stdout_was_closed() {
        return Err("the standard output is closed, so no message could be shown".to_owned());
    }
    if arguments.json {
        return Err("--json is for commands such as `who`".to_owned());
    }
    let obstacle = obstacle_to_full_screen();
    // Where the screen is not possible, the file is not asked for it.
    let settings = match obstacle {
        Some(_) => Settings::default(),
        None => {
            let file = ClientSettings::read(arguments.connecting.config.as_deref())?;
            Settings::of(file.as_ref())?
        }
    };
    arguments.plain |= settings.plain;
    let is_full_screen = wants_full_screen(&arguments, obstacle)?;
    let Connected {
        target,
        password,
        tls,
        connection,
    } = connect(&mut arguments, matches)?;
    let arguments = &arguments;
    let interactive = io::stdin().is_terminal();
    let signals =
        Signals::listen(interactive).map_err(|error| format!("cannot catch signals: {error}"))?;
    if is_full_screen {
        let credentials = Credentials {
            user: target.user.clone(),
            password,
            keeping: keeping(arguments, settings.keep_login),
            tls: target.uses_tls,
            answer_timeout: target.answer_timeout,
        };
        let how = (credentials, settings);
        return run_full_screen((target, tls), connection, how, signals)
            .map_err(|error| format!("the full screen has ended: {error}"));
    }
    let input_and_display = open_input_and_output(interactive, &signals)
        .map_err(|error| format!("cannot use the terminal: {error}"))?;
    let keeping = keeping(arguments, false);
    let conversation = Conversation::new(Options {
        // To forget a login is no conversation with the user.
        interactive: interactive && keeping != Keeping::Forget,
        push: interactive && !arguments.no_push,
        tls: target.uses_tls,
        answer_timeout: target.answer_timeout,
        user: target.user.clone(),
        password,
        keeping,
    });
    EventLoop::new(
        conversation,
        connection,
        target.kept_logins(),
        input_and_display,
        signals,
    )
    .run()
    .map_err(|error| format!("cannot read the input or write the output: {error}"))
}

fn run_full_screen(
    server: (Target, Option<ClientConfig>),
    connection: Connection,
    (credentials, settings): (Credentials, Settings),
    mut signals: Signals,
) -> io::Result<ExitStatus> {
    signals.listen_to_hang_up()?;
    let (status, words) = screen::run(server, connection, credentials, settings, signals)?;
    for words in words {
        let words = safe_text::without_breaks(&words) + "\n";
        terminal::write_unless_blocked(io::stdout(), words.as_bytes())?;
    }
    Ok(status)
}

/// Whether to use the whole screen. It is used where nothing is in the way, unless the user wants lines.
fn wants_full_screen(arguments: &Arguments, obstacle: Option<&str>) -> Result<bool, String> {
    let wants_lines = arguments.plain || arguments.no_push || arguments.forget_login;
    if wants_lines && !arguments.full_screen {
        return Ok(false);
    }
    match obstacle.filter(|_| arguments.full_screen) {
        Some(obstacle) => Err(format!("--full-screen is not possible: {obstacle}")),
        None => Ok(obstacle.is_none()),
    }
}

/// Why the whole screen cannot be used.
fn obstacle_to_full_screen() -> Option<&'static str> {
    let (columns, rows) = terminal::size();
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return Some("the input and the output have to be a terminal");
    }
    if !is_editable_terminal(true) {
        return Some("TERM names a terminal whose cursor cannot be moved");
    }
    let is_small = columns < screen::LEAST_START_SIZE.0 || rows < screen::LEAST_START_SIZE.1;
    is_small.then_some("the terminal has less than 20 columns or 6 rows")
}

/// Whether a cursor can be moved on the terminal.
fn is_editable_terminal(at_terminal: bool) -> bool {
    let term = std::env::var_os("TERM");
    at_terminal && term.is_some_and(|term| !TERMS_WITHOUT_CURSOR.iter().any(|known| term == *known))
}

fn keeping(arguments: &Arguments, by_settings: bool) -> Keeping {
    match (arguments.forget_login, arguments.keep_login || by_settings) {
        (true, _) => Keeping::Forget,
        (false, true) => Keeping::Keep {
            token_name: kept_logins::new_token_name(),
        },
        (false, false) => Keeping::Nothing,
    }
}

/// Chooses the kind of input and output: a terminal with line editing, a plain terminal, or a pipe.
fn open_input_and_output(interactive: bool, signals: &Signals) -> io::Result<(UserInput, Display)> {
    let at_terminal = interactive && io::stdout().is_terminal();
    let user_input = if is_editable_terminal(at_terminal) {
        UserInput::Keys(Box::new(KeyInput::new()?))
    } else if interactive {
        UserInput::Lines(Box::new(LineInput::new(Some(TerminalMode::of_stdin()?))))
    } else {
        UserInput::Lines(Box::new(LineInput::new(None)))
    };
    let display = Display::new(at_terminal, time_zone::local(), Output::new(signals)?);
    Ok((user_input, display))
}
