//! `photodrop get`

use std::path::{Path, PathBuf};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::api::{Api, Outgoing};
use crate::args::{Get, Global};
use crate::error::CliError;
use crate::files;
use crate::output::{Output, Text, size};
use crate::photo::Photo;
use crate::source::blocking;
use crate::storage;
use crate::target::Target;

pub(crate) async fn run(global: &Global, get: &Get, output: &Output) -> Result<(), CliError> {
    let api = Api::new(&Target::find(global)?, global.retries)?;
    let photo = Photo::get(&api, &get.photo_id).await?;
    let Some(folder) = &get.download else {
        output.result(&photo.0, &Text::lines(&photo.page()));
        return Ok(());
    };
    if photo.variants().is_empty() {
        let code = photo.failure().unwrap_or_else(|| photo.status()).to_owned();
        return Err(CliError::PhotoFailed { photo_id: photo.id().to_owned(), code });
    }
    for variant in photo.variants() {
        let (path, bytes) = download(&api, &photo, variant, folder).await?;
        let shown = path.display().to_string();
        let result = json!({ "photo_id": photo.id(), "name": variant["name"], "format": variant["format"],
            "file": shown, "size_bytes": bytes });
        output.result(&result, &Text::line(&shown));
        Output::say(&format!("{shown}: {}", size(bytes)));
    }
    Ok(())
}

async fn download(
    api: &Api,
    photo: &Photo,
    variant: &Value,
    folder: &Path,
) -> Result<(PathBuf, u64), CliError> {
    let text = |name: &str| variant.get(name).and_then(Value::as_str).unwrap_or_default();
    let make = reqwest::Body::default;
    let (method, url, headers) = (Method::GET, text("url"), Vec::new());
    let is_passing = storage::is_passing;
    let outgoing = Outgoing { method, url, headers, body: &make, is_passing, expires_at: None };
    let reply = api.send(&outgoing).await?;
    if reply.status != StatusCode::OK {
        return Err(storage::refusal(&reply));
    }
    let bytes = reply.bytes.len() as u64;
    if variant.get("size_bytes").and_then(Value::as_u64).is_some_and(|expected| expected != bytes) {
        return Err(CliError::Answer(format!(
            "the variant {} has {bytes} bytes, other than announced",
            text("name")
        )));
    }
    let path = folder.join(file_name(photo.id(), text("name"), text("format"))?);
    let (folder, target, contents) = (folder.to_owned(), path.clone(), reply.bytes);
    blocking(move || {
        std::fs::create_dir_all(&folder).map_err(|source| CliError::Io { path: folder, source })?;
        files::write(&target, &contents, files::SHARED)
    })
    .await?;
    Ok((path, bytes))
}

/// A variant's file name. What the server answers must not lead out of the folder.
fn file_name(photo_id: &str, name: &str, format: &str) -> Result<String, CliError> {
    let harmless = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if harmless(photo_id) && harmless(name) && harmless(format) {
        Ok(format!("{photo_id}-{name}.{format}"))
    } else {
        Err(CliError::Answer(format!("{name:?} cannot be a file's name")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variants_file_stays_in_its_folder() {
        assert_eq!(file_name("01-a", "small", "webp").unwrap(), "01-a-small.webp");
        for (name, format) in [("../x", "webp"), ("small", "we/bp"), ("", "webp"), (".", "webp")] {
            assert!(file_name("01-a", name, format).is_err(), "{name}.{format}");
        }
    }
}
