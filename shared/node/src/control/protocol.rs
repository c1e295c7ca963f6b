//! What an operator's tool and a running daemon say to each other on the daemon's control socket: lines of JSON.
//!
//! The tool's first line is a [`Hello`], the daemon's a [`Greeting`]; both name the version. Then the tool sends
//! [`Request`]s, one at a time, and the daemon answers each with a [`Report`]. What a child knows is asked by a
//! [`Question`], which the parent passes on to it, and answered by an [`Answer`].

use serde::{Deserialize, Serialize};

use super::status_file::Status;

/// Version of everything here. Another version is refused with a reason.
pub const VERSION: u32 = 1;

/// The version of the programs.
pub const BUILD: &str = crate::VERSION;

/// The tool's first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The [`VERSION`] it speaks.
    pub version: u32,
}

/// The daemon's first line. A daemon of another version closes the connection after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    /// The [`VERSION`] it speaks.
    pub version: u32,
    /// The name of the daemon.
    pub program: String,
    /// Its [`BUILD`].
    pub build: String,
}

/// A request of a tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// What the parent knows of itself and its children.
    Status,
    /// A question for a child.
    Ask {
        /// The number of the child, from 1.
        child: u32,
        /// The question.
        question: Question,
    },
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "kebab-case")]
pub enum Report {
    /// To [`Request::Status`].
    Status(Box<StatusReport>),
    /// To [`Request::Ask`].
    Answer {
        /// What the child said.
        answer: Answer,
    },
    /// Nothing was done, or it is not known what was.
    Failed {
        /// For people.
        reason: String,
    },
}

/// What a parent knows of itself and its children.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The name of a child.
    pub role: String,
    /// The same as in the status file.
    pub status: Status,
}

/// A question for a child. What is long is asked for in pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "question", rename_all = "kebab-case")]
pub enum Question {
    /// Whether it answers at all.
    Ping,
}

/// A child's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Question::Ping`].
    Alive,
}

/// One of these as a line, with its end.
pub fn encode_line(message: &impl Serialize) -> Vec<u8> {
    // Strings, numbers and maps with strings as keys: there is nothing that JSON cannot hold.
    let mut line = serde_json::to_vec(message).unwrap_or_default();
    line.push(b'\n');
    line
}
