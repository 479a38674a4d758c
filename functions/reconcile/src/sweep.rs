//! Records that are due.

use std::collections::HashSet;

use photo_aws::created_event::created_event;
use photo_aws::{AwsError, Bucket, FoundObject, OriginalTag, Settled, Tracked};
use photo_domain::event::Unsent;
use photo_domain::record::{Outcome, PhotoRecord, State};
use photo_domain::{Announcement, CompletionEvent, FailureCode, OriginalKey, UploadMethod, upkeep};
use time::OffsetDateTime;
use tracing::Instrument as _;

use crate::run::Run;
use crate::turns::Round;

impl Run<'_> {
    /// Looks after what is due, in rounds, while there is time.
    pub(crate) async fn sweep(&mut self) {
        // The index lags behind the table, and what failed is still due: no photo has two turns in a run.
        let mut taken = HashSet::new();
        // A round may end before it has read all partitions: runs and rounds begin at different ones.
        let mut shard = self.now.minute() % upkeep::SHARDS;
        while self.has_time() {
            let round = self.next_round(&taken, &mut shard).await;
            let is_last = round.is_whole();
            for key in round.in_turns() {
                if !self.has_time() {
                    return;
                }
                taken.insert(key.clone());
                let span = tracing::info_span!("photo", photo_id = %key.photo_id);
                if let Err(error) = self.look_after(&key).instrument(span.clone()).await {
                    span.in_scope(|| self.failed("sweep", &error));
                }
            }
            if is_last {
                return;
            }
        }
    }

    /// Reads the partitions of the index of due records from `shard` on, for half of the time that is left: the other half
    /// is for the records. The next round begins behind the last partition that was read.
    async fn next_round(&mut self, taken: &HashSet<OriginalKey>, shard: &mut u8) -> Round {
        let read_until = self.half_time();
        let mut round = Round::new(self.tools.config.max_records);
        for _ in 0..upkeep::SHARDS {
            if !round.has_room_until(read_until) {
                break;
            }
            let this = *shard;
            *shard = (this + 1) % upkeep::SHARDS;
            let mut after = None;
            while round.has_room_until(read_until) {
                let page = match self.tools.store.due(this, self.now, after).await {
                    Ok(page) => page,
                    Err(error) => {
                        self.stopped("due", &error);
                        break;
                    }
                };
                page.photos
                    .into_iter()
                    .filter(|photo| !taken.contains(&photo.key))
                    .for_each(|photo| round.add(photo));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        round
    }

    /// Does for one photo what its record is due for.
    async fn look_after(&mut self, key: &OriginalKey) -> Result<(), AwsError> {
        // The index lags behind the table: what counts is the record.
        let Some(tracked) = self.tools.store.track(key).await? else { return Ok(()) };
        if tracked.due_at.is_none_or(|due_at| due_at > self.now) {
            return Ok(());
        }
        self.summary.due += 1;
        match (&tracked.record.state, tracked.unsent) {
            (State::Deleting(_), _) => self.finish_delete(key, &tracked).await,
            (State::Settled(_), Some(unsent)) => self.announce(key, &tracked.record, unsent).await,
            (State::Settled(Outcome::Failed { .. }), None) => self.tag_failed(key, &tracked).await,
            (State::Settled(Outcome::Ready(_)), None) => self.tag_ready(key, &tracked).await,
            (State::Pending { .. } | State::Expired { .. }, _) => self.take_up(key, &tracked).await,
        }
    }

    /// An upload whose window is over: either nothing came, or nothing became of what came.
    async fn take_up(&mut self, key: &OriginalKey, tracked: &Tracked) -> Result<(), AwsError> {
        let Some(object) = self.tools.objects.find_original(key).await? else {
            if matches!(tracked.record.state, State::Expired { .. }) {
                return self.rest(key, tracked).await.map(drop);
            }
            if let Some(due_at) = self.may_still_come(tracked) {
                return self.look_again(key, tracked, due_at).await;
            }
            let size_bytes = tracked.record.request.size_bytes;
            if self.is_dry() || self.tools.store.expire(key, size_bytes, self.now).await? {
                self.summary.expired += 1;
                tracing::info!(dry_run = self.is_dry(), "upload expired: nothing came");
            }
            return Ok(());
        };
        if self.has_backlog().await? {
            return self.postpone(key, tracked, &object).await;
        }
        if tracked.attempts >= upkeep::MAX_ATTEMPTS {
            return self.give_up(key, &tracked.record, tracked.attempts).await;
        }
        self.retry(key, tracked.attempts, &object).await
    }

    /// Reschedules a photo whose event may wait in the thumbnail queue: neither a backlog of days nor a disabled mapping uses up
    /// its attempts. The event of an old photo is sent again all the same, for it may be lost.
    async fn postpone(
        &mut self,
        key: &OriginalKey,
        tracked: &Tracked,
        object: &FoundObject,
    ) -> Result<(), AwsError> {
        let (due_at, resends) = upkeep::during_backlog(tracked.record.created_at, self.now);
        if !self.is_dry() {
            let is_claimed = self.tools.store.reschedule(key, tracked, self.now, due_at).await?;
            if is_claimed && resends {
                self.send_event(key, object).await?;
            }
        }
        self.summary.postponed += 1;
        tracing::info!(
            dry_run = self.is_dry(),
            resends,
            "messages wait in the thumbnail queue: looked at again later"
        );
        Ok(())
    }

    async fn send_event(&self, key: &OriginalKey, object: &FoundObject) -> Result<(), AwsError> {
        let event = created_event(self.tools.objects.originals_bucket(), key, object);
        self.tools.thumbnails.send(&event.to_string()).await
    }

    async fn retry(
        &mut self,
        key: &OriginalKey,
        attempts: u32,
        object: &FoundObject,
    ) -> Result<(), AwsError> {
        // The claim comes first: should the invocation be lost, the photo is due again after its wait, and of two
        // runs at once one has it.
        if !self.is_dry() {
            if !self.tools.store.claim_retry(key, attempts, self.now).await? {
                return Ok(());
            }
            self.send_event(key, object).await?;
        }
        self.summary.retried += 1;
        tracing::warn!(
            attempt = attempts + 1,
            dry_run = self.is_dry(),
            "processed again: its event was lost"
        );
        Ok(())
    }

    /// Ends a photo that no attempt has brought to an end. Its original stays for as long as that of any failed photo, and a
    /// backfill may make it ready.
    async fn give_up(
        &mut self,
        key: &OriginalKey,
        record: &PhotoRecord,
        attempts: u32,
    ) -> Result<(), AwsError> {
        let reason = format!("unsettled after {attempts} attempts");
        tracing::error!(reason, dry_run = self.is_dry(), "photo given up");
        self.summary.gave_up += 1;
        if self.is_dry() {
            return Ok(());
        }
        let outcome = Outcome::Failed { code: FailureCode::RetriesExhausted, reason };
        if self.tools.store.settle(key, &outcome, self.now).await? == Settled::Now {
            let failed = PhotoRecord { state: State::Settled(outcome), ..record.clone() };
            let unsent = Unsent { what: Announcement::Failed, at: self.now };
            self.announce(key, &failed, unsent).await?;
        }
        Ok(())
    }

    /// Tags the original of a failed photo, so that the lifecycle rule lets it expire. The thumbnail function, which
    /// decodes strangers' bytes, may not tag.
    async fn tag_failed(&mut self, key: &OriginalKey, tracked: &Tracked) -> Result<(), AwsError> {
        let tools = self.tools;
        if !self.is_dry() {
            tools.objects.tag_original(key, OriginalTag::Failed).await?;
        }
        if self.rest(key, tracked).await? {
            return Ok(());
        }
        // A backfill renews the photo meanwhile, or another run has done the same.
        let still_failed = |now: &Tracked| {
            matches!(now.record.state, State::Settled(Outcome::Failed { .. })) && now.due_at.is_none()
        };
        match tools.store.track(key).await? {
            Some(now) if !still_failed(&now) => tools.objects.tag_original(key, OriginalTag::Ready).await,
            _ => Ok(()),
        }
    }

    /// Tags the original of a photo that failed before and is ready now. A run that had read the failed record may have
    /// tagged the original `failed` after the backfill tagged it `ready`. Other ready photos are not due.
    async fn tag_ready(&mut self, key: &OriginalKey, tracked: &Tracked) -> Result<(), AwsError> {
        if !self.is_dry() {
            self.tools.objects.tag_original(key, OriginalTag::Ready).await?;
        }
        self.rest(key, tracked).await.map(drop)
    }

    /// Sends the event that the function that settled the record has not sent.
    async fn announce(
        &mut self,
        key: &OriginalKey,
        record: &PhotoRecord,
        unsent: Unsent,
    ) -> Result<(), AwsError> {
        if !self.is_dry() {
            self.tools.bus.announce(&CompletionEvent::of(record, unsent)).await?;
            self.tools.store.announced(key, unsent).await?;
        }
        self.summary.announced += 1;
        Ok(())
    }

    /// Removes what a deleted photo has left: parts, variants, original, and at last its record. A run that ends in between
    /// leaves the record, and the next run begins again.
    async fn finish_delete(&mut self, key: &OriginalKey, tracked: &Tracked) -> Result<(), AwsError> {
        let deleted_at = tracked.deleted_at.unwrap_or(tracked.updated_at);
        let removal_at = upkeep::removal_at(&tracked.record.request, deleted_at);
        if self.now < removal_at {
            return self.look_again(key, tracked, removal_at).await;
        }
        self.summary.deleted += 1;
        if self.is_dry() {
            return Ok(());
        }
        // Uploads end first: none of them can be completed behind the removal's back.
        for upload_id in &tracked.upload_ids {
            self.tools.objects.abort_upload(key, upload_id).await?;
        }
        let variants = self.tools.objects.remove_all(Bucket::Thumbnails, key).await?;
        let originals = self.tools.objects.remove_all(Bucket::Originals, key).await?;
        // The record is what all of it goes by, so everything is told before the record goes.
        if let Some(unsent) = tracked.unsent {
            self.tools.bus.announce(&CompletionEvent::of(&tracked.record, unsent)).await?;
        }
        let deleted = Unsent { what: Announcement::Deleted, at: deleted_at };
        self.tools.bus.announce(&CompletionEvent::of(&tracked.record, deleted)).await?;
        self.tools.store.remove(key).await?;
        tracing::info!(variants, originals, "deleted photo removed");
        Ok(())
    }

    /// When to look again at a photo without bytes whose upload in parts may go on.
    fn may_still_come(&self, tracked: &Tracked) -> Option<OffsetDateTime> {
        let record = &tracked.record;
        if !matches!(record.request.method, UploadMethod::Multipart(_)) {
            return None;
        }
        let ends_at = upkeep::upload_ends_at(record.request.method, record.created_at);
        (self.now < ends_at).then(|| upkeep::next_look(record.created_at, ends_at, self.now))
    }

    /// It is due again later, unless something has come up since.
    async fn look_again(
        &mut self,
        key: &OriginalKey,
        tracked: &Tracked,
        due_at: OffsetDateTime,
    ) -> Result<(), AwsError> {
        tracing::info!(dry_run = self.is_dry(), "its upload may still come: looked at again later");
        if self.is_dry() { Ok(()) } else { self.tools.store.look_again(key, tracked, due_at).await }
    }

    /// There is nothing to do: the record leaves the index. False if something has come up since.
    async fn rest(&mut self, key: &OriginalKey, tracked: &Tracked) -> Result<bool, AwsError> {
        if self.is_dry() { Ok(true) } else { self.tools.store.rest(key, tracked).await }
    }
}
