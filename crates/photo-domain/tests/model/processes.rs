//! What the thumbnail function does, one step at a time: each step is one call to AWS, and between any two a process may die.

use photo_domain::Step;
use photo_domain::record::Status;

use crate::rules::Photo;
use crate::system::{MAX_KILLS, MAX_RENDERS, Made, State};

/// An invocation of the thumbnail function (`functions/thumbnail/src/process.rs`), by what it does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Worker {
    Idle,
    /// Reads the record.
    Started(u8),
    /// The same for what a reconcile run has invoked for a form.
    Invoked(u8),
    /// The same for a message that was received before.
    Received(u8),
    /// Counts the render of a form.
    Count(u8),
    /// Reads the original, if it is still this version; whether the render is noted.
    Seen(u8, bool),
    /// Notes that the render of what it has read begins.
    Note(u8),
    /// Renders, and removes all notes if it has written one.
    Render(u8, bool),
    /// Writes the next variant of what it has read.
    Have(u8, usize),
    /// Settles the record.
    Settle(u8),
    SettleFailed(u8),
    /// Announces what it has settled, then notes that it did: which version, which event.
    Announce(u8, u8),
    Clear(u8, u8),
    /// The same for a backfill (`process/renew.rs`): reads the record.
    Again(u8),
    /// Reads the original of a photo in this status.
    AgainSeen(u8, Old),
    /// Writes the next variant of an edition.
    AgainHave(u8, Old, usize, usize),
    /// Has the record name that edition.
    Renew(u8, Old, usize),
}

/// How a photo had ended when a backfill came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Old {
    Ready,
    Failed,
}

impl Worker {
    fn version(self) -> Option<u8> {
        match self {
            Self::Idle => None,
            Self::Started(version)
            | Self::Invoked(version)
            | Self::Received(version)
            | Self::Count(version)
            | Self::Seen(version, _)
            | Self::Note(version)
            | Self::Render(version, _)
            | Self::Have(version, _)
            | Self::Settle(version)
            | Self::SettleFailed(version)
            | Self::Announce(version, _)
            | Self::Clear(version, _)
            | Self::Again(version)
            | Self::AgainSeen(version, _)
            | Self::AgainHave(version, ..)
            | Self::Renew(version, ..) => Some(version),
        }
    }

    /// Whether it works for a backfill, and its event is one.
    pub(crate) fn is_again(self) -> bool {
        matches!(self, Self::Again(_) | Self::AgainSeen(..) | Self::AgainHave(..) | Self::Renew(..))
    }

    /// Whether a note of its own stands.
    pub(crate) fn is_noted(self) -> bool {
        matches!(self, Self::Render(_, true))
    }

    /// The edition that it is making.
    pub(crate) fn edition(self) -> Option<usize> {
        match self {
            Self::AgainHave(_, _, edition, _) | Self::Renew(_, _, edition) => Some(edition),
            _ => None,
        }
    }
}

impl State {
    /// Ends an invocation wherever it is; gives the version that it was for.
    pub(crate) fn die(&mut self, number: usize) -> Option<u8> {
        self.crashes_left -= 1;
        self.killed += u8::from(matches!(self.workers[number], Worker::Render(..)));
        self.end(number)
    }

    /// The same without a crash.
    pub(crate) fn end(&mut self, number: usize) -> Option<u8> {
        std::mem::replace(&mut self.workers[number], Worker::Idle).version()
    }

    pub(crate) fn work(&mut self, model: &Photo, number: usize) {
        self.workers[number] = match self.workers[number] {
            // The planted bug: it had settled first.
            Worker::Have(_, 2) if !model.variants_first => Worker::Idle,
            idle @ Worker::Idle => idle,
            // Done before, deleted, or without a record: nothing is made.
            Worker::Started(_) | Worker::Invoked(_) | Worker::Received(_) if !self.is_open() => Worker::Idle,
            Worker::Started(version) | Worker::Invoked(version) | Worker::Received(version)
                if self.has_killed(model) =>
            {
                Worker::SettleFailed(version)
            }
            // The planted bug: the count is looked at here, and not by the write.
            Worker::Started(_) if !model.count_is_conditional && self.is_used_up() => Worker::Idle,
            // A message is counted at its first delivery alone.
            Worker::Started(version) if model.is_form => Worker::Count(version),
            Worker::Started(version) | Worker::Invoked(version) => Worker::Seen(version, false),
            Worker::Received(version) => Worker::Seen(version, true),
            Worker::Count(version) => {
                let is_refused = model.count_is_conditional && self.is_used_up();
                if model.may(Step::Render, self.record.as_ref()) && !is_refused {
                    self.apply(Step::Render, None);
                    Worker::Seen(version, false)
                } else {
                    Worker::Idle
                }
            }
            Worker::Seen(version, noted) => self.read(model, version, noted),
            Worker::Note(version) => {
                let is_noted = model.may(Step::NoteStart, self.record.as_ref());
                if is_noted {
                    self.apply(Step::NoteStart, None);
                }
                Worker::Render(version, is_noted)
            }
            Worker::Render(version, is_noted) => {
                if is_noted {
                    self.remove_notes(model);
                }
                model.after_render(version)
            }
            Worker::Have(version, 2) => Worker::Settle(version),
            Worker::Have(version, next) => {
                self.variants[0][next] = Some((version, 0));
                Worker::Have(version, next + 1)
            }
            Worker::Settle(version) => {
                if !self.settle(model, Step::Succeed, Some((version, 0))) {
                    Worker::Idle
                } else if model.variants_first {
                    Worker::Announce(version, self.owed)
                } else {
                    Worker::Have(version, 0)
                }
            }
            Worker::SettleFailed(version) => {
                if self.settle(model, Step::Fail, None) {
                    Worker::Announce(version, self.owed)
                } else {
                    Worker::Idle
                }
            }
            Worker::Announce(version, event) => {
                self.tell(event);
                Worker::Clear(version, event)
            }
            Worker::Clear(_, event) => {
                self.clear_unsent(model, event);
                Worker::Idle
            }
            again => self.work_again(model, again),
        };
    }

    fn remove_notes(&mut self, model: &Photo) {
        if model.removes_notes && model.may(Step::ClearStarts, self.record.as_ref()) {
            let others = self.record.map_or(0, |record| record.notes.saturating_sub(1));
            self.apply(Step::ClearStarts, None);
            if let Some(record) = self.record.as_mut().filter(|_| model.removes_own_note_only) {
                record.notes = others;
            }
            // Of a photo that has ended, what ended it counts.
            if self.is_open() {
                self.killed = 0;
            }
        }
    }

    /// Ends a render whose notes cannot be removed.
    pub(crate) fn keep_notes(&mut self, model: &Photo, number: usize) {
        self.lapses_left -= 1;
        self.killed += 1;
        if let Worker::Render(version, _) = self.workers[number] {
            self.workers[number] = model.after_render(version);
        }
    }

    fn is_open(&self) -> bool {
        self.record.is_some_and(|record| matches!(record.status, Status::Pending | Status::Expired))
    }

    fn is_used_up(&self) -> bool {
        self.record.is_some_and(|record| record.renders >= MAX_RENDERS)
    }

    /// Whether the photo has killed too many renders: notes whose invocations run no longer. In the product they are told by
    /// their age.
    fn has_killed(&self, model: &Photo) -> bool {
        let notes = self.record.map_or(0, |record| usize::from(record.notes));
        let running = self.workers.iter().filter(|worker| worker.is_noted()).count();
        notes.saturating_sub(if model.counts_running { 0 } else { running }) >= usize::from(MAX_KILLS)
    }

    /// What a backfill's event leads to. Its notes are left out: they end in no status.
    fn work_again(&mut self, model: &Photo, worker: Worker) -> Worker {
        match worker {
            Worker::Again(version) => match self.record {
                // By these settings already: nothing to do.
                Some(record) if record.made.is_some_and(|(_, settings)| settings == 1) => Worker::Idle,
                Some(record) => match record.status {
                    Status::Pending | Status::Expired => Worker::Seen(version, false),
                    Status::Ready => Worker::AgainSeen(version, Old::Ready),
                    Status::Failed => Worker::AgainSeen(version, Old::Failed),
                    Status::Deleting => Worker::Idle,
                },
                None => Worker::Idle,
            },
            // Whatever is wrong with the original now: the photo is left as it was.
            Worker::AgainSeen(version, old) if self.object == Some(version) && model.readable => {
                if model.editions {
                    self.editions += 1;
                }
                Worker::AgainHave(version, old, self.editions, 0)
            }
            Worker::AgainHave(version, old, edition, 2) => Worker::Renew(version, old, edition),
            Worker::AgainHave(version, old, edition, next) => {
                self.variants[edition][next] = Some((version, 1));
                Worker::AgainHave(version, old, edition, next + 1)
            }
            Worker::Renew(version, old, edition) => {
                let step = if old == Old::Failed { Step::Recover } else { Step::Renew };
                let is_other = self.record.is_some_and(|record| record.made.is_none_or(|made| made.1 != 1));
                if !is_other || !self.settle(model, step, Some((version, 1))) {
                    return Worker::Idle;
                }
                if let Some(record) = &mut self.record {
                    record.edition = edition;
                }
                Worker::Announce(version, self.owed)
            }
            _ => Worker::Idle,
        }
    }

    /// Announces an event. Of a photo whose variants were renewed the last one is what counts.
    pub(crate) fn tell(&mut self, event: u8) {
        self.told_settled |= event == self.owed;
    }

    fn read(&mut self, model: &Photo, version: u8, noted: bool) -> Worker {
        match self.object {
            None => Worker::SettleFailed(version),
            Some(found) if found != version && model.version_guard => Worker::Idle,
            Some(found) => {
                self.mistaken |= found != version;
                if noted { Worker::Note(found) } else { Worker::Render(found, false) }
            }
        }
    }

    pub(crate) fn settle(&mut self, model: &Photo, step: Step, made: Option<Made>) -> bool {
        let may = model.may(step, self.record.as_ref());
        if may {
            self.apply(step, made);
            if let Some(record) = self.record.as_mut().filter(|_| !model.outbox) {
                (record.unsent, record.due) = (None, false);
            }
        }
        may
    }

    /// Notes that an event was sent, unless another one is owed by now.
    pub(crate) fn clear_unsent(&mut self, model: &Photo, event: u8) {
        let is_it = |owed: u8| owed == event || !model.notes_by_id;
        if let Some(record) = self.record.as_mut().filter(|record| record.unsent.is_some_and(is_it)) {
            record.unsent = None;
            record.due = record.status == Status::Deleting;
        }
    }
}
