//! What is left once nothing more comes from outside, and everything that runs has run to its end.

use photo_domain::record::Status;

use crate::processes::{Sweep, Worker};
use crate::system::{MAX_ATTEMPTS, Photo, State};

/// More rounds than any way to the end needs.
const MAX_ROUNDS: usize = 12;

pub(crate) fn ready_is_whole(model: &Photo, state: &State) -> bool {
    let Some(record) = state.record.filter(|record| record.status == Status::Ready) else { return true };
    let Some(version) = record.made_from else { return false };
    let original = model.replaces || state.object == Some(version);
    original && state.variants.iter().all(|variant| *variant == Some(version))
}

/// Lets everything end and says what is wrong with it then.
pub(crate) fn outcome(model: &Photo, state: &State) -> Result<(), &'static str> {
    let end = settle_down(model, state.clone())?;
    let Some(record) = end.record else {
        return match () {
            () if !end.deleted => Err("the record of a photo that nobody deleted is gone"),
            () if end.object.is_some() => Err("the original of a removed photo is left over"),
            () if end.variants != [None; 2] => Err("a variant of a removed photo is left over"),
            () if !end.told_deleted => Err("nobody was told that the photo is deleted"),
            () if end.settled.is_some() && !end.told_settled => Err("nobody was told how it had ended"),
            () => Ok(()),
        };
    };
    match () {
        () if end.deleted => Err("a deleted photo is not removed"),
        () if record.unsent || record.due => Err("something is still due"),
        () if end.settled.is_some() && !end.told_settled => Err("nobody was told how it ended"),
        () if !ready_is_whole(model, &end) => Err("ready, and not every variant is there"),
        () if record.status != Status::Ready && end.variants != [None; 2] => Err("a variant is left over"),
        () => match record.status {
            Status::Failed if model.good && record.attempts < MAX_ATTEMPTS => Err("a good photo failed"),
            Status::Expired if end.arrived => Err("a photo whose object arrived is lost"),
            Status::Ready | Status::Failed | Status::Expired => Ok(()),
            Status::Pending => Err("it is still pending"),
            Status::Deleting => Err("it is still being deleted"),
        },
    }
}

fn settle_down(model: &Photo, mut state: State) -> Result<State, &'static str> {
    state.puts_left = 0;
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
            let Some(waiting) = state.events.iter().position(|count| *count > 0) else { break };
            state.events[waiting] -= 1;
            state.workers[0] = Worker::Started(if waiting == 0 { 1 } else { 2 });
        }
        for with in [Sweep::LookQueue, Sweep::LookDue, Sweep::LookOriginal, Sweep::LookVariants] {
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
