//! The way that photodrop replaces, as small as it can be told: the photo's bytes come in the request, and its
//! thumbnails are made and stored before the answer, under the lock of the owner's row.
//!
//! It has the same imaging pipeline, buckets and table as photodrop, so that what differs is the shape alone.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use aws_sdk_dynamodb::types::AttributeValue;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::post;
use photo_imaging::{Fit, Limits, OutputFormat, RenderOptions, VariantSpec, probe};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::{Aws, Stack};

/// After this the gateway in front of the monolith answered 503 by itself.
pub const GATEWAY_TIMEOUT: Duration = Duration::from_secs(30);

/// The server. Dropping it ends it.
#[derive(Debug)]
pub struct OldWay {
    /// Where a photo is posted to.
    pub url: String,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct App {
    stack: Stack,
    table: aws_sdk_dynamodb::Client,
    s3: aws_sdk_s3::Client,
    /// The row that every upload of this owner updates in its transaction.
    row: Mutex<u64>,
}

impl OldWay {
    /// Starts it; `s3` is where its calls of S3 go.
    pub async fn start(stack: &Stack, s3: &str) -> Result<Self> {
        let aws = Aws::new(stack).await;
        let redirected = Aws::new(&Stack { endpoint: s3.to_owned(), ..stack.clone() }).await;
        let app = App { stack: stack.clone(), table: aws.dynamodb, s3: redirected.s3, row: Mutex::new(0) };
        let router = Router::new()
            .route("/upload", post(upload))
            .layer(DefaultBodyLimit::max(64 << 20))
            .with_state(Arc::new(app));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/upload", listener.local_addr()?);
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { url, server })
    }
}

impl Drop for OldWay {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn upload(State(app): State<Arc<App>>, photo: Bytes) -> StatusCode {
    // The request goes on behind the gateway's back, as it did: only its client is gone.
    let work = tokio::spawn(async move { in_one_transaction(&app, photo).await });
    match tokio::time::timeout(GATEWAY_TIMEOUT, work).await {
        Ok(Ok(Ok(()))) => StatusCode::CREATED,
        Ok(_) => StatusCode::INTERNAL_SERVER_ERROR,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn in_one_transaction(app: &App, photo: Bytes) -> Result<()> {
    let mut row = app.row.lock().await;
    let number = *row;
    let variants = tokio::task::spawn_blocking(move || render(&photo)).await??;
    for (name, bytes) in variants {
        let key = format!("old-way/{number}/{name}");
        app.s3.put_object().bucket(&app.stack.thumbnails_bucket).key(key).body(bytes.into()).send().await?;
    }
    app.table
        .put_item()
        .table_name(&app.stack.table_name)
        .item("pk", AttributeValue::S("old-way".to_owned()))
        .item("sk", AttributeValue::S(format!("photo#{number}")))
        .send()
        .await?;
    *row += 1;
    Ok(())
}

/// The six variants that the template makes by default.
fn render(photo: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
    let mut variants = Vec::new();
    for longest_side in [160, 480, 1280] {
        for format in [OutputFormat::WebP, OutputFormat::Jpeg] {
            let name = format!("{longest_side}-{format}");
            variants.push(VariantSpec::new(name, Fit::Inside { longest_side }, format, 80)?);
        }
    }
    let probed = probe(photo, &Limits::default()).context("the photo is a good one")?;
    let rendered = probed.render(&RenderOptions::new(variants))?;
    Ok(rendered.variants.into_iter().map(|variant| (variant.name, variant.bytes)).collect())
}
