//! `photodrop status`

use std::collections::BTreeMap;

use reqwest::StatusCode;
use serde_json::json;

use crate::api::Api;
use crate::args::{Global, Status};
use crate::error::CliError;
use crate::list::newest;
use crate::output::{Output, Text, size};
use crate::target::Target;

pub(crate) async fn run(global: &Global, status: &Status, output: &Output) -> Result<(), CliError> {
    let api = Api::new(&Target::find(global)?, global.retries)?;
    let health = api.open("/health").await?.status;
    let ready = api.open("/health/ready").await?.status;
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut bytes = 0;
    let mut refused = None;
    if api.can_sign_in().await {
        let counted = newest(&api, status.limit, |photo| {
            *counts.entry(photo.status().to_owned()).or_default() += 1;
            bytes += photo.0.get("size_bytes").and_then(serde_json::Value::as_u64).unwrap_or_default();
            true
        })
        .await;
        refused = counted.err();
    }
    let total: u64 = counts.values().sum();
    let photos = if let Some(error) = &refused {
        format!("? ({error})")
    } else if api.can_sign_in().await {
        let parts: Vec<_> = counts.iter().map(|(status, count)| format!("{count} {status}")).collect();
        let more = if status.limit > 0 && total == status.limit { " of the newest" } else { "" };
        format!("{total}{more}: {} ({})", parts.join(", "), size(bytes))
    } else {
        "? (no token)".to_owned()
    };
    let lines = [
        api.base_url().to_owned(),
        format!("  health       {}", word(health)),
        format!("  ready        {}", word(ready)),
        format!("  photos       {photos}"),
    ];
    let result = json!({ "api": api.base_url(), "health": health.as_u16(), "ready": ready.as_u16(),
        "photos": total, "by_status": counts, "size_bytes": bytes });
    output.result(&result, &Text::lines(&lines));
    if let Some(error) = refused {
        return Err(error);
    }
    let well = [health, ready].iter().filter(|status| !status.is_success()).count();
    if well == 0 { Ok(()) } else { Err(CliError::Some { failed: well, total: 2, what: "health checks" }) }
}

fn word(status: StatusCode) -> String {
    if status.is_success() { "ok".to_owned() } else { status.to_string() }
}
