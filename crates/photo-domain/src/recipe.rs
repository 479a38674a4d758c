//! By which settings variants were made.
//!
//! A record keeps its recipe, so that a backfill can tell the photos that a change of the settings concerns from those
//! that have their variants already.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use crate::request::hex;

/// Raised by a release whose variants are worth making again with the same settings, such as one that corrects colours.
/// 2: tone mapping of PQ and HLG, black of inks, gammas of PNG, palettes of GIF, edges of alpha.
const PIPELINE: u32 = 2;

/// How many hexadecimal digits of the SHA-256 a recipe has: 64 bits tell a stack's few settings apart.
const DIGITS: usize = 16;

/// A fingerprint of everything that decides how a photo's variants look: two equal recipes make equal variants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Recipe(String);

impl Recipe {
    /// The recipe of these settings, each a name and a value, in a fixed order.
    pub fn of<'a>(settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self::of_pipeline(PIPELINE, settings)
    }

    fn of_pipeline<'a>(pipeline: u32, settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut hash = Sha256::new();
        hash.update(pipeline.to_be_bytes());
        for text in settings.into_iter().flat_map(|(name, value)| [name, value]) {
            // Each part is preceded by its length, so that no two lists have the same bytes under the hash.
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
        let mut digits = hex(&hash.finalize());
        digits.truncate(DIGITS);
        Self(digits)
    }

    /// The text in records.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is no recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a recipe: {DIGITS} lower-case hexadecimal digits are expected")]
pub struct InvalidRecipe;

impl FromStr for Recipe {
    type Err = InvalidRecipe;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let legal =
            text.len() == DIGITS && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if legal { Ok(Self(text.to_owned())) } else { Err(InvalidRecipe) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_other_setting_value_order_or_pipeline_is_another_recipe() {
        let recipe = Recipe::of([("variants", "small:160"), ("quality", "80")]);
        assert_eq!(recipe, Recipe::of([("variants", "small:160"), ("quality", "80")]));
        for other in [
            Recipe::of([("variants", "small:160"), ("quality", "81")]),
            Recipe::of([("variants", "small:1608"), ("quality", "0")]),
            Recipe::of([("quality", "80"), ("variants", "small:160")]),
            Recipe::of([("variants", "small:160")]),
            Recipe::of_pipeline(PIPELINE + 1, [("variants", "small:160"), ("quality", "80")]),
        ] {
            assert_ne!(recipe, other);
        }
    }

    #[test]
    fn a_recipe_reads_back_what_it_wrote() {
        let recipe = Recipe::of([("variants", "small:160")]);
        assert_eq!(recipe.to_string().parse(), Ok(recipe.clone()));
        for bad in ["", "0123", &recipe.as_str().to_uppercase(), "g123456789abcdef"] {
            if bad != recipe.as_str() {
                assert_eq!(bad.parse::<Recipe>(), Err(InvalidRecipe), "{bad}");
            }
        }
    }
}
