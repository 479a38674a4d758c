//! A client that does not give up: as `docs/RELIABILITY.md` asks of clients.

use std::time::Duration;

use anyhow::{Result, ensure};
use photodrop_tests::Created;
use photodrop_tests::patience::Wait;
use serde_json::json;

use crate::rig::Rig;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(300);

/// Asks for an upload, always with the same idempotency key, until it is promised; gives how often it was refused.
pub(crate) async fn ask(rig: &Rig, name: &str, size_bytes: usize) -> Result<(Created, usize)> {
    let body =
        json!({ "content_type": "image/jpeg", "size_bytes": size_bytes, "file_name": name }).to_string();
    let mut wait = Wait::begin(format_args!("an upload of {name}"));
    let mut refusals = 0;
    loop {
        match rig.api.post(&body, &[("idempotency-key", name)]).await {
            Ok(reply) if reply.status == 201 => return Ok((serde_json::from_slice(&reply.bytes)?, refusals)),
            // A 5xx is to be tried again, and so is a connection that breaks; anything else would be wrong.
            Ok(reply) => ensure!(reply.status.is_server_error(), "{}: {}", reply.status, reply.text()),
            Err(_) => {}
        }
        refusals += 1;
        wait.got_to(rig.injected());
        wait.pause(PAUSE, refusals).await?;
    }
}

/// Puts the bytes until S3 has acknowledged them: by 200, or by 412 when the answer to an earlier try was lost; gives how often
/// they were not taken, or nothing if the signature is worth nothing any more.
pub(crate) async fn put(rig: &Rig, created: &Created, bytes: &[u8]) -> Result<Option<usize>> {
    let mut wait = Wait::begin(format_args!("the bytes of {}", created.photo_id));
    let mut refusals = 0;
    loop {
        match rig.api.put(created.upload()?, bytes.to_vec()).await {
            Ok(reply) if reply.status == 200 || reply.status == 412 => return Ok(Some(refusals)),
            // Expired; or the emulator, which forgets a role's sessions when it ends, does not know who signed.
            Ok(reply) if reply.status == 403 => return Ok(None),
            Ok(reply) => ensure!(reply.status.is_server_error(), "PUT: {}: {}", reply.status, reply.text()),
            Err(_) => {}
        }
        refusals += 1;
        wait.got_to(rig.injected());
        wait.pause(PAUSE, refusals).await?;
    }
}

/// Uploads a photo whatever happens, and gives its id and how often something was refused. Where a signature has become
/// worthless, the same idempotency key gives the same photo a new one.
pub(crate) async fn upload(rig: &Rig, name: &str, bytes: &[u8]) -> Result<(String, usize)> {
    let mut refusals = 0;
    loop {
        let (created, refused) = ask(rig, name, bytes.len()).await?;
        refusals += refused;
        // An answer was lost: the bytes have come, so there is nothing to upload any more.
        if created.upload.is_none() {
            return Ok((created.photo_id, refusals));
        }
        match put(rig, &created, bytes).await? {
            Some(refused) => return Ok((created.photo_id, refusals + refused)),
            None => refusals += 1,
        }
    }
}
