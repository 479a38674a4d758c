//! The checks themselves, and that they find what they are for.

use photo_domain::Step;
use photo_domain::record::Status;
use stateright::{Checker as _, HasDiscoveries, Model as _};

use crate::rules::Photo;
use crate::system::{BOUNDED, CONVERGES, GONE, LEGAL, OUTLIVED, RENEWED, VERSION, WHOLE};

/// Visits every reachable state of a model; every promise must hold in each.
fn holds(model: Photo, at_least: usize, never: &[&'static str]) {
    let backfills = model.backfills;
    let checker = model.checker().threads(2).spawn_bfs().join();
    println!("{} states, {} deep", checker.unique_state_count(), checker.max_depth());
    for promise in [LEGAL, GONE, OUTLIVED, VERSION, BOUNDED, WHOLE, CONVERGES] {
        checker.assert_no_discovery(promise);
    }
    // A model in which nothing happens would hold anything.
    for (name, found) in [
        "a photo is ready",
        "a photo fails",
        "an upload expires",
        "a photo is removed",
        "a photo is removed while it is processed",
    ]
    .map(|name| (name, checker.discovery(name).is_some()))
    {
        assert_eq!(found, !never.contains(&name), "{name}");
    }
    assert_eq!(checker.discovery(RENEWED).is_some(), backfills > 0 && !never.contains(&RENEWED), "{RENEWED}");
    assert!(checker.unique_state_count() >= at_least, "{}", checker.unique_state_count());
}

/// The shortest way to break a promise.
fn breaks(model: Photo, promise: &'static str) {
    let checker = model
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyOf([promise].into_iter().collect()))
        .spawn_bfs()
        .join();
    let path = checker.assert_any_discovery(promise);
    println!("{promise}: broken by {:?}", path.into_actions());
}

#[test]
fn a_good_photo_is_never_lost_whatever_dies_in_between() {
    holds(Photo::product(), 10_000, &[]);
}

#[test]
fn a_bad_photo_always_fails() {
    holds(Photo { good: false, ..Photo::product() }, 5_000, &["a photo is ready"]);
}

#[test]
fn two_reconcile_runs_at_once_do_no_harm() {
    holds(Photo { workers: 1, sweeps: 2, crashes: 0, ..Photo::product() }, 5_000, &[]);
}

#[test]
fn a_second_upload_into_the_gap_of_a_delete_leaves_nothing_over() {
    holds(Photo { puts: 2, workers: 1, ..Photo::product() }, 5_000, &[]);
}

/// No client can replace an object: `if-none-match: *` is signed. An operator can, and should not: the variants
/// may then be of either version. The guard holds even so.
#[test]
fn an_event_about_a_replaced_object_is_never_taken_for_the_new_one_s() {
    let replaced = Photo { puts: 2, replaces: true, workers: 2, crashes: 0, ..Photo::product() };
    let checker = replaced.clone().checker().threads(2).spawn_bfs().join();
    for promise in [LEGAL, GONE, VERSION] {
        checker.assert_no_discovery(promise);
    }
    breaks(Photo { version_guard: false, ..replaced }, VERSION);
}

#[test]
fn a_form_that_is_sent_again_is_rendered_a_few_times_and_never_lost() {
    holds(Photo { crashes: 0, ..Photo::form() }, 10_000, &[]);
    holds(Photo { good: false, workers: 1, ..Photo::form() }, 5_000, &["a photo is ready"]);
}

/// Two renders are counted and two invocations die: that every counted render died is among the states.
#[test]
fn a_form_whose_counted_renders_all_die_is_not_lost() {
    holds(Photo { workers: 1, crashes: 2, ..Photo::form() }, 5_000, &[]);
}

fn settled_may_be_rendered(step: Step) -> &'static [Status] {
    match step {
        Step::Render => &[Status::Pending, Status::Expired, Status::Ready, Status::Failed],
        other => other.from(),
    }
}

#[test]
fn each_planted_bug_of_a_form_is_found() {
    // Two invocations look at the count and find room, and then both count.
    breaks(Photo { count_is_conditional: false, ..Photo::form() }, BOUNDED);
    breaks(Photo { from: settled_may_be_rendered, ..Photo::form() }, LEGAL);
}

/// The first delivery, a second and a third may all die: what has killed two noted renders fails, and is not lost.
#[test]
fn a_photo_that_kills_its_renders_comes_to_an_end() {
    holds(Photo::redelivered(0, 3), 5_000, &[]);
    holds(Photo { good: false, ..Photo::redelivered(0, 3) }, 5_000, &["a photo is ready"]);
}

/// However often it fails: no message is lost here, and no render dies.
#[test]
fn failures_that_may_pass_cost_no_photo() {
    holds(Photo::redelivered(4, 0), 5_000, &[]);
    holds(Photo { workers: 2, ..Photo::redelivered(1, 1) }, 5_000, &[]);
}

/// The table is away at the end of some renders, so their notes stand.
#[test]
fn notes_that_cannot_be_removed_cost_no_photo_that_rendered() {
    holds(Photo { lapses: 2, ..Photo::redelivered(4, 0) }, 5_000, &[]);
    holds(Photo { lapses: 1, workers: 2, ..Photo::redelivered(1, 1) }, 5_000, &[]);
}

#[test]
fn each_planted_bug_of_the_notes_is_found() {
    // A render that ended in an orderly way counts as killed.
    breaks(Photo { removes_notes: false, ..Photo::redelivered(4, 0) }, CONVERGES);
    // The note of an earlier render stands after a later one has ended in an orderly way.
    breaks(Photo { removes_own_note_only: true, lapses: 2, ..Photo::redelivered(4, 0) }, CONVERGES);
    // An event that is delivered twice at the same time fails its photo.
    breaks(Photo { counts_running: true, workers: 2, ..Photo::redelivered(1, 2) }, CONVERGES);
}

fn deleted_may_succeed(step: Step) -> &'static [Status] {
    match step {
        Step::Succeed => &[Status::Pending, Status::Expired, Status::Deleting],
        other => other.from(),
    }
}

fn expired_is_final(step: Step) -> &'static [Status] {
    match step {
        Step::Succeed | Step::Fail | Step::Retry => &[Status::Pending],
        other => other.from(),
    }
}

fn failed_may_succeed(step: Step) -> &'static [Status] {
    match step {
        Step::Succeed => &[Status::Pending, Status::Expired, Status::Failed],
        other => other.from(),
    }
}

#[test]
fn each_planted_bug_in_the_table_of_steps_is_found() {
    let with = |from| Photo { from, ..Photo::product() };
    breaks(with(deleted_may_succeed), GONE);
    breaks(with(deleted_may_succeed), LEGAL);
    breaks(with(expired_is_final), CONVERGES);
    breaks(with(failed_may_succeed), LEGAL);
}

const NEVER_ONCE_READY: [&str; 2] = ["a photo fails", "an upload expires"];

#[test]
fn a_backfill_takes_nothing_from_a_photo_that_is_ready_whatever_dies_in_between() {
    holds(Photo::backfilled(), 5_000, &NEVER_ONCE_READY);
    let unreadable = [NEVER_ONCE_READY.as_slice(), &[RENEWED]].concat();
    holds(Photo { readable: false, ..Photo::backfilled() }, 1_000, &unreadable);
}

#[test]
fn two_reconcile_runs_beside_a_backfill_do_no_harm() {
    holds(Photo { sweeps: 2, crashes: 0, ..Photo::backfilled() }, 5_000, &NEVER_ONCE_READY);
}

#[test]
fn a_backfill_in_the_middle_of_an_upload_does_no_harm() {
    let early = Photo { backfills: 1, crashes: 0, ..Photo::product() };
    holds(early.clone(), 10_000, &[]);
    // A later version reads what an earlier one could not.
    holds(Photo { good: false, ..early }, 5_000, &[]);
}

fn deleted_may_be_renewed(step: Step) -> &'static [Status] {
    match step {
        Step::Renew => &[Status::Ready, Status::Deleting],
        other => other.from(),
    }
}

fn deleted_may_recover(step: Step) -> &'static [Status] {
    match step {
        Step::Recover => &[Status::Failed, Status::Deleting],
        other => other.from(),
    }
}

#[test]
fn each_planted_bug_of_a_backfill_is_found() {
    breaks(Photo { from: deleted_may_be_renewed, ..Photo::backfilled() }, LEGAL);
    let failed = Photo { good: false, backfills: 1, ..Photo::product() };
    breaks(Photo { from: deleted_may_recover, ..failed }, GONE);
    // New variants under the old ones' keys: until the record is written it tells of what is not there any more.
    breaks(Photo { editions: false, ..Photo::backfilled() }, WHOLE);
    // A sweep that takes for litter what an invocation is still making.
    breaks(Photo { grace: false, ..Photo::backfilled() }, WHOLE);
    // The note that an old event was sent, taken for that of the new one.
    breaks(Photo { notes_by_id: false, backfills: 1, ..Photo::product() }, CONVERGES);
}

#[test]
fn each_planted_bug_in_the_order_of_calls_is_found() {
    breaks(Photo { variants_first: false, ..Photo::product() }, WHOLE);
    breaks(Photo { outbox: false, ..Photo::product() }, CONVERGES);
    // A removal that does not wait for what was signed before it.
    breaks(Photo { outlives: false, ..Photo::product() }, OUTLIVED);
}
