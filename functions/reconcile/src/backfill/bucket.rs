//! Objects of a bucket that the stack does not own: they become photos of one owner.
//!
//! First the record, which names the photo before its object can be there; then the note that the object was taken over,
//! which outlives the photo; then S3 copies the object, and from then on it is an upload like any other. Ended anywhere,
//! the next backfill goes on.

use std::collections::HashMap;

use photo_aws::{AwsError, FoundObject, Imported, Known, Peeked, Taken};
use photo_domain::record::{PhotoRecord, State, Status};
use photo_domain::{ContentType, FileName, Metadata, OriginalKey, OwnerId, PhotoId, UploadRequest, upkeep};
use tracing::Instrument as _;

use super::{Backfill, BackfillError, Looked};

const CHANGED: &str = "written or removed since it was listed";

impl Backfill<'_> {
    pub(super) async fn bucket(&mut self) -> Result<(), BackfillError> {
        let tools = self.tools;
        let bucket = self.place.bucket.clone().ok_or(BackfillError::NoBucket)?;
        let owner = self.place.owner.clone().ok_or(BackfillError::NoOwner)?;
        let source = tools.objects.foreign(&bucket);
        let page = source.list(&self.place.prefix, self.after.as_deref(), self.limit).await?;
        let listed: Vec<_> = page
            .objects
            .into_iter()
            .map(|object| {
                (OriginalKey { owner: owner.clone(), photo_id: photo_id(&bucket, &object, &owner) }, object)
            })
            .collect();
        let keys: Vec<_> = listed.iter().map(|(key, _)| key.clone()).collect();
        let known = tools.store.known(&keys).await?;
        for (key, object) in &listed {
            if !self.has_time() {
                return Ok(());
            }
            let span = tracing::info_span!("photo", photo_id = %key.photo_id, size_bytes = object.size_bytes);
            let looked = self.look_at_object(&bucket, key, object, &known).instrument(span.clone()).await;
            span.in_scope(|| self.count(&object.key, looked))?;
        }
        self.summary.complete = !page.more;
        Ok(())
    }

    async fn look_at_object(
        &self,
        bucket: &str,
        key: &OriginalKey,
        object: &FoundObject,
        known: &HashMap<OriginalKey, Known>,
    ) -> Result<Looked, AwsError> {
        let tools = self.tools;
        if object.size_bytes == 0 {
            return Ok(Looked::Unfit("it is empty"));
        }
        if object.size_bytes > tools.config.max_upload_bytes {
            return Ok(Looked::Unfit("it has more bytes than MaxUploadBytes"));
        }
        match known.get(key) {
            None if tools.store.was_imported(key).await? => {
                return Ok(Looked::Unfit("it was taken over before, and its owner has deleted the photo"));
            }
            // Begun before: its copy may be missing.
            Some(Known::Record { status: Status::Pending | Status::Expired, .. })
                if tools.objects.find_original(key).await?.is_some() =>
            {
                return Ok(Looked::Done);
            }
            None | Some(Known::Record { status: Status::Pending | Status::Expired, .. }) => {}
            Some(_) => return Ok(Looked::Done),
        }
        let source = tools.objects.foreign(bucket);
        let first_bytes = match source.first_bytes(object).await? {
            Peeked::Bytes(bytes) => bytes,
            Peeked::Changed => return Ok(Looked::Unfit(CHANGED)),
            Peeked::Archived => return Ok(Looked::Unfit("it is archived: restore it first")),
        };
        let Some(content_type) = ContentType::of_bytes(&first_bytes) else {
            return Ok(Looked::Unfit("its first bytes are of no photo that can be read"));
        };
        if !tools.config.allowed_content_types.contains(&content_type) {
            return Ok(Looked::Unfit("its type is not one of AllowedContentTypes"));
        }
        if self.is_dry {
            return Ok(Looked::Started);
        }
        if let Imported::Before(Status::Ready | Status::Failed | Status::Deleting) =
            tools.store.import(&self.record(key, object, content_type)).await?
        {
            return Ok(Looked::Done);
        }
        tools.store.note_import(key, self.now).await?;
        match source.take(object, content_type, key).await? {
            Taken::Now => Ok(Looked::Started),
            // Its record expires as that of an upload that never came.
            Taken::Changed => Ok(Looked::Unfit(CHANGED)),
        }
    }

    fn record(&self, key: &OriginalKey, object: &FoundObject, content_type: ContentType) -> PhotoRecord {
        let name = object.key.rsplit('/').next().unwrap_or_default();
        PhotoRecord {
            photo_id: key.photo_id,
            owner: key.owner.clone(),
            request: UploadRequest {
                method: photo_domain::UploadMethod::Put,
                file_name: FileName::clean(name),
                content_type: content_type.into(),
                size_bytes: object.size_bytes,
                checksum: None,
                metadata: Metadata::default(),
            },
            created_at: self.now,
            // Its bytes are there, though in another bucket: it is not abandoned.
            state: State::Pending { expires_at: self.now + upkeep::ARRIVED_RETENTION },
        }
    }
}

/// The same for the same bytes in the same place: it sorts by when they were written.
fn photo_id(bucket: &str, object: &FoundObject, owner: &OwnerId) -> PhotoId {
    PhotoId::of_source(object.written_at, &["backfill", bucket, &object.key, &object.etag, owner.as_str()])
}
