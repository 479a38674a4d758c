//! JSON logs: one object a line, as CloudWatch Logs Insights reads them.
//!
//! Every line of an invocation has its `request_id` (and `trace_id`, `cold_start` and, once it is known, `photo_id`):
//! whatever the spans around an event know is on the line itself. A line holds no personal data: no owner, no file
//! name, no token, no signed URL, no address. Should a key be logged after all, its owner is replaced here.
//! `docs/RUNBOOK.md` has queries for them.

use std::fmt::{self, Write as _};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value};
use time::OffsetDateTime;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Span, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::{item, metrics};

/// The variable that sets the level: `error`, `warn`, `info`, `debug` or `trace`.
pub const LEVEL_VARIABLE: &str = "PHOTODROP_LOG_LEVEL";

/// The crates whose lines the level is for. Others are heard from `warn` on, whatever it is: at `debug` the SDK would
/// write requests with their contents, which are personal.
const OUR_CRATES: [&str; 6] =
    ["photo_aws", "photo_domain", "photo_imaging", "reconcile", "thumbnail", "upload"];

/// Whether an invocation has begun in this process.
static WARM: AtomicBool = AtomicBool::new(false);

/// Starts logging to standard output. A level that does not parse falls back to `info`, and the log says so:
/// a typing mistake in a level must not take uploads down.
pub fn init() {
    let text = std::env::var(LEVEL_VARIABLE).unwrap_or_default();
    let (level, mistake) = match text.parse() {
        _ if text.is_empty() => (Level::INFO, false),
        Ok(level) => (level, false),
        Err(_) => (Level::INFO, true),
    };
    subscriber(level, io::stdout).init();
    if mistake {
        tracing::warn!(variable = LEVEL_VARIABLE, value = text, "bad log level, using info");
    }
}

/// What writes the lines. For [`init`], and for tests that read them.
pub fn subscriber<W>(level: Level, writer: W) -> impl Subscriber + Send + Sync + 'static
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = Targets::new()
        .with_default(LevelFilter::from_level(level.min(Level::WARN)))
        .with_targets(OUR_CRATES.map(|name| (name, level)))
        // The runtime's span, which has the request's id for the lines that the runtime writes itself.
        .with_target("lambda_runtime::layers::trace", Level::INFO)
        .with_target(metrics::TARGET, Level::INFO);
    let layer = tracing_subscriber::fmt::layer()
        .fmt_fields(JsonFields::new())
        .event_format(Lines)
        .with_writer(writer);
    tracing_subscriber::registry().with(layer).with(filter)
}

/// The span of one invocation. What is logged in it carries these fields; a `photo_id` that becomes known on the way
/// is added by [`photo`]. `trace_id` takes X-Ray's header (`Root=1-…;Parent=…`) as the runtime has it.
pub fn invocation(request_id: &str, trace_header: Option<&str>) -> Span {
    let cold_start = !WARM.swap(true, Ordering::Relaxed);
    tracing::info_span!(
        target: "photo_aws",
        "invocation",
        request_id,
        trace_id = trace_header.and_then(trace_root),
        cold_start,
        photo_id = tracing::field::Empty,
    )
}

/// Puts the photo that an invocation turned out to be about on its further lines.
pub fn photo(photo_id: photo_domain::PhotoId) {
    Span::current().record("photo_id", tracing::field::display(photo_id));
}

/// The trace's own id in X-Ray's header.
fn trace_root(header: &str) -> Option<&str> {
    header.split(';').find_map(|part| part.trim().strip_prefix("Root="))
}

/// Writes an event, with all that its spans know, as one JSON object; a document of metrics as it is.
struct Lines;

impl<S> FormatEvent<S, JsonFields> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Map::new();
        for span in context.event_scope().into_iter().flat_map(tracing_subscriber::registry::Scope::from_root)
        {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<JsonFields>>().map_or("", |fields| fields.as_str());
            let Ok(fields) = serde_json::from_str::<Map<String, Value>>(fields) else { continue };
            line.extend(fields.into_iter().map(|(name, value)| runtime_field(name, value)));
        }
        let metadata = event.metadata();
        event.record(&mut Fields(&mut line));
        if metadata.target() == metrics::TARGET {
            return write_document(&mut writer, line);
        }
        // What every line has comes first, so that a reader's eye finds it.
        let message = line.remove("message").unwrap_or_default();
        let now = item::timestamp(OffsetDateTime::now_utc());
        let mut text = String::new();
        write!(
            text,
            r#"{{"timestamp":"{now}","level":"{}","message":{message},"target":"{}""#,
            metadata.level(),
            metadata.target()
        )?;
        for (name, value) in &line {
            write!(text, ",{}:{value}", Value::from(name.as_str()))?;
        }
        writeln!(writer, "{}}}", crate::without_owners(&text))
    }
}

/// The Lambda runtime's own span says the same by other names.
fn runtime_field(name: String, value: Value) -> (String, Value) {
    match (name.as_str(), &value) {
        ("requestId", _) => ("request_id".to_owned(), value),
        ("xrayTraceId", Value::String(header)) => {
            ("trace_id".to_owned(), trace_root(header).map_or(Value::Null, Value::from))
        }
        _ => (name, value),
    }
}

/// The document's own members go before what the spans know under the same name.
fn write_document(writer: &mut Writer<'_>, mut line: Map<String, Value>) -> fmt::Result {
    if let Some(Value::String(document)) = line.remove("document")
        && let Ok(Value::Object(members)) = serde_json::from_str(&document)
    {
        line.extend(members);
    }
    writeln!(writer, "{}", crate::without_owners(&Value::Object(line).to_string()))
}

/// Takes an event's fields.
struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields<'_> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, format!("{value:?}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.insert(field, crate::error_chain(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A place that lines can be read back from.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(level: Level, work: impl FnOnce()) -> Vec<Value> {
        let page = Page::default();
        let writer = page.clone();
        tracing::subscriber::with_default(subscriber(level, move || writer.clone()), work);
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn what_the_spans_know_is_on_every_line() {
        let id: photo_domain::PhotoId = "01935b7c-0000-7000-8000-000000000001".parse().unwrap();
        let lines = lines(Level::INFO, || {
            let header = "Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=1";
            let runtime = tracing::info_span!(target: "lambda_runtime::layers::trace", "Lambda runtime invoke", requestId = "r", xrayTraceId = header);
            let _runtime = runtime.enter();
            tracing::error!(target: "lambda_runtime::layers::api_response", "before");
            let _span = invocation("req-1", Some(header)).entered();
            photo(id);
            tracing::warn!(target: "upload", size_bytes = 7_u64, text = "a \"b\"\n", "served");
            metrics::Document::new().count(metrics::PHOTOS_READY).emit();
        });
        assert_eq!((&lines[0]["request_id"], &lines[0]["message"]), (&"r".into(), &"before".into()));
        for line in &lines {
            assert_eq!(line["trace_id"], "1-67891233-abcdef012345678912345678");
        }
        for line in &lines[1..] {
            assert_eq!((&line["request_id"], &line["photo_id"]), (&"req-1".into(), &id.to_string().into()));
            assert!(line["cold_start"].is_boolean());
        }
        assert_eq!((&lines[1]["size_bytes"], &lines[1]["text"]), (&7.into(), &"a \"b\"\n".into()));
        assert_eq!((&lines[1]["level"], &lines[1]["target"]), (&"WARN".into(), &"upload".into()));
        assert_eq!(lines[2]["PhotosReady"], 1.0);
    }

    #[test]
    fn the_level_is_for_our_crates_and_metrics_are_never_off() {
        let at = |level| {
            let lines = lines(level, || {
                tracing::error!(target: "upload", "error");
                tracing::info!(target: "upload::app", "info");
                tracing::debug!(target: "thumbnail", "debug");
                tracing::debug!(target: "aws_smithy_runtime", "a request with its body");
                tracing::warn!(target: "hyper", "warn");
                metrics::Document::new().count(metrics::PHOTOS_READY).emit();
            });
            let name =
                |line: &Value| line["message"].as_str().map_or_else(|| "metrics".to_owned(), str::to_owned);
            lines.iter().map(name).collect::<Vec<_>>()
        };
        assert_eq!(at(Level::ERROR), ["error", "metrics"]);
        assert_eq!(at(Level::WARN), ["error", "warn", "metrics"]);
        assert_eq!(at(Level::INFO), ["error", "info", "warn", "metrics"]);
        assert_eq!(at(Level::TRACE), ["error", "info", "debug", "warn", "metrics"]);
    }

    #[test]
    fn an_error_is_one_line_with_its_causes() {
        let cause = crate::AwsError::new("s3:GetObject", "connection reset");
        let lines = lines(Level::INFO, || {
            let error: &dyn std::error::Error = &cause;
            tracing::error!(target: "thumbnail", error, "failed");
        });
        assert_eq!(lines[0]["error"], "s3:GetObject failed: connection reset");
    }

    #[test]
    fn an_owner_in_a_key_is_not_logged() {
        let key = "photos/auth0%7Cjane/01935b7c-0000-7000-8000-000000000001/small.webp";
        let lines = lines(Level::INFO, || {
            let span = tracing::info_span!(target: "upload", "span", in_span = key);
            let _span = span.enter();
            let error: &dyn std::error::Error = &io::Error::other(format!("\"{key}\" is gone"));
            tracing::info!(target: "reconcile", key, debug = ?key, display = %key, error, pk = "owner#auth0%7Cjane", "{key}");
            metrics::Document::new().property("key", key).count(metrics::PHOTOS_READY).emit();
        });
        assert_eq!(lines.len(), 2);
        for line in lines {
            assert!(!line.to_string().contains("jane"), "{line}");
            assert_eq!(line["in_span"], "photos/[owner]/01935b7c-0000-7000-8000-000000000001/small.webp");
        }
    }

    #[test]
    fn the_trace_s_id_is_found_in_the_header() {
        assert_eq!(trace_root("Parent=2;Root=1-a-b;Sampled=0"), Some("1-a-b"));
        assert_eq!(trace_root("Sampled=0"), None);
    }
}
