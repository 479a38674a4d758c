//! The state of everything that touches one photo, and what can happen next.

use photo_domain::Step;
use photo_domain::record::Status;
use stateright::{Model, Property};

use crate::calm;
use crate::processes::Worker;
use crate::rules::Photo;
use crate::sweeps::Sweep;

/// How often the model's reconcile function tries again; the product's eleven would only make it larger.
pub(crate) const MAX_ATTEMPTS: u8 = 1;

/// How often the model's events of one form lead to a render; the product's three would only make it larger.
pub(crate) const MAX_RENDERS: u8 = 2;

/// How many killed renders end a photo; as in the product.
pub(crate) const MAX_KILLS: u8 = 2;

/// How many times a backfill may make variants in the model: its deliveries, and one more for a crash.
pub(crate) const EDITIONS: usize = 3;

/// An object of a variant: the version that it was made from, and by which settings. Those that a backfill brings are 1.
pub(crate) type Made = (u8, u8);

/// Under the keys of a new photo, and under those of each edition after.
pub(crate) type Variants = [[Option<Made>; 2]; EDITIONS + 1];

/// The item in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Record {
    pub(crate) status: Status,
    /// What the variants were made from, and how.
    pub(crate) made: Option<Made>,
    /// Which edition of them it names; 0 is that of a new photo.
    pub(crate) edition: usize,
    /// The event that is still to be sent.
    pub(crate) unsent: Option<u8>,
    /// Whether it is in the index of due records. When it is due is any time: the model has no clock.
    pub(crate) due: bool,
    pub(crate) attempts: u8,
    /// How many renders of a form are counted.
    pub(crate) renders: u8,
    /// How many notes of renders stand.
    pub(crate) notes: u8,
}

/// Everything, and (below) what must not be forgotten for the checks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is one fact, and small states make the check quick")]
pub(crate) struct State {
    pub(crate) record: Option<Record>,
    pub(crate) object: Option<u8>,
    pub(crate) variants: Variants,
    /// Deliveries to come of each version's event.
    pub(crate) events: [u8; 2],
    /// The same of messages that were received before: their invocation died, or failed for a reason that may pass.
    pub(crate) redelivered: [u8; 2],
    /// Deliveries to come of a backfill's event about each version.
    pub(crate) again: [u8; 2],
    /// Invocations to come by which a reconcile run takes a form up again: they are not counted. For other uploads such an
    /// invocation is one more of `events`.
    pub(crate) invoked: u8,
    /// How many editions were begun.
    pub(crate) editions: usize,
    pub(crate) workers: Vec<Worker>,
    pub(crate) sweeps: Vec<Sweep>,
    pub(crate) puts_left: u8,
    pub(crate) crashes_left: u8,
    pub(crate) delete_left: bool,
    pub(crate) backfills_left: u8,
    pub(crate) failures_left: u8,
    pub(crate) lapses_left: u8,

    /// How many renders were killed, or left their note, since one has removed the notes.
    pub(crate) killed: u8,
    /// How often S3's events of a form have led to a render.
    pub(crate) rendered: u8,
    pub(crate) arrived: bool,
    pub(crate) deleted: bool,
    pub(crate) settled: Option<Status>,
    /// How many events were ever owed; the last of them is what counts.
    pub(crate) owed: u8,
    pub(crate) told_settled: bool,
    pub(crate) told_deleted: bool,
    pub(crate) illegal: bool,
    /// Whether an event was taken for the event of another version.
    pub(crate) mistaken: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The client puts its bytes: in time, late, or never.
    Put,
    /// The owner deletes the photo.
    Delete,
    /// The last signature for a deleted photo ends: nothing is signed for it any more.
    SignaturesEnd,
    /// S3 delivers an event; each is delivered up to twice, whenever.
    Deliver {
        version: u8,
        worker: usize,
    },
    /// An event is lost.
    Lose {
        version: u8,
    },
    /// The same of what a reconcile run has invoked for a form.
    DeliverInvoked(usize),
    LoseInvoked,
    /// An operator's backfill hands the photo on; its event is delivered, or lost.
    Backfill,
    DeliverAgain {
        version: u8,
        worker: usize,
    },
    LoseAgain {
        version: u8,
    },
    /// An invocation goes one step on.
    Work(usize),
    /// An invocation fails in an orderly way: its message is delivered again.
    Fail(usize),
    /// A render ends, and the table cannot remove its note.
    KeepNotes(usize),
    /// An invocation dies: its message is delivered again, or is lost (as a dead letter, until an operator moves it back).
    DieAndRetry(usize),
    DieAndLose(usize),
    /// A message that was received before is delivered, or lost.
    Redeliver {
        version: u8,
        worker: usize,
    },
    LoseRedelivered {
        version: u8,
    },
    /// A reconcile run begins with a part of its work, goes one step on, or dies.
    Begin {
        sweep: usize,
        with: Sweep,
    },
    Sweep(usize),
    Stop(usize),
}

impl Model for Photo {
    type State = State;
    type Action = Action;

    /// The upload was asked for: its record is there before anybody can put anything.
    fn init_states(&self) -> Vec<State> {
        let record = Record {
            status: Status::Pending,
            made: None,
            edition: 0,
            unsent: None,
            due: true,
            attempts: 0,
            renders: 0,
            notes: 0,
        };
        let mut state = State {
            record: Some(record),
            object: None,
            variants: [[None; 2]; EDITIONS + 1],
            events: [0; 2],
            redelivered: [0; 2],
            again: [0; 2],
            invoked: 0,
            editions: 0,
            workers: vec![Worker::Idle; self.workers],
            sweeps: vec![Sweep::Idle; self.sweeps],
            puts_left: self.puts,
            crashes_left: self.crashes,
            delete_left: true,
            backfills_left: self.backfills,
            failures_left: self.failures,
            lapses_left: self.lapses,
            killed: 0,
            rendered: 0,
            arrived: false,
            deleted: false,
            settled: None,
            owed: 0,
            told_settled: false,
            told_deleted: false,
            illegal: false,
            mistaken: false,
        };
        if self.begins_ready {
            let made = Some((1, 0));
            state.record = Some(Record { status: Status::Ready, made, due: false, ..record });
            (state.object, state.variants[0], state.events[0]) = (Some(1), [made; 2], 1);
            (state.arrived, state.settled, state.told_settled) = (true, Some(Status::Ready), true);
        }
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.puts_left > 0 && (state.object.is_none() || self.replaces || self.is_form) {
            actions.push(Action::Put);
        }
        if state.delete_left {
            actions.push(Action::Delete);
        }
        if state.deleted && state.puts_left > 0 {
            actions.push(Action::SignaturesEnd);
        }
        // Workers are alike: the first idle one stands for all.
        let idle = state.workers.iter().position(|worker| *worker == Worker::Idle);
        for version in [1, 2] {
            if state.events[usize::from(version) - 1] > 0 {
                actions.push(Action::Lose { version });
                actions.extend(idle.map(|worker| Action::Deliver { version, worker }));
            }
            if state.redelivered[usize::from(version) - 1] > 0 {
                actions.push(Action::LoseRedelivered { version });
                actions.extend(idle.map(|worker| Action::Redeliver { version, worker }));
            }
            if state.again[usize::from(version) - 1] > 0 {
                actions.push(Action::LoseAgain { version });
                actions.extend(idle.map(|worker| Action::DeliverAgain { version, worker }));
            }
        }
        if state.invoked > 0 {
            actions.push(Action::LoseInvoked);
            actions.extend(idle.map(Action::DeliverInvoked));
        }
        if state.backfills_left > 0 && state.object.is_some() {
            actions.push(Action::Backfill);
        }
        for (number, worker) in state.workers.iter().enumerate() {
            if *worker != Worker::Idle {
                actions.push(Action::Work(number));
                if state.lapses_left > 0 && worker.is_noted() {
                    actions.push(Action::KeepNotes(number));
                }
                if state.crashes_left > 0 {
                    actions.push(Action::DieAndRetry(number));
                    actions.push(Action::DieAndLose(number));
                }
                // A render does not fail for a reason that may pass: it calls nothing.
                if state.failures_left > 0 && !matches!(worker, Worker::Render(..)) && !worker.is_again() {
                    actions.push(Action::Fail(number));
                }
            }
        }
        let idle = state.sweeps.iter().position(|sweep| *sweep == Sweep::Idle);
        if let Some(sweep) = idle {
            actions.extend(Sweep::beginnings(state).into_iter().map(|with| Action::Begin { sweep, with }));
        }
        for (number, sweep) in state.sweeps.iter().enumerate() {
            if *sweep != Sweep::Idle {
                actions.push(Action::Sweep(number));
                if state.crashes_left > 0 {
                    actions.push(Action::Stop(number));
                }
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Put => {
                state.puts_left -= 1;
                let version = if self.is_form { 1 } else { self.puts - state.puts_left };
                state.object = Some(version);
                let events = &mut state.events[usize::from(version) - 1];
                *events = if self.is_form { *events + 1 } else { 2 };
                state.arrived |= !state.deleted;
            }
            Action::Delete => {
                state.delete_left = false;
                if self.may(Step::Delete, state.record.as_ref()) {
                    state.apply(Step::Delete, None);
                }
                state.deleted = true;
            }
            Action::SignaturesEnd => state.puts_left = 0,
            Action::Deliver { version, worker } => {
                state.events[usize::from(version) - 1] -= 1;
                state.workers[worker] = Worker::Started(version);
            }
            Action::Lose { version } => state.events[usize::from(version) - 1] -= 1,
            Action::DeliverInvoked(worker) => {
                state.invoked -= 1;
                state.workers[worker] = Worker::Invoked(1);
            }
            Action::LoseInvoked => state.invoked -= 1,
            Action::Backfill => {
                state.backfills_left -= 1;
                if let Some(version) = state.object {
                    state.again[usize::from(version) - 1] += 1;
                }
            }
            Action::DeliverAgain { version, worker } => {
                state.again[usize::from(version) - 1] -= 1;
                state.workers[worker] = Worker::Again(version);
            }
            Action::LoseAgain { version } => state.again[usize::from(version) - 1] -= 1,
            Action::Work(number) => state.work(self, number),
            Action::DieAndRetry(number) => {
                let is_again = state.workers[number].is_again();
                if let Some(version) = state.die(number) {
                    let messages = if is_again { &mut state.again } else { &mut state.redelivered };
                    messages[usize::from(version) - 1] += 1;
                }
            }
            Action::KeepNotes(number) => state.keep_notes(self, number),
            Action::Fail(number) => {
                state.failures_left -= 1;
                if let Some(version) = state.end(number) {
                    state.redelivered[usize::from(version) - 1] += 1;
                }
            }
            Action::Redeliver { version, worker } => {
                state.redelivered[usize::from(version) - 1] -= 1;
                state.workers[worker] = Worker::Received(version);
            }
            Action::LoseRedelivered { version } => state.redelivered[usize::from(version) - 1] -= 1,
            Action::DieAndLose(number) => {
                state.die(number);
            }
            Action::Begin { sweep, with } => state.sweeps[sweep] = with,
            Action::Sweep(number) => state.sweep(self, number),
            Action::Stop(number) => {
                state.crashes_left -= 1;
                state.sweeps[number] = Sweep::Idle;
            }
        }
        // Which worker does what makes no difference: one order of them stands for all.
        state.workers.sort_unstable();
        state.sweeps.sort_unstable();
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(LEGAL, |_, state: &State| !state.illegal),
            Property::always(GONE, |_, state: &State| {
                !state.deleted || state.record.is_none_or(|record| record.status == Status::Deleting)
            }),
            Property::always(OUTLIVED, |_, state: &State| {
                !state.deleted || state.record.is_some() || state.object.is_none()
            }),
            Property::always(VERSION, |_, state: &State| !state.mistaken),
            Property::always(BOUNDED, |_, state: &State| state.rendered <= MAX_RENDERS),
            Property::always(WHOLE, |model: &Self, state: &State| calm::ready_is_whole(model, state)),
            Property::always(CONVERGES, |model: &Self, state: &State| calm::outcome(model, state).is_ok()),
            Property::sometimes("a photo is ready", |_, state: &State| state.is(Status::Ready)),
            Property::sometimes(RENEWED, |_, state: &State| {
                state.record.is_some_and(|record| record.edition > 0 && record.status == Status::Ready)
            }),
            Property::sometimes("a photo fails", |_, state: &State| state.is(Status::Failed)),
            Property::sometimes("an upload expires", |_, state: &State| state.is(Status::Expired)),
            Property::sometimes("a photo is removed", |_, state: &State| state.record.is_none()),
            Property::sometimes("a photo is removed while it is processed", |_, state: &State| {
                state.record.is_none() && state.workers.iter().any(|worker| *worker != Worker::Idle)
            }),
        ]
    }
}

/// What a backfill is for.
pub(crate) const RENEWED: &str = "a photo has new variants";

/// The promises.
pub(crate) const LEGAL: &str = "every status follows from the one before by a legal step";
pub(crate) const GONE: &str = "a deleted photo never comes back";
pub(crate) const OUTLIVED: &str = "nothing of a removed photo comes back";
pub(crate) const VERSION: &str = "an event leads to the version that it told of, or to nothing";
pub(crate) const BOUNDED: &str = "a form that is sent again and again is rendered a few times";
pub(crate) const WHOLE: &str =
    "ready means that every variant is there, of the version that the record names";
pub(crate) const CONVERGES: &str =
    "once all is calm nothing is lost, nothing is left over and everything is told";

impl State {
    pub(crate) fn is(&self, status: Status) -> bool {
        self.record.is_some_and(|record| record.status == status)
    }

    /// A write whose condition held.
    pub(crate) fn apply(&mut self, step: Step, made: Option<Made>) {
        let Some(record) = &mut self.record else { return };
        self.illegal |= !step.from().contains(&record.status);
        if let Some(next) = step.to() {
            self.illegal |= !record.status.may_become(next);
            record.status = next;
        }
        match step {
            Step::Succeed | Step::Fail | Step::Renew | Step::Recover => {
                record.made = made;
                self.owed += 1;
                (record.unsent, record.due) = (Some(self.owed), true);
                self.told_settled = false;
                self.settled = Some(record.status);
                record.notes = 0;
            }
            Step::NoteStart => record.notes += 1,
            Step::ClearStarts => record.notes = 0,
            Step::Expire => record.due = false,
            Step::Retry => {
                record.attempts += 1;
                record.due = true;
            }
            Step::Render => {
                record.renders += 1;
                record.due = true;
                self.rendered += 1;
            }
            Step::Delete => record.due = true,
            Step::Remove => {
                self.illegal |= record.status != Status::Deleting;
                self.record = None;
            }
        }
    }
}
