//! What the reconcile function does, one step at a time.

use photo_domain::Step;
use photo_domain::record::Status;

use crate::rules::Photo;
use crate::system::{EDITIONS, MAX_ATTEMPTS, Record, State};

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
    Announce(u8),
    ClearUnsent(u8),
    /// Removes what a deleted photo has left.
    RemoveVariants(usize),
    RemoveObject,
    TellSettled,
    TellDeleted,
    RemoveRecord,
    Hasten,
    /// Lists an original, then reads its record.
    LookOriginal,
    JudgeOriginal,
    RemoveOrphan,
    /// Lists variants, then reads their record.
    LookVariants,
    JudgeVariants(Listed),
    RemoveLeftovers(Listed),
}

/// Which objects of variants a listing has shown.
pub(crate) type Listed = [[bool; 2]; EDITIONS + 1];

impl Sweep {
    pub(crate) fn beginnings(state: &State) -> Vec<Self> {
        let mut beginnings = Vec::new();
        if state.record.is_some_and(|record| record.due) {
            beginnings.push(Self::LookDue);
        }
        if state.object.is_some() {
            beginnings.push(Self::LookOriginal);
        }
        if state.variants.iter().flatten().any(Option::is_some) {
            beginnings.push(Self::LookVariants);
        }
        beginnings
    }
}

impl State {
    pub(crate) fn sweep(&mut self, model: &Photo, number: usize) {
        self.sweeps[number] = match self.sweeps[number] {
            Sweep::Idle => Sweep::Idle,
            Sweep::LookDue => self.look_at_due(model),
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
            Sweep::Invoke(_) if model.is_form => {
                self.invoked = 1;
                Sweep::Idle
            }
            Sweep::Invoke(version) => {
                let events = &mut self.events[usize::from(version) - 1];
                *events = (*events + 1).min(2);
                Sweep::Idle
            }
            Sweep::GiveUp => {
                if self.settle(model, Step::Fail, None) {
                    Sweep::Announce(self.owed)
                } else {
                    Sweep::Idle
                }
            }
            Sweep::Announce(event) => {
                self.tell(event);
                Sweep::ClearUnsent(event)
            }
            Sweep::ClearUnsent(event) => {
                self.clear_unsent(model, event);
                Sweep::Idle
            }
            removing @ (Sweep::RemoveVariants(_)
            | Sweep::RemoveObject
            | Sweep::TellSettled
            | Sweep::TellDeleted
            | Sweep::RemoveRecord) => self.remove(model, removing),
            Sweep::Hasten => {
                if model.may(Step::Retry, self.record.as_ref())
                    && let Some(record) = &mut self.record
                {
                    record.due = true;
                }
                Sweep::Idle
            }
            listing => self.look_at_objects(model, listing),
        };
    }

    fn look_at_due(&self, model: &Photo) -> Sweep {
        let Some(record) = self.record else { return Sweep::Idle };
        match record.status {
            Status::Pending | Status::Expired => {
                Sweep::FindObject { attempts: record.attempts, expired: record.status == Status::Expired }
            }
            Status::Ready | Status::Failed => record.unsent.map_or(Sweep::Idle, Sweep::Announce),
            // The model's wait is an oracle: it knows whether an upload can still come. It shows that a removal has to
            // wait. `functions/reconcile/tests/runs/due.rs` holds the arithmetic of the wait.
            Status::Deleting if model.outlives && self.puts_left > 0 => Sweep::Idle,
            Status::Deleting => Sweep::RemoveVariants(0),
        }
    }

    fn remove(&mut self, model: &Photo, next: Sweep) -> Sweep {
        match next {
            Sweep::RemoveVariants(2) => Sweep::RemoveObject,
            Sweep::RemoveVariants(number) => {
                for edition in &mut self.variants {
                    edition[number] = None;
                }
                Sweep::RemoveVariants(number + 1)
            }
            Sweep::RemoveObject => {
                self.object = None;
                if self.record.is_some_and(|record| record.unsent.is_some()) {
                    Sweep::TellSettled
                } else {
                    Sweep::TellDeleted
                }
            }
            Sweep::TellSettled => {
                self.tell(self.owed);
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

    /// What a listing shows. An edition that an invocation is still making is younger than the grace.
    fn list_variants(&self, model: &Photo) -> Listed {
        let mut listed = self.variants.map(|edition| edition.map(|variant| variant.is_some()));
        for young in self.workers.iter().filter_map(|worker| worker.edition()).filter(|_| model.grace) {
            listed[young] = [false; 2];
        }
        listed
    }

    fn look_at_objects(&mut self, model: &Photo, next: Sweep) -> Sweep {
        match next {
            Sweep::LookOriginal if self.object.is_some() => Sweep::JudgeOriginal,
            // The listing comes first and the record after it: an object is never there before its record.
            Sweep::JudgeOriginal => match self.record.map(|record| record.status) {
                None => Sweep::RemoveOrphan,
                Some(Status::Pending | Status::Expired) => Sweep::Hasten,
                Some(_) => Sweep::Idle,
            },
            Sweep::RemoveOrphan => {
                self.object = None;
                Sweep::Idle
            }
            Sweep::LookVariants => Sweep::JudgeVariants(self.list_variants(model)),
            Sweep::JudgeVariants(listed) => match self.record {
                None | Some(Record { status: Status::Failed, .. }) => Sweep::RemoveLeftovers(listed),
                // What the record names stays.
                Some(Record { status: Status::Ready, edition, .. }) => {
                    let mut others = listed;
                    others[edition] = [false; 2];
                    Sweep::RemoveLeftovers(others)
                }
                Some(_) => Sweep::Idle,
            },
            Sweep::RemoveLeftovers(listed) => {
                for (variant, listed) in self.variants.iter_mut().flatten().zip(listed.into_iter().flatten())
                {
                    *variant = variant.filter(|_| !listed);
                }
                Sweep::Idle
            }
            _ => Sweep::Idle,
        }
    }
}
