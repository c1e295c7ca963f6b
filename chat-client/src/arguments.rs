//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args, CommandFactory, Parser, value_parser};

use crate::scripting::command_line::ScriptCommand;

/// Log in to a chat server and exchange messages, at a terminal, in a pipe, or by a command.
#[derive(Debug, Parser)]
#[command(
    name = "chat-client",
    version = chat_node::VERSION,
    after_help = AFTER_HELP,
    disable_help_subcommand = true
)]
pub(crate) struct Arguments {
    /// Name or address of the server, or what the settings file calls it
    #[arg(value_name = "SERVER", default_value = "127.0.0.1", env = "CHAT_HOST")]
    pub(crate) host: String,

    /// Port of the server
    #[arg(default_value_t = 4119, env = "CHAT_PORT", value_parser = value_parser!(u16).range(1..))]
    pub(crate) port: u16,

    #[command(flatten)]
    pub(crate) connecting: Connecting,

    #[command(flatten)]
    pub(crate) login: LoginArguments,

    /// At a terminal, do not let the server push messages; an empty line fetches them. Implies --plain
    #[arg(
        long,
        help_heading = "Terminal",
        env = "CHAT_NO_PUSH",
        value_parser = FalseyValueParser::new(),
        action = ArgAction::SetTrue
    )]
    pub(crate) no_push: bool,

    /// Stay logged in: keep a token of the user, and use it instead of the password at later logins
    #[arg(
        long,
        help_heading = "Login",
        env = "CHAT_KEEP_LOGIN",
        value_parser = FalseyValueParser::new(),
        action = ArgAction::SetTrue
    )]
    pub(crate) keep_login: bool,

    /// Drop the token that --keep-login has kept, and end
    #[arg(long, help_heading = "Login")]
    pub(crate) forget_login: bool,

    /// At a terminal, take lines and show lines, instead of using the whole screen
    #[arg(
        long,
        help_heading = "Terminal",
        env = "CHAT_PLAIN",
        value_parser = FalseyValueParser::new(),
        action = ArgAction::SetTrue
    )]
    pub(crate) plain: bool,

    /// Use the whole screen of the terminal, or fail where that is not possible
    #[arg(long, help_heading = "Terminal", overrides_with_all = ["plain", "no_push"])]
    pub(crate) full_screen: bool,

    /// Print the results of a command as JSON, an object a line
    #[arg(long, help_heading = "Output", global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Option<ScriptCommand>,
}

impl Arguments {
    /// Whether the command line takes this word for a command.
    pub(crate) fn is_command(word: &str) -> bool {
        <Self as CommandFactory>::command()
            .find_subcommand(word)
            .is_some()
    }

    /// Whether a password comes from a descriptor that this process was started with.
    pub(crate) fn take_descriptors(&self) -> bool {
        let new = match &self.command {
            Some(ScriptCommand::Passwd(passwd)) => passwd.new_password_fd,
            _ => None,
        };
        self.login.password_fd.or(new).is_some()
    }
}

/// How to reach the server.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct Connecting {
    /// The same as SERVER; beside SERVER, another address for it
    #[arg(long = "host", id = "host_flag", value_name = "HOST", global = true)]
    pub(crate) host: Option<String>,

    /// The same as PORT, and counts more
    #[arg(
        long = "port",
        id = "port_flag",
        value_name = "PORT",
        value_parser = value_parser!(u16).range(1..),
        global = true
    )]
    pub(crate) port: Option<u16>,

    /// Use TLS and verify the certificate of the server
    #[arg(long, env = "CHAT_TLS", value_parser = FalseyValueParser::new(), action = ArgAction::SetTrue, global = true)]
    pub(crate) tls: bool,

    /// With --tls, also trust the certificates in this file (PEM), in addition to those that the system trusts
    #[arg(long, value_name = "FILE", env = "CHAT_CA", global = true)]
    pub(crate) ca: Option<PathBuf>,

    /// How long to try to connect to each address of the server
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 10,
        env = "CHAT_CONNECT_TIMEOUT",
        value_parser = value_parser!(u64).range(1..=86_400),
        global = true
    )]
    connect_timeout: u64,

    /// How long to wait for an answer before closing the connection
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 120,
        env = "CHAT_ANSWER_TIMEOUT",
        value_parser = value_parser!(u64).range(1..=86_400),
        global = true
    )]
    answer_timeout: u64,

    /// The settings file with named servers [default: chatserv/client.toml in $XDG_CONFIG_HOME or ~/.config]
    #[arg(long, value_name = "FILE", env = "CHAT_CLIENT_CONFIG", global = true)]
    pub(crate) config: Option<PathBuf>,
}

impl Connecting {
    /// How long to try to connect to each address.
    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_secs(self.connect_timeout)
    }

    /// How long to wait for an answer.
    pub(crate) fn answer_timeout(&self) -> Duration {
        Duration::from_secs(self.answer_timeout)
    }
}

/// Who logs in.
#[derive(Debug, Args)]
#[command(next_help_heading = "Login")]
pub(crate) struct LoginArguments {
    /// Log in as this user, or to a session of a user (NAME/SESSION); the first question for a name is not asked
    #[arg(long, value_name = "NAME", env = "CHAT_USER", value_parser = user_name, global = true)]
    pub(crate) user: Option<String>,

    /// Read the password from the first line of this file, which must be readable only by its owner
    #[arg(long, value_name = "FILE", env = "CHAT_PASSWORD_FILE", global = true)]
    pub(crate) password_file: Option<PathBuf>,

    /// Read the password from the first line of this descriptor
    #[arg(long, value_name = "N", global = true)]
    pub(crate) password_fd: Option<u32>,

    /// Run this command by the shell; the first line of its output is the password
    #[arg(long, value_name = "COMMAND", global = true)]
    pub(crate) password_command: Option<String>,
}

/// A name that is one line.
fn user_name(name: &str) -> Result<String, &'static str> {
    if name.is_empty() || name.contains(char::is_control) {
        return Err("a name is not empty, and has no control characters");
    }
    Ok(name.to_owned())
}

const AFTER_HELP: &str = "\
At a terminal, the client uses the whole screen; F1 shows keys and commands there.
With --plain, on a terminal whose cursor cannot be moved (TERM=dumb), or whose
size is below 20 columns and 6 rows, it takes lines, and shows lines.

In a pipe, the first two lines are the user name and the password, the others are commands:
  printf 'bob\\nsecret\\nsend alice hi\\nlogout\\n' | chat-client HOST PORT
Messages and the answers to `who` and `last` go to the standard output, as the
server sends them (UTC). Everything else goes to the standard error.
A password is never an argument. With --user, the input has no line for the name;
with --password-file or --keep-login, it has none for the password.

Exit status:
  0  logged out normally; in a pipe, every command succeeded
  1  the connection could not be made, was lost, or timed out; or the output
     could not be written
  2  wrong command line
  3  the server closed the connection because nothing was sent for too long
  4  blocked after wrong passwords; the message says for how many seconds
  5  ended without a login
  6  in a pipe: logged out normally, but a command was refused, a line was
     too long, or a recipient is unknown; also of a command like `send`";
