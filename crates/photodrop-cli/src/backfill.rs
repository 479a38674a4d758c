//! `photodrop backfill`
//!
//! The reconcile function does one bounded piece of work a call and never calls itself: the loop is here, where
//! somebody can stop it.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use photo_aws::operator::Operator;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::args::{Backfill, BackfillOptions, BucketOptions, Global, PhotosOptions, Source};
use crate::error::CliError;
use crate::files;
use crate::operator::{self, OperatedStack};
use crate::output::{Output, Text};
use crate::progress::counter;
use crate::target::local_stack;
use crate::upload::state::State;

/// What one photo costs, in millionths of a US dollar, by the tables of docs/CAPACITY.md: 6 PUTs and a GET of S3
/// (30.40), 0.39 GB-s of the thumbnail function (5.42), 4 write units and 2 read units of the table (2.75), an event
/// (1.00), log and traces (6.00).
const PHOTO_MICRO_DOLLARS: u64 = 46;
/// One taken over from a bucket is looked at (0.40), copied (5.00) and written to the table first (1.90).
const TAKEN_OVER_MICRO_DOLLARS: u64 = 53;

/// What one run goes through.
struct Job {
    function: String,
    /// The event without what changes from call to call.
    source: Value,
    micro_dollars: u64,
    options: BackfillOptions,
    operator: Operator,
}

/// What is done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Total {
    examined: u64,
    started: u64,
    skipped: u64,
    failed: u64,
}

/// The checkpoint file: where to go on, of which job.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    function: String,
    source: Value,
    checkpoint: String,
    total: Total,
}

#[derive(Debug, Deserialize)]
struct Answer {
    backfill: Step,
}

/// What one call did.
#[derive(Debug, Deserialize)]
struct Step {
    #[serde(default)]
    examined: u64,
    #[serde(default)]
    started: u64,
    #[serde(default)]
    skipped: u64,
    #[serde(default)]
    failed: u64,
    checkpoint: Option<String>,
    #[serde(default)]
    complete: bool,
    #[serde(default)]
    notes: Vec<Note>,
}

/// Why nothing was made of an object.
#[derive(Debug, Deserialize)]
struct Note {
    key: String,
    reason: String,
}

pub(crate) async fn run(_: &Global, backfill: &Backfill, output: &Output) -> Result<(), CliError> {
    let (source, micro_dollars, options) = source_of(&backfill.source)?;
    let (operator, function) = function_of(&options).await?;
    let job = Job { function, source, micro_dollars, options, operator };
    job.run(output).await
}

/// The members of the event that say what is gone through, and what a photo costs in millionths of a dollar.
fn source_of(source: &Source) -> Result<(Value, u64, BackfillOptions), CliError> {
    let (mut event, micro_dollars, options) = match source {
        Source::Photos(PhotosOptions { include_failed, options }) => {
            let mut event = json!({ "source": "photos" });
            if *include_failed {
                event["include_failed"] = json!(true);
            }
            (event, PHOTO_MICRO_DOLLARS, options)
        }
        Source::Bucket(BucketOptions { bucket, prefix, options }) => {
            if options.owner.is_none() {
                return Err(CliError::Usage(
                    "whose photos are they to be? Give --owner, the subject of a token".to_owned(),
                ));
            }
            let mut event = json!({ "source": "bucket", "bucket": bucket });
            if let Some(prefix) = prefix {
                event["prefix"] = json!(prefix);
            }
            (event, TAKEN_OVER_MICRO_DOLLARS, options)
        }
    };
    if let Some(owner) = &options.owner {
        event["owner"] = json!(owner);
    }
    Ok((event, micro_dollars, options.clone()))
}

/// The function to call, and who calls it.
async fn function_of(options: &BackfillOptions) -> Result<(Operator, String), CliError> {
    if options.stack.is_none()
        && let Some(function) = &options.function
        && local_stack()?.is_none()
    {
        let operator = Operator::on_aws().await.map_err(operator::failed)?;
        return Ok((operator, function.clone()));
    }
    let OperatedStack { operator, name, local } = OperatedStack::find(options.stack.as_deref()).await?;
    let own = || local.map_or_else(|| format!("{name}-reconcile"), |stack| stack.reconcile_function);
    Ok((operator, options.function.clone().unwrap_or_else(own)))
}

impl Job {
    async fn run(&self, output: &Output) -> Result<(), CliError> {
        let file = self.checkpoint_file()?;
        // A dry run neither goes on from where a real one stopped nor lets one skip what it only looked at.
        let saved = if self.options.dry_run {
            None
        } else {
            // Before a photo is started: how far a run came has to be remembered.
            files::prepare(&file)?;
            self.recall(&file)?
        };
        if let Some(saved) = &saved {
            Output::say(&format!("going on after {} photos, from {}", saved.total.examined, file.display()));
        }
        let mut checkpoint = saved.as_ref().map(|saved| saved.checkpoint.clone());
        let mut total = saved.map(|saved| saved.total).unwrap_or_default();
        let mut started_now = 0;
        let bar = counter(if self.options.dry_run { "dry run:" } else { "backfill:" });
        bar.set_position(total.examined);
        bar.set_message("examined,");
        let complete = loop {
            let left = self.options.max_photos.saturating_sub(started_now);
            if left == 0 {
                break false;
            }
            let step = match self.step(left.min(self.options.batch), checkpoint.as_deref()).await {
                Ok(step) => step,
                Err(error) => {
                    bar.finish_and_clear();
                    if checkpoint.is_some() && !self.options.dry_run {
                        Output::say(&format!("the same command goes on from {}", file.display()));
                    }
                    return Err(error);
                }
            };
            total.add(&step);
            started_now += step.started;
            bar.set_position(total.examined);
            bar.set_message(format!("examined, {} started, {} failed,", total.started, total.failed));
            bar.suspend(|| say_notes(&step.notes, *output));
            if step.complete {
                break true;
            }
            let idle = step.examined == 0 && step.checkpoint == checkpoint;
            if idle || step.checkpoint.is_none() {
                return Err(CliError::Answer("the function neither got on nor to an end".to_owned()));
            }
            checkpoint = step.checkpoint;
            if !self.options.dry_run {
                self.remember(&file, checkpoint.as_deref().unwrap_or_default(), &total)?;
            }
        };
        bar.finish_and_clear();
        if complete && !self.options.dry_run {
            forget(&file)?;
        }
        self.report(&total, complete, *output);
        if !complete && !self.options.dry_run {
            Output::say(&format!(
                "stopped at --max-photos {}: the same command goes on from {}",
                self.options.max_photos,
                file.display()
            ));
        }
        match usize::try_from(total.failed) {
            Ok(0) => Ok(()),
            failed => Err(CliError::Some {
                failed: failed.unwrap_or(usize::MAX),
                total: usize::try_from(total.examined).unwrap_or(usize::MAX),
                what: "photos",
            }),
        }
    }

    /// One call of the function.
    async fn step(&self, limit: u64, checkpoint: Option<&str>) -> Result<Step, CliError> {
        let mut event = self.source.clone();
        event["limit"] = json!(limit);
        event["dry_run"] = json!(self.options.dry_run);
        event["checkpoint"] = json!(checkpoint);
        let answer = self
            .operator
            .invoke(&self.function, &json!({ "backfill": event }))
            .await
            .map_err(operator::failed)?;
        serde_json::from_value::<Answer>(answer.clone()).map(|answer| answer.backfill).map_err(|error| {
            CliError::Answer(format!(
                "{error}: is {} a stack that knows backfill? It said {answer}",
                self.function
            ))
        })
    }

    fn report(&self, total: &Total, complete: bool, output: Output) {
        let Total { examined, started, skipped, failed } = total;
        let dry_run = self.options.dry_run;
        let cost = cost(*started, self.micro_dollars);
        let result = json!({ "examined": examined, "started": started, "skipped": skipped, "failed": failed,
            "complete": complete, "dry_run": dry_run, "estimated_usd": cost });
        let verb = if dry_run { "would be started" } else { "started" };
        let text = format!("{examined} examined, {started} {verb}, {skipped} skipped, {failed} failed");
        output.result(&result, &Text::line(&text));
        if *started > 0 {
            let cents =
                if cost < 0.01 { "less than US$ 0.01".to_owned() } else { format!("about US$ {cost:.2}") };
            Output::say(&format!("{cents} (an estimate: list prices, six variants; docs/CAPACITY.md)"));
        }
    }

    fn checkpoint_file(&self) -> Result<PathBuf, CliError> {
        if let Some(file) = &self.options.checkpoint {
            return Ok(file.clone());
        }
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{}\n{}", self.function, self.source)));
        let state = State::new(None)?;
        if !self.options.dry_run {
            state.prepare()?;
        }
        Ok(state.file(&format!("backfill-{}", digest.get(..16).unwrap_or_default())))
    }

    fn recall(&self, file: &Path) -> Result<Option<Saved>, CliError> {
        let Some(text) = files::read_own(file)? else { return Ok(None) };
        let saved: Saved = serde_json::from_slice(&text)
            .map_err(|error| CliError::Usage(format!("{} is no checkpoint: {error}", file.display())))?;
        if saved.function == self.function && saved.source == self.source {
            return Ok(Some(saved));
        }
        Err(CliError::Usage(format!(
            "{} is the checkpoint of another backfill: remove it, or name another",
            file.display()
        )))
    }

    fn remember(&self, file: &Path, checkpoint: &str, total: &Total) -> Result<(), CliError> {
        let saved = Saved {
            function: self.function.clone(),
            source: self.source.clone(),
            checkpoint: checkpoint.to_owned(),
            total: total.clone(),
        };
        let text = serde_json::to_vec_pretty(&saved).map_err(|error| CliError::Answer(error.to_string()))?;
        files::write(file, &text, files::PRIVATE)
    }
}

impl Total {
    fn add(&mut self, step: &Step) {
        self.examined += step.examined;
        self.started += step.started;
        self.skipped += step.skipped;
        self.failed += step.failed;
    }
}

/// The keys are the operator's own to read; the function's log does not have them.
fn say_notes(notes: &[Note], output: Output) {
    for Note { key, reason } in notes {
        output.failure(&json!({ "key": key, "reason": reason }));
        Output::say(&format!("{key}: {reason}"));
    }
}

fn forget(file: &Path) -> Result<(), CliError> {
    match std::fs::remove_file(file) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(CliError::Io { path: file.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// US dollars.
fn cost(photos: u64, micro_dollars: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "an estimate in cents")]
    let dollars = photos.saturating_mul(micro_dollars) as f64 / 1e6;
    dollars
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_through_is_said_in_the_event() {
        let options = BackfillOptions {
            stack: None,
            function: None,
            owner: Some("jane".to_owned()),
            dry_run: true,
            max_photos: 1,
            batch: 1,
            checkpoint: None,
        };
        let photos = |include_failed| {
            source_of(&Source::Photos(PhotosOptions { include_failed, options: options.clone() })).unwrap().0
        };
        assert_eq!(photos(false), json!({ "source": "photos", "owner": "jane" }));
        assert_eq!(photos(true), json!({ "source": "photos", "owner": "jane", "include_failed": true }));
        let bucket = |owner: Option<String>| {
            let options = BackfillOptions { owner, ..options.clone() };
            source_of(&Source::Bucket(BucketOptions {
                bucket: "b".to_owned(),
                prefix: Some("old/".to_owned()),
                options,
            }))
        };
        assert_eq!(
            bucket(Some("jane".to_owned())).unwrap().0,
            json!({ "source": "bucket", "bucket": "b", "prefix": "old/", "owner": "jane" })
        );
        assert_eq!(bucket(None).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn a_million_photos_cost_some_fifty_dollars() {
        assert!((cost(1_000_000, PHOTO_MICRO_DOLLARS) - 46.0).abs() < 0.5);
    }
}
