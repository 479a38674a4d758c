//! The environment of the reconcile function; `template.yaml` sets every variable.

use std::str::FromStr;
use std::time::Duration;

use photo_aws::{ConfigError, Environment, Storage, config, quota};
use photo_domain::quota::Quotas;
use photo_domain::{ContentType, Recipe};

/// What the function is told by its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `PHOTODROP_TABLE_NAME`, `PHOTODROP_ORIGINALS_BUCKET`, `PHOTODROP_THUMBNAILS_BUCKET`.
    pub storage: Storage,
    /// `PHOTODROP_OWNER_PHOTOS_PER_DAY`, `PHOTODROP_OWNER_BYTES_PER_DAY`, `PHOTODROP_OWNER_PENDING_PHOTOS`: whether an
    /// upload that never came gives something back.
    pub quotas: Quotas,
    /// `PHOTODROP_EVENT_BUS_NAME`: where photos are announced.
    pub event_bus_name: String,
    /// `PHOTODROP_THUMBNAIL_QUEUE_URL`: the queue of the thumbnail function's events.
    pub thumbnail_queue_url: String,
    /// `PHOTODROP_RECONCILE_MODE`: `apply` or `dry-run`.
    pub mode: Mode,
    /// `PHOTODROP_RECONCILE_MAX_RECORDS`: due records of one owner that a run takes up before it looks for others'.
    pub max_records: usize,
    /// `PHOTODROP_RECONCILE_MAX_LISTED`: objects of each bucket that one run looks at.
    pub max_listed: usize,
    /// `PHOTODROP_ORPHAN_GRACE_SECONDS`: nothing younger is ever taken for an orphan.
    pub orphan_grace: Duration,
    /// `PHOTODROP_ORPHAN_RETENTION_DAYS`: so long an original has been seen without a record before it is marked to expire.
    pub orphan_retention: Duration,
    /// `PHOTODROP_RECONCILE_MAX_ORPHANS`: more in one run are left to the next.
    pub max_orphans: usize,
    /// `PHOTODROP_RECONCILE_MAX_ORPHAN_PERCENT`: a larger share of what was listed is no litter but a mistake, such
    /// as a wrong table, and nothing is touched.
    pub max_orphan_percent: usize,
    /// The fingerprint of the settings by which the thumbnail function makes variants today.
    pub recipe: Recipe,
    /// `PHOTODROP_BACKFILL_BUCKET`: the one bucket that photos are taken over from; none if it is empty.
    pub backfill_bucket: Option<String>,
    /// `PHOTODROP_ALLOWED_CONTENT_TYPES`: what may be taken over, comma-separated.
    pub allowed_content_types: Vec<ContentType>,
    /// `PHOTODROP_MAX_UPLOAD_BYTES`: nothing larger is taken over.
    pub max_upload_bytes: u64,
}

/// Whether a run changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It does.
    Apply,
    /// It only says what it would do.
    DryRun,
}

/// The text is no mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownMode;

impl std::fmt::Display for UnknownMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("apply or dry-run is expected")
    }
}

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "apply" => Ok(Self::Apply),
            "dry-run" => Ok(Self::DryRun),
            _ => Err(UnknownMode),
        }
    }
}

impl Config {
    /// Reads the environment through `lookup`; the error names every mistake in it.
    pub fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut env = Environment::new(lookup);
        let storage = Storage::read(&mut env);
        let quotas = quota::read(&mut env);
        let event_bus_name = env.text("PHOTODROP_EVENT_BUS_NAME");
        let thumbnail_queue_url = env.text("PHOTODROP_THUMBNAIL_QUEUE_URL");
        let mode = env.parsed("PHOTODROP_RECONCILE_MODE");
        let max_records = env.number("PHOTODROP_RECONCILE_MAX_RECORDS", 1..=100_000);
        let max_listed = env.number("PHOTODROP_RECONCILE_MAX_LISTED", 0..=100_000);
        let orphan_grace = env.number("PHOTODROP_ORPHAN_GRACE_SECONDS", 1..=31_536_000);
        let orphan_retention_days: Option<u64> = env.number("PHOTODROP_ORPHAN_RETENTION_DAYS", 0..=36_500);
        let max_orphans = env.number("PHOTODROP_RECONCILE_MAX_ORPHANS", 0..=100_000);
        let max_orphan_percent = env.number("PHOTODROP_RECONCILE_MAX_ORPHAN_PERCENT", 0..=100);
        let recipe = config::recipe(&mut env);
        let backfill_bucket = lookup("PHOTODROP_BACKFILL_BUCKET").filter(|name| !name.is_empty());
        if let (Some(bucket), Some(storage)) = (&backfill_bucket, &storage)
            && [&storage.originals_bucket, &storage.thumbnails_bucket].contains(&bucket)
        {
            // Each photo that is taken over would be one more to take over.
            env.problem("PHOTODROP_BACKFILL_BUCKET", "is the stack's own: another bucket is needed");
        }
        let allowed_content_types = env.list("PHOTODROP_ALLOWED_CONTENT_TYPES");
        let max_upload_bytes = env.number("PHOTODROP_MAX_UPLOAD_BYTES", 1..=5 << 30);
        let config = (|| {
            Some(Self {
                storage: storage?,
                quotas: quotas?,
                event_bus_name: event_bus_name?,
                thumbnail_queue_url: thumbnail_queue_url?,
                mode: mode?,
                max_records: max_records?,
                max_listed: max_listed?,
                orphan_grace: Duration::from_secs(orphan_grace?),
                orphan_retention: Duration::from_hours(24 * orphan_retention_days?),
                max_orphans: max_orphans?,
                max_orphan_percent: max_orphan_percent?,
                recipe: recipe?,
                backfill_bucket,
                allowed_content_types: allowed_content_types?,
                max_upload_bytes: max_upload_bytes?,
            })
        })();
        env.finish(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_environment_names_every_variable_at_once() {
        assert_eq!(Config::read(&|_| None).unwrap_err().problems.len(), 27);
    }

    #[test]
    fn a_mode_that_is_none_is_refused_and_not_taken_for_apply() {
        assert_eq!("dry-run".parse(), Ok(Mode::DryRun));
        assert_eq!("apply".parse(), Ok(Mode::Apply));
        for bad in ["", "dry", "Apply", "dryrun"] {
            assert_eq!(bad.parse::<Mode>(), Err(UnknownMode), "{bad}");
        }
    }
}
