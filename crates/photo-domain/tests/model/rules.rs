//! The rules under check.

use photo_domain::Step;
use photo_domain::record::Status;

use crate::processes::Worker;
use crate::system::Record;

/// What is under check: the product's rules, or rules with a planted bug.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is one planted bug or one fact")]
pub(crate) struct Photo {
    /// In which statuses a step may happen.
    pub(crate) from: fn(Step) -> &'static [Status],
    /// Whether the write that settles a record notes that its event is unsent.
    pub(crate) outbox: bool,
    /// Whether variants are written before the record says `ready`.
    pub(crate) variants_first: bool,
    /// Whether the object's version is compared with the event's.
    pub(crate) version_guard: bool,
    /// Whether the uploaded bytes are an image.
    pub(crate) good: bool,
    /// How many objects a client, or an operator past the API, puts under the key.
    pub(crate) puts: u8,
    /// Whether the second of them replaces the first: no client can (`if-none-match: *`), an operator can.
    pub(crate) replaces: bool,
    /// Whether the upload is a form: each of `puts` brings the same bytes, an object there or not, and renders are counted.
    pub(crate) is_form: bool,
    /// Whether the write that counts a render has the count's limit as its condition.
    pub(crate) count_is_conditional: bool,
    /// Whether a removal waits until nothing that was signed can come any more.
    pub(crate) outlives: bool,
    /// How many invocations and reconcile runs go on at the same time.
    pub(crate) workers: usize,
    pub(crate) sweeps: usize,
    /// How many processes die in between.
    pub(crate) crashes: u8,
    /// How often an operator asks for new variants: whenever an object is there, whatever has become of it.
    pub(crate) backfills: u8,
    /// Whether a backfill can read the bytes: a later version may, and a broken one may not.
    pub(crate) readable: bool,
    /// Whether all of it begins with a photo that is ready, with a duplicate of its event still to come.
    pub(crate) begins_ready: bool,
    /// Whether what a backfill makes has keys of its own.
    pub(crate) editions: bool,
    /// Whether a listing leaves out what is younger than any invocation.
    pub(crate) grace: bool,
    /// Whether a note that an event was sent is of that event alone.
    pub(crate) notes_by_id: bool,
    /// How many invocations end for a reason that may pass: their message is delivered again.
    pub(crate) failures: u8,
    /// How often the table cannot remove the notes of a render that has ended.
    pub(crate) lapses: u8,
    /// Whether a render that has ended removes notes, and whether its own alone.
    pub(crate) removes_notes: bool,
    pub(crate) removes_own_note_only: bool,
    /// Whether a render that still runs counts as killed.
    pub(crate) counts_running: bool,
}

impl Photo {
    pub(crate) fn product() -> Self {
        Self {
            from: Step::from,
            outbox: true,
            variants_first: true,
            version_guard: true,
            good: true,
            puts: 1,
            replaces: false,
            is_form: false,
            count_is_conditional: true,
            outlives: true,
            workers: 2,
            sweeps: 1,
            crashes: 1,
            backfills: 0,
            readable: true,
            begins_ready: false,
            editions: true,
            grace: true,
            notes_by_id: true,
            failures: 0,
            lapses: 0,
            removes_notes: true,
            removes_own_note_only: false,
            counts_running: false,
        }
    }

    /// A photo whose message is delivered again and again: invocations fail, and some die.
    pub(crate) fn redelivered(failures: u8, crashes: u8) -> Self {
        Self { failures, crashes, workers: 1, ..Self::product() }
    }

    /// A form that is sent three times.
    pub(crate) fn form() -> Self {
        Self { is_form: true, puts: 3, ..Self::product() }
    }

    /// A photo that was ready before a backfill comes, and comes again.
    pub(crate) fn backfilled() -> Self {
        Self { puts: 0, backfills: 2, begins_ready: true, ..Self::product() }
    }

    pub(crate) fn may(&self, step: Step, record: Option<&Record>) -> bool {
        record.is_some_and(|record| (self.from)(step).contains(&record.status))
    }

    pub(crate) fn after_render(&self, version: u8) -> Worker {
        match () {
            () if !self.good => Worker::SettleFailed(version),
            () if self.variants_first => Worker::Have(version, 0),
            () => Worker::Settle(version),
        }
    }
}
