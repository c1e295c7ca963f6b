//! Whether a run found what it should: how every report begins and ends.

use std::fmt::Write;

use crate::json_object::JsonObject;

/// What a run was, and what went wrong in it.
#[derive(Clone, Debug)]
pub struct Verdict {
    bench: &'static str,
    /// Nothing, if all is well.
    pub failures: Vec<String>,
}

impl Verdict {
    /// Of a run of this kind.
    pub fn new(bench: &'static str, failures: Vec<String>) -> Self {
        Self { bench, failures }
    }

    /// Whether all is well.
    pub fn is_success(&self) -> bool {
        self.failures.is_empty()
    }

    /// The object that a report begins with.
    pub fn begin_json(&self) -> JsonObject {
        let mut json = JsonObject::default();
        json.text("bench", self.bench);
        json.text("result", if self.is_success() { "pass" } else { "fail" });
        json
    }

    /// The same object, with all that went wrong, on one line.
    pub fn finish_json(&self, mut json: JsonObject) -> String {
        json.texts("failures", &self.failures);
        json.finish()
    }

    /// The words that a report for people begins with.
    pub fn begin_text(&self) -> String {
        let result = if self.is_success() {
            "passed"
        } else {
            "FAILED"
        };
        format!("{} {result}", self.bench)
    }

    /// Adds all that went wrong, a line each.
    pub fn finish_text(&self, text: &mut String) {
        for failure in &self.failures {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  failure: {failure}");
        }
    }
}
