//! What is said: results on stdout, everything for people on stderr.
//!
//! All output passes here. What a server or a file's name says is data. Control and bidirectional formatting characters
//! are escaped. So no such text ends a line or a column.

use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::{Value, json};

use crate::error::CliError;

/// Where a command speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
}

/// Text that can be printed as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text(String);

impl Text {
    /// One line.
    pub(crate) fn line(text: &str) -> Self {
        Self(plain(text))
    }

    /// Several lines.
    pub(crate) fn lines(lines: &[String]) -> Self {
        Self(lines.iter().map(|line| plain(line)).collect::<Vec<_>>().join("\n"))
    }

    /// One line of columns with tabs between them, for `cut`.
    pub(crate) fn columns(columns: &[&str]) -> Self {
        Self(columns.iter().map(|column| plain(column)).collect::<Vec<_>>().join("\t"))
    }
}

impl Output {
    /// Speaks JSON or text.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// A result: one JSON object a line, or its text.
    pub(crate) fn result(self, value: &Value, text: &Text) {
        // In a JSON document these characters stand in strings alone, where their escapes mean the same.
        let line = if self.json { &plain(&value.to_string()) } else { &text.0 };
        // The reader may have gone (`photodrop list | head`): nobody is left to tell.
        let _ = writeln!(std::io::stdout(), "{line}");
    }

    /// What became of something that failed: for scripts alone, people read it on stderr.
    pub(crate) fn failure(self, value: &Value) {
        if self.json {
            self.result(value, &Text::line(""));
        }
    }

    /// One line for people.
    pub(crate) fn say(text: &str) {
        Self::tell(&Text::line(text));
    }

    /// What is wrong with the command line.
    pub(crate) fn usage(error: &clap::Error) {
        let lines: Vec<_> = error.render().to_string().trim_end().lines().map(str::to_owned).collect();
        Self::tell(&Text::lines(&lines));
    }

    fn tell(text: &Text) {
        let _ = writeln!(std::io::stderr(), "{}", text.0);
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

/// Text with every character escaped, as in JSON (`\u001b`), that a terminal would obey: control characters (C0, DEL,
/// C1), those that end a line, and those that change the direction of the text around them.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if is_obeyed(c) {
            let _ = write!(plain, "\\u{:04x}", u32::from(c));
        } else {
            plain.push(c);
        }
    }
    plain
}

/// <https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters>
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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
        assert_eq!(plain("a\u{1b}[2Jb\n.jpg"), "a\\u001b[2Jb\\u000a.jpg");
        assert_eq!(plain("a\u{202e}gpj.exe \u{9b}31m\u{7f}"), "a\\u202egpj.exe \\u009b31m\\u007f");
        assert_eq!(plain("Straße 日本語 👩‍💻 \\ \"q\""), "Straße 日本語 👩‍💻 \\ \"q\"");
    }

    #[test]
    fn a_field_stays_within_its_column_and_its_line() {
        assert_eq!(Text::columns(&["a\tb", "c\nd"]).0, "a\\u0009b\tc\\u000ad");
        assert_eq!(Text::lines(&["a\r".to_owned(), "b".to_owned()]).0, "a\\u000d\nb");
    }

    proptest::proptest! {
        #[test]
        fn json_stays_json_and_means_the_same(text in "\\PC*|[\\x00-\\x9f\u{200e}\u{2028}-\u{202e}\u{2066}-\u{2069}]{0,40}") {
            let value = json!({ &text: [&text] });
            let line = plain(&value.to_string());
            assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
            assert!(!line.chars().any(is_obeyed), "{line:?}");
        }
    }
}
