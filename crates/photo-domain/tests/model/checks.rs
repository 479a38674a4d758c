//! The checks themselves, and that they find what they are for.

use photo_domain::Step;
use photo_domain::record::Status;
use stateright::{Checker as _, HasDiscoveries, Model as _};

use crate::system::{CONVERGES, GONE, LEGAL, Photo, VERSION, WHOLE};

/// Visits every reachable state of a model; every promise must hold in each.
fn holds(model: Photo, at_least: usize, never: &[&'static str]) {
    let checker = model.checker().threads(2).spawn_bfs().join();
    println!("{} states, {} deep", checker.unique_state_count(), checker.max_depth());
    for promise in [LEGAL, GONE, VERSION, WHOLE, CONVERGES] {
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

#[test]
fn each_planted_bug_in_the_order_of_calls_is_found() {
    breaks(Photo { variants_first: false, ..Photo::product() }, WHOLE);
    breaks(Photo { outbox: false, ..Photo::product() }, CONVERGES);
}
