//! What the functions do, one step at a time: each step is one call to AWS, and between any two a process may die.

use photo_domain::Step;
use photo_domain::record::Status;

use crate::system::{MAX_ATTEMPTS, Photo, State};

/// An invocation of the thumbnail function (`functions/thumbnail/src/process.rs`), by what it does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Worker {
    Idle,
    /// Reads the record.
    Started(u8),
    /// Reads the original, if it is still this version.
    Seen(u8),
    /// Writes the next variant of what it has read.
    Have(u8, usize),
    /// Settles the record.
    Settle(u8),
    SettleFailed(u8),
    /// Announces what it has settled, then notes that it did.
    Announce(u8),
    Clear(u8),
}

impl Worker {
    fn version(self) -> Option<u8> {
        match self {
            Self::Idle => None,
            Self::Started(version)
            | Self::Seen(version)
            | Self::Have(version, _)
            | Self::Settle(version)
            | Self::SettleFailed(version)
            | Self::Announce(version)
            | Self::Clear(version) => Some(version),
        }
    }
}

/// A reconcile run (`functions/reconcile`), by what it does next. `Look…` begins a part of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Sweep {
    Idle,
    /// Reads a due record.
    LookDue,
    /// Looks whether the object of a record with this many attempts is there.
    FindObject {
        attempts: u8,
        expired: bool,
    },
    Expire,
    ClearDue,
    Retry {
        version: u8,
        attempts: u8,
    },
    Invoke(u8),
    GiveUp,
    Announce,
    ClearUnsent,
    /// Removes what a deleted photo has left.
    RemoveVariants(usize),
    RemoveObject,
    TellSettled,
    TellDeleted,
    RemoveRecord,
    /// Takes a message off the failure queue.
    LookQueue,
    Hasten {
        then_unqueue: bool,
    },
    Unqueue,
    /// Lists an original, then reads its record.
    LookOriginal,
    JudgeOriginal,
    RemoveOrphan,
    /// Lists variants, then reads their record.
    LookVariants,
    JudgeVariants([bool; 2]),
    RemoveLeftovers([bool; 2]),
}

impl Sweep {
    pub(crate) fn beginnings(state: &State) -> Vec<Self> {
        let mut beginnings = Vec::new();
        if state.record.is_some_and(|record| record.due) {
            beginnings.push(Self::LookDue);
        }
        if state.queued.is_some() {
            beginnings.push(Self::LookQueue);
        }
        if state.object.is_some() {
            beginnings.push(Self::LookOriginal);
        }
        if state.variants.iter().any(Option::is_some) {
            beginnings.push(Self::LookVariants);
        }
        beginnings
    }
}

impl State {
    /// Ends an invocation wherever it is; gives the version that it was for.
    pub(crate) fn die(&mut self, number: usize) -> Option<u8> {
        self.crashes_left -= 1;
        std::mem::replace(&mut self.workers[number], Worker::Idle).version()
    }

    pub(crate) fn work(&mut self, model: &Photo, number: usize) {
        self.workers[number] = match self.workers[number] {
            // The planted bug: it had settled first.
            Worker::Have(_, 2) if !model.variants_first => Worker::Idle,
            idle @ Worker::Idle => idle,
            Worker::Started(version) => match self.record {
                Some(record) if matches!(record.status, Status::Pending | Status::Expired) => {
                    Worker::Seen(version)
                }
                // Done before, deleted, or without a record: nothing is made.
                _ => Worker::Idle,
            },
            Worker::Seen(version) => self.read(model, version),
            Worker::Have(version, 2) => Worker::Settle(version),
            Worker::Have(version, next) => {
                self.variants[next] = Some(version);
                Worker::Have(version, next + 1)
            }
            Worker::Settle(version) => {
                let next =
                    if model.variants_first { Worker::Announce(version) } else { Worker::Have(version, 0) };
                if self.settle(model, Step::Succeed, Some(version)) { next } else { Worker::Idle }
            }
            Worker::SettleFailed(version) => {
                if self.settle(model, Step::Fail, None) {
                    Worker::Announce(version)
                } else {
                    Worker::Idle
                }
            }
            Worker::Announce(version) => {
                self.told_settled = true;
                Worker::Clear(version)
            }
            Worker::Clear(_) => {
                self.clear_unsent();
                Worker::Idle
            }
        };
    }

    fn read(&mut self, model: &Photo, version: u8) -> Worker {
        match self.object {
            None => Worker::SettleFailed(version),
            Some(found) if found != version && model.version_guard => Worker::Idle,
            Some(found) => {
                self.mistaken |= found != version;
                match () {
                    () if !model.good => Worker::SettleFailed(found),
                    () if model.variants_first => Worker::Have(found, 0),
                    () => Worker::Settle(found),
                }
            }
        }
    }

    fn settle(&mut self, model: &Photo, step: Step, made_from: Option<u8>) -> bool {
        let may = model.may(step, self.record.as_ref());
        if may {
            self.apply(step, made_from);
            if let Some(record) = self.record.as_mut().filter(|_| !model.outbox) {
                (record.unsent, record.due) = (false, false);
            }
        }
        may
    }

    /// One event is owed at most, so its id need not be compared here.
    fn clear_unsent(&mut self) {
        if let Some(record) = self.record.as_mut().filter(|record| record.unsent) {
            record.unsent = false;
            record.due = record.status == Status::Deleting;
        }
    }

    pub(crate) fn sweep(&mut self, model: &Photo, number: usize) {
        self.sweeps[number] = match self.sweeps[number] {
            Sweep::Idle => Sweep::Idle,
            Sweep::LookDue => self.look_at_due(),
            Sweep::FindObject { attempts, expired } => match self.object {
                None if expired => Sweep::ClearDue,
                None => Sweep::Expire,
                Some(_) if attempts >= MAX_ATTEMPTS => Sweep::GiveUp,
                Some(version) => Sweep::Retry { version, attempts },
            },
            Sweep::Expire => {
                if model.may(Step::Expire, self.record.as_ref()) {
                    self.apply(Step::Expire, None);
                }
                Sweep::Idle
            }
            Sweep::ClearDue => {
                if let Some(record) = self.record.as_mut().filter(|record| record.status == Status::Expired) {
                    record.due = false;
                }
                Sweep::Idle
            }
            Sweep::Retry { version, attempts } => {
                let same = self.record.is_some_and(|record| record.attempts == attempts);
                if same && model.may(Step::Retry, self.record.as_ref()) {
                    self.apply(Step::Retry, None);
                    Sweep::Invoke(version)
                } else {
                    Sweep::Idle
                }
            }
            Sweep::Invoke(version) => {
                let events = &mut self.events[usize::from(version) - 1];
                *events = (*events + 1).min(2);
                Sweep::Idle
            }
            Sweep::GiveUp => {
                if self.settle(model, Step::Fail, None) {
                    Sweep::Announce
                } else {
                    Sweep::Idle
                }
            }
            Sweep::Announce => {
                self.told_settled = true;
                Sweep::ClearUnsent
            }
            Sweep::ClearUnsent => {
                self.clear_unsent();
                Sweep::Idle
            }
            removing @ (Sweep::RemoveVariants(_)
            | Sweep::RemoveObject
            | Sweep::TellSettled
            | Sweep::TellDeleted
            | Sweep::RemoveRecord) => self.remove(model, removing),
            Sweep::LookQueue => Sweep::Hasten { then_unqueue: true },
            Sweep::Hasten { then_unqueue } => {
                if model.may(Step::Retry, self.record.as_ref())
                    && let Some(record) = &mut self.record
                {
                    record.due = true;
                }
                if then_unqueue { Sweep::Unqueue } else { Sweep::Idle }
            }
            Sweep::Unqueue => {
                self.queued = None;
                Sweep::Idle
            }
            listing => self.look_at_objects(listing),
        };
    }

    fn look_at_due(&self) -> Sweep {
        let Some(record) = self.record else { return Sweep::Idle };
        match record.status {
            Status::Pending | Status::Expired => {
                Sweep::FindObject { attempts: record.attempts, expired: record.status == Status::Expired }
            }
            Status::Ready | Status::Failed if record.unsent => Sweep::Announce,
            Status::Ready | Status::Failed => Sweep::Idle,
            Status::Deleting => Sweep::RemoveVariants(0),
        }
    }

    fn remove(&mut self, model: &Photo, next: Sweep) -> Sweep {
        match next {
            Sweep::RemoveVariants(2) => Sweep::RemoveObject,
            Sweep::RemoveVariants(number) => {
                self.variants[number] = None;
                Sweep::RemoveVariants(number + 1)
            }
            Sweep::RemoveObject => {
                self.object = None;
                if self.record.is_some_and(|record| record.unsent) {
                    Sweep::TellSettled
                } else {
                    Sweep::TellDeleted
                }
            }
            Sweep::TellSettled => {
                self.told_settled = true;
                Sweep::TellDeleted
            }
            Sweep::TellDeleted => {
                self.told_deleted = true;
                Sweep::RemoveRecord
            }
            _ => {
                if model.may(Step::Remove, self.record.as_ref()) {
                    self.apply(Step::Remove, None);
                }
                Sweep::Idle
            }
        }
    }

    fn look_at_objects(&mut self, next: Sweep) -> Sweep {
        match next {
            Sweep::LookOriginal if self.object.is_some() => Sweep::JudgeOriginal,
            // The listing comes first and the record after it: an object is never there before its record.
            Sweep::JudgeOriginal => match self.record.map(|record| record.status) {
                None => Sweep::RemoveOrphan,
                Some(Status::Pending | Status::Expired) => Sweep::Hasten { then_unqueue: false },
                Some(_) => Sweep::Idle,
            },
            Sweep::RemoveOrphan => {
                self.object = None;
                Sweep::Idle
            }
            Sweep::LookVariants => Sweep::JudgeVariants(self.variants.map(|variant| variant.is_some())),
            Sweep::JudgeVariants(listed) => match self.record.map(|record| record.status) {
                None | Some(Status::Failed) => Sweep::RemoveLeftovers(listed),
                Some(_) => Sweep::Idle,
            },
            Sweep::RemoveLeftovers(listed) => {
                for (variant, listed) in self.variants.iter_mut().zip(listed) {
                    *variant = variant.filter(|_| !listed);
                }
                Sweep::Idle
            }
            _ => Sweep::Idle,
        }
    }
}
