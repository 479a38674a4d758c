//! Reconcile runs, with the real SDK and written-down answers of AWS.

#[cfg(test)]
mod support;

#[cfg(test)]
mod backfill_bucket;
#[cfg(test)]
mod backfill_photos;
#[cfg(test)]
mod due;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod orphans;
#[cfg(test)]
mod turns;
