//! One picture in falling sizes: each is made from the nearest larger one.

use std::sync::Arc;

use crate::encode;
use crate::error::ImagingError;
use crate::options::{RenderOptions, VariantSpec};
use crate::plan::{PLACEHOLDER_SIDE, Placement, inside};
use crate::raster::{Channels, Raster};
use crate::render::Original;
use crate::resize::{Crop, resize};

/// What variants are made of: pixels, or planes for the encoders that store planes.
pub(crate) trait Picture: Send + Sized + Sync {
    /// In px.
    fn size(&self) -> (u32, u32);

    fn has_alpha(&self) -> bool;

    /// The whole picture, or a part of it as shares of its sides, at another size.
    fn resized(&self, part: Option<Crop>, width: u32, height: u32) -> Result<Self, ImagingError>;

    /// The picture on a plain background, without alpha.
    fn flattened(&self, background: [u8; 3]) -> Self;

    /// The opaque picture in the middle of a canvas.
    fn padded(&self, canvas: (u32, u32), background: [u8; 3]) -> Result<Self, ImagingError>;

    /// Three channels, or four with alpha.
    fn to_pixels(&self) -> Result<Raster, ImagingError>;

    fn encoded(&self, spec: &VariantSpec, options: &RenderOptions) -> Result<Vec<u8>, ImagingError>;
}

impl Picture for Raster {
    fn size(&self) -> (u32, u32) {
        (self.width(), self.height())
    }

    fn has_alpha(&self) -> bool {
        self.channels().has_alpha()
    }

    fn resized(&self, part: Option<Crop>, width: u32, height: u32) -> Result<Self, ImagingError> {
        let size = (f64::from(self.width()), f64::from(self.height()));
        resize(self, part.map(|part| part.times(size)), width, height)
    }

    fn flattened(&self, background: [u8; 3]) -> Self {
        encode::flatten(self, background)
    }

    fn padded(&self, (width, height): (u32, u32), background: [u8; 3]) -> Result<Self, ImagingError> {
        let mut data = background.repeat(width as usize * height as usize);
        let left = (width - self.width()) as usize / 2;
        let top = (height - self.height()) as usize / 2;
        let rows = data.chunks_exact_mut(width as usize * 3).skip(top);
        for (row, source) in rows.zip(self.data().chunks_exact(self.width() as usize * 3)) {
            row[left * 3..left * 3 + source.len()].copy_from_slice(source);
        }
        Self::new(width, height, Channels::Rgb, data)
            .ok_or_else(|| ImagingError::Internal("empty canvas".to_owned()))
    }

    fn to_pixels(&self) -> Result<Raster, ImagingError> {
        Ok(self.clone())
    }

    fn encoded(&self, spec: &VariantSpec, options: &RenderOptions) -> Result<Vec<u8>, ImagingError> {
        encode::pixels(self, spec, options)
    }
}

/// The whole photo in falling sizes.
pub(crate) struct Ladder<P> {
    original: Original,
    whole: Vec<Arc<P>>,
}

impl<P: Picture> Ladder<P> {
    /// `upright` is at least as large as every placement needs it.
    pub(crate) fn new(original: Original, upright: Arc<P>) -> Self {
        Self { original, whole: vec![upright] }
    }

    pub(crate) fn make(
        &mut self,
        placement: &Placement,
        flat: bool,
        background: [u8; 3],
    ) -> Result<Arc<P>, ImagingError> {
        let needs = placement.needs(self.original.width, self.original.height);
        let resized = if placement.crop.is_some() {
            let source = self.nearest(needs)?;
            Arc::new(source.resized(placement.crop, placement.size.0, placement.size.1)?)
        } else {
            self.at(placement.size)?
        };
        let padded = placement.canvas != placement.size;
        let opaque = if flat || (padded && resized.has_alpha()) {
            Arc::new(resized.flattened(background))
        } else {
            resized
        };
        if padded { opaque.padded(placement.canvas, background).map(Arc::new) } else { Ok(opaque) }
    }

    /// The whole photo at this size.
    fn at(&mut self, (width, height): (u32, u32)) -> Result<Arc<P>, ImagingError> {
        let source = self.nearest((width, height))?;
        if source.size() == (width, height) {
            return Ok(source);
        }
        let smaller = Arc::new(source.resized(None, width, height)?);
        self.whole.push(Arc::clone(&smaller));
        Ok(smaller)
    }

    fn nearest(&self, (width, height): (u32, u32)) -> Result<Arc<P>, ImagingError> {
        let fits = |picture: &&Arc<P>| picture.size().0 >= width && picture.size().1 >= height;
        let area = |picture: &&Arc<P>| u64::from(picture.size().0) * u64::from(picture.size().1);
        self.whole
            .iter()
            .filter(fits)
            .min_by_key(area)
            .cloned()
            .ok_or_else(|| ImagingError::Internal(format!("nothing to make {width} x {height} px from")))
    }

    /// What the placeholder is made of.
    pub(crate) fn placeholder(&mut self) -> Result<Raster, ImagingError> {
        let size = inside(self.original.width, self.original.height, PLACEHOLDER_SIDE, PLACEHOLDER_SIDE);
        self.at(size)?.to_pixels()
    }
}
