//! Test files, a writer of HEIF containers, and pictures to compare with.

use std::path::PathBuf;

use photo_heif::{Error, Heif, Picture};

/// Files of testdata: each has a PNG of what libheif shows.
pub(crate) const FILES: [&str; 8] =
    ["alpha", "bt709-limited", "gray", "grid-irot", "odd-size", "ten-bit-422", "yuv420", "yuv444"];

pub(crate) fn read(name: &str) -> Vec<u8> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "testdata", name].iter().collect();
    std::fs::read(&path).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Pixels with 8 bits a sample.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pixels {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) channels: usize,
    pub(crate) samples: Vec<u8>,
}

impl Pixels {
    pub(crate) fn of(picture: &Picture) -> Self {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let channels = picture.channels().count();
        let mut samples = vec![0; width * height * channels];
        let mut rows = picture.rows();
        for row in samples.chunks_exact_mut(width * channels) {
            assert!(rows.next_8(row));
        }
        assert!(!rows.next_8(&mut vec![0; width * channels]), "one row more");
        Self { width, height, channels, samples }
    }

    pub(crate) fn of_png(name: &str) -> Self {
        let bytes = read(name);
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut samples = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut samples).unwrap();
        let (width, height) = reader.info().size();
        let (width, height) = (width as usize, height as usize);
        Self { width, height, channels: samples.len() / width / height, samples }
    }

    pub(crate) fn pixel(&self, x: usize, y: usize) -> &[u8] {
        &self.samples[(y * self.width + x) * self.channels..][..self.channels]
    }

    /// As a viewer shows it, by an EXIF orientation.
    pub(crate) fn upright(&self, orientation: u8) -> Self {
        let swaps = orientation > 4;
        let (width, height) = if swaps { (self.height, self.width) } else { (self.width, self.height) };
        let mut samples = Vec::with_capacity(self.samples.len());
        for y in 0..height {
            for x in 0..width {
                let x = if matches!(orientation, 2 | 3 | 6 | 7) { width - 1 - x } else { x };
                let y = if matches!(orientation, 3 | 4 | 7 | 8) { height - 1 - y } else { y };
                let (x, y) = if swaps { (y, x) } else { (x, y) };
                samples.extend_from_slice(self.pixel(x, y));
            }
        }
        Self { width, height, channels: self.channels, samples }
    }

    pub(crate) fn part(&self, left: usize, top: usize, width: usize, height: usize) -> Self {
        let rows = (top..top + height).flat_map(|y| (left..left + width).flat_map(move |x| self.pixel(x, y)));
        Self { width, height, channels: self.channels, samples: rows.copied().collect() }
    }

    /// Means of boxes, those at the edge of fewer pixels.
    pub(crate) fn reduced(&self, factor: usize) -> Self {
        let (width, height) = (self.width.div_ceil(factor), self.height.div_ceil(factor));
        let mut samples = Vec::new();
        for y in 0..height {
            for x in 0..width {
                for channel in 0..self.channels {
                    let rows = y * factor..((y + 1) * factor).min(self.height);
                    let columns = x * factor..((x + 1) * factor).min(self.width);
                    let count = rows.len() * columns.len();
                    let values = rows.flat_map(|y| columns.clone().map(move |x| (x, y)));
                    let sum: usize = values.map(|(x, y)| usize::from(self.pixel(x, y)[channel])).sum();
                    samples.push(u8::try_from((sum + count / 2) / count).unwrap());
                }
            }
        }
        Self { width, height, channels: self.channels, samples }
    }

    /// Mean and largest distance of samples.
    pub(crate) fn distance(&self, other: &Self) -> (f64, u8) {
        assert_eq!(
            (self.width, self.height, self.channels),
            (other.width, other.height, other.channels),
            "sizes"
        );
        let pairs = self.samples.iter().zip(&other.samples);
        let (sum, most) = pairs.fold((0_u32, 0), |(sum, most), (a, b)| {
            (sum + u32::from(a.abs_diff(*b)), most.max(a.abs_diff(*b)))
        });
        (f64::from(sum) / f64::from(u32::try_from(self.samples.len()).unwrap()), most)
    }
}

/// Decodes a file, and turns it upright.
pub(crate) fn shown(bytes: &[u8]) -> Pixels {
    let heif = Heif::parse(bytes).unwrap();
    let picture = heif.decode(1, &mut || false).unwrap();
    assert_eq!((picture.damage, picture.received_rows), (None, picture.total_rows));
    Pixels::of(&picture).upright(heif.orientation())
}

pub(crate) fn refusal(bytes: &[u8]) -> Error {
    match Heif::parse(bytes) {
        Ok(heif) => panic!("{heif:?}"),
        Err(error) => error,
    }
}

/// A box.
pub(crate) fn boxed(kind: &str, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(8 + body.len()).unwrap();
    [&length.to_be_bytes()[..], kind.as_bytes(), body].concat()
}

/// A full box of version 0 without flags.
pub(crate) fn full(kind: &str, body: &[u8]) -> Vec<u8> {
    boxed(kind, &[&[0; 4], body].concat())
}

/// The size of an item.
pub(crate) fn ispe(width: u32, height: u32) -> Vec<u8> {
    full("ispe", &[width.to_be_bytes(), height.to_be_bytes()].concat())
}

/// A coded picture out of a file with a single one.
#[derive(Clone)]
pub(crate) struct Coded {
    /// The `hvcC` box.
    pub(crate) configuration: Vec<u8>,
    /// NAL units behind their lengths.
    pub(crate) data: Vec<u8>,
}

impl Coded {
    pub(crate) fn of(name: &str) -> Self {
        let file = read(name);
        let find = |kind: &[u8]| file.windows(4).position(|window| window == kind).unwrap() - 4;
        let length = |at: usize| u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) as usize;
        let (hvcc, mdat) = (find(b"hvcC"), find(b"mdat"));
        Self {
            configuration: file[hvcc..hvcc + length(hvcc)].to_vec(),
            data: file[mdat + 8..mdat + length(mdat)].to_vec(),
        }
    }
}

/// An item of a file that is written.
#[derive(Clone, Default)]
pub(crate) struct Item {
    pub(crate) id: u16,
    pub(crate) kind: &'static str,
    pub(crate) data: Vec<u8>,
    pub(crate) in_idat: bool,
    /// Numbers of properties, from 1; bit 15 says that one is essential.
    pub(crate) properties: Vec<u16>,
}

/// A writer of HEIF containers that checks nothing.
#[derive(Clone, Default)]
pub(crate) struct Container {
    pub(crate) primary: u16,
    pub(crate) items: Vec<Item>,
    /// Whole boxes.
    pub(crate) properties: Vec<Vec<u8>>,
    /// Kind, source and targets.
    pub(crate) references: Vec<(&'static str, u16, Vec<u16>)>,
    /// Instead of where the data lies: item, offset and length, as often as wanted for an item.
    pub(crate) extents: Vec<(u16, u32, u32)>,
    /// Bytes behind the last box of the box of a kind: of `meta`, `ipco` or `iref`.
    pub(crate) trailer: (&'static str, Vec<u8>),
    /// Boxes before the meta box.
    pub(crate) before: Vec<u8>,
}

impl Container {
    /// Adds a property and returns its number.
    pub(crate) fn property(&mut self, bytes: Vec<u8>) -> u16 {
        self.properties.push(bytes);
        u16::try_from(self.properties.len()).unwrap()
    }

    pub(crate) fn size(&mut self, width: u32, height: u32) -> u16 {
        self.property(ispe(width, height))
    }

    /// A file of one coded picture with item 1.
    pub(crate) fn single(coded: &Coded, (width, height): (u32, u32)) -> Self {
        let mut container = Self { primary: 1, ..Self::default() };
        let properties = vec![container.property(coded.configuration.clone()), container.size(width, height)];
        container.items.push(Item {
            id: 1,
            kind: "hvc1",
            data: coded.data.clone(),
            properties,
            ..Item::default()
        });
        container
    }

    /// A file of a grid, item 1, of tiles from item 2 on.
    pub(crate) fn grid(
        coded: &Coded,
        tile: (u32, u32),
        (columns, rows): (u8, u8),
        (width, height): (u32, u32),
    ) -> Self {
        let mut container = Self { primary: 1, ..Self::default() };
        let tile = vec![container.property(coded.configuration.clone()), container.size(tile.0, tile.1)];
        let canvas = vec![container.size(width, height)];
        let body = [&[0, 1, rows - 1, columns - 1][..], &width.to_be_bytes(), &height.to_be_bytes()].concat();
        container.items.push(Item { id: 1, kind: "grid", data: body, in_idat: true, properties: canvas });
        let ids: Vec<u16> = (2..2 + u16::from(rows) * u16::from(columns)).collect();
        for &id in &ids {
            let data = coded.data.clone();
            container.items.push(Item { id, kind: "hvc1", data, in_idat: false, properties: tile.clone() });
        }
        container.references.push(("dimg", 1, ids));
        container
    }

    pub(crate) fn meta(&self, mdat_offset: u32) -> Vec<u8> {
        let count = |n: usize| u16::try_from(n).unwrap().to_be_bytes();
        let mut entries = count(self.items.len()).to_vec();
        let mut locations = [&[0x44, 0][..], &count(self.items.len())].concat();
        let mut associations = u32::try_from(self.items.len()).unwrap().to_be_bytes().to_vec();
        let (mut idat, mut at) = (Vec::new(), mdat_offset);
        for item in &self.items {
            let entry =
                [&[2, 0, 0, 0][..], &item.id.to_be_bytes(), &[0, 0], item.kind.as_bytes(), &[0]].concat();
            entries.extend(boxed("infe", &entry));
            let length = u32::try_from(item.data.len()).unwrap();
            let offset = if item.in_idat { u32::try_from(idat.len()).unwrap() } else { at };
            let own = self.extents.iter().filter(|extent| extent.0 == item.id);
            let mut extents: Vec<_> = own.map(|&(_, offset, length)| (offset, length)).collect();
            if extents.is_empty() {
                extents.push((offset, length));
            }
            locations.extend(item.id.to_be_bytes());
            locations.extend([0, u8::from(item.in_idat), 0, 0]);
            locations.extend(count(extents.len()));
            for (offset, length) in extents {
                locations.extend([offset.to_be_bytes(), length.to_be_bytes()].concat());
            }
            if item.in_idat {
                idat.extend_from_slice(&item.data);
            } else {
                at += length;
            }
            associations.extend(item.id.to_be_bytes());
            associations.push(u8::try_from(item.properties.len()).unwrap());
            associations.extend(item.properties.iter().flat_map(|number| number.to_be_bytes()));
        }
        let references = self.references.iter().flat_map(|(kind, from, to)| {
            let targets: Vec<u8> = to.iter().flat_map(|id| id.to_be_bytes()).collect();
            boxed(kind, &[&from.to_be_bytes()[..], &count(to.len()), &targets].concat())
        });
        let trailer = |kind| if self.trailer.0 == kind { &self.trailer.1[..] } else { &[] };
        let ipco = boxed("ipco", &[&self.properties.concat(), trailer("ipco")].concat());
        let ipma = boxed("ipma", &[&[0, 0, 0, 1][..], &associations].concat());
        let parts = [
            full("hdlr", b"\0\0\0\0pict\0\0\0\0\0\0\0\0\0\0\0\0\0"),
            full("pitm", &self.primary.to_be_bytes()),
            boxed("iloc", &[&[1, 0, 0, 0][..], &locations].concat()),
            full("iinf", &entries),
            boxed("iprp", &[ipco, ipma].concat()),
            full("iref", &[&references.collect::<Vec<u8>>(), trailer("iref")].concat()),
            boxed("idat", &idat),
            trailer("meta").to_vec(),
        ];
        full("meta", &parts.concat())
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let ftyp = boxed("ftyp", b"heic\0\0\0\0mif1heic");
        let head = [ftyp, self.before.clone()].concat();
        let length = head.len() + self.meta(0).len() + 8;
        let data: Vec<u8> =
            self.items.iter().filter(|item| !item.in_idat).flat_map(|item| item.data.clone()).collect();
        [head, self.meta(u32::try_from(length).unwrap()), boxed("mdat", &data)].concat()
    }
}
