//! Variants for photos that were there before: by other settings than today's, or in a bucket of somebody else's.
//!
//! A backfill runs only when it is asked for, by an event of its own. One invocation looks at `limit` objects at most
//! and answers where the next one goes on; whoever asked decides whether there is a next one. Nothing here starts this
//! function: what it starts is the thumbnail function, once for each photo, by a message in the thumbnail queue
//! ([`photos`]) or by an object that S3 sends an event for ([`bucket`]), and that function may start nothing.
//!
//! Doing it twice is harmless. A photo whose variants are by today's settings is passed over, and an object that was
//! taken over has its photo's id from where it lies and from what is in it.

mod bucket;
mod checkpoint;
mod photos;

use std::time::Instant;

use lambda_runtime::Diagnostic;
use photo_aws::metrics::{self, Document};
use photo_aws::usage::{self, Meter};
use photo_aws::{AwsError, error_chain};
use photo_domain::OwnerId;
use photo_domain::id::InvalidOwnerId;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use self::checkpoint::{BadCheckpoint, Place};
use crate::config::Mode;
use crate::run::Reconciler;

/// The most objects that one invocation looks at.
pub const MAX_LIMIT: u64 = 500;

/// How many it looks at if it is not told.
const DEFAULT_LIMIT: u64 = 100;

/// When so many objects in a row fail, it is not the objects: going on would pass all of them over.
const MOST_FAILURES_IN_A_ROW: u32 = 10;

/// What a backfill is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Where the photos are.
    pub source: Source,
    /// Of the source `bucket`: its name, which must be the stack's `BackfillBucket`.
    #[serde(default)]
    pub bucket: Option<String>,
    /// Of the source `bucket`: what the keys begin with.
    #[serde(default)]
    pub prefix: Option<String>,
    /// Whose photos; of the source `bucket`: whose they become.
    #[serde(default)]
    pub owner: Option<String>,
    /// How many objects one invocation looks at: 1 to [`MAX_LIMIT`].
    #[serde(default = "default_limit")]
    pub limit: u64,
    /// Changes nothing and says what it would do. It cannot be turned off where the configuration has it on.
    #[serde(default)]
    pub dry_run: bool,
    /// Of the source `photos`: whether photos that failed are tried again.
    #[serde(default)]
    pub include_failed: bool,
    /// Where the last invocation stopped, by its answer.
    #[serde(default)]
    pub checkpoint: Option<String>,
}

/// Where photos come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The stack's own.
    Photos,
    /// A bucket that the stack does not own.
    Bucket,
}

const fn default_limit() -> u64 {
    DEFAULT_LIMIT
}

/// What one invocation did. In a dry run, what it would have done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Objects that were looked at.
    pub examined: u64,
    /// Photos that were handed to the thumbnail function, or taken over.
    pub started: u64,
    /// Objects for which there is nothing to do, or nothing can be done.
    pub skipped: u64,
    /// Objects with which a call to AWS failed, or that cannot be started yet: another backfill takes them up.
    pub failed: u64,
    /// Where the next invocation goes on; none at the end.
    pub checkpoint: Option<String>,
    /// Whether this was the end.
    pub complete: bool,
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// How long it took.
    pub duration_ms: u64,
    /// The objects that were skipped for what they are, and those that failed. They are here and not in the log because
    /// a key may name a person.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

/// Why an object has become no photo, or has no new variants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Its key in the bucket that was listed.
    pub key: String,
    /// What is the matter.
    pub reason: String,
}

/// Why a backfill did not run, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum BackfillError {
    /// Too many objects, or none.
    #[error("limit is {0}: 1 to {MAX_LIMIT} is expected")]
    Limit(u64),
    /// A parameter that the source does not have.
    #[error("the source {source_name} takes no {parameter}")]
    Superfluous {
        /// The source.
        source_name: &'static str,
        /// The parameter.
        parameter: &'static str,
    },
    /// Nobody to give the photos to.
    #[error("the source bucket needs an owner: the subject whose photos they become")]
    NoOwner,
    /// No subject that a token could have.
    #[error("owner: {0}")]
    Owner(#[from] InvalidOwnerId),
    /// The stack may read no other bucket.
    #[error("the stack has no bucket to take photos over from: deploy it with the parameter BackfillBucket")]
    NoBucket,
    /// The stack may read another bucket.
    #[error("the stack takes photos over from {0} alone, its parameter BackfillBucket")]
    OtherBucket(String),
    /// Not this backfill's checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] BadCheckpoint),
    /// What everything depends on failed: the listing, or the table.
    #[error("nothing was done, the same call may be made again")]
    Aws(#[from] AwsError),
    /// One object after the other failed.
    #[error("stopped: {MOST_FAILURES_IN_A_ROW} objects in a row failed; the same call may be made again")]
    Stopped(#[source] AwsError),
    /// Two things at once.
    #[error("an event with backfill has nothing else in it")]
    NotAlone,
}

impl From<BackfillError> for Diagnostic {
    fn from(error: BackfillError) -> Self {
        Self { error_type: "BackfillError".to_owned(), error_message: error_chain(&error) }
    }
}

/// One backfill under way.
struct Backfill<'a> {
    tools: &'a Reconciler,
    is_dry: bool,
    include_failed: bool,
    limit: usize,
    /// What is gone through.
    place: Place,
    /// The last key that was looked at.
    after: Option<String>,
    now: OffsetDateTime,
    deadline: Instant,
    summary: Summary,
    failures_in_a_row: u32,
}

/// How the look at one object ended.
enum Looked {
    /// It is on its way.
    Started,
    /// There is nothing to do.
    Done,
    /// Another backfill takes it up.
    Postponed(&'static str),
    /// Nothing can be done.
    Unfit(&'static str),
}

impl Reconciler {
    /// Goes through the next objects of a source, up to the request's limit and until `deadline`.
    pub async fn backfill(&self, request: &Request, deadline: Instant) -> Result<Summary, BackfillError> {
        let (started, meter) = (Instant::now(), Meter::start());
        let mut backfill = Backfill::new(self, request, deadline)?;
        match backfill.place.source {
            Source::Photos => backfill.photos().await?,
            Source::Bucket => backfill.bucket().await?,
        }
        let mut summary = backfill.summary;
        if !summary.complete {
            summary.checkpoint = backfill.after.map(|after| backfill.place.checkpoint(after));
        }
        summary.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        summary.log(backfill.place.source);
        meter.report(summary.metrics(), usage::memory_mib()).emit();
        Ok(summary)
    }
}

impl<'a> Backfill<'a> {
    fn new(tools: &'a Reconciler, request: &Request, deadline: Instant) -> Result<Self, BackfillError> {
        if request.limit == 0 || request.limit > MAX_LIMIT {
            return Err(BackfillError::Limit(request.limit));
        }
        let place = place(tools, request)?;
        let after = request.checkpoint.as_deref().map(|text| place.after(text)).transpose()?;
        let is_dry = request.dry_run || tools.config.mode == Mode::DryRun;
        Ok(Self {
            tools,
            is_dry,
            include_failed: request.include_failed,
            limit: usize::try_from(request.limit).unwrap_or(usize::MAX),
            place,
            after,
            now: OffsetDateTime::now_utc().truncate_to_millisecond(),
            deadline,
            summary: Summary { dry_run: is_dry, ..Summary::default() },
            failures_in_a_row: 0,
        })
    }

    fn has_time(&self) -> bool {
        Instant::now() < self.deadline
    }

    /// Counts one object, after which the next invocation goes on.
    fn count(&mut self, key: &str, looked: Result<Looked, AwsError>) -> Result<(), BackfillError> {
        self.summary.examined += 1;
        let reason = match looked {
            Ok(looked) => {
                self.failures_in_a_row = 0;
                match looked {
                    Looked::Started => {
                        self.summary.started += 1;
                        None
                    }
                    Looked::Done => {
                        self.summary.skipped += 1;
                        None
                    }
                    Looked::Postponed(reason) => {
                        self.summary.failed += 1;
                        tracing::info!(reason, "left to the next backfill");
                        Some(reason.to_owned())
                    }
                    Looked::Unfit(reason) => {
                        self.summary.skipped += 1;
                        tracing::info!(reason, "passed over");
                        Some(reason.to_owned())
                    }
                }
            }
            Err(error) => {
                let cause = error_chain(&error);
                tracing::error!(operation = error.operation, error = cause, "backfill step failed");
                self.summary.failed += 1;
                self.failures_in_a_row += 1;
                if self.failures_in_a_row >= MOST_FAILURES_IN_A_ROW {
                    return Err(BackfillError::Stopped(error));
                }
                Some(cause)
            }
        };
        self.summary.notes.extend(reason.map(|reason| Note { key: key.to_owned(), reason }));
        self.after = Some(key.to_owned());
        Ok(())
    }
}

/// What a request goes through, if it may.
fn place(tools: &Reconciler, request: &Request) -> Result<Place, BackfillError> {
    let owner = request.owner.as_deref().map(OwnerId::from_subject).transpose()?;
    let superfluous = |source_name, parameter| Err(BackfillError::Superfluous { source_name, parameter });
    match request.source {
        Source::Photos if request.bucket.is_some() => superfluous("photos", "bucket"),
        Source::Photos if request.prefix.is_some() => superfluous("photos", "prefix"),
        Source::Photos => Ok(Place { source: Source::Photos, bucket: None, prefix: String::new(), owner }),
        Source::Bucket if request.include_failed => superfluous("bucket", "include_failed"),
        Source::Bucket => {
            let own = tools.config.backfill_bucket.as_ref().ok_or(BackfillError::NoBucket)?;
            if request.bucket.as_ref().is_some_and(|asked| asked != own) {
                return Err(BackfillError::OtherBucket(own.clone()));
            }
            if owner.is_none() {
                return Err(BackfillError::NoOwner);
            }
            let prefix = request.prefix.clone().unwrap_or_default();
            Ok(Place { source: Source::Bucket, bucket: Some(own.clone()), prefix, owner })
        }
    }
}

impl Summary {
    fn log(&self, source: Source) {
        tracing::info!(
            source = match source {
                Source::Photos => "photos",
                Source::Bucket => "bucket",
            },
            dry_run = self.dry_run,
            examined = self.examined,
            started = self.started,
            skipped = self.skipped,
            failed = self.failed,
            complete = self.complete,
            duration_ms = self.duration_ms,
            "backfilled"
        );
    }

    /// What an invocation counts for in CloudWatch; a dry run for nothing.
    #[expect(clippy::cast_precision_loss, reason = "at most 500")]
    fn metrics(&self) -> Document {
        let document = Document::new();
        if self.dry_run {
            return document;
        }
        document
            .value(metrics::BACKFILL_EXAMINED, self.examined as f64)
            .value(metrics::BACKFILL_STARTED, self.started as f64)
            .value(metrics::BACKFILL_FAILED, self.failed as f64)
    }
}
