//! What is left once nothing more comes from outside, and everything that runs has run to its end.

use photo_domain::record::Status;

use crate::processes::Worker;
use crate::rules::Photo;
use crate::sweeps::Sweep;
use crate::system::{MAX_ATTEMPTS, MAX_KILLS, State};

/// More rounds than any way to the end needs.
const MAX_ROUNDS: usize = 12;

pub(crate) fn ready_is_whole(model: &Photo, state: &State) -> bool {
    let Some(record) = state.record.filter(|record| record.status == Status::Ready) else { return true };
    let Some(made) = record.made else { return false };
    let original = model.replaces || state.object == Some(made.0);
    original && state.variants[record.edition].iter().all(|variant| *variant == Some(made))
}

/// Whether an object is there that the record does not name.
fn has_leftovers(state: &State) -> bool {
    let ready = state.record.filter(|record| record.status == Status::Ready);
    let named = ready.map(|record| record.edition);
    state.variants.iter().enumerate().any(|(edition, made)| Some(edition) != named && *made != [None; 2])
}

/// Lets everything end and says what is wrong with it then.
pub(crate) fn outcome(model: &Photo, state: &State) -> Result<(), &'static str> {
    let end = settle_down(model, state.clone())?;
    let Some(record) = end.record else {
        return match () {
            () if !end.deleted => Err("the record of a photo that nobody deleted is gone"),
            () if end.object.is_some() => Err("the original of a removed photo is left over"),
            () if has_leftovers(&end) => Err("a variant of a removed photo is left over"),
            () if !end.told_deleted => Err("nobody was told that the photo is deleted"),
            () if end.settled.is_some() && !end.told_settled => Err("nobody was told how it had ended"),
            () => Ok(()),
        };
    };
    match () {
        () if end.deleted => Err("a deleted photo is not removed"),
        () if record.unsent.is_some() || record.due => Err("something is still due"),
        () if end.settled.is_some() && !end.told_settled => Err("nobody was told how it ended"),
        () if !ready_is_whole(model, &end) => Err("ready, and not every variant is there"),
        () if has_leftovers(&end) => Err("a variant is left over"),
        () => match record.status {
            Status::Failed if model.good && record.attempts < MAX_ATTEMPTS && state.killed < MAX_KILLS => {
                Err("a good photo failed")
            }
            Status::Expired if end.arrived => Err("a photo whose object arrived is lost"),
            Status::Ready | Status::Failed | Status::Expired => Ok(()),
            Status::Pending => Err("it is still pending"),
            Status::Deleting => Err("it is still being deleted"),
        },
    }
}

fn settle_down(model: &Photo, mut state: State) -> Result<State, &'static str> {
    (state.puts_left, state.backfills_left) = (0, 0);
    for _ in 0..MAX_ROUNDS {
        let before = state.clone();
        for number in 0..state.sweeps.len() {
            finish_sweep(model, &mut state, number);
        }
        loop {
            for number in 0..state.workers.len() {
                while state.workers[number] != Worker::Idle {
                    state.work(model, number);
                }
            }
            if let Some(waiting) = state.again.iter().position(|count| *count > 0) {
                state.again[waiting] -= 1;
                state.workers[0] = Worker::Again(if waiting == 0 { 1 } else { 2 });
                continue;
            }
            if state.invoked > 0 {
                state.invoked -= 1;
                state.workers[0] = Worker::Invoked(1);
                continue;
            }
            if let Some(waiting) = state.redelivered.iter().position(|count| *count > 0) {
                state.redelivered[waiting] -= 1;
                state.workers[0] = Worker::Received(if waiting == 0 { 1 } else { 2 });
                continue;
            }
            let Some(waiting) = state.events.iter().position(|count| *count > 0) else { break };
            state.events[waiting] -= 1;
            state.workers[0] = Worker::Started(if waiting == 0 { 1 } else { 2 });
        }
        for with in [Sweep::LookDue, Sweep::LookOriginal, Sweep::LookVariants] {
            if Sweep::beginnings(&state).contains(&with) {
                state.sweeps[0] = with;
                finish_sweep(model, &mut state, 0);
            }
        }
        if state == before {
            return Ok(state);
        }
    }
    Err("it does not come to rest")
}

fn finish_sweep(model: &Photo, state: &mut State, number: usize) {
    while state.sweeps[number] != Sweep::Idle {
        state.sweep(model, number);
    }
}
