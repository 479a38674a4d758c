//! Waits of tests. A wait fails after [`PATIENCE`] without progress, and after [`LONGEST`] in any case.
//!
//! A wait ends as soon as it finds what it looks for, so patience costs nothing where all is well. A busy machine or an injected
//! fault moves the end of a wait, not its outcome.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

/// How long nothing may get on before a test gives up: on a busy machine a call of a function has taken 30 s, a run of
/// reconcile longer, and a restart of the stack a minute.
pub const PATIENCE: Duration = Duration::from_mins(5);

/// The longest wait: a fault that is never lifted would count as progress for ever.
pub const LONGEST: Duration = Duration::from_mins(30);

/// One wait.
#[derive(Debug)]
pub struct Wait {
    what: String,
    begun: Instant,
    since: Instant,
    looks: usize,
    progress: usize,
    patience: Duration,
}

impl Wait {
    /// Begins to wait for something, which the error names.
    #[must_use]
    pub fn begin(what: impl fmt::Display) -> Self {
        let begun = Instant::now();
        Self { what: what.to_string(), begun, since: begun, looks: 0, progress: 0, patience: PATIENCE }
    }

    /// Notes how far it has come: if that is another number than before, patience begins anew. A client in an outage
    /// counts the faults that the test injects: its patience is for what comes after the last of them.
    pub fn got_to(&mut self, progress: usize) {
        if self.progress != progress {
            self.progress = progress;
            self.since = Instant::now();
        }
    }

    /// Pauses before the next look. What was seen at the last one is part of the error.
    ///
    /// # Errors
    /// There was no progress for [`PATIENCE`], or the wait has taken [`LONGEST`].
    pub async fn pause(&mut self, pause: Duration, seen: impl fmt::Debug) -> Result<()> {
        self.looks += 1;
        ensure!(
            self.since.elapsed() < self.patience && self.begun.elapsed() < LONGEST,
            "waited in vain for {}: {} looks, nothing new for {:?}, at last {seen:?}",
            self.what,
            self.looks,
            self.since.elapsed()
        );
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// Waits until `look` finds something.
///
/// # Errors
/// `look` fails, or finds nothing for as long as [`PATIENCE`].
pub async fn until<T>(
    what: impl fmt::Display,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let mut wait = Wait::begin(what);
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        wait.pause(Duration::from_millis(200), ()).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn a_wait_in_vain_says_for_what() {
        let mut wait = Wait { patience: Duration::ZERO, ..Wait::begin("rain") };
        let error = wait.pause(Duration::from_secs(1), "sun").await.unwrap_err().to_string();
        assert!(error.contains("rain") && error.contains("\"sun\""), "{error}");
    }

    #[tokio::test]
    async fn progress_begins_patience_anew_and_standing_still_does_not() {
        let mut wait = Wait { patience: SHORT, ..Wait::begin("rain") };
        wait.got_to(3);
        tokio::time::sleep(SHORT).await;
        wait.got_to(3);
        assert!(wait.pause(Duration::ZERO, 3).await.is_err());
        wait.got_to(4);
        assert!(wait.since.elapsed() < SHORT);
    }

    #[tokio::test]
    async fn a_look_that_finds_something_ends_the_wait() {
        let mut looks = 0;
        let found = until("it", async || {
            looks += 1;
            Ok((looks == 2).then_some(looks))
        });
        assert_eq!(found.await.unwrap(), 2);
        let broken = until("it", async || Err::<Option<()>, _>(anyhow::anyhow!("broken")));
        assert_eq!(broken.await.unwrap_err().to_string(), "broken");
    }
}
