//! The thumbnail function: invoked with a message of the thumbnail queue for every original that arrives.

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use photo_aws::{Clients, Objects, PhotoStore, Timeouts, config, telemetry};
use thumbnail::event::Invocation;
use thumbnail::{Config, Pipeline, deadline};
use tracing::Instrument as _;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let config = Config::read(&config::process_environment)
        .inspect_err(|error| tracing::error!(%error, "the function cannot start"))?;
    let clients = Clients::load(Timeouts::PIPELINE);
    let storage = config.storage.clone();
    let [queue, failures] =
        clients.queues([config.thumbnail_queue_url.clone(), config.failure_queue_url.clone()]);
    let pipeline = Arc::new(Pipeline {
        bus: clients.event_bus(config.event_bus_name.clone()),
        queue,
        failures,
        store: PhotoStore::new(clients.dynamodb, storage.table_name).with_quotas(config.quotas),
        objects: Objects::new(clients.s3, storage.originals_bucket, storage.thumbnails_bucket),
        config,
    });
    run(service_fn(move |event: LambdaEvent<Invocation>| {
        let pipeline = Arc::clone(&pipeline);
        let LambdaEvent { payload, context } = event;
        let span = telemetry::invocation(&context.request_id, context.xray_trace_id.as_deref());
        async move { pipeline.handle(payload, deadline(&context)).await }.instrument(span)
    }))
    .await
}
