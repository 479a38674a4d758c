//! CloudWatch metrics without a call: a line of the log in the Embedded Metric Format, from which CloudWatch Logs
//! makes metrics by itself ([specification]).
//!
//! Each name with each combination of its dimensions' values is a metric that costs money every month, so a
//! dimension is a [`Dimension`], of which there are four with a handful of values each. Ids, sizes and whatever else
//! has many values are properties: they can be searched for in CloudWatch Logs Insights and cost nothing more.
//!
//! A document goes through `tracing` as an event of [`TARGET`], so it comes out where the log does, with the request's
//! and the photo's id on it, and no level turns it off. `docs/METRICS.md` tells of every metric; a test compares.
//!
//! [specification]: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

use std::sync::LazyLock;

use serde_json::{Map, Value, json};
use time::OffsetDateTime;

/// The target of the events that carry documents.
pub const TARGET: &str = "photodrop::metrics";

/// The namespace of every metric.
pub const NAMESPACE: &str = "photodrop";

/// Names the stack, for the dimension of that name; `template.yaml` sets it.
pub const STACK_VARIABLE: &str = "PHOTODROP_STACK_NAME";

/// Turns on the dimension [`Dimension::Version`]; `template.yaml` sets it where deployments are gradual.
pub const BY_VERSION_VARIABLE: &str = "PHOTODROP_METRICS_BY_VERSION";

/// The most values of one metric in a document, by EMF; there are too few metrics to reach its limit of 100 of them.
const MOST_VALUES: usize = 100;

/// A metric's unit, by CloudWatch's name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Unit {
    Bytes,
    Count,
    Megabytes,
    Milliseconds,
    Percent,
}

impl Unit {
    /// The name in documents and in `docs/METRICS.md`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bytes => "Bytes",
            Self::Count => "Count",
            Self::Megabytes => "Megabytes",
            Self::Milliseconds => "Milliseconds",
            Self::Percent => "Percent",
        }
    }
}

/// What a metric is split by. Nothing that a client can choose may become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// The stack: every metric has it.
    Stack,
    /// The function.
    Function,
    /// The failure code.
    Code,
    /// The function's version. Where it is not turned on, nothing is split by it. One version serves, and two while traffic moves, so
    /// a metric has at most two values of it at a time; CloudWatch charges by the hours in which a value has data.
    Version,
}

impl Dimension {
    /// The name in documents and alarms.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stack => "Stack",
            Self::Function => "Function",
            Self::Code => "Code",
            Self::Version => "Version",
        }
    }
}

/// A metric: what is written and by what it is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// Each set of dimensions under which it can be asked for.
    pub dimensions: &'static [&'static [Dimension]],
}

impl Metric {
    const fn of_stack(name: &'static str, unit: Unit) -> Self {
        Self { name, unit, dimensions: &[&[Dimension::Stack]] }
    }

    const fn of_function(name: &'static str, unit: Unit) -> Self {
        Self { name, unit, dimensions: &[&[Dimension::Stack, Dimension::Function]] }
    }
}

/// Uploads for which a record was written and a URL signed; a repeated idempotency key does not count.
pub const UPLOADS_CREATED: Metric = Metric::of_stack("UploadsCreated", Unit::Count);
/// Requests refused with 429 `QUOTA_EXCEEDED`.
pub const QUOTA_REFUSALS: Metric = Metric::of_stack("QuotaRefusals", Unit::Count);
/// Photos that became `ready`: 1, or 0 for one that became `failed`.
pub const PHOTOS_READY: Metric = Metric::of_stack("PhotosReady", Unit::Count);
/// Photos that became `failed`: 1, or 0 for one that became `ready`, so that the average is the rate.
pub const PHOTOS_FAILED: Metric = Metric {
    name: "PhotosFailed",
    unit: Unit::Count,
    dimensions: &[&[Dimension::Stack], &[Dimension::Stack, Dimension::Version]],
};
/// Requests that the upload function answered with 5xx: 1, or 0 for another answer, so that the average is the rate.
pub const REQUESTS_FAILED: Metric = Metric {
    name: "RequestsFailed",
    unit: Unit::Count,
    dimensions: &[&[Dimension::Stack, Dimension::Version]],
};
/// Photos that became `failed`, by code.
pub const FAILURES_BY_CODE: Metric =
    Metric { name: "FailuresByCode", unit: Unit::Count, dimensions: &[&[Dimension::Stack, Dimension::Code]] };
/// Photos that could not be processed now; their events are delivered again.
pub const RETRIES_ASKED: Metric = Metric::of_stack("RetriesAsked", Unit::Count);
/// From the record's creation to `ready`, the client's own time for the upload included.
pub const AGE_FROM_REQUEST: Metric = Metric::of_stack("AgeFromRequest", Unit::Milliseconds);
/// From the object's arrival in S3 to `ready`: what photodrop itself takes, waiting and retries included.
pub const AGE_FROM_ARRIVAL: Metric = Metric::of_stack("AgeFromArrival", Unit::Milliseconds);
/// Decoding, scaling down and colours of one photo.
pub const DECODE_TIME: Metric = Metric::of_stack("DecodeTime", Unit::Milliseconds);
/// Sizing and encoding all variants of one photo.
pub const ENCODE_TIME: Metric = Metric::of_stack("EncodeTime", Unit::Milliseconds);
/// The original's size.
pub const ORIGINAL_BYTES: Metric = Metric::of_stack("OriginalBytes", Unit::Bytes);
/// The most memory that the function's environment has held so far.
pub const MEMORY_USED: Metric = Metric::of_function("MemoryUsed", Unit::Megabytes);
/// The same as a share of what the function has.
pub const MEMORY_UTILIZATION: Metric = Metric::of_function("MemoryUtilization", Unit::Percent);
/// CPU time as a share of what the function's memory size buys for as long as the invocation took.
pub const CPU_UTILIZATION: Metric = Metric::of_function("CpuUtilization", Unit::Percent);
/// Photos that arrived and are still pending beyond the grace: the reconcile function counts them in each run.
pub const STUCK_PENDING: Metric = Metric::of_stack("StuckPending", Unit::Count);
/// Runs of the reconcile function that came to their end.
pub const RECONCILE_RUNS: Metric = Metric::of_stack("ReconcileRuns", Unit::Count);
/// Runs of the reconcile function in which a step failed, or a bucket was left alone because too much of it had no record.
pub const RECONCILE_RUNS_FAILED: Metric = Metric::of_stack("ReconcileRunsFailed", Unit::Count);
/// Photos that a backfill had handed on and that have new variants.
pub const PHOTOS_RENEWED: Metric = Metric::of_stack("PhotosRenewed", Unit::Count);
/// Photos that a backfill had handed on and that could not be read: they are left as they were.
pub const RENEWALS_FAILED: Metric = Metric::of_stack("RenewalsFailed", Unit::Count);
/// Photos that backfills have looked at, dry runs not counted.
pub const BACKFILL_EXAMINED: Metric = Metric::of_stack("BackfillExamined", Unit::Count);
/// Photos that backfills have handed on, or taken over.
pub const BACKFILL_STARTED: Metric = Metric::of_stack("BackfillStarted", Unit::Count);
/// Photos that backfills could not hand on or take over.
pub const BACKFILL_FAILED: Metric = Metric::of_stack("BackfillFailed", Unit::Count);

/// Every metric: what `docs/METRICS.md` has to tell of.
pub const ALL: [Metric; 23] = [
    UPLOADS_CREATED,
    QUOTA_REFUSALS,
    PHOTOS_READY,
    PHOTOS_FAILED,
    REQUESTS_FAILED,
    FAILURES_BY_CODE,
    RETRIES_ASKED,
    AGE_FROM_REQUEST,
    AGE_FROM_ARRIVAL,
    DECODE_TIME,
    ENCODE_TIME,
    ORIGINAL_BYTES,
    MEMORY_USED,
    MEMORY_UTILIZATION,
    CPU_UTILIZATION,
    STUCK_PENDING,
    RECONCILE_RUNS,
    RECONCILE_RUNS_FAILED,
    PHOTOS_RENEWED,
    RENEWALS_FAILED,
    BACKFILL_EXAMINED,
    BACKFILL_STARTED,
    BACKFILL_FAILED,
];

/// One line of metrics. What is observed together goes into one document: it has one time and one set of properties.
#[derive(Clone, Debug, Default)]
#[must_use = "a document that is not emitted is lost"]
pub struct Document {
    metrics: Vec<(Metric, Vec<f64>)>,
    members: Map<String, Value>,
}

impl Document {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value. A metric may have several; what is no finite number, or one too many for the format, is left out.
    pub fn value(mut self, metric: Metric, value: f64) -> Self {
        if !value.is_finite() {
            return self;
        }
        match self.metrics.iter().position(|(known, _)| *known == metric) {
            Some(known) if self.metrics[known].1.len() < MOST_VALUES => self.metrics[known].1.push(value),
            Some(_) => {}
            None => self.metrics.push((metric, vec![value])),
        }
        self
    }

    /// Adds a time in milliseconds, with its fraction.
    pub fn time(self, metric: Metric, time: std::time::Duration) -> Self {
        self.value(metric, time.as_secs_f64() * 1000.0)
    }

    /// Adds one more of something.
    pub fn count(self, metric: Metric) -> Self {
        self.value(metric, 1.0)
    }

    /// Says what the dimension [`Dimension::Code`] is. The code is one of a fixed list.
    pub fn code(mut self, code: &'static str) -> Self {
        self.members.insert(Dimension::Code.as_str().to_owned(), json!(code));
        self
    }

    /// Adds what is worth searching for and is no metric.
    pub fn property(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// Writes the line. A document without values writes none.
    pub fn emit(self) {
        if let Some(document) = self.render(&PLACE, OffsetDateTime::now_utc()) {
            tracing::info!(target: TARGET, document = document.to_string());
        }
    }

    fn render(self, place: &Place, at: OffsetDateTime) -> Option<Value> {
        let Self { metrics, mut members } = self;
        members.insert(Dimension::Stack.as_str().to_owned(), json!(place.stack));
        members.insert(Dimension::Function.as_str().to_owned(), json!(place.function));
        if let Some(version) = &place.version {
            members.insert(Dimension::Version.as_str().to_owned(), json!(version));
        }
        // A dimension without a value would make CloudWatch drop the document.
        let metrics: Vec<_> = metrics
            .into_iter()
            .filter_map(|(metric, values)| {
                let known = |set: &&[Dimension]| set.iter().all(|used| members.contains_key(used.as_str()));
                let sets: Vec<_> = metric.dimensions.iter().copied().filter(known).collect();
                (!sets.is_empty()).then_some((metric, sets, values))
            })
            .collect();
        if metrics.is_empty() {
            return None;
        }
        let mut directives: Vec<(Vec<&[Dimension]>, Vec<Value>)> = Vec::new();
        for (metric, sets, values) in metrics {
            let definition = json!({ "Name": metric.name, "Unit": metric.unit.as_str() });
            match directives.iter_mut().find(|(known, _)| *known == sets) {
                Some((_, definitions)) => definitions.push(definition),
                None => directives.push((sets, vec![definition])),
            }
            let value = if let [one] = values.as_slice() { json!(one) } else { json!(values) };
            members.insert(metric.name.to_owned(), value);
        }
        let directives: Vec<_> = directives
            .into_iter()
            .map(|(sets, definitions)| {
                let sets: Vec<Vec<_>> =
                    sets.iter().map(|set| set.iter().map(|dimension| dimension.as_str()).collect()).collect();
                json!({ "Namespace": NAMESPACE, "Dimensions": sets, "Metrics": definitions })
            })
            .collect();
        let milliseconds = at.unix_timestamp_nanos() / 1_000_000;
        let milliseconds = i64::try_from(milliseconds).unwrap_or_default();
        members
            .insert("_aws".to_owned(), json!({ "Timestamp": milliseconds, "CloudWatchMetrics": directives }));
        Some(Value::Object(members))
    }
}

/// Where this process runs, for the dimensions.
struct Place {
    stack: String,
    function: String,
    /// The function's version, where metrics are split by it.
    version: Option<String>,
}

static PLACE: LazyLock<Place> = LazyLock::new(|| {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    // A name that is missing must not stop uploads: the metrics then show under this one.
    let stack = set(STACK_VARIABLE).unwrap_or_else(|| "unknown".to_owned());
    let function = set("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|| "unknown".to_owned());
    let version = set(BY_VERSION_VARIABLE).and_then(|_| set("AWS_LAMBDA_FUNCTION_VERSION"));
    Place { function: role(&stack, &function), stack, version }
});

/// What a function is for: its name without the stack's.
fn role(stack: &str, function: &str) -> String {
    function.strip_prefix(stack).and_then(|rest| rest.strip_prefix('-')).unwrap_or(function).to_owned()
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
