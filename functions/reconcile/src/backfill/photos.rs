//! The stack's own photos, by listing their originals: the table is never scanned.

use photo_aws::created_event::backfill_event;
use photo_aws::{AwsError, FoundObject, Known, OriginalTag};
use photo_domain::OriginalKey;
use photo_domain::record::Status;
use tracing::Instrument as _;

use super::{Backfill, BackfillError, Looked};

impl Backfill<'_> {
    pub(super) async fn photos(&mut self) -> Result<(), BackfillError> {
        let tools = self.tools;
        let page = tools
            .objects
            .list_originals(self.place.owner.as_ref(), self.after.as_deref(), self.limit)
            .await?;
        let listed: Vec<_> =
            page.objects.into_iter().map(|object| (object.key.parse().ok(), object)).collect();
        let keys: Vec<OriginalKey> = listed.iter().filter_map(|(key, _)| key.clone()).collect();
        let known = tools.store.known(&keys).await?;
        for (key, object) in &listed {
            if !self.has_time() {
                return Ok(());
            }
            let Some(key) = key else {
                self.count(&object.key, Ok(Looked::Unfit("not the key of an original")))?;
                continue;
            };
            let span = tracing::info_span!("photo", photo_id = %key.photo_id);
            let looked = self.look_at_photo(key, object, known.get(key)).instrument(span.clone()).await;
            span.in_scope(|| self.count(&object.key, looked))?;
        }
        self.summary.complete = !page.more;
        Ok(())
    }

    /// Hands a photo on whose variants are not by today's settings. Should it change meanwhile, the thumbnail function
    /// sees it: it reads the record again, and its write has a condition.
    async fn look_at_photo(
        &self,
        key: &OriginalKey,
        object: &FoundObject,
        known: Option<&Known>,
    ) -> Result<Looked, AwsError> {
        match known {
            Some(Known::Record { status: Status::Ready, recipe, .. }) => {
                if recipe.as_ref() == Some(&self.tools.config.recipe) {
                    return Ok(Looked::Done);
                }
            }
            Some(Known::Record { status: Status::Failed, .. }) if self.include_failed => {}
            // Not this function's work, or on its way by today's settings already.
            Some(Known::Record { .. }) => return Ok(Looked::Done),
            Some(Known::Unreadable) => return Ok(Looked::Unfit("its record cannot be read")),
            None => return Ok(Looked::Unfit("an original without a record")),
        }
        if !self.is_dry {
            if let Some(Known::Record { status: Status::Failed, .. }) = known {
                // The lifecycle rule goes by the tag: before the record can say `ready`, the original must be kept.
                // Should the photo stay failed, it is due, and its original is tagged again.
                if !self.tools.store.begin_renewal(key, self.now).await? {
                    return Ok(Looked::Postponed("its event is unsent, or the photo has changed"));
                }
                self.tools.objects.tag_original(key, OriginalTag::Ready).await?;
            }
            let event = backfill_event(self.tools.objects.originals_bucket(), key, object);
            self.tools.thumbnails.send(&event.to_string()).await?;
        }
        Ok(Looked::Started)
    }
}
