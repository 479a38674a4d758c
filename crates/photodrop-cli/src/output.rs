//! What is said: results on stdout, everything for people on stderr.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::error::CliError;

/// Where a command speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    /// Speaks JSON or text.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// A result: one JSON object a line, or its line of text.
    pub(crate) fn result(self, value: &Value, text: &str) {
        let line = if self.json { value.to_string() } else { text.to_owned() };
        // The reader may have gone (`photodrop list | head`): nobody is left to tell.
        let _ = writeln!(std::io::stdout(), "{line}");
    }

    /// What became of something that failed: for scripts alone, people read it on stderr.
    pub(crate) fn failure(self, value: &Value) {
        if self.json {
            self.result(value, "");
        }
    }

    /// For people.
    pub(crate) fn say(text: &str) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// Why a command ends; for scripts it is a line of JSON too.
    pub(crate) fn error(self, error: &CliError) {
        if self.json && !matches!(error, CliError::Some { .. }) {
            self.failure(&json!({ "error": as_json(error) }));
        }
        Self::say(&format!("photodrop: {error}"));
    }
}

/// An error as a member of a JSON line.
pub(crate) fn as_json(error: &CliError) -> Value {
    json!({ "code": error.code(), "detail": error.to_string() })
}

/// Bytes for people: `1.5 MB`.
pub(crate) fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
    let value = bytes as f64;
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", value / 1e6),
        _ => format!("{:.1} GB", value / 1e9),
    }
}

/// Text from elsewhere on a terminal: a file's name may hold what a terminal would obey.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_at_a_glance() {
        for (bytes, text) in
            [(0, "0 B"), (999, "999 B"), (1_500, "1.5 kB"), (5_242_880, "5.2 MB"), (2_000_000_000, "2.0 GB")]
        {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn a_terminal_is_not_commanded_by_file_names() {
        assert_eq!(plain("a\u{1b}[2Jb\n.jpg"), "a\u{fffd}[2Jb\u{fffd}.jpg");
    }
}
