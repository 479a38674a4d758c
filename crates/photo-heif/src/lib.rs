#![doc = include_str!("../README.md")]

mod boxes;
mod canvas;
mod color;
mod error;
mod hevc;
mod image_item;
mod meta;
mod picture;
mod transform;

pub use color::Nclx;
pub use error::Error;
pub use picture::{Channels, Picture, Rows};

use boxes::{BmffBox, Boxes};
use canvas::Canvas;
use color::{Colors, Matrix};
use hevc::{Configuration, DecodedPicture};
use image_item::{ImageItem, MAX_REUSE, Properties, is_alpha, unsupported};
use meta::Meta;
use transform::{Crop, Transform};

/// Largest number of pixels, horizontally and vertically, that become one.
pub const MAX_FACTOR: u32 = 16;

/// Items between the primary item and the one that is coded: `iden`, or a tone map and its base.
const MAX_DERIVATIONS: usize = 4;

/// Brands of HEIF files (ISO/IEC 23008-12, 10, and AVIF's).
const BRANDS: [&[u8; 4]; 13] = [
    b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1", b"miaf", b"avif",
    b"avis", b"MiHE",
];

/// Whether the first box names a brand of HEIF, those of AVIF included.
#[must_use]
pub fn is_heif(bytes: &[u8]) -> bool {
    let Some(Ok(BmffBox { kind, body })) = Boxes::of_file(bytes).next() else { return false };
    // A minor version stands between the major and the compatible brands.
    let (brands, _) = body.as_chunks::<4>();
    let is_known = |brand: &[u8; 4]| BRANDS.contains(&brand);
    &kind == b"ftyp" && (brands.first().is_some_and(is_known) || brands.iter().skip(2).any(is_known))
}

/// Whether the primary item is coded as HEVC, as far as the item types show it.
///
/// # Errors
/// [`Error::Unsupported`] names what it is instead: AVIF, or another kind of HEIF. Others are what [`Heif::parse`] finds wrong.
pub fn check_primary_item(bytes: &[u8]) -> Result<(), Error> {
    let meta = meta_of(bytes)?;
    let chain = derivations(&meta)?;
    match chain.last() {
        Some(&id) if &meta.kind(id)? == b"grid" => {
            let first = meta.targets(id, *b"dimg").first().ok_or(Error::Corrupt("a grid without tiles"))?;
            let kind = meta.kind(*first)?;
            if &kind == b"hvc1" { Ok(()) } else { Err(unsupported(kind)) }
        }
        _ => Ok(()),
    }
}

/// A file whose primary item can be decoded. No picture is decoded yet.
pub struct Heif<'a> {
    meta: Meta<'a>,
    picture: ImageItem,
    /// An alpha picture that cannot be read is damage: the picture is shown opaque.
    alpha: Result<Option<ImageItem>, Error>,
    is_premultiplied: bool,
    transform: Transform,
    colors: Colors<'a>,
    nclx: Nclx,
    matrix: Matrix,
}

impl std::fmt::Debug for Heif<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Heif")
            .field("width", &self.width())
            .field("height", &self.height())
            .finish_non_exhaustive()
    }
}

impl<'a> Heif<'a> {
    /// Reads the container and the parameter sets of the primary item. Time and memory are linear in the length of the input.
    ///
    /// # Errors
    /// A primary item that is not coded as HEVC, a damaged or contradictory container, too many parts.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        if !is_heif(bytes) {
            return Err(Error::Unsupported("a file of another type"));
        }
        let meta = meta_of(bytes)?;
        let chain = derivations(&meta)?;
        let id = *chain.last().unwrap_or(&meta.primary);
        let picture = ImageItem::read(&meta, id)?;
        let mut transform = Transform::identity(picture.width, picture.height);
        for &id in chain.iter().rev() {
            for (_, _, property) in meta.properties(id) {
                transform.apply(property.kind, property.body);
            }
        }
        let mut colors = Colors::default();
        for id in chain.iter().copied().chain(picture.tiles.first().map(|tile| tile.id)) {
            colors = colors.or(Properties::read(&meta, id)?.colors);
        }
        let nclx = colors.nclx.unwrap_or(picture.format.vui);
        let matrix = Matrix::of(nclx)?;
        let alpha_id =
            chain.iter().find_map(|&id| meta.sources(id, b"auxl").find(|&item| is_alpha(&meta, item)));
        let alpha = alpha_id.map(|alpha| read_alpha(&meta, alpha, &picture)).transpose();
        let is_premultiplied =
            alpha_id.is_some_and(|alpha| chain.iter().any(|&id| meta.targets(id, *b"prem").contains(&alpha)));
        Ok(Self { meta, picture, alpha, is_premultiplied, transform, colors, nclx, matrix })
    }

    /// Width in px of the stored picture within its clean aperture, before [`Heif::orientation`].
    #[must_use]
    pub fn width(&self) -> u32 {
        self.transform.crop.width
    }

    /// Height in px, likewise.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.transform.crop.height
    }

    /// Width and height in px that are decoded, before the clean aperture is taken out.
    #[must_use]
    pub fn coded_size(&self) -> (u32, u32) {
        (self.picture.width, self.picture.height)
    }

    /// Rotation and mirroring as EXIF numbers them, 1 to 8. EXIF of the file itself is ignored, as in browsers and libheif.
    #[must_use]
    pub fn orientation(&self) -> u8 {
        self.transform.orientation()
    }

    /// The ICC profile of the picture or of its first tile.
    #[must_use]
    pub fn icc_profile(&self) -> Option<&'a [u8]> {
        self.colors.icc
    }

    /// Code points of the picture's colours, of its first tile's or of the HEVC stream's.
    #[must_use]
    pub fn nclx(&self) -> Nclx {
        self.nclx
    }

    /// Whether there is an alpha picture that can be decoded.
    #[must_use]
    pub fn has_alpha(&self) -> bool {
        matches!(self.alpha, Ok(Some(_)))
    }

    /// The picture, and its alpha if there is any.
    fn items(&self) -> impl Iterator<Item = &ImageItem> {
        std::iter::once(&self.picture).chain(self.alpha.iter().flatten())
    }

    /// Whether samples have more than 8 bits.
    #[must_use]
    pub fn is_deep(&self) -> bool {
        self.picture.format.bits() > 8
    }

    /// Whether only a part of the coded picture is shown.
    #[must_use]
    pub fn is_cropped(&self) -> bool {
        (self.width(), self.height()) != self.coded_size()
    }

    /// The largest power of two up to `wanted` and [`MAX_FACTOR`] by which [`Heif::decode`] can reduce: tiles and the clean aperture
    /// have to begin between the boxes that become one pixel.
    #[must_use]
    pub fn factor_at_most(&self, wanted: u32) -> u32 {
        let is_possible = |factor: &u32| {
            let divides = |side: u32| side.is_multiple_of(*factor);
            let mut grids = self.items().filter(|item| item.tiles.len() > 1);
            let Crop { x, y, .. } = self.transform.crop;
            *factor <= wanted
                && divides(x)
                && divides(y)
                && grids.all(|grid| divides(grid.tile_size.0) && divides(grid.tile_size.1))
        };
        [MAX_FACTOR, 8, 4, 2].into_iter().find(is_possible).unwrap_or(1)
    }

    /// Memory in bytes that the [`Picture`] and its [`Rows`] take, reduced by [`Heif::factor_at_most`] this factor.
    #[must_use]
    pub fn picture_bytes(&self, factor: u32) -> u64 {
        let factor = self.factor_at_most(factor);
        let planes = |item: &ImageItem| canvas::memory_bytes((item.width, item.height), &item.format, factor);
        self.items().map(planes).sum::<u64>() + 5 * 4 * u64::from(self.picture.width)
    }

    /// Memory in bytes that [`Heif::decode`] takes at most, the picture included.
    #[must_use]
    pub fn memory_bytes(&self, factor: u32) -> u64 {
        let picture = self.picture_bytes(factor);
        // Data in several extents is put together, and emulation prevention bytes are taken out of a copy.
        let coded = |item: &ImageItem| item.format.memory_bytes() + 2 * item.longest_tile;
        let tile = self.items().map(coded).max().unwrap_or(0);
        let is_single = self.picture.tiles.len() == 1 && !self.has_alpha();
        // The planes of a single picture are made when its decoder holds nothing but the decoded samples and the data.
        let decoded = self.picture.format.frame_bytes() + self.picture.longest_tile;
        if is_single { tile.max(decoded + picture) } else { tile + picture }
    }

    /// Decodes tile by tile, reducing each by [`Heif::factor_at_most`] this factor. What is missing of a tile is gray, of alpha opaque.
    ///
    /// `should_stop` is asked before each tile, for every 64 coding units of it, and before its in-loop filters, which run to their end
    /// (with the planes 75 ms a megapixel of a tile, measured at 24 megapixels);
    /// a true answer ends in [`Error::Stopped`]. Inside a slice that unwinds without a panic hook, so a program that aborts instead of
    /// unwinding must not answer true.
    ///
    /// # Errors
    /// What is wrong with the first tile, if none can be decoded.
    pub fn decode(&self, factor: u32, should_stop: &mut dyn FnMut() -> bool) -> Result<Picture, Error> {
        let factor = self.factor_at_most(factor);
        let (canvas, received_rows, damage) = self.decode_item(&self.picture, false, factor, should_stop)?;
        if let Some(error) = damage.filter(|_| received_rows == 0) {
            return Err(error);
        }
        let mut picture = Picture {
            canvas,
            alpha: None,
            is_premultiplied: self.is_premultiplied,
            crop: self.reduced_crop(factor),
            matrix: self.matrix,
            full_range: self.nclx.full_range,
            received_rows,
            total_rows: self.picture.rows(),
            damage,
        };
        let (received, total, alpha_damage) = match &self.alpha {
            Ok(None) => return Ok(picture),
            Ok(Some(alpha)) => {
                let (canvas, received, damage) = self.decode_item(alpha, true, factor, should_stop)?;
                picture.alpha = Some(canvas);
                (received, alpha.rows(), damage)
            }
            Err(error) => (0, 1, Some(*error)),
        };
        if picture.damage.is_none() && alpha_damage.is_some() {
            // All colours are there: alpha is half of the picture.
            (picture.received_rows, picture.total_rows) = (total + received, 2 * total);
            picture.damage = alpha_damage;
        }
        Ok(picture)
    }

    /// The planes, the number of rows of tiles that were decoded, and what was wrong with the first tile that is not whole.
    fn decode_item(
        &self,
        item: &ImageItem,
        is_alpha: bool,
        factor: u32,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Result<(Canvas, u64, Option<Error>), Error> {
        let new_canvas = || {
            let mut canvas = Canvas::new((item.width, item.height), &item.format, factor);
            if is_alpha {
                canvas.fill_white();
            }
            canvas
        };
        let mut configuration: Option<(usize, Configuration)> = None;
        let (mut canvas, mut received, mut damage) = (None, 0, None);
        for (number, tile) in (0_u32..).zip(&item.tiles) {
            if should_stop() {
                return Err(Error::Stopped);
            }
            if configuration.as_ref().is_none_or(|(known, _)| *known != tile.configuration) {
                let body = Properties::read(&self.meta, tile.id)?.configuration_body();
                configuration = Some((tile.configuration, Configuration::parse(body)?));
            }
            let Some((_, decoder)) = &configuration else { continue };
            let data = self.meta.data(tile.id)?;
            let cut_off = data.is_cut_off.then_some(Error::Corrupt("the file ends inside a tile"));
            match decoder.decode(&data.bytes, &item.format, should_stop) {
                Ok(DecodedPicture { frame, format, rows, damage: damaged }) => {
                    let at =
                        (number % item.columns * item.tile_size.0, number / item.columns * item.tile_size.1);
                    canvas.get_or_insert_with(new_canvas).place(&frame, &format, at, rows);
                    received += u64::from(rows);
                    damage = damage.or(damaged.and(cut_off).or(damaged));
                }
                Err(Error::Stopped) => return Err(Error::Stopped),
                Err(error) => damage = damage.or(cut_off).or(Some(error)),
            }
        }
        Ok((canvas.unwrap_or_else(new_canvas), received, damage))
    }

    /// The clean aperture on the reduced planes.
    fn reduced_crop(&self, factor: u32) -> Crop {
        let Crop { x, y, width, height } = self.transform.crop;
        Crop { x: x / factor, y: y / factor, width: width.div_ceil(factor), height: height.div_ceil(factor) }
    }
}

/// The meta box of the file itself: image sequences have others.
fn meta_of(bytes: &[u8]) -> Result<Meta<'_>, Error> {
    let mut missing = Error::Corrupt("missing meta box");
    for found in Boxes::of_file(bytes) {
        let BmffBox { kind, body } = found?;
        match &kind {
            b"meta" => return Meta::parse(bytes, body),
            b"moov" => missing = Error::Unsupported("HEIF without a still picture"),
            _ => {}
        }
    }
    Err(missing)
}

/// Reads the alpha of a picture, with what bounds both of them.
fn read_alpha(meta: &Meta<'_>, id: u32, picture: &ImageItem) -> Result<ImageItem, Error> {
    let alpha = ImageItem::read(meta, id)?;
    let pixels = |item: &ImageItem| u64::from(item.width) * u64::from(item.height);
    if pixels(&alpha) > pixels(picture) {
        return Err(Error::Unsupported("HEIF with alpha larger than the picture"));
    }
    if alpha.coded_bytes.saturating_add(picture.coded_bytes) > MAX_REUSE * meta.file_length() {
        return Err(Error::LimitExceeded("bytes of tiles"));
    }
    Ok(alpha)
}

/// Items from the primary item to the coded one.
fn derivations(meta: &Meta<'_>) -> Result<Vec<u32>, Error> {
    let mut chain = vec![meta.primary];
    let mut id = meta.primary;
    for _ in 0..=MAX_DERIVATIONS {
        id = match &meta.kind(id)? {
            b"hvc1" | b"grid" => return Ok(chain),
            // The base picture of a tone map is its first.
            b"iden" | b"tmap" => *meta
                .targets(id, *b"dimg")
                .first()
                .ok_or(Error::Corrupt("a derived image without a source"))?,
            kind => return Err(unsupported(*kind)),
        };
        chain.push(id);
    }
    Err(Error::LimitExceeded("derived images"))
}
