//! One size of `PHOTODROP_VARIANTS`.

use std::str::FromStr;

use photo_domain::media::{InvalidVariantName, UnknownVariantFormat};
use photo_domain::{VariantFormat, VariantName};
use photo_imaging::{Fit, InvalidVariant, OutputFormat, VariantSpec};

use super::ConfiguredVariant;

/// `name:size`, then, if wanted, `:fit` and `:formats`.
///
/// A size is the longest side (`160`) or a width and a height (`640x360`), in pixels; a fit is `inside`, `cover` or
/// `contain`; formats are joined by `+`. So: `small:160`, `square:200x200:cover`, `hero:1920x1080:inside:avif+webp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariantSize {
    /// Its name.
    pub name: VariantName,
    /// How a photo comes to this size; a smaller one is not enlarged.
    pub fit: Fit,
    /// Formats of its own; if there are none, those that all have.
    pub formats: Vec<VariantFormat>,
}

/// The text is no variant size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidVariantSize {
    /// Not `name:size`.
    #[error("name:pixels or name:WIDTHxHEIGHT is expected, such as small:160 or card:640x360")]
    Shape,
    /// The name cannot be part of a key.
    #[error(transparent)]
    Name(#[from] InvalidVariantName),
    /// A shape has two sides.
    #[error("{0} needs a width and a height, such as 200x200")]
    OneSide(&'static str),
    /// A second fit, or formats twice, or a format twice.
    #[error("{0:?} is one fit or format too many")]
    Twice(String),
    /// Neither a fit nor formats.
    #[error("inside, cover, contain or formats joined by + are expected: {0}")]
    Option(UnknownVariantFormat),
}

#[derive(Clone, Copy)]
enum Shape {
    Inside,
    Cover,
    Contain,
}

impl FromStr for VariantSize {
    type Err = InvalidVariantSize;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split(':');
        let (name, size) = parts.next().zip(parts.next()).ok_or(InvalidVariantSize::Shape)?;
        let (width, height) = match size.split_once('x') {
            Some((width, height)) => (side(width)?, Some(side(height)?)),
            None => (side(size)?, None),
        };
        let name = VariantName::parse(name)?;
        let mut shape = None;
        let mut formats: Vec<VariantFormat> = Vec::new();
        for option in parts {
            let twice = || InvalidVariantSize::Twice(option.to_owned());
            let fit = match option {
                "inside" => Some(Shape::Inside),
                "cover" => Some(Shape::Cover),
                "contain" => Some(Shape::Contain),
                _ => None,
            };
            if fit.is_some() {
                if shape.is_some() {
                    return Err(twice());
                }
                shape = fit;
                continue;
            }
            if !formats.is_empty() {
                return Err(twice());
            }
            for format in option.split('+') {
                let format = format.parse().map_err(InvalidVariantSize::Option)?;
                if formats.contains(&format) {
                    return Err(twice());
                }
                formats.push(format);
            }
        }
        let fit = match (shape.unwrap_or(Shape::Inside), height) {
            (Shape::Inside, None) => Fit::Inside { longest_side: width },
            (Shape::Inside, Some(height)) => Fit::Within { width, height },
            (Shape::Cover, Some(height)) => Fit::Cover { width, height },
            (Shape::Contain, Some(height)) => Fit::Contain { width, height },
            (Shape::Cover, None) => return Err(InvalidVariantSize::OneSide("cover")),
            (Shape::Contain, None) => return Err(InvalidVariantSize::OneSide("contain")),
        };
        Ok(Self { name, fit, formats })
    }
}

/// Digits alone: `parse` would take a plus sign too.
fn side(text: &str) -> Result<u32, InvalidVariantSize> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(InvalidVariantSize::Shape);
    }
    text.parse().map_err(|_| InvalidVariantSize::Shape)
}

impl VariantSize {
    pub(super) fn variant(
        &self,
        format: VariantFormat,
        quality: u8,
    ) -> Result<ConfiguredVariant, InvalidVariant> {
        let output = match format {
            // Lossless formats are those of sanitised originals; the parser lets none of them through.
            VariantFormat::Jpeg | VariantFormat::Png | VariantFormat::Gif => OutputFormat::Jpeg,
            VariantFormat::WebP => OutputFormat::WebP,
            VariantFormat::Avif => OutputFormat::Avif,
        };
        let spec = VariantSpec::new(self.name.as_str(), self.fit, output, quality)?;
        Ok(ConfiguredVariant { name: self.name.clone(), format, spec })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_say_fit_and_formats_in_any_order() {
        let (width, height) = (640, 360);
        let table = [
            ("a:160", Fit::Inside { longest_side: 160 }, &[][..]),
            ("a:160:inside", Fit::Inside { longest_side: 160 }, &[]),
            ("a:640x360", Fit::Within { width, height }, &[]),
            ("a:640x360:cover", Fit::Cover { width, height }, &[]),
            ("a:640x360:contain:jpeg", Fit::Contain { width, height }, &[VariantFormat::Jpeg]),
            (
                "a:640x360:avif+webp:cover",
                Fit::Cover { width, height },
                &[VariantFormat::Avif, VariantFormat::WebP],
            ),
        ];
        for (text, fit, formats) in table {
            let size: VariantSize = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(
                (size.name.as_str(), size.fit, size.formats.as_slice()),
                ("a", fit, formats),
                "{text}"
            );
        }
    }

    #[test]
    fn a_mistake_is_told_in_words() {
        let shape = "name:pixels or name:WIDTHxHEIGHT is expected, such as small:160 or card:640x360";
        let table = [
            ("a", shape),
            ("a:", shape),
            ("a:+160", shape),
            ("a:160x", shape),
            ("a:160x90x3", shape),
            ("a:4294967296", shape),
            ("a:160:cover", "cover needs a width and a height, such as 200x200"),
            ("a:160:contain", "contain needs a width and a height, such as 200x200"),
            ("a:1x1:cover:contain", "\"contain\" is one fit or format too many"),
            ("a:1x1:webp:jpeg", "\"jpeg\" is one fit or format too many"),
            ("a:1x1:webp+webp", "\"webp+webp\" is one fit or format too many"),
            (
                "a:1x1:fill",
                "inside, cover, contain or formats joined by + are expected: \
                 unknown variant format \"fill\": jpeg, webp or avif is expected",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse::<VariantSize>().unwrap_err().to_string(), expected, "{text}");
        }
        assert!("A:160".parse::<VariantSize>().is_err());
    }
}
