//! The words of photodrop and their rules: who owns a photo, where its bytes are, what state it is in.
//!
//! Nothing here talks to AWS, sleeps or reads a clock, so every rule can be tested by itself and both
//! the request path and the thumbnail path share one truth.
//!
//! | module | holds |
//! | --- | --- |
//! | [`cursor`] | where the next page of an owner's photos begins |
//! | [`declared`] | the type that a client declares for a photo |
//! | [`id`] | [`PhotoId`] and [`OwnerId`] |
//! | [`key`] | the only place where object keys are formatted or parsed |
//! | [`method`] | how bytes come: by PUT, by a form's POST, in parts |
//! | [`media`] | content types, variant formats and variant names |
//! | [`record`] | the photo's record and its status |
//! | [`step`] | every write to a record: in which status it may happen, and what it leads to |
//! | [`upkeep`] | when a record is looked after, and how often |
//! | [`event`] | what is announced when a photo is ready, failed or deleted |
//! | [`failure`] | the stable codes of photos that can never be made |
//! | [`quota`] | how much one owner may take |
//! | [`recipe`] | by which settings variants were made |
//! | [`request`] | what a client may ask for: sizes, checksums, metadata, idempotency keys |

pub mod cursor;
pub mod declared;
pub mod event;
pub mod failure;
pub mod id;
pub mod key;
pub mod media;
pub mod method;
pub mod quota;
pub mod recipe;
pub mod record;
pub mod request;
pub mod step;
pub mod upkeep;

pub use cursor::Cursor;
pub use declared::DeclaredType;
pub use event::{Announcement, CompletionEvent};
pub use failure::FailureCode;
pub use id::{MAX_OWNER_CHARS, OwnerId, PhotoId};
pub use key::{Edition, OriginalKey, VariantKey};
pub use media::{ContentType, VariantFormat, VariantName};
pub use method::{MAX_MULTIPART_UPLOADS, PartedUpload, UploadMethod};
pub use recipe::Recipe;
pub use record::{Outcome, PhotoRecord, Processed, StoredVariant};
pub use request::{Checksum, FileName, IdempotencyKey, Metadata, UploadRequest};
pub use step::Step;
