//! Where a backfill goes on.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use photo_domain::OwnerId;
use serde::{Deserialize, Serialize};

use super::Source;

/// What a backfill goes through, in the order of the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) source: Source,
    /// The bucket that photos are taken over from.
    pub(super) bucket: Option<String>,
    pub(super) prefix: String,
    pub(super) owner: Option<OwnerId>,
}

/// Why a checkpoint is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCheckpoint {
    /// Not one at all.
    #[error("the checkpoint is not one that a backfill has answered")]
    Unreadable,
    /// One of another backfill: going on from there would leave something out.
    #[error("the checkpoint is of another backfill: source, bucket, prefix and owner must stay the same")]
    Other,
}

/// What is in a checkpoint: the last key that was looked at, and of what.
#[derive(Debug, Deserialize, Serialize)]
struct Checkpoint {
    source: Source,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bucket: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    prefix: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    after: String,
}

impl Place {
    /// The checkpoint after a key.
    pub(super) fn checkpoint(&self, after: String) -> String {
        let checkpoint = Checkpoint {
            source: self.source,
            bucket: self.bucket.clone(),
            prefix: self.prefix.clone(),
            owner: self.owner.as_ref().map(|owner| owner.as_str().to_owned()),
            after,
        };
        // Texts and an enum always have a JSON form.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&checkpoint).unwrap_or_default())
    }

    /// The key that a checkpoint of this very place stands after.
    pub(super) fn after(&self, text: &str) -> Result<String, BadCheckpoint> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadCheckpoint::Unreadable)?;
        let found: Checkpoint = serde_json::from_slice(&bytes).map_err(|_| BadCheckpoint::Unreadable)?;
        let is_here = found.source == self.source
            && found.bucket == self.bucket
            && found.prefix == self.prefix
            && found.owner.as_deref() == self.owner.as_ref().map(OwnerId::as_str);
        if is_here { Ok(found.after) } else { Err(BadCheckpoint::Other) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            source: Source::Bucket,
            bucket: Some("holiday".to_owned()),
            prefix: "2019/".to_owned(),
            owner: Some(OwnerId::from_subject("auth0|7").unwrap()),
        }
    }

    #[test]
    fn a_checkpoint_goes_on_after_its_key_whatever_the_key_is() {
        for key in ["2019/1.jpg", "2019/Straße 1+2 %.jpg", "2019/\u{1f4f7}\u{7}.jpg", ""] {
            let text = place().checkpoint(key.to_owned());
            assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{text}");
            assert_eq!(place().after(&text).as_deref(), Ok(key));
        }
    }

    #[test]
    fn a_checkpoint_of_another_backfill_is_refused() {
        let text = place().checkpoint("2019/1.jpg".to_owned());
        for other in [
            Place { source: Source::Photos, ..place() },
            Place { bucket: None, ..place() },
            Place { prefix: String::new(), ..place() },
            Place { owner: None, ..place() },
        ] {
            assert_eq!(other.after(&text), Err(BadCheckpoint::Other), "{other:?}");
        }
        for bad in ["", "x", "2019/1.jpg", "e30", &text[1..]] {
            assert_eq!(place().after(bad), Err(BadCheckpoint::Unreadable), "{bad}");
        }
    }
}
