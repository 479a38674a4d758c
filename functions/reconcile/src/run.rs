//! One run.

use std::time::{Duration, SystemTime};

use photo_aws::usage::{self, Meter};
use photo_aws::{AwsError, EventBus, Objects, PhotoStore, Queue, error_chain};
use serde::Deserialize;
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::config::{Config, Mode};
use crate::summary::Summary;

/// What is left of an invocation for the step that is under way when its time is over.
const STOP_BEFORE_END: Duration = Duration::from_secs(15);

/// The parts of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Due records.
    Due,
    /// The originals bucket.
    Originals,
    /// The thumbnails bucket.
    Variants,
}

impl Part {
    /// Every part, in the order of a run.
    const ALL: [Self; 3] = [Self::Due, Self::Originals, Self::Variants];

    /// The most of the run's time that the part may take while others wait for theirs, as a fraction: a flood in one part
    /// must not starve the others. What a part leaves is the next one's.
    const fn share(self) -> (u32, u32) {
        match self {
            Self::Due => (3, 4),
            Self::Originals => (1, 2),
            Self::Variants => (1, 1),
        }
    }
}

/// What a run is asked for; the schedule asks for everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Request {
    /// Changes nothing and says what it would do. It cannot be turned off where the configuration has it on.
    pub dry_run: bool,
    /// Only these parts; all of them if there are none.
    pub parts: Vec<Part>,
}

/// The reconcile function with all that it needs.
#[derive(Debug)]
pub struct Reconciler {
    /// The settings.
    pub config: Config,
    /// The records.
    pub store: PhotoStore,
    /// The buckets.
    pub objects: Objects,
    /// Where photos are announced.
    pub bus: EventBus,
    /// The queue of the thumbnail function's events.
    pub thumbnails: Queue,
}

/// One run under way.
#[derive(Debug)]
pub struct Run<'a> {
    /// What it works with.
    pub tools: &'a Reconciler,
    /// Whether it changes anything.
    pub mode: Mode,
    /// The time of all its writes.
    pub now: OffsetDateTime,
    /// What it did so far.
    pub summary: Summary,
    deadline: Instant,
    /// Whether messages wait in the thumbnail queue, once that was asked.
    backlog: Option<bool>,
}

impl Reconciler {
    /// Does what is to be done until `deadline`, and of the buckets as much as the configuration says.
    ///
    /// What fails is counted and logged and is due again: one photo's trouble must not keep the others waiting.
    pub async fn run(&self, request: Request, deadline: std::time::Instant) -> Summary {
        let deadline = Instant::from_std(deadline);
        let (started, meter) = (Instant::now(), Meter::start());
        let mode = if request.dry_run { Mode::DryRun } else { self.config.mode };
        let mut run = Run {
            tools: self,
            mode,
            now: OffsetDateTime::now_utc().truncate_to_millisecond(),
            summary: Summary { dry_run: mode == Mode::DryRun, complete: true, ..Summary::default() },
            deadline,
            backlog: None,
        };
        let asked = |part: &Part| request.parts.is_empty() || request.parts.contains(part);
        let parts: Vec<_> = Part::ALL.into_iter().filter(asked).collect();
        for (number, part) in (1..).zip(&parts) {
            let left = deadline.saturating_duration_since(Instant::now());
            let (share, of) = if number == parts.len() { (1, 1) } else { part.share() };
            run.deadline = Instant::now() + left * share / of;
            match part {
                Part::Due => run.sweep().await,
                Part::Originals => run.originals().await,
                Part::Variants => run.variants().await,
            }
        }
        run.summary.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        run.summary.log();
        meter.report(run.summary.metrics(), usage::memory_mib()).emit();
        run.summary
    }
}

impl Run<'_> {
    /// Whether the part has time for one more step; if not, the run is not complete.
    pub(crate) fn has_time(&mut self) -> bool {
        let has_time = Instant::now() < self.deadline;
        self.summary.complete &= has_time;
        has_time
    }

    /// Counts and logs a step that failed.
    pub(crate) fn failed(&mut self, step: &'static str, error: &AwsError) {
        self.summary.errors += 1;
        tracing::error!(
            step,
            operation = error.operation,
            error = error_chain(error),
            "reconcile step failed"
        );
    }

    /// Counts and logs a step whose failure keeps the part from seeing the rest of its work: the run is not complete.
    pub(crate) fn stopped(&mut self, step: &'static str, error: &AwsError) {
        self.failed(step, error);
        self.summary.complete = false;
    }

    /// Whether messages wait in the thumbnail queue: there are more than the function has processed, or the mapping is
    /// disabled. It is asked once in a run, before the run sends messages of its own.
    pub(crate) async fn has_backlog(&mut self) -> Result<bool, AwsError> {
        if let Some(known) = self.backlog {
            return Ok(known);
        }
        let has_backlog = self.tools.thumbnails.waiting().await? > 0;
        self.backlog = Some(has_backlog);
        Ok(has_backlog)
    }

    /// The middle of the time that the part has left.
    pub(crate) fn half_time(&self) -> Instant {
        let now = Instant::now();
        now + self.deadline.saturating_duration_since(now) / 2
    }

    pub(crate) const fn is_dry(&self) -> bool {
        matches!(self.mode, Mode::DryRun)
    }
}

/// When a run must stop taking up new work.
#[must_use]
pub fn deadline(context: &lambda_runtime::Context) -> std::time::Instant {
    let remaining = context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
    std::time::Instant::now() + remaining.saturating_sub(STOP_BEFORE_END)
}
