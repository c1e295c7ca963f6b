//! What commands print: plain lines, or JSON. docs/client-records.schema.json describes the objects.

use serde::Serialize;

use super::failure::Failure;
use crate::conversation::message::Message;
use crate::output::Output;
use crate::safe_text::LINE_BREAK;

/// One result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Record<'a> {
    /// A message.
    Message {
        /// When the server took it, RFC 3339 in UTC.
        time: String,
        /// Its number, if the server told it.
        #[serde(skip_serializing_if = "Option::is_none")]
        number: Option<u64>,
        /// Who wrote it; `*` if the room itself tells something.
        from: &'a str,
        /// The room it was sent to.
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<&'a str>,
        /// The text. Its line breaks are LF.
        text: String,
        /// Whether it comes from the history.
        kept: bool,
        /// The plain form.
        #[serde(skip)]
        line: String,
    },
    /// What became of a message for one recipient.
    Recipient {
        /// The user or room; `*` is everyone.
        to: &'a str,
        /// Whether it is stored for this recipient.
        stored: bool,
        /// Why it is not, in one word.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    /// Users.
    Users {
        /// Their names.
        names: Vec<&'a str>,
    },
    /// Rooms.
    Rooms {
        /// Their names.
        names: Vec<&'a str>,
    },
    /// How many messages of the history follow.
    Found {
        /// How many.
        count: u64,
        /// Whether there may be more.
        has_more: bool,
    },
    /// The user is a member of the room.
    Joined {
        /// The room.
        room: &'a str,
    },
    /// The user is a member of the room no longer.
    Left {
        /// The room.
        room: &'a str,
    },
    /// The account was made.
    Registered {
        /// Its name.
        name: &'a str,
    },
    /// The password was changed.
    PasswordChanged,
}

impl<'a> Record<'a> {
    /// A message as a record.
    pub(crate) fn of_message(message: &'a Message) -> Self {
        Self::Message {
            time: message.time.to_string(),
            number: message.number,
            from: &message.sender,
            room: message.room.as_deref(),
            text: message.text.replace(LINE_BREAK, "\n"),
            kept: message.is_kept,
            // Those that come at a login have no numbers: a script shall not see two forms.
            line: match message.is_kept {
                true => message.line.clone(),
                false => message.unnumbered_line(),
            },
        }
    }

    /// As plain lines. What the exit status tells has none.
    fn plain(&self) -> String {
        match self {
            Self::Message { line, .. } => format!("{line}\n"),
            Self::Users { names } | Self::Rooms { names } => {
                names.iter().map(|name| format!("{name}\n")).collect()
            }
            _ => String::new(),
        }
    }

    /// As one line of JSON.
    fn json(&self) -> String {
        // Strings, numbers and lists of them: there is nothing that JSON cannot hold.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

/// Writes records to the standard output.
pub(crate) struct Printer {
    output: Output,
    is_json: bool,
}

impl Printer {
    /// In this form.
    pub(crate) fn new(output: Output, is_json: bool) -> Self {
        Self { output, is_json }
    }

    /// Prints a record. It is written when this returns.
    pub(crate) fn print(&mut self, record: &Record<'_>) -> Result<(), Failure> {
        let text = match self.is_json {
            true => record.json(),
            false => record.plain(),
        };
        let written = self.output.write(text.as_bytes());
        written.map_err(|error| Failure::local(format!("cannot write the output: {error}")))
    }

    /// Says something for people, on the standard error.
    pub(crate) fn say(&mut self, text: &str) -> Result<(), Failure> {
        let line = format!("chat-client: {text}\n");
        let written = self.output.write_words(line.as_bytes());
        written.map_err(|error| Failure::local(format!("cannot write the output: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const SCHEMA: &str = include_str!("../../../docs/client-records.schema.json");

    fn records() -> Vec<Record<'static>> {
        let message = |number, room| Record::Message {
            time: "2026-11-22T11:18:31Z".to_owned(),
            number,
            from: "ann",
            room,
            text: "hi".to_owned(),
            kept: false,
            line: String::new(),
        };
        let recipient = |stored, reason| Record::Recipient {
            to: "bob",
            stored,
            reason,
        };
        let names = || vec!["a"];
        vec![
            message(None, None),
            message(Some(1), Some("#a")),
            recipient(true, None),
            recipient(false, Some("unknown")),
            Record::Users { names: names() },
            Record::Rooms { names: names() },
            Record::Found {
                count: 1,
                has_more: false,
            },
            Record::Joined { room: "#a" },
            Record::Left { room: "#a" },
            Record::Registered { name: "a" },
            Record::PasswordChanged,
        ]
    }

    /// Whether the schema of one kind of record allows this object, as far as names and types go.
    fn allows(schema: &Value, object: &Value) -> bool {
        let properties = schema["properties"].as_object().expect("properties");
        let fields = object.as_object().expect("an object");
        let required = schema["required"].as_array().expect("a list");
        let has = |name: &Value| fields.contains_key(name.as_str().expect("a name"));
        required.iter().all(has)
            && fields.iter().all(|(name, value)| {
                let Some(property) = properties.get(name) else {
                    return false;
                };
                match property["type"].as_str() {
                    None => property["const"] == *value,
                    Some("string") => value.is_string(),
                    Some("integer") => value.is_u64(),
                    Some("boolean") => value.is_boolean(),
                    Some("array") => value.is_array(),
                    Some(other) => panic!("{other}"),
                }
            })
    }

    #[test]
    fn records_are_as_schema_says() {
        let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
        let kinds = schema["oneOf"].as_array().expect("a list");
        let mut used = vec![0; kinds.len()];
        for record in records() {
            let object = serde_json::from_str(&record.json()).expect("JSON");
            let allowing: Vec<usize> = (0..kinds.len())
                .filter(|&at| allows(&kinds[at], &object))
                .collect();
            assert_eq!(allowing.len(), 1, "{object}: {allowing:?}");
            used[allowing[0]] += 1;
        }
        assert!(used.iter().all(|times| *times > 0), "{used:?}");
    }
}
