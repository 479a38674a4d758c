//! The order in which due records are looked after.
//!
//! Owners take turns, so one owner's backlog delays another owner's oldest photo by one turn.

use std::collections::HashMap;

use photo_aws::DuePhoto;
use photo_domain::{OriginalKey, OwnerId, PhotoId};
use tokio::time::Instant;

/// The most photos that a round holds in memory (some 100 bytes each).
const MOST_HELD: usize = 50_000;

/// Photos that are due, by owner.
#[derive(Debug)]
pub(crate) struct Round {
    per_owner: usize,
    held: usize,
    by_owner: HashMap<OwnerId, Vec<(i64, PhotoId)>>,
    is_whole: bool,
}

impl Round {
    /// A round that takes up at most so many photos of one owner.
    pub(crate) fn new(per_owner: usize) -> Self {
        Self { per_owner, held: 0, by_owner: HashMap::new(), is_whole: true }
    }

    /// Adds a photo, or leaves the photo to the next round.
    pub(crate) fn add(&mut self, photo: DuePhoto) {
        let photos = self.by_owner.entry(photo.key.owner).or_default();
        if photos.len() < self.per_owner {
            photos.push((photo.due_at, photo.key.photo_id));
            self.held += 1;
        } else {
            self.is_whole = false;
        }
    }

    /// Whether the round has room for more and it is not yet `end`. If not, what comes is left to the next round.
    pub(crate) fn has_room_until(&mut self, end: Instant) -> bool {
        let has_room = self.held < MOST_HELD && Instant::now() < end;
        self.is_whole &= has_room;
        has_room
    }

    /// Whether nothing was left to the next round.
    pub(crate) const fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// First every owner's longest due photo, then every owner's second, and so on; within a turn the longest due first.
    pub(crate) fn in_turns(self) -> Vec<OriginalKey> {
        let mut turns = Vec::with_capacity(self.held);
        for (owner, mut photos) in self.by_owner {
            photos.sort_unstable();
            for (turn, (due_at, photo_id)) in photos.into_iter().enumerate() {
                turns.push((turn, due_at, OriginalKey { owner: owner.clone(), photo_id }));
            }
        }
        turns.sort_unstable_by_key(|(turn, due_at, key)| (*turn, *due_at, key.photo_id));
        turns.into_iter().map(|(.., key)| key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "01935b7c-0000-7000-8000-000000";

    fn due(owner: &str, number: u32, due_at: i64) -> DuePhoto {
        let photo_id = format!("{FIRST}{number:06}").parse().unwrap();
        DuePhoto { key: OriginalKey { owner: OwnerId::from_encoded(owner).unwrap(), photo_id }, due_at }
    }

    fn order(round: Round) -> Vec<String> {
        let number = |key: &OriginalKey| {
            key.photo_id.to_string().trim_start_matches(FIRST).trim_start_matches('0').to_owned()
        };
        let name = |key: OriginalKey| format!("{}{}", key.owner.as_str(), number(&key));
        round.in_turns().into_iter().map(name).collect()
    }

    #[test]
    fn owners_take_turns_and_the_longest_due_is_first() {
        let mut round = Round::new(100);
        for number in 1..=4 {
            round.add(due("flood", number, i64::from(10 - number)));
        }
        round.add(due("late", 1, 100));
        round.add(due("early", 1, 1));
        round.add(due("early", 2, 200));
        assert!(round.is_whole());
        assert_eq!(order(round), ["early1", "flood4", "late1", "flood3", "early2", "flood2", "flood1"]);
    }

    #[test]
    fn a_flood_is_the_second_photo_of_another_owner_away() {
        let mut round = Round::new(500);
        for number in 0..627 {
            round.add(due("flood", number, 1));
        }
        round.add(due("other", 1, 1_000));
        assert!(!round.is_whole(), "127 are left to the next round");
        let order = order(round);
        assert_eq!((order.len(), order.iter().position(|name| name == "other1")), (501, Some(1)));
    }

    #[test]
    fn a_round_whose_time_is_over_is_not_whole() {
        let mut round = Round::new(100);
        assert!(!round.has_room_until(Instant::now()) && !round.is_whole());
    }

    #[test]
    fn a_round_holds_no_more_than_it_has_room_for() {
        let mut round = Round::new(usize::MAX);
        let end = Instant::now() + std::time::Duration::from_mins(10);
        for number in 0..50_000 {
            assert!(round.has_room_until(end));
            round.add(due("flood", number, 1));
        }
        assert!(!round.has_room_until(end) && !round.is_whole());
    }
}
