//! The reconcile function: whatever a crash, a lost event or an outage left undone is done here, on a schedule.
//!
//! | module | holds |
//! | --- | --- |
//! | [`run`] | one run: its parts in order, within its time |
//! | [`sweep`] | records that are due: expired uploads, lost events, unsent announcements, deleted photos |
//! | `turns` | the order in which owners' due records are looked after |
//! | [`backfill`] | variants for photos that were there before, when an operator asks for them |
//! | [`orphans`] | originals and variants that no record knows, found by listing the buckets |
//! | [`summary`] | what a run did, as one log line and as its answer |
//! | [`event`] | what it is invoked with, and what it answers |
//! | [`config`] | the environment |
//!
//! Any number of runs may go on at the same time, and any of them may end anywhere: each step is a conditional write
//! or leaves what it finds done. The model check in `photo-domain` has them all.
//!
//! **It never starts itself**: it sends to the thumbnail queue alone, and writes originals, whose events S3 puts into that same
//! queue. The thumbnail function starts nothing, and its output goes into a bucket without notifications. Attempts are counted
//! in the record, five at most; a backfill continues only when it is called again.

pub mod backfill;
pub mod config;
pub mod event;
pub mod orphans;
pub mod run;
pub mod summary;
pub mod sweep;
mod turns;

pub use config::Config;
pub use event::{Answer, Event};
pub use run::{Reconciler, Request};
pub use summary::Summary;
