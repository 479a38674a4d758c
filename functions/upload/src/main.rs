//! The upload function: the request path of photodrop, behind API Gateway.

use std::sync::Arc;

use lambda_http::{Error, Request, run, service_fn};
use photo_aws::{Clients, Objects, PhotoStore, Timeouts, config, telemetry};
use upload::{App, Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let config = Config::read(&config::process_environment)
        .inspect_err(|error| tracing::error!(%error, "the function cannot start"))?;
    let clients = Clients::load(Timeouts::REQUEST);
    let signer = clients.upload_signer(config.storage.originals_bucket.clone());
    let Clients { dynamodb, s3, .. } = clients;
    let storage = config.storage.clone();
    let app = Arc::new(App {
        store: PhotoStore::new(dynamodb, storage.table_name).with_quotas(config.quotas),
        objects: Objects::new(s3, storage.originals_bucket, storage.thumbnails_bucket),
        signer,
        config,
    });
    run(service_fn(move |request: Request| {
        let app = Arc::clone(&app);
        async move { Ok::<_, Error>(app.handle(request).await) }
    }))
    .await
}
