//! JSON logs: one object a line, as CloudWatch Logs Insights reads them.

use tracing_subscriber::EnvFilter;

/// The variable that sets the level, in the syntax of [`EnvFilter`], such as `info` or `info,photo_aws=debug`.
pub const LEVEL_VARIABLE: &str = "PHOTODROP_LOG";

/// Starts logging to standard output. A level that does not parse falls back to `info`, and the log says so:
/// a typing mistake in a level must not take uploads down.
pub fn init() {
    let level = std::env::var(LEVEL_VARIABLE).unwrap_or_default();
    let (filter, mistake) = match EnvFilter::builder().parse(if level.is_empty() { "info" } else { &level }) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("info"), Some(error)),
    };
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_env_filter(filter)
        .init();
    if let Some(error) = mistake {
        tracing::warn!(variable = LEVEL_VARIABLE, value = level, %error, "bad log level, using info");
    }
}
