//! JSON objects of numbers and texts, for reports on one line.

use std::fmt::Write;

/// An object in the making; keys stand in the order in which they were added.
#[derive(Debug, Default)]
pub struct JsonObject {
    fields: Vec<String>,
}

impl JsonObject {
    /// Adds a number.
    pub fn number(&mut self, key: &str, value: u64) {
        self.fields.push(format!("{}:{value}", quoted(key)));
    }

    /// Adds a text.
    pub fn text(&mut self, key: &str, value: &str) {
        self.fields
            .push(format!("{}:{}", quoted(key), quoted(value)));
    }

    /// Adds a list of texts.
    pub fn texts(&mut self, key: &str, values: &[String]) {
        let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
        self.fields
            .push(format!("{}:[{}]", quoted(key), values.join(",")));
    }

    /// The whole object, on one line.
    pub fn finish(self) -> String {
        format!("{{{}}}", self.fields.join(","))
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(character);
            }
            _ if character.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(character));
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}
