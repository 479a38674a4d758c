//! Trouble at each call of the upload function. What a client was promised must be there; what it was not promised it
//! gets by asking again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use aws_sdk_dynamodb::types::AttributeValue;
use photodrop_tests::Created;
use photodrop_tests::audit::Expected;
use photodrop_tests::faults::{Fault, Rule};
use photodrop_tests::patience::Wait;
use photodrop_tests::photos::photo;
use serde_json::json;

use crate::rig::{Acknowledged, Rig, each, matrix};

async fn rig() -> Rig {
    Rig::new(|stack| &stack.upload_function, &["AWS_ENDPOINT_URL_DYNAMODB"]).await.unwrap()
}

#[tokio::test]
async fn an_upload_that_was_promised_is_there_and_one_key_makes_one_photo() {
    let rig = rig().await;
    let outcome = every_fault(&rig).await;
    rig.finish("upload function", outcome).await.unwrap();
}

static NUMBER: AtomicUsize = AtomicUsize::new(0);

async fn every_fault(rig: &Rig) -> Result<Vec<Acknowledged>> {
    let cases: Vec<_> =
        matrix(&[0]).into_iter().flat_map(|(_, fault)| [(fault, false), (fault, true)]).collect();
    let planned = cases.len();
    let run = async |(fault, keyed): (Fault, bool)| {
        // The record's body holds the file's name: by it the proxy knows the call.
        let process = std::process::id();
        let name = format!("fault-{process}-{}.jpg", NUMBER.fetch_add(1, Ordering::Relaxed));
        rig.proxy.add(Rule::once(&name, 0, fault));
        let bytes = photo("orientation-1.jpg")?;
        let created =
            ask(rig, &name, bytes.len(), keyed).await.with_context(|| format!("{fault}, {keyed}"))?;
        let reply = rig.api.put(created.upload()?, bytes).await?;
        ensure!(reply.status == 200, "PUT: {}: {}", reply.status, reply.text());
        rig.settled(&created.photo_id).await?;
        let records = records_named(rig, &name).await?;
        ensure!(records.contains(&created.photo_id), "{fault}: {} was promised", created.photo_id);
        // Without a key a client that asks twice may get two; with one it must not.
        ensure!(!keyed || records.len() == 1, "{fault}: one key made {records:?}");
        Ok((created.photo_id, Expected::Ready))
    };
    let photos = each(cases, run).await?;
    rig.ensure_injected(planned)?;
    Ok(photos)
}

/// Asks for an upload as a client does: again after a 5xx, with the same key.
async fn ask(rig: &Rig, name: &str, size_bytes: usize, keyed: bool) -> Result<Created> {
    let body =
        json!({ "content_type": "image/jpeg", "size_bytes": size_bytes, "file_name": name }).to_string();
    let headers: &[_] = if keyed { &[("idempotency-key", name)] } else { &[] };
    let mut wait = Wait::begin(format_args!("an upload of {name}"));
    loop {
        let reply = rig.api.post(&body, headers).await?;
        match reply.status.as_u16() {
            201 => return Ok(serde_json::from_slice(&reply.bytes)?),
            // Ours has a code; the gateway's own, when the process is gone, has none.
            500.. => ensure!(reply.json()["code"] != "INTERNAL", "{}", reply.text()),
            _ => bail!("{}: {}", reply.status, reply.text()),
        }
        wait.got_to(rig.injected());
        wait.pause(Duration::from_millis(100), reply.status).await?;
    }
}

/// The photos of the demo user that have this file name.
async fn records_named(rig: &Rig, name: &str) -> Result<Vec<String>> {
    let pages = rig
        .aws
        .dynamodb
        .query()
        .table_name(&rig.stack.table_name)
        .key_condition_expression("pk = :pk AND begins_with(sk, :photo)")
        .filter_expression("file_name = :name")
        .expression_attribute_values(":pk", AttributeValue::S(format!("owner#{}", rig.owner)))
        .expression_attribute_values(":photo", AttributeValue::S("photo#".to_owned()))
        .expression_attribute_values(":name", AttributeValue::S(name.to_owned()))
        .consistent_read(true)
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await?;
    let id = |item: std::collections::HashMap<String, AttributeValue>| {
        item.get("sk")
            .and_then(|sk| sk.as_s().ok())
            .and_then(|sk| sk.strip_prefix("photo#"))
            .map(str::to_owned)
    };
    Ok(pages.into_iter().filter_map(id).collect())
}

#[tokio::test]
async fn while_the_table_is_away_a_client_is_told_to_come_again_and_then_served() {
    let rig = rig().await;
    let outcome = outage(&rig).await;
    rig.finish("outage of the table", outcome).await.unwrap();
}

async fn outage(rig: &Rig) -> Result<Vec<Acknowledged>> {
    let bytes = photo("orientation-1.jpg")?;
    let mut photos = Vec::new();
    for (number, fault) in [Fault::Throttled, Fault::ServerError, Fault::ResetBefore].into_iter().enumerate()
    {
        let name = format!("outage-{}-{number}.jpg", std::process::id());
        rig.proxy.add(Rule::outage(&name, fault));
        let body =
            json!({ "content_type": "image/jpeg", "size_bytes": bytes.len(), "file_name": name }).to_string();
        let headers = [("idempotency-key", name.as_str())];
        let reply = rig.api.post(&body, &headers).await?;
        ensure!(reply.status == 503 && reply.json()["code"] == "UNAVAILABLE", "{fault}: {}", reply.text());
        ensure!(reply.header("retry-after").parse::<u32>().is_ok(), "{fault}: no Retry-After");
        rig.proxy.lift(&name);
        let reply = rig.api.post(&body, &headers).await?;
        ensure!(reply.status == 201, "{fault}: {}: {}", reply.status, reply.text());
        let created: Created = serde_json::from_slice(&reply.bytes)?;
        rig.api.put(created.upload()?, bytes.clone()).await?;
        rig.settled(&created.photo_id).await?;
        photos.push((created.photo_id, Expected::Ready));
    }
    Ok(photos)
}
