//! Trouble at each call of the thumbnail function.

use anyhow::{Result, ensure};
use photodrop_tests::audit::Expected;
use photodrop_tests::faults::{Fault, Rule};
use photodrop_tests::photos::photo;

use crate::rig::{Acknowledged, Rig, each, is_chaos, matrix, steps};

/// A photo, what it is declared as, and how it ends when all goes well.
#[derive(Clone, Copy)]
struct Sample {
    name: &'static str,
    expected: Expected,
}

const GOOD: Sample = Sample { name: "orientation-1.jpg", expected: Expected::Ready };
const BAD: Sample = Sample { name: "not-an-image.jpg", expected: Expected::Failed("NOT_AN_IMAGE") };

async fn rig() -> Rig {
    Rig::new(|stack| &stack.thumbnail_function, &["AWS_ENDPOINT_URL"]).await.unwrap()
}

#[tokio::test]
async fn no_fault_at_any_call_loses_a_photo() {
    let rig = rig().await;
    let outcome = every_fault_at_every_step(&rig).await;
    rig.finish("thumbnail function", outcome).await.unwrap();
}

async fn every_fault_at_every_step(rig: &Rig) -> Result<Vec<Acknowledged>> {
    let mut photos = Vec::new();
    for sample in [GOOD, BAD] {
        // What it does when nothing goes wrong tells where something can.
        let calm = process(rig, sample, |_| None).await?;
        // With its announcement it has made its last call.
        rig.aws.announced(&rig.owner, &calm).await?;
        let operations = rig.proxy.calls_about(&calm);
        ensure!(operations.len() >= 4, "{} makes the calls {operations:?}", sample.name);
        photos.push((calm, sample.expected));
        let planned = rig.proxy.injected().values().sum::<usize>();
        let cases = matrix(&steps(&operations));
        let number = cases.len();
        let run = async |(step, fault): (usize, Fault)| {
            let photo_id = process(rig, sample, |photo_id| Some(Rule::once(photo_id, step, fault))).await?;
            Ok((photo_id, sample.expected))
        };
        photos.extend(each(cases, run).await?);
        rig.ensure_injected(planned + number)?;
    }
    Ok(photos)
}

#[tokio::test]
async fn a_service_that_takes_calls_and_never_answers_loses_no_photo() {
    let rig = rig().await;
    let outcome = silence(&rig).await;
    rig.finish("silence", outcome).await.unwrap();
}

/// Each takes as long as the SDK waits for one attempt.
async fn silence(rig: &Rig) -> Result<Vec<Acknowledged>> {
    let calls = if is_chaos() { 9 } else { 3 };
    let run = async |step: usize| {
        // The first, one in the middle and the last call.
        let step = if is_chaos() { step } else { [0, 1, 8][step] };
        let rule = |photo_id: &str| Some(Rule::once(photo_id, step, Fault::Silence));
        Ok((process(rig, GOOD, rule).await?, GOOD.expected))
    };
    let photos = each((0..calls).collect(), run).await?;
    rig.ensure_injected(calls)?;
    Ok(photos)
}

/// Uploads a photo with trouble planned for it and waits for its end.
async fn process(rig: &Rig, sample: Sample, rule: impl Fn(&str) -> Option<Rule>) -> Result<String> {
    let bytes = photo(sample.name)?;
    let created = rig.api.create("image/jpeg", bytes.len()).await?;
    if let Some(rule) = rule(&created.photo_id) {
        rig.proxy.add(rule);
    }
    let reply = rig.api.put(created.upload()?, bytes).await?;
    ensure!(reply.status == 200, "PUT: {}: {}", reply.status, reply.text());
    rig.settled(&created.photo_id).await?;
    Ok(created.photo_id)
}
