//! `make latency`: how long an upload takes to be asked for and answered, on the running local stack.
//!
//! The handler's own time is the `duration_us` of its log; the emulator's REPORT lines and the time on the wire hold
//! some 50 ms of the emulator's own, which hands events to functions at that pace.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use photodrop_tests::measure::{Times, handler_milliseconds, reported_milliseconds};
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
    let handler = Times::new(lines.iter().filter_map(|line| handler_milliseconds(line)).collect());
    let reported = Times::new(lines.iter().filter_map(|line| reported_milliseconds(line)).collect());
    ensure!(handler.len() >= REQUESTS, "{} log lines for {REQUESTS} requests", handler.len());
    println!("{REQUESTS} x POST /api/v4/photo/upload, one after another");
    print("handler, its call of DynamoDB included", &handler);
    print("REPORT lines", &reported);
    print("on the wire", &Times::new(on_the_wire));
    Ok(())
}

fn print(what: &str, times: &Times) {
    let (median, p99) = (times.median(), times.percentile(99));
    println!("{what}: median {median:.2} ms, p99 {p99:.2} ms, n = {}", times.len());
}
