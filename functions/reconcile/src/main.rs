//! The reconcile function: invoked by a schedule, and by operators.

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use photo_aws::{Clients, Objects, PhotoStore, Timeouts, config, telemetry};
use reconcile::{Config, Event, Reconciler, run::deadline};
use tracing::Instrument as _;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let config = Config::read(&config::process_environment)
        .inspect_err(|error| tracing::error!(%error, "the function cannot start"))?;
    let clients = Clients::load(Timeouts::PIPELINE);
    let storage = config.storage.clone();
    let [thumbnails] = clients.queues([config.thumbnail_queue_url.clone()]);
    let reconciler = Arc::new(Reconciler {
        bus: clients.event_bus(config.event_bus_name.clone()),
        thumbnails,
        store: PhotoStore::new(clients.dynamodb, storage.table_name).with_quotas(config.quotas),
        objects: Objects::new(clients.s3, storage.originals_bucket, storage.thumbnails_bucket),
        config,
    });
    run(service_fn(move |event: LambdaEvent<Event>| {
        let reconciler = Arc::clone(&reconciler);
        let LambdaEvent { payload, context } = event;
        let span = telemetry::invocation(&context.request_id, context.xray_trace_id.as_deref());
        async move { reconciler.handle(payload, deadline(&context)).await }.instrument(span)
    }))
    .await
}
