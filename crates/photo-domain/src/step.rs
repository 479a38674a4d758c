//! Every write to a photo's record after its creation: the one table of them.
//!
//! The table's condition expressions are made from it (`photo-aws`), and so is the model check of all interleavings
//! (`tests/model`): what is checked is what is written.

use crate::event::Announcement;
use crate::record::Status;

/// A conditional write to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Every variant is in its bucket.
    Succeed,
    /// The photo can never have thumbnails.
    Fail,
    /// The time for the upload is over, and nothing came.
    Expire,
    /// The bytes are there and nothing became of them: they are processed once more.
    Retry,
    /// The bytes that a form has brought are about to be rendered: one more is counted.
    Render,
    /// A message that was received before leads to a render: the record notes when the render begins.
    NoteStart,
    /// A render has ended in an orderly way, so the photo kills none: all notes go.
    ClearStarts,
    /// A backfill has made other variants of a photo that has some: the record names the new ones from then on.
    Renew,
    /// A backfill could read a photo that an earlier version could not.
    Recover,
    /// The owner deletes the photo.
    Delete,
    /// Nothing but the record is left: it goes too.
    Remove,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 11] = [
        Self::Succeed,
        Self::Fail,
        Self::Expire,
        Self::Retry,
        Self::Render,
        Self::NoteStart,
        Self::ClearStarts,
        Self::Renew,
        Self::Recover,
        Self::Delete,
        Self::Remove,
    ];

    /// The statuses in which it may happen; in any other the table refuses it.
    #[must_use]
    pub const fn from(self) -> &'static [Status] {
        match self {
            // An expired upload may still arrive: a slow PUT that began in time. It must not be lost.
            Self::Succeed | Self::Fail | Self::Retry | Self::Render => &[Status::Pending, Status::Expired],
            Self::Expire => &[Status::Pending],
            // A backfill renders photos that have ended. A deleted photo keeps its notes: they go with the record.
            Self::NoteStart | Self::ClearStarts => {
                &[Status::Pending, Status::Expired, Status::Ready, Status::Failed]
            }
            Self::Renew => &[Status::Ready],
            Self::Recover => &[Status::Failed],
            Self::Delete => &[Status::Pending, Status::Ready, Status::Failed, Status::Expired],
            Self::Remove => &[Status::Deleting],
        }
    }

    /// The status that it leads to: none where it stays, or where the record goes.
    #[must_use]
    pub const fn to(self) -> Option<Status> {
        match self {
            Self::Succeed | Self::Recover => Some(Status::Ready),
            Self::Fail => Some(Status::Failed),
            Self::Expire => Some(Status::Expired),
            Self::Delete => Some(Status::Deleting),
            Self::Retry | Self::Render | Self::NoteStart | Self::ClearStarts | Self::Renew | Self::Remove => {
                None
            }
        }
    }

    /// What the world is told of it. The same write notes that it is still to be told.
    #[must_use]
    pub const fn announces(self) -> Option<Announcement> {
        match self {
            Self::Succeed | Self::Renew | Self::Recover => Some(Announcement::Ready),
            Self::Fail => Some(Announcement::Failed),
            Self::Delete => Some(Announcement::Deleted),
            Self::Expire
            | Self::Retry
            | Self::Render
            | Self::NoteStart
            | Self::ClearStarts
            | Self::Remove => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_step_starts_where_it_ends() {
        for step in Step::ALL {
            assert!(!step.from().is_empty(), "{step:?}");
            assert!(step.to().is_none_or(|to| !step.from().contains(&to)), "{step:?}");
        }
    }

    #[test]
    fn no_backfill_takes_a_photo_s_thumbnails_away() {
        for step in Step::ALL.into_iter().filter(|step| step.from().contains(&Status::Ready)) {
            assert!(matches!(step.to(), None | Some(Status::Deleting)), "{step:?}");
        }
    }

    #[test]
    fn a_deleted_photo_can_only_go() {
        for step in Step::ALL {
            assert_eq!(step.from().contains(&Status::Deleting), step == Step::Remove, "{step:?}");
        }
    }
}
