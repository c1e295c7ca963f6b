//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Parser, value_parser};

/// Log in to a chat server and exchange messages, at a terminal or in a pipe.
#[derive(Debug, Parser)]
#[command(name = "chat-client", version = chat_node::VERSION, after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// Name or address of the server
    #[arg(default_value = "127.0.0.1", env = "CHAT_HOST")]
    pub(crate) host: String,

    /// Port of the server
    #[arg(default_value_t = 4119, env = "CHAT_PORT", value_parser = value_parser!(u16).range(1..))]
    pub(crate) port: u16,

    /// Use TLS and verify the certificate of the server
    #[arg(long, env = "CHAT_TLS", value_parser = FalseyValueParser::new(), action = ArgAction::SetTrue)]
    pub(crate) tls: bool,

    /// With --tls, also trust the certificates in this file (PEM), in addition to those that the system trusts
    #[arg(long, value_name = "FILE", env = "CHAT_CA")]
    pub(crate) ca: Option<PathBuf>,

    /// At a terminal, do not let the server push messages; an empty line fetches them
    #[arg(long, env = "CHAT_NO_PUSH", value_parser = FalseyValueParser::new(), action = ArgAction::SetTrue)]
    pub(crate) no_push: bool,

    /// Read the password from the first line of this file, which must be readable only by its owner
    #[arg(long, value_name = "FILE", env = "CHAT_PASSWORD_FILE")]
    pub(crate) password_file: Option<PathBuf>,

    /// Log in as this user, or to a session of a user (NAME/SESSION); the first question for a name is not asked
    #[arg(long, value_name = "NAME", env = "CHAT_USER", value_parser = user_name)]
    pub(crate) user: Option<String>,

    /// Stay logged in: keep a token of the user, and use it instead of the password at later logins
    #[arg(long, env = "CHAT_KEEP_LOGIN", value_parser = FalseyValueParser::new(), action = ArgAction::SetTrue)]
    pub(crate) keep_login: bool,

    /// Drop the token that --keep-login has kept, and end
    #[arg(long)]
    pub(crate) forget_login: bool,

    /// How long to try to connect to each address of the server
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 10,
        env = "CHAT_CONNECT_TIMEOUT",
        value_parser = value_parser!(u64).range(1..=86_400)
    )]
    connect_timeout: u64,

    /// How long to wait for an answer before closing the connection
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 120,
        env = "CHAT_ANSWER_TIMEOUT",
        value_parser = value_parser!(u64).range(1..=86_400)
    )]
    answer_timeout: u64,
}

impl Arguments {
    /// How long to try to connect to each address.
    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_secs(self.connect_timeout)
    }

    /// How long to wait for an answer.
    pub(crate) fn answer_timeout(&self) -> Duration {
        Duration::from_secs(self.answer_timeout)
    }
}

/// A name that is one line.
fn user_name(name: &str) -> Result<String, &'static str> {
    if name.is_empty() || name.contains(char::is_control) {
        return Err("a name is not empty, and has no control characters");
    }
    Ok(name.to_owned())
}

const AFTER_HELP: &str = "\
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
     too long, or a recipient is unknown";
