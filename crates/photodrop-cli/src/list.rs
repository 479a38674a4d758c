//! `photodrop list`

use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use crate::api::{Api, BASE_PATH};
use crate::args::{Global, List, Only};
use crate::error::CliError;
use crate::output::{Output, Text};
use crate::photo::Photo;
use crate::target::Target;

/// The most photos of one page.
const PAGE: u64 = 100;

#[derive(Deserialize)]
struct Page {
    photos: Vec<Value>,
    next_cursor: Option<String>,
}

/// Gives the newest photos, at most `limit` (0: all), one after another.
pub(crate) async fn newest(
    api: &Api,
    limit: u64,
    mut each: impl FnMut(Photo) -> bool,
) -> Result<(), CliError> {
    let mut left = if limit == 0 { u64::MAX } else { limit };
    let mut cursor: Option<String> = None;
    while left > 0 {
        let mut path = format!("{BASE_PATH}?limit={}", left.min(PAGE));
        if let Some(cursor) = &cursor {
            path.push_str("&cursor=");
            path.push_str(&query_value(cursor));
        }
        let page: Page = api.expect(Method::GET, &path, &[], None, &[StatusCode::OK]).await?.json()?;
        for photo in page.photos {
            if each(Photo(photo)) {
                left -= 1;
            }
            if left == 0 {
                return Ok(());
            }
        }
        let Some(next) = page.next_cursor else { return Ok(()) };
        cursor = Some(next);
    }
    Ok(())
}

/// Percent-encodes what is not unreserved (RFC 3986).
fn query_value(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

pub(crate) async fn run(global: &Global, list: &List, output: &Output) -> Result<(), CliError> {
    let api = Api::new(&Target::find(global)?, global.retries)?;
    let mut shown = 0_u64;
    newest(&api, list.limit, |photo| {
        let wanted = list.status.is_none_or(|only| photo.status() == name(only));
        if wanted {
            shown += 1;
            output.result(&photo.0, &Text::line(&photo.line()));
        }
        wanted
    })
    .await?;
    if shown == 0 {
        Output::say("no photos");
    }
    Ok(())
}

fn name(only: Only) -> &'static str {
    match only {
        Only::Pending => "pending",
        Only::Ready => "ready",
        Only::Failed => "failed",
        Only::Expired => "expired",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_one_value_of_the_query_whatever_is_in_it() {
        assert_eq!(query_value("aZ0-._~"), "aZ0-._~");
        assert_eq!(query_value("a+b/c=&d"), "a%2Bb%2Fc%3D%26d");
    }
}
