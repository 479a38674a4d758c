//! Where the next page of an owner's photos begins.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::{OwnerId, PhotoId};

/// How many bytes of a digest tell one owner's cursor from another's.
const TAG_BYTES: usize = 8;

/// The last photo of a page; the next page begins after it. The photo itself may be gone by then.
///
/// To clients it is an opaque text. It carries a digest of its owner, so that a cursor that was mixed up is refused
/// rather than read as a place in somebody else's list. It is no secret and guards nothing: a list is read from its
/// caller's own partition alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The photo.
    pub after: PhotoId,
}

/// The text is no cursor of this owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a cursor of your list: use next_cursor as it was, or leave it out to begin anew")]
pub struct InvalidCursor;

impl Cursor {
    /// The text that its owner's clients get.
    #[must_use]
    pub fn encode(&self, owner: &OwnerId) -> String {
        let mut bytes = self.after.bytes().to_vec();
        bytes.extend_from_slice(&tag(owner, self.after));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads the text that this owner's client was given.
    pub fn decode(text: &str, owner: &OwnerId) -> Result<Self, InvalidCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCursor)?;
        let (id, given) = bytes.split_first_chunk::<16>().ok_or(InvalidCursor)?;
        let after = PhotoId::from_bytes(*id).map_err(|_| InvalidCursor)?;
        if given == tag(owner, after) { Ok(Self { after }) } else { Err(InvalidCursor) }
    }
}

fn tag(owner: &OwnerId, after: PhotoId) -> [u8; TAG_BYTES] {
    let digest = Sha256::new()
        .chain_update(b"cursor")
        .chain_update(after.bytes())
        .chain_update(owner.as_str())
        .finalize();
    let mut tag = [0; TAG_BYTES];
    tag.copy_from_slice(&digest[..TAG_BYTES]);
    tag
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn owner(subject: &str) -> OwnerId {
        OwnerId::from_subject(subject).unwrap()
    }

    #[test]
    fn a_cursor_reads_back_for_its_owner_and_nobody_else() {
        let cursor = Cursor { after: PhotoId::generate() };
        let text = cursor.encode(&owner("auth0|7"));
        assert_eq!(Cursor::decode(&text, &owner("auth0|7")), Ok(cursor));
        assert_eq!(Cursor::decode(&text, &owner("auth0|8")), Err(InvalidCursor));
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{text}");
    }

    #[test]
    fn whatever_was_made_up_or_cut_is_refused() {
        let text = Cursor { after: PhotoId::generate() }.encode(&owner("a"));
        for bad in
            ["", "x", &text[1..], &text[..text.len() - 1], &format!("{text}A"), &format!("{text}="), "é"]
        {
            assert_eq!(Cursor::decode(bad, &owner("a")), Err(InvalidCursor), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,80}") {
            prop_assert!(Cursor::decode(&text, &owner("a")).is_err());
        }
    }
}
