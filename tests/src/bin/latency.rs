//! `make latency`: how long an upload takes to be asked for and answered, on the running local stack.
//!
//! The handler's own time is the `duration_us` of its log; the emulator's REPORT lines and the time on the wire hold
//! some 50 ms of the emulator's own, which hands events to functions at that pace.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use photodrop_tests::{Api, Aws, Stack};

/// How many uploads are asked for, after [`WARM_UP`] more that are not counted.
const REQUESTS: usize = 100;
const WARM_UP: usize = 5;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let stack = Stack::load()?;
    let (api, aws) = (Api::new(&stack)?, Aws::new(&stack).await);
    for _ in 0..WARM_UP {
        api.create("image/jpeg", 1_000_000).await?;
    }
    // Log lines are told apart by the millisecond.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let mut on_the_wire = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let started = Instant::now();
        api.create("image/jpeg", 1_000_000).await?;
        on_the_wire.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    // The last line may come after its answer.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let since = i64::try_from(began.as_millis())?;
    let lines = aws.log_lines(&stack.upload_log_group, since).await?;
    let handler: Vec<f64> = lines.iter().filter_map(|line| handler_milliseconds(line)).collect();
    let reported: Vec<f64> = lines.iter().filter_map(|line| reported_milliseconds(line)).collect();
    ensure!(handler.len() >= REQUESTS, "{} log lines for {REQUESTS} requests", handler.len());
    println!("{REQUESTS} x POST /api/v4/photo/upload, one after another");
    print("handler, its call of DynamoDB included", handler)?;
    print("REPORT lines", reported)?;
    print("on the wire", on_the_wire)
}

/// `{"message":"request served","route":"POST …","duration_us":2100,…}`
fn handler_milliseconds(line: &str) -> Option<f64> {
    let entry: serde_json::Value = serde_json::from_str(line).ok()?;
    let ours = entry["message"] == "request served" && entry["route"].as_str()?.starts_with("POST");
    ours.then(|| entry["duration_us"].as_f64().map(|microseconds| microseconds / 1000.0))?
}

/// `REPORT RequestId: … Duration: 1.23 ms Billed Duration: …`, with tabs between.
fn reported_milliseconds(line: &str) -> Option<f64> {
    let (_, rest) = line.strip_prefix("REPORT ")?.split_once("Duration: ")?;
    rest.split_whitespace().next()?.parse().ok()
}

fn print(what: &str, mut milliseconds: Vec<f64>) -> Result<()> {
    milliseconds.sort_by(f64::total_cmp);
    let at =
        |percent: usize| milliseconds.get((milliseconds.len() * percent).div_ceil(100).max(1) - 1).copied();
    let (median, p99) = (at(50).context("no figures")?, at(99).context("no figures")?);
    println!("{what}: median {median:.2} ms, p99 {p99:.2} ms, n = {}", milliseconds.len());
    Ok(())
}
