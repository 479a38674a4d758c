//! Which multipart uploads of a photo parts are signed for.

use aws_sdk_dynamodb::types::AttributeValue;
use photo_domain::record::Status;
use photo_domain::{MAX_MULTIPART_UPLOADS, OriginalKey};

use super::{Changed, PhotoStore};
use crate::AwsError;
use crate::change::{Change, text};

/// Whether parts of a multipart upload may be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// They may.
    Yes,
    /// [`MAX_MULTIPART_UPLOADS`] others are noted already.
    TooMany,
    /// The photo's bytes are there, or the photo is gone.
    Closed,
}

impl PhotoStore {
    /// Notes that parts of this multipart upload are signed. Doing it again is as good.
    ///
    /// Whoever holds a signed `CreateMultipartUpload` may send it many times. Parts are what takes room, so they are what is
    /// bound: an owner's photo can take no more than so many times the bytes that were counted for it.
    pub async fn bind_upload(&self, key: &OriginalKey, upload_id: &str) -> Result<Bound, AwsError> {
        let most = i64::try_from(MAX_MULTIPART_UPLOADS).unwrap_or(i64::MAX);
        let room = "(attribute_not_exists(upload_ids) OR size(upload_ids) < :most OR contains(upload_ids, :upload_id))";
        let values = [(":most", crate::change::number(most)), (":upload_id", text(upload_id))];
        let change = Change::within(&[Status::Pending, Status::Expired])
            .only_if(room, &values)
            .add("upload_ids", AttributeValue::Ss(vec![upload_id.to_owned()]));
        Ok(match self.change(key, change).await? {
            Changed::Applied => Bound::Yes,
            Changed::Refused(Some(Status::Pending | Status::Expired)) => Bound::TooMany,
            Changed::Refused(_) => Bound::Closed,
        })
    }
}
