//! A request's body as a JSON object, with what clients do to JSON.

use lambda_http::Body;
use serde_json::{Map, Value};

use super::invalid;
use crate::error::ApiError;

/// The largest body that is parsed, in bytes. Every other field at its limit takes less than 16 KiB; the rest is room for a
/// file name sent as a path of Windows's 32,767 characters, each of them escaped in 6 bytes.
pub(super) const MAX_BODY_BYTES: usize = 256 * 1024;

/// The same of a batch.
pub(super) const MAX_BATCH_BODY_BYTES: usize = 1024 * 1024;

/// What some programs write before text in UTF-8. RFC 8259, section 8.1, lets a parser ignore it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads the body as a JSON object; none if it is empty.
pub(super) fn object(body: &Body, limit: usize) -> Result<Option<Map<String, Value>>, ApiError> {
    if body.len() > limit {
        return Err(invalid(
            "",
            format!("has more than {limit} bytes: announce the photo in JSON, its bytes go to S3"),
        ));
    }
    let text = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    if text.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    serde_json::from_slice(text)
        .or_else(|error| serde_json::from_str(&repair(text)).map_err(|_| error))
        .map(Some)
        .map_err(|error| invalid("", format!("a JSON object is expected ({})", position(&error))))
}

/// Replaces what no Unicode text holds by U+FFFD: bytes that are not UTF-8, and escapes of half a surrogate pair. Clients
/// send both in file names: in another encoding, or cut inside a character.
fn repair(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut repaired = String::with_capacity(text.len());
    let mut rest: &str = &text;
    while let Some(escape) = rest.find('\\') {
        let (before, from_escape) = rest.split_at(escape);
        repaired.push_str(before);
        let length = match code_unit(from_escape) {
            Some(0xd800..=0xdbff)
                if matches!(from_escape.get(6..).and_then(code_unit), Some(0xdc00..=0xdfff)) =>
            {
                12
            }
            Some(0xd800..=0xdfff) => {
                repaired.push_str(r"\ufffd");
                rest = &from_escape[6..];
                continue;
            }
            Some(_) => 6,
            None => from_escape.chars().take(2).map(char::len_utf8).sum(),
        };
        let (kept, after) = from_escape.split_at(length);
        repaired.push_str(kept);
        rest = after;
    }
    repaired.push_str(rest);
    repaired
}

/// Returns the UTF-16 code unit of the escape that the text begins with.
fn code_unit(text: &str) -> Option<u16> {
    u16::from_str_radix(text.strip_prefix(r"\u")?.get(..4)?, 16).ok()
}

/// Where the JSON stops being JSON; the message of the parser itself may quote what was sent.
fn position(error: &serde_json::Error) -> String {
    format!("line {}, column {}", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(body: &[u8]) -> Option<String> {
        // Text and, as API Gateway encodes what it takes for binary, bytes.
        let binary = object(&Body::from(body), MAX_BODY_BYTES).unwrap();
        if let Ok(text) = std::str::from_utf8(body) {
            assert_eq!(object(&Body::from(text), MAX_BODY_BYTES).unwrap(), binary);
        }
        binary.and_then(|fields| fields["name"].as_str().map(str::to_owned))
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert_eq!(name(b"\xef\xbb\xbf{\"name\":\"cat\"}").as_deref(), Some("cat"));
        assert_eq!(name(b"\xef\xbb\xbf \r\n{\"name\":\"cat\"}").as_deref(), Some("cat"));
        assert_eq!(name("{\"name\":\"\u{feff}cat\"}".as_bytes()).as_deref(), Some("\u{feff}cat"));
        for empty in [b"\xef\xbb\xbf".as_slice(), b"\xef\xbb\xbf \n", b"", b" "] {
            assert_eq!(object(&Body::from(empty), MAX_BODY_BYTES).unwrap(), None, "{empty:?}");
        }
    }

    #[test]
    fn what_is_no_text_is_replaced() {
        for (sent, expected) in [
            (r#"{"name":"\ud83c\udf1e"}"#.as_bytes(), "🌞"),
            (br#"{"name":"a\ud83c"}"#, "a\u{fffd}"),
            (br#"{"name":"\udf1eb"}"#, "\u{fffd}b"),
            (br#"{"name":"\ud83c\ud83c\udf1e"}"#, "\u{fffd}🌞"),
            (br#"{"name":"\ud83c\n"}"#, "\u{fffd}\n"),
            (br#"{"name":"\ud83c\u0041"}"#, "\u{fffd}A"),
            (br#"{"name":"\\ud83c \ud83c \"x\""}"#, "\\ud83c \u{fffd} \"x\""),
            (b"{\"name\":\"caf\xe9\"}", "caf\u{fffd}"),
        ] {
            assert_eq!(name(sent).as_deref(), Some(expected), "{}", String::from_utf8_lossy(sent));
        }
    }

    #[test]
    fn what_is_no_json_stays_an_error() {
        for body in [
            r#"{"name":"\u"#,
            r#"{"name":"\"#,
            r#"{"name":"\ud83c"#,
            r#"{"name":"\ud8"}"#,
            r#"{"name":"\x"}"#,
            "[\"\\ud83c\"]",
            "\u{feff}\u{feff}{}",
            "x",
        ] {
            let error = object(&Body::from(body), MAX_BODY_BYTES).unwrap_err();
            assert_eq!(error.code(), "INVALID_REQUEST", "{body}");
        }
    }

    #[test]
    fn a_repair_leaves_whole_text_alone() {
        const PIECES: [&str; 7] = [r"\ud83c", r"\udf1e", r"\u0041", r"\n", r"\\", "ud83c", "é"];
        for number in 0..PIECES.len().pow(4) {
            let digits = (0..4).map(|place| number / PIECES.len().pow(place) % PIECES.len());
            let written = format!("\"{}\"", digits.map(|digit| PIECES[digit]).collect::<String>());
            let repaired = repair(written.as_bytes());
            let read: String = serde_json::from_str(&repaired).unwrap();
            match serde_json::from_str::<String>(&written) {
                Ok(whole) => assert_eq!((repaired, read), (written, whole)),
                Err(_) => assert!(read.contains('\u{fffd}'), "{written}"),
            }
        }
    }
}
