//! What one owner reaches when its uploads meet on its counter.
//!
//! The table is a stub that refuses as DynamoDB documents it: while a `TransactWriteItems` is in progress, every other
//! write of one of its items is refused. Time is virtual. ADR 017 has the figures, which come from
//!
//! ```text
//! cargo test -p photo-aws --locked --test wire contention -- --ignored --nocapture
//! ```

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::config::{HttpClient, RuntimeComponents};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use futures::future::join_all;
use photo_aws::{Created, PhotoStore, Settled, Timeouts, replay};
use photo_domain::quota::Quotas;
use photo_domain::{OriginalKey, PhotoId, PhotoRecord};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::quota::{failure, refused_for};
use crate::table::{conflict, record};

/// From the function to the table, and back again.
const WAY: Duration = Duration::from_millis(1);

/// How long a read takes, and a transaction that is refused.
const SHORT: Duration = Duration::from_millis(3);

/// A table whose transactions take their time.
#[derive(Clone, Debug)]
struct Table {
    state: Arc<Mutex<State>>,
    /// How long a transaction of two or three items has them.
    holds: Duration,
}

#[derive(Debug, Default)]
struct State {
    /// The items of transactions in progress.
    held: HashSet<String>,
    /// What the owner's counter has.
    photos: i64,
    pending: i64,
    transactions: usize,
    refused: usize,
}

impl Table {
    fn new(holds: Duration) -> Self {
        Self { state: Arc::default(), holds }
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A function's own store before this table. The quotas count and never refuse.
    fn store(&self, timeouts: Timeouts, pending: u64) -> PhotoStore {
        let quotas = Quotas { photos_per_day: 1_000_000, bytes_per_day: 1_000_000_000_000, pending };
        let client = replay::clients(self.clone(), timeouts).dynamodb;
        PhotoStore::new(client, "photos".to_owned()).with_quotas(quotas)
    }

    async fn answer(self, operation: String, body: Value) -> (u16, Value) {
        match operation.as_str() {
            "TransactWriteItems" => self.transact(&body).await,
            "GetItem" => {
                tokio::time::sleep(SHORT).await;
                (200, json!({}))
            }
            _ => {
                tokio::time::sleep(SHORT).await;
                let key = if body["Item"].is_null() { &body["Key"] } else { &body["Item"] };
                if self.with(|state| state.held.contains(&name(key))) {
                    let (status, text) = conflict();
                    return (status, serde_json::from_str(&text).unwrap());
                }
                (200, json!({}))
            }
        }
    }

    async fn transact(self, body: &Value) -> (u16, Value) {
        let writes: Vec<_> = body["TransactItems"]
            .as_array()
            .unwrap()
            .iter()
            .map(|write| write.as_object().unwrap().values().next().unwrap())
            .collect();
        let keys: Vec<_> = writes
            .iter()
            .map(|write| name(if write["Item"].is_null() { &write["Key"] } else { &write["Item"] }))
            .collect();
        let busy: Vec<_> = self.with(|state| {
            state.transactions += 1;
            let busy: Vec<_> = keys.iter().map(|key| state.held.contains(key)).collect();
            if busy.contains(&true) {
                state.refused += 1;
            } else {
                state.held.extend(keys.iter().cloned());
            }
            busy
        });
        if busy.contains(&true) {
            tokio::time::sleep(SHORT).await;
            let reasons: Vec<_> = busy
                .iter()
                .map(|busy| (if *busy { "TransactionConflict" } else { "None" }, Value::Null))
                .collect();
            let (status, text) = refused_for(&reasons);
            return (status, serde_json::from_str(&text).unwrap());
        }
        // Each further item is prepared and committed too.
        tokio::time::sleep(self.holds + self.holds * u32::try_from(keys.len()).unwrap() / 20).await;
        self.with(|state| {
            for (key, write) in keys.iter().zip(&writes) {
                state.held.remove(key);
                let added = |name: &str| {
                    let number = write["ExpressionAttributeValues"][name]["N"].as_str();
                    number.and_then(|number| number.parse::<i64>().ok()).unwrap_or_default()
                };
                if key.contains("quota#") {
                    state.photos += added(":photos");
                    state.pending += added(":pending");
                }
            }
        });
        (200, json!({}))
    }
}

fn name(key: &Value) -> String {
    format!("{}/{}", key["pk"]["S"].as_str().unwrap(), key["sk"]["S"].as_str().unwrap())
}

impl HttpConnector for Table {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let body = serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap();
        let table = self.clone();
        HttpConnectorFuture::new(async move {
            tokio::time::sleep(WAY).await;
            let (status, body) = table.answer(operation, body).await;
            tokio::time::sleep(WAY).await;
            let response = http::Response::builder().status(status).body(body.to_string().into());
            let failed = |error| ConnectorError::other(error, None);
            HttpResponse::try_from(response.map_err(|error| failed(error.into()))?)
                .map_err(|error| failed(error.into()))
        })
    }
}

impl HttpClient for Table {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

fn new_records(count: usize) -> Vec<PhotoRecord> {
    PhotoId::generate_many(count).into_iter().map(|photo_id| PhotoRecord { photo_id, ..record() }).collect()
}

/// What clients of one owner saw.
#[derive(Debug)]
struct Seen {
    /// How long each served request took.
    times: Vec<Duration>,
    refused: usize,
    took: Duration,
}

impl Seen {
    fn percentile(&self, percent: usize) -> u128 {
        let mut times = self.times.clone();
        times.sort();
        times.get(times.len() * percent / 100).map_or(0, Duration::as_millis)
    }

    fn refused_percent(&self) -> f64 {
        share(self.refused, self.times.len() + self.refused) * 100.0
    }
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn share(part: usize, all: usize) -> f64 {
    part as f64 / all.max(1) as f64
}

/// This many clients of one owner ask again and again, for `batch` photos at once, until `lasts` has passed. A client
/// that is refused waits for a second, as `Retry-After` says. Where `pending` is limited, each photo ends a second later.
async fn ask(table: &Table, clients: usize, batch: usize, pending: u64, lasts: Duration) -> Seen {
    let (requests, ends) =
        (table.store(Timeouts::REQUEST, pending), table.store(Timeouts::PIPELINE, pending));
    let began = Instant::now();
    let client = async |number: usize| {
        let (mut times, mut refused, mut settled) = (Vec::new(), 0, Vec::new());
        // Clients do not begin in the same millisecond.
        tokio::time::sleep(Duration::from_millis(number as u64 * 7 % 50)).await;
        while times.is_empty() && refused == 0 || began.elapsed() < lasts {
            let (records, asked) = (new_records(batch), Instant::now());
            if let Ok(created) = requests.create_all(&records, None).await {
                assert_eq!(created, Created::New);
                times.push(asked.elapsed());
                settled.extend(records);
            } else {
                refused += 1;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        (times, refused, settled)
    };
    let all = join_all((0..clients).map(client)).await;
    let took = began.elapsed();
    let mut seen = Seen { times: Vec::new(), refused: 0, took };
    let mut created = Vec::new();
    for (times, refused, records) in all {
        seen.times.extend(times);
        seen.refused += refused;
        created.extend(records);
    }
    // A request that was refused has counted nothing, and none has counted twice.
    assert_eq!(table.with(|state| state.photos), i64::try_from(created.len()).unwrap());
    if pending != 0 {
        assert_eq!(table.with(|state| state.pending), i64::try_from(created.len()).unwrap());
        // Ten thumbnails at once.
        let lanes: Vec<_> = created.chunks(created.len().div_ceil(10).max(1)).collect();
        join_all(lanes.iter().map(async |records| {
            for record in *records {
                let key = OriginalKey { owner: record.owner.clone(), photo_id: record.photo_id };
                let settled = ends.settle(&key, &failure(), OffsetDateTime::now_utc()).await;
                assert_eq!(settled.unwrap(), Settled::Now);
            }
        }))
        .await;
        assert_eq!(table.with(|state| state.pending), 0, "every slot is given back, once");
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn an_app_that_asks_for_fifty_uploads_at_once_gets_them() {
    for clients in [20, 50] {
        let table = Table::new(Duration::from_millis(10));
        let seen = ask(&table, clients, 1, 0, Duration::ZERO).await;
        assert_eq!((seen.times.len(), seen.refused), (clients, 0), "{seen:?}");
        assert!(table.with(|state| state.refused) > clients / 2, "they do meet: {table:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn photos_that_end_beside_each_other_give_all_slots_back() {
    let table = Table::new(Duration::from_millis(10));
    let seen = ask(&table, 2, 25, 1_000_000, Duration::ZERO).await;
    assert_eq!((seen.times.len(), seen.refused), (2, 0), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn an_owner_with_ten_clients_is_served_by_batches() {
    let table = Table::new(Duration::from_millis(10));
    let seen = ask(&table, 10, 25, 0, Duration::from_secs(3)).await;
    assert!(seen.refused_percent() < 5.0, "{seen:?}");
    assert!(seen.times.len() * 25 > 1000, "{seen:?}");
}

#[tokio::test(start_paused = true)]
#[ignore = "the figures of ADR 017, some minutes"]
async fn the_figures_of_the_adr() {
    println!(
        "| a transaction takes | uploads a request | clients | photos a second | p50 ms | p99 ms | refused | transactions a request |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for holds in [10, 20] {
        for (batch, clients) in
            [(1, 1), (1, 5), (1, 10), (1, 20), (1, 50), (25, 1), (25, 5), (25, 10), (25, 20)]
        {
            let table = Table::new(Duration::from_millis(holds));
            let seen = ask(&table, clients, batch, 0, Duration::from_secs(20)).await;
            let served = seen.times.len();
            println!(
                "| {holds} ms | {batch} | {clients} | {:.0} | {} | {} | {:.1} % | {:.1} |",
                share(served * batch, 1) / seen.took.as_secs_f64(),
                seen.percentile(50),
                seen.percentile(99),
                seen.refused_percent(),
                share(table.with(|state| state.transactions), served),
            );
        }
    }
}
