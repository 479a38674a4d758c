//! Objects that no record knows, found by listing the buckets bit by bit.
//!
//! What could go badly wrong here is to take a whole bucket for litter: because the table is another one, was restored
//! from a backup, or does not answer. So:
//! - nothing younger than the grace is looked at, and no answer of the table is never "no record";
//! - an object is listed first and its record read after it: a record is there before its object can be;
//! - if too large a share of many owners' objects has no record, nothing of the listing is touched, and the run says so;
//!   of one owner the orphans are left alone then, and the listing goes on ([`guard`]);
//! - an original is noted when it is first seen without a record, and marked once it has been so for its retention: S3
//!   counts a lifecycle rule's days from an object's creation and not from its mark, so an old one goes within a day of
//!   it. Until then a table that is brought back knows it again. Variants are removed: they can be made again.

use std::collections::{HashMap, HashSet};

use photo_aws::{AwsError, Bucket, FoundObject, Known, OriginalTag};
use photo_domain::record::Status;
use photo_domain::{OriginalKey, OwnerId};

use crate::orphans::guard::Verdict;
use crate::run::Run;

mod guard;

/// How many objects are asked for at once.
const PAGE: usize = 1_000;

/// A part of a bucket with what the table knows of it.
struct Listing {
    objects: Vec<(FoundObject, OriginalKey)>,
    known: HashMap<OriginalKey, Known>,
    /// Where the next listing goes on; none if this was the end.
    next: Option<String>,
    listed: usize,
}

impl Run<'_> {
    /// Looks at the next part of the originals.
    pub(crate) async fn originals(&mut self) {
        if let Err(error) = self.judge_originals().await {
            self.stopped("originals", &error);
        }
    }

    /// Looks at the next part of the variants.
    pub(crate) async fn variants(&mut self) {
        if let Err(error) = self.judge_variants().await {
            self.stopped("variants", &error);
        }
    }

    async fn judge_originals(&mut self) -> Result<(), AwsError> {
        let listing = self.list(Bucket::Originals, |key| key.parse().ok()).await?;
        self.summary.originals_listed += listing.listed as u64;
        let mut orphans = Vec::new();
        for (_, key) in &listing.objects {
            match listing.known.get(key) {
                None => orphans.push(key),
                // Its event and its place in the index are both lost; or the bytes came after it had expired.
                Some(Known::Record { status: Status::Pending | Status::Expired, .. }) => {
                    if self.is_dry() || self.tools.store.hasten(key, self.now).await? {
                        self.summary.hastened += 1;
                        tracing::warn!(photo_id = %key.photo_id, "an unsettled photo whose bytes are there: due now");
                    }
                }
                Some(_) => {}
            }
        }
        let Some(except) = self.spared(Bucket::Originals, &listing) else { return Ok(()) };
        orphans.retain(|key| !except.contains(&key.owner));
        let taken = orphans.len().min(self.tools.config.max_orphans);
        for key in &orphans[..taken] {
            self.judge_orphan(key).await?;
        }
        // They stay where they are, noted or marked: the next run goes on behind the last of this one's.
        let next = match orphans.get(taken.saturating_sub(1)) {
            Some(last) if taken > 0 && taken < orphans.len() => Some(last.to_string()),
            _ => listing.next,
        };
        self.advance(Bucket::Originals, next.as_deref()).await
    }

    async fn judge_orphan(&mut self, key: &OriginalKey) -> Result<(), AwsError> {
        let tools = self.tools;
        let photo_id = key.photo_id;
        let since = if let Some(since) = tools.store.orphan_since(key).await? {
            since
        } else {
            self.summary.originals_noted += 1;
            tracing::warn!(%photo_id, "an original without a record: noted");
            if !self.is_dry() {
                tools.store.note_orphan(key, self.now, tools.config.orphan_retention).await?;
            }
            self.now
        };
        if self.now < since + tools.config.orphan_retention {
            return Ok(());
        }
        if !self.is_dry() {
            tools.objects.tag_original(key, OriginalTag::Orphaned).await?;
        }
        self.summary.originals_orphaned += 1;
        tracing::warn!(%photo_id, "an original without a record for all its retention: marked to expire");
        Ok(())
    }

    async fn judge_variants(&mut self) -> Result<(), AwsError> {
        let listing = self.list(Bucket::Thumbnails, |key| OriginalKey::of_variant(key).ok()).await?;
        self.summary.variants_listed += listing.listed as u64;
        let oldest = self.now - self.tools.config.orphan_grace;
        let mut orphans: Vec<_> = listing
            .objects
            .iter()
            .filter(|(object, key)| match listing.known.get(key) {
                None => true,
                // After a change of the variants, readers may still have URLs of the old ones.
                Some(Known::Record { status: Status::Ready, variant_keys, updated_at, .. }) => {
                    *updated_at < oldest && !variant_keys.contains(&object.key)
                }
                Some(Known::Record { status: Status::Failed, updated_at, .. }) => *updated_at < oldest,
                // On its way, being removed anyway, or not to be judged.
                Some(_) => false,
            })
            .collect();
        // What a backfill has replaced may be half of the bucket and is no sign of a wrong table: that one would not know
        // its photos.
        let Some(except) = self.spared(Bucket::Thumbnails, &listing) else { return Ok(()) };
        let is_spared = |key: &OriginalKey| !listing.known.contains_key(key) && except.contains(&key.owner);
        orphans.retain(|(_, key)| !is_spared(key));
        for (object, key) in orphans.iter().take(self.tools.config.max_orphans) {
            if !self.is_dry() {
                self.tools.objects.remove_variant(&object.key).await?;
            }
            self.summary.variants_removed += 1;
            tracing::info!(photo_id = %key.photo_id, "a variant that no record names: removed");
        }
        // What is left is found again from the same place, for what was taken is gone.
        if orphans.len() > self.tools.config.max_orphans {
            return Ok(());
        }
        self.advance(Bucket::Thumbnails, listing.next.as_deref()).await
    }

    /// Lists on from the checkpoint, and then asks the table about what was found.
    async fn list(
        &mut self,
        bucket: Bucket,
        photo_of: fn(&str) -> Option<OriginalKey>,
    ) -> Result<Listing, AwsError> {
        let tools = self.tools;
        let oldest = self.now - tools.config.orphan_grace;
        let mut next = tools.store.checkpoint(bucket.as_str()).await?;
        let mut objects = Vec::new();
        let mut listed = 0;
        while listed < tools.config.max_listed && self.has_time() {
            let limit = PAGE.min(tools.config.max_listed - listed);
            let page = tools.objects.list_after(bucket, next.as_deref(), limit).await?;
            listed += page.objects.len();
            next = page.objects.last().filter(|_| page.more).map(|object| object.key.clone());
            for object in page.objects {
                // What is not ours, and what is young, is left alone.
                if let Some(key) = photo_of(&object.key).filter(|_| object.written_at < oldest) {
                    objects.push((object, key));
                }
            }
            if next.is_none() {
                break;
            }
        }
        let keys: HashSet<_> = objects.iter().map(|(_, key)| key.clone()).collect();
        let known = tools.store.known(&keys.into_iter().collect::<Vec<_>>()).await?;
        Ok(Listing { objects, known, next, listed })
    }

    /// The owners whose orphans are left alone; none if that is everybody's, and the checkpoint stays.
    fn spared(&mut self, bucket: Bucket, listing: &Listing) -> Option<HashSet<OwnerId>> {
        let objects = listing.objects.iter().map(|(_, key)| (key, !listing.known.contains_key(key)));
        let allowed_percent = self.tools.config.max_orphan_percent;
        match guard::judge(objects, allowed_percent) {
            Verdict::Mistake { owners, of } => {
                self.summary.refused += 1;
                tracing::error!(
                    bucket = bucket.as_str(),
                    owners,
                    of,
                    listed = listing.listed,
                    allowed_percent,
                    "too many objects without a record: nothing is touched. Is it the right table?"
                );
                None
            }
            Verdict::Litter { except } => {
                self.summary.owners_skipped += except.len() as u64;
                for key in except.values() {
                    tracing::warn!(
                        bucket = bucket.as_str(),
                        photo_id = %key.photo_id,
                        allowed_percent,
                        "too many objects of one owner without a record: this owner's are left alone"
                    );
                }
                Some(except.into_keys().collect())
            }
        }
    }

    /// Moves the checkpoint on; to the beginning, if nothing is behind it.
    async fn advance(&mut self, bucket: Bucket, next: Option<&str>) -> Result<(), AwsError> {
        if self.is_dry() {
            return Ok(());
        }
        self.tools.store.save_checkpoint(bucket.as_str(), next, self.now).await
    }
}
