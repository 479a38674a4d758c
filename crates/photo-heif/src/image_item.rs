//! An image item: a coded picture, or a grid of them (ISO/IEC 23008-12, 6.6.2.3).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::Error;
use crate::boxes::{MAX_BOXES, Reader};
use crate::color::Colors;
use crate::hevc::{Configuration, Format, Formats};
use crate::meta::Meta;

/// Bytes of the coded pictures, as a multiple of the file's length: a tile may be used twice.
pub(crate) const MAX_REUSE: u64 = 2;

/// Types of alpha.
const ALPHA: [&[u8]; 2] = [b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1"];

/// Bytes of a grid's description.
const MAX_GRID_BYTES: u64 = 64;

/// Pixels of all tiles that a small canvas may have.
const LEAST_TILE_PIXELS: u64 = 1 << 20;

/// Properties that are known, or that change no pixel here.
const DESCRIPTIONS: [&[u8; 4]; 17] = [
    b"ispe", b"hvcC", b"pixi", b"pasp", b"clli", b"mdcv", b"cclv", b"amve", b"lsel", b"rloc", b"udes",
    b"altt", b"crtt", b"mdft", b"ndwt", b"reve", b"itai",
];

/// Coded pictures side by side.
pub(crate) struct ImageItem {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) columns: u32,
    pub(crate) tile_size: (u32, u32),
    pub(crate) tiles: Vec<Tile>,
    pub(crate) format: Format,
    /// Bytes of the longest tile.
    pub(crate) longest_tile: u64,
    /// Bytes of all tiles. One that is shown twice counts twice.
    pub(crate) coded_bytes: u64,
}

/// A coded picture of a grid.
#[derive(Clone, Copy)]
pub(crate) struct Tile {
    pub(crate) id: u32,
    /// Number of the `hvcC` property.
    pub(crate) configuration: usize,
}

/// What the properties of an item say, transformations excepted.
pub(crate) struct Properties<'a> {
    size: Option<(u32, u32)>,
    configuration: Option<(usize, &'a [u8])>,
    pub(crate) colors: Colors<'a>,
    is_transformed: bool,
}

impl<'a> Properties<'a> {
    /// Body of the decoder configuration; empty if there is none.
    pub(crate) fn configuration_body(&self) -> &'a [u8] {
        self.configuration.map_or(&[], |(_, body)| body)
    }

    pub(crate) fn read(meta: &Meta<'a>, id: u32) -> Result<Self, Error> {
        let mut found =
            Self { size: None, configuration: None, colors: Colors::default(), is_transformed: false };
        for (is_essential, number, property) in meta.properties(id) {
            let body = property.body;
            match &property.kind {
                b"ispe" if found.size.is_none() => {
                    let mut reader = Reader::new(body);
                    reader.version_and_flags()?;
                    found.size = Some((reader.u32()?, reader.u32()?));
                }
                b"hvcC" if found.configuration.is_none() => found.configuration = Some((number, body)),
                b"colr" => found.colors.read(body),
                b"auxC" => {}
                b"irot" | b"imir" | b"clap" => found.is_transformed = true,
                kind if is_essential && !DESCRIPTIONS.contains(&kind) => {
                    return Err(Error::Unsupported("HEIF with an unknown essential property"));
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

/// Whether an item is an alpha picture. Takes constant time for a property of any length.
pub(crate) fn is_alpha(meta: &Meta<'_>, id: u32) -> bool {
    let is_alpha = |body: &[u8]| {
        // Version and flags, then a name that ends with a zero or with the box.
        let name = body.get(4..).unwrap_or(&[]);
        ALPHA.iter().any(|alpha| matches!(name.strip_prefix(*alpha), Some([] | [0, ..])))
    };
    meta.properties(id).any(|(_, _, property)| &property.kind == b"auxC" && is_alpha(property.body))
}

impl ImageItem {
    /// Reads an item of type `hvc1` or `grid`, without decoding any of it. Each item and property is read once.
    pub(crate) fn read(meta: &Meta<'_>, id: u32) -> Result<Self, Error> {
        let mut pictures = CodedPictures { meta, known: BTreeMap::new(), formats: BTreeMap::new(), bytes: 0 };
        match &meta.kind(id)? {
            b"hvc1" => {
                let CodedPicture { tile, size, format, length, .. } = pictures.get(id)?;
                let (width, height) = size;
                Ok(Self {
                    width,
                    height,
                    columns: 1,
                    tile_size: size,
                    tiles: vec![tile],
                    format,
                    longest_tile: length,
                    coded_bytes: pictures.bytes,
                })
            }
            b"grid" => Self::read_grid(meta, id, pictures),
            kind => Err(unsupported(*kind)),
        }
    }

    /// Rows of all tiles, side by side or not.
    pub(crate) fn rows(&self) -> u64 {
        u64::from(self.tile_size.1) * self.tiles.len() as u64
    }

    fn read_grid(meta: &Meta<'_>, id: u32, mut pictures: CodedPictures<'_, '_>) -> Result<Self, Error> {
        if meta.data_length(id)? > MAX_GRID_BYTES {
            return Err(Error::Corrupt("invalid grid"));
        }
        let data = meta.data(id)?;
        let mut reader = Reader::new(&data.bytes);
        let [_version, flags, rows, columns] = reader.array()?;
        let (rows, columns) = (u32::from(rows) + 1, u32::from(columns) + 1);
        let is_wide = flags & 1 != 0;
        let (width, height) = (reader.id(is_wide)?, reader.id(is_wide)?);
        if Properties::read(meta, id)?.size.is_some_and(|size| size != (width, height)) {
            return Err(Error::Corrupt("a grid of another size than its item"));
        }
        let ids = meta.targets(id, *b"dimg");
        if ids.len() > MAX_BOXES {
            return Err(Error::LimitExceeded("tiles"));
        }
        if ids.len() as u64 != u64::from(rows) * u64::from(columns) {
            return Err(Error::Corrupt("a grid with missing or additional tiles"));
        }
        let mut first: Option<((u32, u32), Format)> = None;
        let (mut tiles, mut longest_tile) = (Vec::with_capacity(ids.len()), 0);
        for &id in ids {
            let CodedPicture { tile, size, format, length, is_transformed } = pictures.get(id)?;
            let (first_size, first_format) = *first.get_or_insert((size, format));
            if size != first_size || !format.matches(&first_format) {
                return Err(Error::Corrupt("tiles that differ in size or format"));
            }
            // No encoder writes tiles that are turned or cropped one by one.
            if is_transformed {
                return Err(Error::Unsupported("HEIF with transformed tiles"));
            }
            longest_tile = length.max(longest_tile);
            tiles.push(tile);
        }
        let (tile_size, format) = first.ok_or(Error::Corrupt("a grid without tiles"))?;
        let covers = |tiles: u32, tile: u32, side: u32| {
            let (tiles, tile, side) = (u64::from(tiles), u64::from(tile), u64::from(side));
            (tiles - 1) * tile < side && side <= tiles * tile
        };
        if !covers(columns, tile_size.0, width) || !covers(rows, tile_size.1, height) {
            return Err(Error::Corrupt("tiles that do not fit the grid"));
        }
        let tile_pixels = u64::from(tile_size.0) * u64::from(tile_size.1) * tiles.len() as u64;
        if tile_pixels > LEAST_TILE_PIXELS.max(4 * u64::from(width) * u64::from(height)) {
            return Err(Error::LimitExceeded("pixels outside of the grid"));
        }
        let coded_bytes = pictures.bytes;
        Ok(Self { width, height, columns, tile_size, tiles, format, longest_tile, coded_bytes })
    }
}

/// A coded picture whose parameter sets agree with its item.
#[derive(Clone, Copy)]
struct CodedPicture {
    tile: Tile,
    size: (u32, u32),
    format: Format,
    /// Of its data, in bytes.
    length: u64,
    is_transformed: bool,
}

/// Coded pictures by their item, and formats by the number of their property: a grid may name either many times.
struct CodedPictures<'m, 'a> {
    meta: &'m Meta<'a>,
    known: BTreeMap<u32, CodedPicture>,
    formats: BTreeMap<usize, Formats>,
    /// Bytes of all pictures that were asked for.
    bytes: u64,
}

impl CodedPictures<'_, '_> {
    fn get(&mut self, id: u32) -> Result<CodedPicture, Error> {
        let known = self.known.get(&id).copied();
        let length = known.map_or_else(|| self.meta.data_length(id), |picture| Ok(picture.length))?;
        // Before the data is looked at: many items may share it.
        self.bytes = self.bytes.saturating_add(length);
        if self.bytes > MAX_REUSE * self.meta.file_length() {
            return Err(Error::LimitExceeded("bytes of tiles"));
        }
        if let Some(picture) = known {
            return Ok(picture);
        }
        let picture = self.read(id, length)?;
        self.known.insert(id, picture);
        Ok(picture)
    }

    fn read(&mut self, id: u32, length: u64) -> Result<CodedPicture, Error> {
        let kind = self.meta.kind(id)?;
        if &kind != b"hvc1" {
            return Err(unsupported(kind));
        }
        let properties = Properties::read(self.meta, id)?;
        let size = properties.size.ok_or(Error::Corrupt("missing size of an image item"))?;
        let (number, body) =
            properties.configuration.ok_or(Error::Corrupt("missing decoder configuration"))?;
        let formats = match self.formats.entry(number) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(Configuration::parse(body)?.formats()?),
        };
        let format = match formats.single() {
            Some(format) => format,
            None => formats.of(&self.meta.data(id)?.bytes)?,
        };
        if format.size != size {
            return Err(Error::Corrupt("a coded picture of another size than its item"));
        }
        let tile = Tile { id, configuration: number };
        Ok(CodedPicture { tile, size, format, length, is_transformed: properties.is_transformed })
    }
}

pub(crate) fn unsupported(kind: [u8; 4]) -> Error {
    Error::Unsupported(if &kind == b"av01" { "AVIF" } else { "HEIF of this kind" })
}
