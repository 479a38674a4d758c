//! An image item: a coded picture, or a grid of them (ISO/IEC 23008-12, 6.6.2.3).

use crate::Error;
use crate::boxes::{MAX_BOXES, Reader};
use crate::color::Colors;
use crate::hevc::{Configuration, Format};
use crate::meta::Meta;

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
    pub(crate) auxiliary_type: Option<&'a [u8]>,
    is_transformed: bool,
}

impl<'a> Properties<'a> {
    /// Body of the decoder configuration; empty if there is none.
    pub(crate) fn configuration_body(&self) -> &'a [u8] {
        self.configuration.map_or(&[], |(_, body)| body)
    }

    pub(crate) fn read(meta: &Meta<'a>, id: u32) -> Result<Self, Error> {
        let mut found = Self {
            size: None,
            configuration: None,
            colors: Colors::default(),
            auxiliary_type: None,
            is_transformed: false,
        };
        for (is_essential, number, property) in meta.properties(id) {
            let body = property.body;
            match &property.kind {
                b"ispe" if found.size.is_none() => {
                    let mut reader = Reader::new(body);
                    reader.version_and_flags()?;
                    found.size = Some((reader.u32()?, reader.u32()?));
                }
                b"hvcC" if found.configuration.is_none() => found.configuration = Some((number, body)),
                b"colr" => found.colors.read(body)?,
                b"auxC" => {
                    let mut reader = Reader::new(body);
                    reader.version_and_flags()?;
                    found.auxiliary_type = reader.rest.split(|&byte| byte == 0).next();
                }
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

impl ImageItem {
    /// Reads an item of type `hvc1` or `grid`, without decoding any of it.
    pub(crate) fn read(meta: &Meta<'_>, id: u32) -> Result<Self, Error> {
        let mut configurations = Configurations::default();
        match &meta.kind(id)? {
            b"hvc1" => {
                let (tile, size, format) = configurations.tile(meta, id)?;
                let longest_tile = meta.data_length(id)?;
                let (width, height) = size;
                Ok(Self {
                    width,
                    height,
                    columns: 1,
                    tile_size: size,
                    tiles: vec![tile],
                    format,
                    longest_tile,
                })
            }
            b"grid" => Self::read_grid(meta, id, &mut configurations),
            kind => Err(unsupported(*kind)),
        }
    }

    fn read_grid(meta: &Meta<'_>, id: u32, configurations: &mut Configurations) -> Result<Self, Error> {
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
            if &meta.kind(id)? != b"hvc1" {
                return Err(unsupported(meta.kind(id)?));
            }
            let (tile, size, format) = configurations.tile(meta, id)?;
            let (first_size, first_format) = *first.get_or_insert((size, format));
            if size != first_size || !format.matches(&first_format) {
                return Err(Error::Corrupt("tiles that differ in size or format"));
            }
            longest_tile = meta.data_length(id)?.max(longest_tile);
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
        Ok(Self { width, height, columns, tile_size, tiles, format, longest_tile })
    }

    /// Bytes of all tiles.
    pub(crate) fn coded_bytes(&self, meta: &Meta<'_>) -> Result<u64, Error> {
        self.tiles.iter().try_fold(0, |sum: u64, tile| Ok(sum.saturating_add(meta.data_length(tile.id)?)))
    }
}

/// Formats by the number of their property: tiles mostly share one.
#[derive(Default)]
struct Configurations {
    last: Option<(usize, Format)>,
}

impl Configurations {
    /// A coded picture whose parameter sets agree with its item.
    fn tile(&mut self, meta: &Meta<'_>, id: u32) -> Result<(Tile, (u32, u32), Format), Error> {
        let properties = Properties::read(meta, id)?;
        let size = properties.size.ok_or(Error::Corrupt("missing size of an image item"))?;
        let (number, body) =
            properties.configuration.ok_or(Error::Corrupt("missing decoder configuration"))?;
        let format = match self.last {
            Some((last, format)) if last == number => format,
            _ => Configuration::parse(body)?.format,
        };
        self.last = Some((number, format));
        if format.size != size {
            return Err(Error::Corrupt("a coded picture of another size than its item"));
        }
        Ok((Tile { id, configuration: number }, size, format))
    }
}

/// Refuses tiles that are turned or cropped one by one: no encoder writes them.
pub(crate) fn check_tiles(meta: &Meta<'_>, item: &ImageItem, id: u32) -> Result<(), Error> {
    for tile in item.tiles.iter().filter(|tile| tile.id != id) {
        if Properties::read(meta, tile.id)?.is_transformed {
            return Err(Error::Unsupported("HEIF with transformed tiles"));
        }
    }
    Ok(())
}

pub(crate) fn unsupported(kind: [u8; 4]) -> Error {
    Error::Unsupported(if &kind == b"av01" { "AVIF" } else { "HEIF of this kind" })
}
