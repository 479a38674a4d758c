//! How a photo's bytes come; an item without any of it is of a PUT.

use std::num::NonZeroU64;

use photo_domain::{PartedUpload, UploadMethod};
use serde::{Deserialize, Serialize};

use super::{BadItem, bad, required};

/// The attributes of an upload that is no single PUT.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct MethodAttributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    upload_method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part_size_bytes: Option<u64>,
    /// S3's ids of the multipart uploads that parts were signed for: a string set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) upload_ids: Option<Vec<String>>,
}

impl MethodAttributes {
    pub(super) fn of(method: UploadMethod) -> Self {
        let named = Self { upload_method: Some(method.as_str().to_owned()), ..Self::default() };
        match method {
            UploadMethod::Put => Self::default(),
            UploadMethod::Post => named,
            UploadMethod::Multipart(parts) => {
                Self { part_size_bytes: Some(parts.part_size_bytes()), ..named }
            }
        }
    }

    pub(super) fn into_method(self) -> Result<UploadMethod, BadItem> {
        match self.upload_method.as_deref() {
            None | Some("PUT") => Ok(UploadMethod::Put),
            Some("POST") => Ok(UploadMethod::Post),
            Some("multipart") => {
                let size = required("part_size_bytes", self.part_size_bytes)?;
                let size = NonZeroU64::new(size).ok_or_else(|| bad("part_size_bytes", &"it is 0"))?;
                Ok(UploadMethod::Multipart(PartedUpload::with_part_size(size)))
            }
            Some(other) => Err(bad("upload_method", &format!("{other:?} is unknown"))),
        }
    }
}
