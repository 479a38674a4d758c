//! `photodrop delete`

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::api::Api;
use crate::args::{Delete, Global};
use crate::error::CliError;
use crate::output::{Output, Text, as_json};
use crate::photo;
use crate::target::Target;

pub(crate) async fn run(global: &Global, delete: &Delete, output: &Output) -> Result<(), CliError> {
    let api = Api::new(&Target::find(global)?, global.retries)?;
    // Before anything is deleted: a mistyped line deletes nothing.
    let paths = delete.photo_ids.iter().map(|id| photo::path(id)).collect::<Result<Vec<_>, _>>()?;
    let mut failed = 0;
    for (photo_id, path) in delete.photo_ids.iter().zip(paths) {
        match api.expect(Method::DELETE, &path, &[], None, &[StatusCode::NO_CONTENT, StatusCode::OK]).await {
            Ok(_) => output.result(&json!({ "photo_id": photo_id, "deleted": true }), &Text::line(photo_id)),
            Err(error) if error.ends_all() => return Err(error),
            Err(error) => {
                failed += 1;
                output.failure(&json!({ "photo_id": photo_id, "deleted": false, "error": as_json(&error) }));
                Output::say(&format!("{photo_id}: {error}"));
            }
        }
    }
    let total = delete.photo_ids.len();
    if failed == 0 { Ok(()) } else { Err(CliError::Some { failed, total, what: "photos" }) }
}
