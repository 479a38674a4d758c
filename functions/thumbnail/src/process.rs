//! The use case: read, render, write, settle.

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use photo_aws::metrics::{self, Document};
use photo_aws::objects::NewVariant;
use photo_aws::{AwsError, EventBus, Objects, PhotoStore, Queue, RenderCount, Settled, error_chain};
use photo_domain::event::Unsent;
use photo_domain::record::{Outcome, PhotoRecord, Processed, State, Status, StoredVariant};
use photo_domain::{
    Announcement, CompletionEvent, Edition, FailureCode, OriginalKey, UploadMethod, UploadRequest, VariantKey,
};
use photo_imaging::Damage;
use time::OffsetDateTime;

use crate::config::Config;
use crate::error::{Failure, Permanent};
use crate::event::{Cause, OriginalCreated};
use crate::render::{self, RenderedVariant};

mod renew;
mod starts;

/// The pipeline with all that it needs.
#[derive(Debug)]
pub struct Pipeline {
    /// The settings.
    pub config: Config,
    /// The records.
    pub store: PhotoStore,
    /// The buckets.
    pub objects: Objects,
    /// Where photos are announced.
    pub bus: EventBus,
    /// What delivers events.
    pub queue: Queue,
    /// Its dead-letter queue.
    pub failures: Queue,
}

impl Pipeline {
    /// Takes one photo to its end. Only a failure that may pass is an error.
    pub(crate) async fn process(
        &self,
        created: &OriginalCreated,
        receive_count: u32,
        deadline: Instant,
    ) -> Result<(), AwsError> {
        let key = &created.key;
        let Some(tracked) = self.store.track(key).await? else {
            orphaned();
            return Ok(());
        };
        let record = &tracked.record;
        match &record.state {
            // An expired upload whose bytes arrive late is processed.
            State::Pending { .. } | State::Expired { .. } => {}
            State::Settled(outcome) if created.cause == Cause::Backfill => {
                return self.renew(created, &tracked, outcome, receive_count, deadline).await;
            }
            State::Settled(Outcome::Failed { code: FailureCode::RetriesExhausted, .. })
                if receive_count == 1 =>
            {
                tracing::warn!("photo was given up before: only a backfill with include_failed renders it");
                return Ok(());
            }
            State::Settled(_) => {
                tracing::info!(status = record.status().as_str(), "settled before: duplicate event");
                return Ok(());
            }
            State::Deleting(_) => {
                tracing::info!("deleted: the reconcile function removes what has come");
                return Ok(());
            }
        }
        if let Some(killed) = starts::killed(&tracked) {
            return self.fail(key, tracked.record, killed).await;
        }
        if created.cause == Cause::Upload
            && record.request.method == UploadMethod::Post
            // Further deliveries belong to the same sending of the form.
            && receive_count == 1
            && !self.may_render(key).await?
        {
            return Ok(());
        }
        match self.make(created, record, None, receive_count, deadline).await {
            Ok((processed, measured)) => {
                let now = OffsetDateTime::now_utc();
                let mut measured = age(measured, metrics::AGE_FROM_REQUEST, record.created_at, now);
                if let Some(arrived_at) = created.arrived_at {
                    measured = age(measured, metrics::AGE_FROM_ARRIVAL, arrived_at, now);
                }
                self.settle(key, tracked.record, Outcome::Ready(processed), measured).await
            }
            Err(Failure::Permanent(failed)) => self.fail(key, tracked.record, failed).await,
            Err(Failure::Stale) => {
                stale();
                Ok(())
            }
            Err(Failure::Transient(error)) => Err(transient(error)),
        }
    }

    /// Ends a photo that can never have thumbnails.
    async fn fail(&self, key: &OriginalKey, record: PhotoRecord, failed: Permanent) -> Result<(), AwsError> {
        let Permanent { code, reason } = failed;
        tracing::warn!(code = code.as_str(), reason, "photo failed");
        let measured = Document::new().count(metrics::FAILURES_BY_CODE).code(code.as_str());
        self.settle(key, record, Outcome::Failed { code, reason }, measured).await
    }

    /// Whether the photo of a form is to be rendered once more. A form can be sent again and again; S3 refuses a second PUT
    /// and a second completion, so other uploads need no count and no write.
    async fn may_render(&self, key: &OriginalKey) -> Result<bool, AwsError> {
        let at = OffsetDateTime::now_utc().truncate_to_millisecond();
        match self.store.count_render(key, at).await? {
            RenderCount::Counted => return Ok(true),
            // The photo is ready soon, or the reconcile function takes it up when it is due.
            RenderCount::UsedUp => tracing::info!("form sent too often: not rendered again"),
            RenderCount::Settled(status) => settled_meanwhile(status),
            RenderCount::NoRecord => orphaned(),
        }
        Ok(false)
    }

    /// Makes the variants and puts them into their bucket.
    async fn make(
        &self,
        created: &OriginalCreated,
        record: &PhotoRecord,
        edition: Option<Edition>,
        receive_count: u32,
        deadline: Instant,
    ) -> Result<(Processed, Document), Failure> {
        let key = &created.key;
        let started = Instant::now();
        let original =
            self.objects.read_original(key, created.etag.as_deref(), self.config.max_upload_bytes).await?;
        let (size_bytes, read_ms) = (original.bytes.len(), milliseconds(started));

        as_announced(&original.bytes, &record.request)?;
        let declared = record.request.content_type;
        // The notes stand while the photo is decoded and encoded, and during no call to AWS: an outage of S3 that takes an
        // invocation's time is not the photo's fault.
        let is_noted = self.note_start(key, receive_count).await?;
        let available = deadline.saturating_duration_since(Instant::now());
        let rendering = render::render(original.bytes, declared, &self.config, deadline).await;
        if is_noted {
            self.clear_starts(key).await;
        }
        let rendering = rendering.map_err(|failure| failure.of_render_within(available))?;
        let rendered_ms = milliseconds(started);

        let timings = rendering.timings;
        let (variants, objects) = name_variants(key, edition, rendering.variants);
        self.objects.write_variants(objects).await?;
        let write_ms = milliseconds(started) - rendered_ms;
        tracing::info!(
            size_bytes,
            width = rendering.width,
            height = rendering.height,
            read_ms,
            render_ms = rendered_ms - read_ms,
            write_ms,
            variants = variants.len(),
            "variants written"
        );
        if let Some(Damage { received_percent, reason }) = &rendering.damage {
            tracing::info!(received_percent, reason, "photo is damaged: what has arrived is shown");
        }
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let mut measured = Document::new()
            .value(metrics::ORIGINAL_BYTES, size_bytes as f64)
            .time(metrics::DECODE_TIME, timings.decoding())
            .time(metrics::ENCODE_TIME, timings.encoding())
            .property("format", rendering.format.as_str())
            .property("width", rendering.width)
            .property("height", rendering.height)
            .property("read_ms", read_ms)
            .property("write_ms", write_ms);
        let received_percent = rendering.damage.map(|damage| damage.received_percent);
        if let Some(percent) = received_percent {
            measured = measured.property("received_percent", percent);
        }
        let processed = Processed {
            format: rendering.format,
            width: rendering.width,
            height: rendering.height,
            thumbhash: STANDARD.encode(&rendering.thumbhash),
            dominant_color: css_color(rendering.dominant_color),
            original_etag: original.etag,
            variants,
            recipe: Some(self.config.recipe.clone()),
            renewed: false,
            received_percent,
        };
        Ok((processed, measured))
    }

    /// Writes the end of a photo; what was measured on the way counts when this call is the one that wrote it.
    async fn settle(
        &self,
        key: &OriginalKey,
        record: PhotoRecord,
        outcome: Outcome,
        measured: Document,
    ) -> Result<(), AwsError> {
        let at = OffsetDateTime::now_utc().truncate_to_millisecond();
        match self.store.settle(key, &outcome, at).await? {
            Settled::Now => {
                tracing::info!(status = outcome.status().as_str(), "photo settled");
                let ready = matches!(outcome, Outcome::Ready(_));
                measured
                    .value(metrics::PHOTOS_READY, f64::from(u8::from(ready)))
                    .value(metrics::PHOTOS_FAILED, f64::from(u8::from(!ready)))
                    .emit();
                let what = if ready { Announcement::Ready } else { Announcement::Failed };
                let settled = PhotoRecord { state: State::Settled(outcome), ..record };
                self.announce(key, &settled, Unsent { what, at }).await;
                Ok(())
            }
            // Of a photo that was deleted meanwhile, the variants just written are removed with the rest.
            Settled::Before(status) => {
                settled_meanwhile(status);
                Ok(())
            }
            // Deleted while it was processed.
            Settled::NoRecord => {
                orphaned();
                Ok(())
            }
        }
    }

    /// Announces a settled photo. The record has noted that it is to be announced: if this fails, the reconcile function
    /// does it.
    async fn announce(&self, key: &OriginalKey, record: &PhotoRecord, unsent: Unsent) {
        let event = CompletionEvent::of(record, unsent);
        match self.tell(key, &event, unsent).await {
            Ok(()) => tracing::info!(event_id = event.event_id, "photo announced"),
            Err(error) => tracing::warn!(
                operation = error.operation,
                error = error_chain(&error),
                event_id = event.event_id,
                "not announced: left to the reconcile function"
            ),
        }
    }

    async fn tell(&self, key: &OriginalKey, event: &CompletionEvent, unsent: Unsent) -> Result<(), AwsError> {
        self.bus.announce(event).await?;
        self.store.announced(key, unsent).await
    }
}

/// Notes an original without a record. The reconcile function finds it and tags it to expire.
fn orphaned() {
    tracing::warn!("an original without a record: left to the reconcile function");
}

/// Holds what has come against what was announced. S3 checks the length of every upload, and the checksum of a PUT; of
/// one that came in parts it knows only a checksum of checksums.
fn as_announced(bytes: &[u8], request: &UploadRequest) -> Result<(), Failure> {
    let announced = request.size_bytes;
    if bytes.len() as u64 != announced {
        let reason = format!("{} bytes have come, {announced} were announced", bytes.len());
        return Err(Failure::permanent(FailureCode::SizeMismatch, reason));
    }
    if request.checksum.is_some_and(|checksum| !checksum.matches(bytes)) {
        let reason = "the bytes have another SHA-256 than was announced";
        return Err(Failure::permanent(FailureCode::ChecksumMismatch, reason));
    }
    Ok(())
}

/// Each variant as the record has it, and as the object to be written.
fn name_variants(
    original: &OriginalKey,
    edition: Option<Edition>,
    variants: Vec<RenderedVariant>,
) -> (Vec<StoredVariant>, Vec<NewVariant>) {
    variants
        .into_iter()
        .map(|variant| {
            let (name, format) = (&variant.name, variant.format);
            let key = VariantKey { original, name, format, edition }.to_string();
            let stored = StoredVariant {
                name: variant.name,
                format: variant.format,
                width: variant.width,
                height: variant.height,
                size_bytes: variant.bytes.len() as u64,
                key: key.clone(),
            };
            (stored, NewVariant { key, format: variant.format, bytes: variant.bytes })
        })
        .unzip()
}

/// Logs that another event or a delete settled the photo first.
fn settled_meanwhile(status: Status) {
    tracing::info!(status = status.as_str(), "settled meanwhile: duplicate event");
}

/// Logs that a newer upload replaced the event's object.
fn stale() {
    tracing::info!("the original was replaced after this event: left to the newer event");
}

/// Notes a failure after which the message is delivered again.
fn transient(error: AwsError) -> AwsError {
    // A warning: the runtime logs the failed invocation as the error that it is, but knows no photo.
    tracing::warn!(operation = error.operation, error = error_chain(&error), "will be retried");
    Document::new().count(metrics::RETRIES_ASKED).emit();
    error
}

/// Adds how old something is. Clocks of two machines may differ: nothing is younger than now.
fn age(document: Document, metric: metrics::Metric, since: OffsetDateTime, now: OffsetDateTime) -> Document {
    document.time(metric, (now - since).try_into().unwrap_or_default())
}

/// Since an instant; as `u64`, because the JSON log writes `u128` as a string.
fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn css_color([red, green, blue]: [u8; 3]) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}
