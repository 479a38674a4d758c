//! A photo as the API answers it.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::api::{Api, BASE_PATH};
use crate::error::CliError;
use crate::output::size;

/// How long to wait between two looks when the server says nothing of it.
const POLL_PAUSE: Duration = Duration::from_millis(500);

/// A photo's record, kept as it was answered: what is not understood here is still passed on.
#[derive(Clone, Debug)]
pub(crate) struct Photo(pub(crate) Value);

impl Photo {
    /// Asks for one.
    pub(crate) async fn get(api: &Api, photo_id: &str) -> Result<Self, CliError> {
        let reply = api.expect(Method::GET, &path(photo_id)?, &[], None, &[StatusCode::OK]).await?;
        reply.json().map(Self)
    }

    /// Waits until a photo is ready or failed. One that has expired can still become so: its bytes may be on their way.
    pub(crate) async fn settled(api: &Api, photo_id: &str, timeout: Duration) -> Result<Self, CliError> {
        Self::beyond(api, photo_id, timeout, &["pending", "expired"]).await
    }

    /// Waits until a photo is no longer pending.
    pub(crate) async fn decided(api: &Api, photo_id: &str, timeout: Duration) -> Result<Self, CliError> {
        Self::beyond(api, photo_id, timeout, &["pending"]).await
    }

    /// Waits until a photo has none of these statuses.
    async fn beyond(
        api: &Api,
        photo_id: &str,
        timeout: Duration,
        statuses: &[&str],
    ) -> Result<Self, CliError> {
        let deadline = Instant::now() + timeout;
        let path = path(photo_id)?;
        let mut etag = String::new();
        loop {
            let headers: &[(&str, &str)] = if etag.is_empty() { &[] } else { &[("if-none-match", &etag)] };
            let expected = [StatusCode::OK, StatusCode::NOT_MODIFIED];
            let reply = api.expect(Method::GET, &path, headers, None, &expected).await?;
            if reply.status == StatusCode::OK {
                let photo = Self(reply.json()?);
                if !statuses.contains(&photo.status()) {
                    return Ok(photo);
                }
            }
            let pause = reply.retry_after().unwrap_or(POLL_PAUSE).min(Duration::from_secs(10));
            if Instant::now() + pause > deadline {
                return Err(CliError::StillPending {
                    photo_id: photo_id.to_owned(),
                    seconds: timeout.as_secs(),
                });
            }
            if let Some(tag) = reply.header("etag") {
                tag.clone_into(&mut etag);
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// A member that is text; empty if it is not there.
    fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn id(&self) -> &str {
        self.text("photo_id")
    }

    pub(crate) fn status(&self) -> &str {
        self.text("status")
    }

    /// Why it failed.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.0.pointer("/failure/code").and_then(Value::as_str)
    }

    /// How much of a damaged photo came, in percent.
    pub(crate) fn received_percent(&self) -> Option<u64> {
        self.0.get("received_percent").and_then(Value::as_u64)
    }

    pub(crate) fn variants(&self) -> &[Value] {
        self.0.get("variants").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// One line of a list.
    pub(crate) fn line(&self) -> String {
        let status = match (self.failure(), self.received_percent()) {
            (Some(code), _) => format!("failed {code}"),
            (None, Some(percent)) => format!("{} damaged {percent} %", self.status()),
            (None, None) => self.status().to_owned(),
        };
        let bytes = self.0.get("size_bytes").and_then(Value::as_u64).unwrap_or_default();
        let created = self.text("created_at").get(..19).unwrap_or_default().replace('T', " ");
        format!(
            "{:36}  {status:26}  {created:19}  {:10}  {:>9}  {}",
            self.id(),
            self.text("content_type").trim_start_matches("image/"),
            size(bytes),
            self.text("file_name"),
        )
    }

    /// All there is, for people.
    pub(crate) fn page(&self) -> Vec<String> {
        let mut lines = vec![format!("{}  {}", self.id(), self.status())];
        let mut add = |name: &str, value: String| {
            if !value.is_empty() {
                lines.push(format!("  {name:<12} {value}"));
            }
        };
        add("failure", self.failure().unwrap_or_default().to_owned());
        if let Some(percent) = self.received_percent() {
            add("damaged", format!("{percent} % of it came"));
        }
        add("file", self.text("file_name").to_owned());
        add("type", self.text("content_type").to_owned());
        add("size", size(self.0.get("size_bytes").and_then(Value::as_u64).unwrap_or_default()));
        add("created", self.text("created_at").to_owned());
        if let Some(original) = self.0.get("original").filter(|original| original.is_object()) {
            add("pixels", format!("{} x {}", original["width"], original["height"]));
        }
        add("colour", self.text("dominant_color").to_owned());
        add("thumbhash", self.text("thumbhash").to_owned());
        if let Some(metadata) = self.0.get("metadata").and_then(Value::as_object) {
            for (name, value) in metadata {
                add("metadata", format!("{name}={}", value.as_str().unwrap_or_default()));
            }
        }
        for variant in self.variants() {
            add(
                "variant",
                format!(
                    "{} {} {}x{} {}",
                    variant["name"].as_str().unwrap_or_default(),
                    variant["format"].as_str().unwrap_or_default(),
                    variant["width"],
                    variant["height"],
                    size(variant["size_bytes"].as_u64().unwrap_or_default()),
                ),
            );
            add("", variant["url"].as_str().unwrap_or_default().to_owned());
        }
        lines
    }
}

/// The path of a photo. An id that could lead elsewhere is refused here.
pub(crate) fn path(photo_id: &str) -> Result<String, CliError> {
    let id: uuid::Uuid = photo_id
        .parse()
        .map_err(|_| CliError::Usage(format!("{photo_id:?} is no photo id (a UUID is expected)")))?;
    Ok(format!("{BASE_PATH}/{id}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ready() -> Photo {
        Photo(json!({
            "photo_id": "01998a2e-7b7c-7cc0-8000-000000000001", "status": "ready", "file_name": "a\u{7}.jpg",
            "created_at": "2026-11-25T10:11:12Z", "content_type": "image/jpeg", "size_bytes": 1_500_000,
            "original": { "format": "jpeg", "width": 4000, "height": 3000 }, "thumbhash": "abc", "dominant_color": "#112233",
            "metadata": { "album": "summer" },
            "variants": [{ "name": "small", "format": "webp", "width": 160, "height": 120, "size_bytes": 4_000, "url": "https://x/y" }],
        }))
    }

    #[test]
    fn a_photo_is_shown_in_a_line_and_on_a_page() {
        insta::assert_snapshot!(format!("{}\n\n{}", ready().line(), ready().page().join("\n")));
    }

    #[test]
    fn a_damaged_photo_says_how_much_of_it_came() {
        let mut photo = ready();
        photo.0["damaged"] = json!(true);
        photo.0["received_percent"] = json!(87);
        assert!(photo.line().contains("  ready damaged 87 %         "), "{}", photo.line());
        assert_eq!(photo.page()[1], "  damaged      87 % of it came");
    }

    #[test]
    fn a_failed_photo_says_why() {
        let photo = Photo(json!({ "status": "failed", "failure": { "code": "NOT_AN_IMAGE" } }));
        assert!(photo.line().contains("failed NOT_AN_IMAGE"));
    }

    #[test]
    fn an_id_leads_nowhere_else() {
        assert!(path("01998a2e-7b7c-7cc0-8000-000000000001").unwrap().ends_with("-000000000001"));
        for id in ["", "..", "../../health", "01998a2e-7b7c-7cc0-8000-00000000000?"] {
            assert_eq!(path(id).unwrap_err().exit_code(), 2, "{id}");
        }
    }
}
