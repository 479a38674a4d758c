//! How often a form's photo is rendered.

use photo_domain::record::Status;
use photo_domain::{OriginalKey, Step, upkeep};
use time::OffsetDateTime;

use super::{Changed, PhotoStore};
use crate::AwsError;
use crate::change::{Change, number};

/// Whether a form's photo may be rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenderCount {
    /// It may: this render is counted.
    Counted,
    /// [`upkeep::MAX_FORM_RENDERS`] are counted already.
    UsedUp,
    /// The photo has ended or is being deleted.
    Settled(Status),
    /// There is no such record.
    NoRecord,
}

impl PhotoStore {
    /// Counts a render of a form's photo before it begins, unless [`upkeep::MAX_FORM_RENDERS`] are counted.
    ///
    /// The count names no owner and never expires, so a process that dies holds nothing. An expired record is not due, and
    /// a pending record may expire before this write: the write makes a record due that is not. Should this render and all
    /// others die, the reconcile function finds it.
    pub async fn count_render(&self, key: &OriginalKey, at: OffsetDateTime) -> Result<RenderCount, AwsError> {
        let most = [(":most", number(upkeep::MAX_FORM_RENDERS.into()))];
        let change = Change::step(Step::Render, at)
            .only_if("(attribute_not_exists(renders) OR renders < :most)", &most)
            .add("renders", number(1))
            .due_unless_due(key.photo_id, at + upkeep::UPLOAD_WINDOW);
        Ok(match self.change(key, change).await? {
            Changed::Applied => RenderCount::Counted,
            Changed::Refused(Some(Status::Pending | Status::Expired)) => RenderCount::UsedUp,
            Changed::Refused(Some(status)) => RenderCount::Settled(status),
            Changed::Refused(None) => RenderCount::NoRecord,
        })
    }
}
