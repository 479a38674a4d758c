//! Whether objects without a record are litter, or a sign of a mistake.
//!
//! A mistake of an operator (a wiped table, a table restored from an old backup, a wrong one) shows in many owners at
//! once: nothing of the listing is touched then. Too many of one owner are skipped; the sweep of the others continues.

use std::collections::HashMap;

use photo_domain::{OriginalKey, OwnerId};

/// Up to so many orphans are no sign of a mistake, whatever their share: a small stack, and a new owner, have few objects.
const FEW: usize = 20;

/// So many owners at least make a mistake of an operator: one person may have two accounts.
const FEW_OWNERS: usize = 2;

/// What may be touched of a listing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing: too many owners have too large a share of orphans.
    Mistake {
        /// How many of them.
        owners: usize,
        /// How many owners the listing has.
        of: usize,
    },
    /// The orphans of all owners but these, who have too many.
    Litter {
        /// The owners, with one of the orphans of each.
        except: HashMap<OwnerId, OriginalKey>,
    },
}

/// An owner's objects, and those of them that no record knows.
#[derive(Default)]
struct Share<'a> {
    objects: usize,
    orphans: usize,
    last_orphan: Option<&'a OriginalKey>,
}

/// Judges a listing: each object's photo, and whether it has no record.
pub(super) fn judge<'a>(
    objects: impl Iterator<Item = (&'a OriginalKey, bool)>,
    max_orphan_percent: usize,
) -> Verdict {
    let mut owners: HashMap<&OwnerId, Share<'a>> = HashMap::new();
    for (key, is_orphan) in objects {
        let share = owners.entry(&key.owner).or_default();
        share.objects += 1;
        if is_orphan {
            share.orphans += 1;
            share.last_orphan = Some(key);
        }
    }
    let is_over = |part: usize, of: usize| part * 100 > of * max_orphan_percent;
    let of = owners.len();
    let affected: Vec<_> =
        owners.into_iter().filter(|(_, share)| is_over(share.orphans, share.objects)).collect();
    // One owner's flood counts as one owner of many, however large it is.
    let orphans: usize = affected.iter().map(|(_, share)| share.orphans).sum();
    if affected.len() > FEW_OWNERS && is_over(affected.len(), of) && orphans > FEW {
        return Verdict::Mistake { owners: affected.len(), of };
    }
    let except = affected.into_iter().filter(|(_, share)| share.orphans > FEW);
    let sample = |(owner, share): (&OwnerId, Share<'a>)| Some((owner.clone(), share.last_orphan?.clone()));
    Verdict::Litter { except: except.filter_map(sample).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A listing in which each group of owners has so many objects each, and so many of them orphans.
    fn listing(groups: &[(usize, usize, usize)]) -> Vec<(OriginalKey, bool)> {
        let mut listing = Vec::new();
        for (group, (owners, objects, orphans)) in groups.iter().enumerate() {
            for owner in 0..*owners {
                for number in 0..*objects {
                    let photo_id = format!("01935b7c-0000-7000-8000-{number:012x}").parse().unwrap();
                    let owner = OwnerId::from_encoded(&format!("{group}-{owner}")).unwrap();
                    listing.push((OriginalKey { owner, photo_id }, number < *orphans));
                }
            }
        }
        listing
    }

    fn verdict(groups: &[(usize, usize, usize)], percent: usize) -> Verdict {
        judge(listing(groups).iter().map(|(key, is_orphan)| (key, *is_orphan)), percent)
    }

    /// What is touched: nothing, or the litter of all groups but these.
    fn touched(groups: &[(usize, usize, usize)], percent: usize) -> Option<Vec<String>> {
        match verdict(groups, percent) {
            Verdict::Mistake { .. } => None,
            Verdict::Litter { except } => {
                let mut names: Vec<_> = except.keys().map(|owner| owner.as_str().to_owned()).collect();
                names.sort_unstable();
                Some(names)
            }
        }
    }

    #[test]
    fn one_owner_s_flood_stops_nobody_else() {
        let flood = || Some(vec!["1-0".to_owned()]);
        for (case, groups, expected) in [
            ("no objects", vec![], Some(vec![])),
            ("no orphans", vec![(50, 20, 0)], Some(vec![])),
            ("litter here and there", vec![(50, 20, 1)], Some(vec![])),
            ("few in a small stack", vec![(1, 20, 20)], Some(vec![])),
            ("a flood beside others", vec![(50, 20, 0), (1, 21, 21)], flood()),
            ("a flood that is most of the listing", vec![(5, 20, 0), (1, 1_000, 1_000)], flood()),
            ("a flood beside the litter of everybody", vec![(50, 20, 2), (1, 300, 300)], flood()),
            ("a flood that is all of the listing", vec![(0, 0, 0), (1, 1_000, 1_000)], flood()),
            ("a flood within an owner's share", vec![(50, 20, 0), (1, 1_000, 100)], Some(vec![])),
            ("a flood over an owner's share", vec![(50, 20, 0), (1, 1_000, 101)], flood()),
            (
                "two accounts of one person",
                vec![(2, 20, 0), (2, 300, 300)],
                Some(vec!["1-0".to_owned(), "1-1".to_owned()]),
            ),
        ] {
            assert_eq!(touched(&groups, 10), expected, "{case}");
        }
    }

    #[test]
    fn a_mistake_of_an_operator_touches_nothing() {
        for (case, groups) in [
            ("a wiped table", vec![(50, 20, 20)]),
            ("a wiped table of a small stack", vec![(3, 7, 7)]),
            ("a wiped table, each owner with one photo", vec![(30, 1, 1)]),
            ("a table from a backup, a fifth of the owners came since", vec![(80, 20, 0), (20, 5, 5)]),
            ("a table from a backup, all owners lost a fifth", vec![(50, 20, 4)]),
            ("a wrong table with some owners in common", vec![(10, 20, 20), (5, 20, 0)]),
        ] {
            assert_eq!(touched(&groups, 10), None, "{case}");
        }
        assert_eq!(verdict(&[(30, 2, 2), (10, 5, 0)], 10), Verdict::Mistake { owners: 30, of: 40 });
    }

    #[test]
    fn the_share_is_the_parameter_s() {
        assert_eq!(touched(&[(50, 20, 20)], 100), Some(vec![]), "all of it may be litter");
        assert_eq!(touched(&[(3, 1_000, 10)], 0), None, "nothing may");
        assert_eq!(touched(&[(1, 1_000, 21)], 0).map(|owners| owners.len()), Some(1));
    }
}
