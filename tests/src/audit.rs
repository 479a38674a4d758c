//! Whether anything was lost: what was promised about a photo against what there is of it.

use std::collections::BTreeMap;

use anyhow::Result;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::aws::Item;
use crate::{Api, Aws, Stack};

/// How a photo should have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// With all its thumbnails.
    Ready,
    /// For its own sake, with this code.
    Failed(&'static str),
}

/// Compares a photo's record, as its client sees it, with the buckets and the failure queue. Each line is one thing
/// that is wrong; none is what everyone hopes for.
pub async fn findings(
    stack: &Stack,
    api: &Api,
    aws: &Aws,
    owner: &str,
    photo_id: &str,
    expected: Expected,
) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    let photo = api.photo(photo_id).await?.json();
    let status = photo["status"].as_str().unwrap_or("no status");
    match expected {
        Expected::Ready if status != "ready" => findings.push(format!("is {status}, not ready")),
        Expected::Failed(code) if status != "failed" || photo["failure"]["code"] != code => {
            findings.push(format!("is {status} {}, not failed {code}", photo["failure"]["code"]));
        }
        _ => {}
    }

    let prefix = format!("photos/{owner}/{photo_id}/");
    let promised = aws.item(owner, photo_id).await?.map(|item| promised(&item)).unwrap_or_default();
    let shown = photo["variants"].as_array().map_or(0, Vec::len);
    if shown != promised.len() {
        findings.push(format!("shows {shown} variants of {}", promised.len()));
    }
    let kept = sizes(aws, &stack.thumbnails_bucket, &prefix).await?;
    for (key, size) in &promised {
        match kept.get(key) {
            None => findings.push(format!("{key} is promised and not there")),
            Some(kept) if kept != size => findings.push(format!("{key} has {kept} bytes, not {size}")),
            Some(_) => {}
        }
    }
    findings.extend(
        kept.keys().filter(|key| !promised.contains_key(*key)).map(|key| format!("{key} is left over")),
    );

    let originals = sizes(aws, &stack.originals_bucket, &prefix).await?;
    if originals.len() != 1 {
        findings.push(format!("has {} originals", originals.len()));
    }
    for failure in aws.take_failures_of(photo_id).await? {
        findings.push(format!("is in the failure queue: {failure}"));
    }
    Ok(findings.into_iter().map(|finding| format!("{photo_id} {finding}")).collect())
}

/// The keys and sizes that the record promises.
fn promised(item: &Item) -> BTreeMap<String, u64> {
    let variants = item.get("variants").and_then(|variants| variants.as_l().ok()).into_iter().flatten();
    let file = |variant: &AttributeValue| {
        let variant = variant.as_m().ok()?;
        let key = variant.get("key")?.as_s().ok()?.clone();
        Some((key, variant.get("size_bytes")?.as_n().ok()?.parse().ok()?))
    };
    variants.filter_map(file).collect()
}

async fn sizes(aws: &Aws, bucket: &str, prefix: &str) -> Result<BTreeMap<String, u64>> {
    let listed = aws.s3.list_objects_v2().bucket(bucket).prefix(prefix).send().await?;
    let objects = listed.contents.unwrap_or_default().into_iter();
    let entry = |object: aws_sdk_s3::types::Object| {
        Some((object.key?, object.size.and_then(|size| size.try_into().ok())?))
    };
    Ok(objects.filter_map(entry).collect())
}
