//! The rule on damaged photos, in one place for all formats: what has arrived is shown, as in a browser; what is not
//! the photo's is ignored. See docs/adr/043-damage.md.

use crate::error::ImagingError;
use crate::format::Format;

/// What becomes of a photo of which pixels are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DamagedPhotos {
    /// What has arrived is shown, and [`crate::Rendered::damage`] says how much of it that is. Less than half of a
    /// picture is refused.
    #[default]
    Show,
    /// Every missing pixel is [`ImagingError::Corrupt`].
    Refuse,
}

/// What is missing of a photo that is shown nevertheless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// How much of the picture has arrived, rounded down: 50 to 99.
    pub received_percent: u8,
    /// What the decoder met first. For logs, not for clients.
    pub reason: String,
}

/// What a decoder could not decode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loss {
    /// Rows, blocks or pixels that were decoded from the file's own bytes.
    pub(crate) received: u64,
    /// As many as the picture has, in the same unit. Not 0.
    pub(crate) total: u64,
    /// What the decoder met first.
    pub(crate) reason: String,
}

/// Decides whether a picture with a loss is shown.
///
/// # Errors
/// [`ImagingError::Corrupt`] if less than half has arrived, or if `policy` refuses every loss.
pub(crate) fn judge(
    format: Format,
    loss: Option<Loss>,
    policy: DamagedPhotos,
) -> Result<Option<Damage>, ImagingError> {
    let Some(Loss { received, total, reason }) = loss else { return Ok(None) };
    let percent = u128::from(received) * 100 / u128::from(total.max(1));
    if policy == DamagedPhotos::Refuse || percent < 50 {
        return Err(ImagingError::corrupt(format, format!("{reason}: {percent} % of the picture decoded")));
    }
    // A loss is less than the whole, however little it is.
    let received_percent = u8::try_from(percent.min(99)).unwrap_or(99);
    Ok(Some(Damage { received_percent, reason }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_picture_is_shown_and_less_is_not() {
        let shown = |received, total| {
            let loss = Loss { received, total, reason: "the file ends".to_owned() };
            judge(Format::Jpeg, Some(loss), DamagedPhotos::Show).map(|d| d.map(|d| d.received_percent))
        };
        for (received, total, percent) in [(1, 2, 50), (2, 3, 66), (999, 1000, 99), (5, 5, 99)] {
            assert_eq!(shown(received, total).unwrap(), Some(percent));
        }
        for (received, total) in [(0, 1), (499, 1000), (0, 0)] {
            assert_eq!(shown(received, total).map_err(|e| e.code()), Err("CORRUPT_IMAGE"));
        }
    }

    #[test]
    fn a_whole_picture_is_never_refused() {
        assert_eq!(judge(Format::Png, None, DamagedPhotos::Refuse).unwrap(), None);
    }

    #[test]
    fn a_deployment_that_refuses_damage_refuses_every_loss() {
        let loss = Loss { received: 99, total: 100, reason: "the file ends".to_owned() };
        let refused = judge(Format::Gif, Some(loss), DamagedPhotos::Refuse).unwrap_err();
        assert_eq!(refused.to_string(), "damaged gif image: the file ends: 99 % of the picture decoded");
    }
}
