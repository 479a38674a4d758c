//! What the function is invoked with.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::backfill::{self, BackfillError};
use crate::run::{Reconciler, Request};
use crate::summary::Summary;

/// A run, or a backfill. What is neither does not parse, so that no mistyped backfill becomes a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Event {
    /// A backfill, and nothing else.
    #[serde(default)]
    pub backfill: Option<backfill::Request>,
    /// What a run is asked for.
    #[serde(flatten)]
    pub run: Request,
}

/// What the function answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// What a backfill did.
    Backfill {
        /// It.
        backfill: backfill::Summary,
    },
    /// What a run did.
    Run(Summary),
}

impl Reconciler {
    /// Does what an event asks for. A run answers what failed in it; a backfill that cannot go on is an error.
    pub async fn handle(&self, event: Event, deadline: Instant) -> Result<Answer, BackfillError> {
        match event.backfill {
            Some(_) if event.run != Request::default() => Err(BackfillError::NotAlone),
            Some(request) => {
                let backfill = self.backfill(&request, deadline).await?;
                Ok(Answer::Backfill { backfill })
            }
            None => Ok(Answer::Run(self.run(event.run, deadline).await)),
        }
    }
}
