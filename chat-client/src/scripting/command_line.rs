//! The commands for scripts, as they are written.

use clap::{Args, Subcommand, value_parser};

/// What a script wants. Each logs in, does one thing, and ends.
#[derive(Debug, Subcommand)]
pub(crate) enum ScriptCommand {
    /// Send a message; status 0 once it is stored for every recipient
    #[command(after_help = "\
Examples:
  chat-client send --to 'bob,#ops' \"the backup is done\"
  df -h / | chat-client send --to '#ops' -")]
    Send(Send),
    /// Send a message to everyone
    #[command(after_help = "Example:\n  chat-client broadcast \"the server restarts at noon\"")]
    Broadcast(Message),
    /// Give each message once as it comes, and come back by itself when the connection breaks
    #[command(after_help = "Example:\n  chat-client listen --session bot --exec ./answer")]
    Listen(Listen),
    /// Print what waits, and count it as read
    #[command(after_help = "Example:\n  chat-client fetch --session digest >>digest.txt")]
    Fetch(Fetch),
    /// Print who is online, a name a line
    #[command(after_help = "Example:\n  chat-client who | grep -qx bob && echo \"bob is online\"")]
    Who,
    /// Print who is online or was within so many minutes, a name a line
    #[command(after_help = "Example:\n  chat-client last 15")]
    Last(Last),
    /// Print the rooms that the user is in, a name a line
    #[command(after_help = "Example:\n  chat-client rooms --all")]
    Rooms(Rooms),
    /// Join a room, or make it
    #[command(after_help = "Example:\n  chat-client join '#ops'")]
    Join(Room),
    /// Leave a room
    #[command(after_help = "Example:\n  chat-client leave '#ops'")]
    Leave(Room),
    /// Print earlier messages of a room, or of a conversation if the server keeps those
    #[command(after_help = "Example:\n  chat-client history '#ops' --count 20")]
    History(History),
    /// Print the newest earlier messages that have all these words
    #[command(after_help = "Example:\n  chat-client search '#ops' backup failed")]
    Search(Search),
    /// Make the account of --user with the password that is given
    #[command(
        after_help = "Example:\n  chat-client --user cron --password-file ~/.cron-password register"
    )]
    Register,
    /// Look for mistakes in the settings file, without connecting
    CheckConfig,
    /// Change the password; all other sessions and all tokens of the user end
    #[command(
        after_help = "Example:\n  chat-client --password-file old passwd --new-password-file new"
    )]
    Passwd(Passwd),
}

/// A message to some.
#[derive(Debug, Args)]
pub(crate) struct Send {
    /// Users and rooms, with commas between
    #[arg(long, value_name = "NAME,#ROOM", required = true, value_delimiter = ',', value_parser = recipient)]
    pub(crate) to: Vec<String>,

    #[command(flatten)]
    pub(crate) message: Message,
}

/// What all messages have.
#[derive(Debug, Args)]
pub(crate) struct Message {
    /// Store the message once, however often it is sent with this ID: 1 to 64 visible ASCII characters
    #[arg(long, value_name = "ID", value_parser = once_id)]
    pub(crate) once: Option<String>,

    /// For how long to try again if the server is away or busy
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = value_parser!(u64).range(..=86_400))]
    pub(crate) timeout: u64,

    /// The text; the standard input if it is `-` or missing
    #[arg(value_name = "TEXT")]
    pub(crate) text: Vec<String>,
}

/// Which messages, and what becomes of them.
#[derive(Debug, Args)]
pub(crate) struct Listen {
    /// The session of the user: 1 to 16 of a-z, 0-9 and - [default: listen, or the one that --user names]
    #[arg(long, value_name = "NAME")]
    pub(crate) session: Option<String>,

    /// Run this command by the shell for each message, with the text on its standard input; a message is acknowledged
    /// when the command succeeds, and is given to it again when it fails
    #[arg(long, value_name = "COMMAND")]
    pub(crate) exec: Option<String>,

    /// Acknowledge a message when a line comes on the standard input, and only then give the next one
    #[arg(long, conflicts_with = "exec")]
    pub(crate) ask: bool,

    /// Only messages of these users; others are passed over
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = recipient)]
    pub(crate) from: Vec<String>,

    /// Only messages to these rooms; others are passed over
    #[arg(long = "in", value_name = "#ROOMS", value_delimiter = ',', value_parser = room)]
    pub(crate) room: Vec<String>,

    /// End after so many messages
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
}

/// Whose messages.
#[derive(Debug, Args)]
pub(crate) struct Fetch {
    /// The session of the user [default: the plain one, or the one that --user names]
    #[arg(long, value_name = "NAME")]
    pub(crate) session: Option<String>,
}

/// How far back to look.
#[derive(Debug, Args)]
pub(crate) struct Last {
    /// How many minutes
    pub(crate) minutes: u64,
}

/// Which rooms.
#[derive(Debug, Args)]
pub(crate) struct Rooms {
    /// Print all public rooms instead
    #[arg(long)]
    pub(crate) all: bool,
}

/// One room.
#[derive(Debug, Args)]
pub(crate) struct Room {
    /// The room
    #[arg(value_name = "#ROOM", value_parser = room)]
    pub(crate) room: String,
}

/// A part of the history.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// The room, or the user that one talked with
    #[arg(value_name = "#ROOM|USER", value_parser = recipient)]
    pub(crate) place: String,

    /// How many messages at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = value_parser!(u64).range(1..=1000))]
    pub(crate) count: u64,

    /// The newest before the message of this number
    #[arg(long, value_name = "NUMBER", conflicts_with = "after")]
    pub(crate) before: Option<u64>,

    /// The oldest after the message of this number
    #[arg(long, value_name = "NUMBER")]
    pub(crate) after: Option<u64>,
}

/// Words that are looked for.
#[derive(Debug, Args)]
pub(crate) struct Search {
    /// The room, or the user that one talked with, or * for all
    #[arg(value_name = "#ROOM|USER|*", value_parser = recipient)]
    pub(crate) place: String,

    /// The words
    #[arg(value_name = "WORD", required = true)]
    pub(crate) words: Vec<String>,
}

/// The other password. Exactly one source is given.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("new").required(true))]
pub(crate) struct Passwd {
    /// Read the new password from the first line of this file, which must be readable only by its owner
    #[arg(long, value_name = "FILE", group = "new")]
    pub(crate) new_password_file: Option<std::path::PathBuf>,

    /// Read the new password from the first line of this descriptor
    #[arg(long, value_name = "N", group = "new")]
    pub(crate) new_password_fd: Option<u32>,

    /// Run this command by the shell; the first line of its output is the new password
    #[arg(long, value_name = "COMMAND", group = "new")]
    pub(crate) new_password_command: Option<String>,
}

/// A name that may stand in a list of recipients.
fn recipient(name: &str) -> Result<String, &'static str> {
    match chat_model::name::may_stand_in_account_file(name) {
        true => Ok(name.to_owned()),
        false => Err("no user and no room has such a name"),
    }
}

fn room(name: &str) -> Result<String, &'static str> {
    let name = recipient(name)?;
    match name.starts_with('#') {
        true => Ok(name),
        false => Err("the name of a room begins with #"),
    }
}

fn once_id(id: &str) -> Result<String, &'static str> {
    let is_right = (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    match is_right {
        true => Ok(id.to_owned()),
        false => Err("an ID has 1 to 64 visible ASCII characters"),
    }
}
