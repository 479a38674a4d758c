//! `photodrop redrive`
//!
//! SQS moves the messages. The command starts that and follows it; when the command is interrupted, SQS continues.

use std::time::Duration;

use photo_aws::operator::{DeadLetterQueue, MoveStatus, MoveTask, OperatorError};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::args::Redrive;
use crate::error::CliError;
use crate::operator::{self, OperatedStack};
use crate::output::{Output, Text};
use crate::progress::counter;

/// How long a task that was started may stay invisible.
const APPEARS_WITHIN: Duration = Duration::from_mins(1);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

pub(crate) async fn run(redrive: &Redrive, output: &Output) -> Result<(), CliError> {
    let stack = OperatedStack::find(redrive.stack.as_deref()).await?;
    let queue_name = format!("{}-thumbnail", stack.name);
    let queue = stack.operator.dead_letter_queue(&queue_name).await.map_err(operator::failed)?;
    let before = queue.newest_move().await.map_err(operator::failed)?;
    let task = if before.as_ref().is_some_and(is_running) {
        Output::say("a redrive is running already: following it");
        follow(&queue, None).await?
    } else {
        let waiting = queue.waiting().await.map_err(operator::failed)?;
        Output::say(&format!("about {waiting} messages in the dead-letter queue of {queue_name}"));
        let earlier = before.map(|task| task.started);
        start(&queue, redrive.per_second, earlier).await?;
        follow(&queue, earlier).await?
    };
    let waiting = queue.waiting().await.map_err(operator::failed)?;
    report(&task, waiting, *output)
}

/// Starts a task. A call that was sent twice, because its first answer got lost, is refused the second time: the task is there.
async fn start(
    queue: &DeadLetterQueue,
    per_second: Option<i32>,
    earlier: Option<i64>,
) -> Result<(), CliError> {
    let Err(refused) = queue.start_move(per_second).await else { return Ok(()) };
    if matches!(refused, OperatorError::Refused { .. })
        && let Ok(Some(task)) = queue.newest_move().await
        && is_running(&task)
        && Some(task.started) != earlier
    {
        return Ok(());
    }
    Err(operator::failed(refused))
}

/// Waits for the end of the newest task that is not the `earlier` one.
async fn follow(queue: &DeadLetterQueue, earlier: Option<i64>) -> Result<MoveTask, CliError> {
    let bar = counter("redrive:");
    bar.set_message("moved,");
    let began = Instant::now();
    let mut wait = FIRST_WAIT;
    loop {
        let newest = queue.newest_move().await.map_err(operator::failed)?;
        match newest.filter(|task| Some(task.started) != earlier) {
            Some(task) if is_running(&task) => bar.set_position(task.moved),
            Some(task) => {
                bar.finish_and_clear();
                return Ok(task);
            }
            None if began.elapsed() > APPEARS_WITHIN => {
                bar.finish_and_clear();
                return Err(CliError::Answer("the move was started, and SQS lists none".to_owned()));
            }
            None => {}
        }
        sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

fn is_running(task: &MoveTask) -> bool {
    task.status == MoveStatus::Running
}

fn report(task: &MoveTask, waiting: u64, output: Output) -> Result<(), CliError> {
    let (status, failed) = match &task.status {
        MoveStatus::Ended(status) => (status.as_str(), true),
        MoveStatus::Running => ("RUNNING", false),
        MoveStatus::Completed => ("COMPLETED", false),
    };
    let moved = task.moved;
    let result = json!({ "status": status, "moved": moved, "waiting": waiting, "failure": task.failure });
    output.result(&result, &Text::line(&format!("{moved} moved, {waiting} in the dead-letter queue")));
    if failed {
        let reason = task.failure.as_deref().unwrap_or("SQS gives no reason");
        return Err(CliError::Aws(format!("the redrive ended as {status}: {reason}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(status: MoveStatus, failure: Option<&str>) -> Result<(), CliError> {
        let failure = failure.map(str::to_owned);
        report(&MoveTask { status, moved: 1, failure, started: 0 }, 1, Output::new(false))
    }

    #[test]
    fn a_move_that_failed_ends_with_its_reason_and_one_that_completed_well() {
        assert!(ended(MoveStatus::Completed, None).is_ok());
        for (status, failure, told) in [
            ("FAILED", Some("CouldNotDetermineMessageSource"), "FAILED: CouldNotDetermineMessageSource"),
            ("CANCELLED", None, "CANCELLED: SQS gives no reason"),
        ] {
            let error = ended(MoveStatus::Ended(status.to_owned()), failure).unwrap_err();
            assert_eq!(error.exit_code(), 1);
            assert!(error.to_string().ends_with(told), "{error}");
        }
    }
}
