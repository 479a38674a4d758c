//! A client that does not give up: as `docs/RELIABILITY.md` asks of clients.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use photodrop_tests::Created;
use serde_json::json;

use crate::rig::Rig;

/// How long a client goes on trying: longer than any outage here.
const PATIENCE: Duration = Duration::from_mins(2);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(300);

/// Asks for an upload, always with the same idempotency key, until it is promised; gives how often it was refused.
pub(crate) async fn ask(rig: &Rig, name: &str, size_bytes: usize) -> Result<(Created, usize)> {
    let body =
        json!({ "content_type": "image/jpeg", "size_bytes": size_bytes, "file_name": name }).to_string();
    let deadline = Instant::now() + PATIENCE;
    let mut refusals = 0;
    loop {
        match rig.api.post(&body, &[("idempotency-key", name)]).await {
            Ok(reply) if reply.status == 201 => return Ok((serde_json::from_slice(&reply.bytes)?, refusals)),
            // A 5xx is to be tried again, and so is a connection that breaks; anything else would be wrong.
            Ok(reply) => ensure!(reply.status.is_server_error(), "{}: {}", reply.status, reply.text()),
            Err(_) => {}
        }
        refusals += 1;
        ensure!(Instant::now() < deadline, "{name}: no upload after {refusals} tries");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Puts the bytes until S3 has acknowledged them: by 200, or by 412 when the answer to an earlier try was lost.
pub(crate) async fn put(rig: &Rig, created: &Created, bytes: &[u8]) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match rig.api.put(created.upload()?, bytes.to_vec()).await {
            Ok(reply) if reply.status == 200 || reply.status == 412 => return Ok(()),
            Ok(reply) => ensure!(reply.status.is_server_error(), "PUT: {}: {}", reply.status, reply.text()),
            Err(_) => {}
        }
        ensure!(Instant::now() < deadline, "{}: the bytes are not taken", created.photo_id);
        tokio::time::sleep(PAUSE).await;
    }
}
