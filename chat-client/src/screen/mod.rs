//! The full screen: all conversations of the user at a terminal.

mod backend;
mod clipboard;
mod dialer;
mod event_loop;
mod keys;
mod log;
mod model;
mod notifier;
mod preferences_file;
mod settings;
mod view;

use std::io;

use ratatui_core::terminal::Terminal;
use rustls::ClientConfig;

use self::backend::TerminalBackend;
use self::event_loop::{EventLoop, Files};
use self::log::Log;
use self::model::Model;
pub(crate) use self::model::link::Credentials;
use self::model::link::Link;
use self::notifier::Notifier;
use self::preferences_file::PreferencesFiles;
pub(crate) use self::settings::Settings;
use crate::connection::Connection;
use crate::exit_status::ExitStatus;
use crate::output::Output;
use crate::signals::Signals;
use crate::target::Target;
use crate::terminal::TerminalMode;
use crate::time_zone;

/// Columns and rows that the terminal has at least when the program begins. Later it may have less.
pub(crate) const LEAST_START_SIZE: (u16, u16) = (20, 6);

/// Runs the full screen over a connection that is made, and over those that follow it; gives the exit status, and words
/// to show behind the screen.
pub(crate) fn run(
    (server, tls): (Target, Option<ClientConfig>),
    connection: Connection,
    credentials: Credentials,
    settings: Settings,
    signals: Signals,
) -> io::Result<(ExitStatus, Vec<String>)> {
    let name = server.name();
    let link = Link::new(
        credentials,
        &format!("{:016x}", fastrand::u64(..)),
        fastrand::u64(..),
    );
    let mut model = Model::new(link, name, time_zone::local());
    model.configure(&settings);
    let output = Output::new(&signals)?;
    // See no-color.org.
    let has_colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let has_colours = has_colours && settings.colours;
    let terminal = Terminal::new(TerminalBackend::new(output, has_colours))?;
    let mut mode = TerminalMode::of_stdin()?;
    mode.restore_on_panic();
    mode.set_full_screen()?;
    let files = Files {
        log: Log(server.state_directory("logs")),
        preferences: PreferencesFiles(server.state_directory("preferences")),
        notifier: Notifier::new(settings.notify_command),
    };
    let terminal = (terminal, mode);
    EventLoop::new(model, terminal, files, signals, (server, tls), connection).run()
}
