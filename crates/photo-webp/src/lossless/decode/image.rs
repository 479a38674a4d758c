//! Entropy-coded images: RFC 9649, 3.6. The picture itself is one, and so is what transforms and prefix codes are chosen by.

use super::super::runs::{NEAR, near_pixels};
use super::bits::BitReader;
use super::prefix::{Group, GroupReader};
use super::{CORRUPT, Pixel, Stream, TRUNCATED};
use crate::DecodeError;

/// The codes of a group: of green, lengths and the colour cache, of each other channel, of distances.
const GREEN: usize = 0;
const RED: usize = 1;
const BLUE: usize = 2;
const ALPHA: usize = 3;
const DISTANCE: usize = 4;

/// Symbols of green: literals up to here, prefixes of lengths up to there, then places in the colour cache.
const LITERALS: usize = 256;
const LENGTHS: usize = LITERALS + 24;
const DISTANCES: usize = 40;

/// Groups that are read, and pixels, between two looks at the deadline.
const GROUPS_AT_ONCE: usize = 64;
const PIXELS_AT_ONCE: usize = 1 << 16;

/// What the pixels of an image are read by.
pub(super) struct Codes {
    cache_bits: u32,
    /// Those alone that a tile uses.
    groups: Vec<Group>,
    tiles: Option<Tiles>,
}

/// The entropy image: which group each tile uses.
struct Tiles {
    bits: u32,
    across: usize,
    /// Places in [`Codes::groups`].
    groups: Vec<u16>,
}

/// How groups are numbered in the file, and in memory.
struct Numbering {
    /// Of each group in the file the place in memory.
    places: Vec<Option<u16>>,
    used: usize,
}

impl Codes {
    /// The group of a pixel.
    #[inline(always)]
    fn group(&self, x: usize, y: usize) -> &Group {
        let place = self
            .tiles
            .as_ref()
            .map_or(0, |tiles| tiles.groups[(y >> tiles.bits) * tiles.across + (x >> tiles.bits)]);
        &self.groups[usize::from(place)]
    }
}

impl Stream<'_, '_> {
    /// Reads an image that has one group of codes.
    pub(super) fn small_image(&mut self, width: usize, height: usize) -> Result<Vec<Pixel>, DecodeError> {
        self.budget.charge(width * height * size_of::<Pixel>())?;
        let codes = self.codes(width, height, false, true)?;
        let mut pixels = Vec::with_capacity(width * height);
        self.pixels(&codes, width, height, &mut Painting::new(&mut pixels, &codes))?.all()?;
        Ok(pixels)
    }

    /// Reads the codes of an image. The picture itself is `argb` and may have many groups. If they are not to be kept, they
    /// are read, checked and charged.
    pub(super) fn codes(
        &mut self,
        width: usize,
        height: usize,
        argb: bool,
        keep: bool,
    ) -> Result<Codes, DecodeError> {
        let cache_bits = match self.reader.flag().then(|| self.reader.number(4)) {
            None => 0,
            Some(bits @ 1..=11) => u32::try_from(bits).unwrap_or(0),
            Some(_) => return Err(CORRUPT),
        };
        let (mut tiles, mut numbering) = (None, Numbering { places: vec![Some(0)], used: 1 });
        if argb && self.reader.flag() {
            let read = self.tiles(width, height)?;
            numbering = read.1;
            tiles = Some(read.0);
        }
        let green = LENGTHS + if cache_bits > 0 { 1 << cache_bits } else { 0 };
        let alphabets = [green, 256, 256, 256, DISTANCES];
        let mut group_reader = GroupReader::new();
        let mut groups = Vec::with_capacity(if keep { numbering.used } else { 0 });
        for (number, place) in numbering.places.iter().enumerate() {
            if number % GROUPS_AT_ONCE == 0 {
                self.look()?;
            }
            let Some(_) = place else {
                group_reader.read(&mut self.reader, alphabets)?;
                continue;
            };
            let entries = if keep {
                let group = group_reader.build(&mut self.reader, alphabets)?;
                let entries = group.entries();
                groups.push(group);
                entries
            } else {
                group_reader.read(&mut self.reader, alphabets)?
            };
            self.budget.charge(entries * size_of::<u16>() + Group::OVERHEAD_BYTES)?;
        }
        self.look()?;
        Ok(Codes { cache_bits, groups, tiles })
    }

    /// Reads the entropy image: RFC 9649, 3.7.2.2.
    fn tiles(&mut self, width: usize, height: usize) -> Result<(Tiles, Numbering), DecodeError> {
        let (bits, across, down) = self.block_size(width, height);
        let image = self.small_image(across, down)?;
        self.budget.charge(image.len() * size_of::<u16>())?;
        let number = |&[red, green, _, _]: &Pixel| usize::from(red) << 8 | usize::from(green);
        let count = image.iter().map(number).max().unwrap_or(0) + 1;
        self.budget.charge(count * size_of::<Option<u16>>())?;
        // The file has all groups up to the last one that is used. Those in between, which no tile uses, are passed over.
        let (mut places, mut used) = (vec![None; count], 0);
        for pixel in &image {
            places[number(pixel)] = Some(0);
        }
        for place in places.iter_mut().flatten() {
            // At most 2^16.
            *place = u16::try_from(used).unwrap_or(u16::MAX);
            used += 1;
        }
        let groups = image.iter().map(|pixel| places[number(pixel)].unwrap_or(0)).collect();
        Ok((Tiles { bits, across, groups }, Numbering { places, used }))
    }

    /// Reads the size of blocks: its logarithm, and how many there are across and down.
    pub(super) fn block_size(&mut self, width: usize, height: usize) -> (u32, usize, usize) {
        // Three bits.
        let bits = 2 + u32::try_from(self.reader.number(3)).unwrap_or(0);
        (bits, width.div_ceil(1 << bits), height.div_ceil(1 << bits))
    }

    /// Reads the pixels of an image: RFC 9649, 3.6.2. `pixels` is empty. Damage ends them; those that were read from the
    /// stream's own bytes are counted at the end of a row at the latest.
    pub(super) fn pixels<P: Pixels>(
        &mut self,
        codes: &Codes,
        width: usize,
        height: usize,
        pixels: &mut P,
    ) -> Result<Received, DecodeError> {
        let total = width * height;
        let near = near_pixels();
        // Without tiles the group is that of each row's first pixel.
        let mask = codes.tiles.as_ref().map_or(usize::MAX, |tiles| (1 << tiles.bits) - 1);
        let (mut x, mut y, mut next_look) = (0, 0, PIXELS_AT_ONCE);
        let mut received = 0;
        let mut group = codes.group(0, 0);
        while pixels.len() < total {
            if x & mask == 0 {
                group = codes.group(x, y);
            }
            let reader = &mut self.reader;
            reader.fill();
            let green = group.symbol(GREEN, reader);
            if green < LITERALS {
                let red = group.symbol(RED, reader);
                let blue = group.symbol(BLUE, reader);
                reader.need(15);
                let alpha = group.symbol(ALPHA, reader);
                pixels.push([red, green, blue, alpha].map(byte));
                x += 1;
            } else if green < LENGTHS {
                let length = number_of(reader, green - LITERALS);
                reader.fill();
                let symbol = group.symbol(DISTANCE, reader);
                reader.need(18);
                let distance = distance_of(number_of(reader, symbol), width, &near);
                if let Err(damage) = pixels.copy(total, distance, length) {
                    let damage = if reader.past_end() { TRUNCATED } else { damage };
                    return Ok(Received { pixels: received, damage: Some(damage) });
                }
                x += length;
            } else {
                pixels.push_cached(green - LENGTHS);
                x += 1;
            }
            if x >= width {
                (x, y) = (x % width, y + x / width);
                if self.reader.past_end() {
                    return Ok(Received { pixels: received, damage: Some(TRUNCATED) });
                }
                received = pixels.len();
                if received >= next_look {
                    self.budget.look()?;
                    next_look = pixels.len() + PIXELS_AT_ONCE;
                }
            }
            // A copy may end within another tile.
            if green >= LITERALS && x & mask != 0 && pixels.len() < total {
                group = codes.group(x, y);
            }
        }
        self.budget.look()?;
        Ok(Received { pixels: received, damage: None })
    }

    /// Asks whether to go on, and whether there was as much data as was read.
    fn look(&mut self) -> Result<(), DecodeError> {
        self.budget.look()?;
        if self.reader.past_end() { Err(TRUNCATED) } else { Ok(()) }
    }
}

/// How many pixels of an image were read.
pub(super) struct Received {
    /// In front of the damage. All of them if there is none.
    pub(super) pixels: usize,
    pub(super) damage: Option<DecodeError>,
}

impl Received {
    /// Of an image that is of no use in part.
    pub(super) fn all(self) -> Result<(), DecodeError> {
        self.damage.map_or(Ok(()), Err)
    }
}

/// Where the pixels of an image go.
pub(super) trait Pixels {
    /// How many there are.
    fn len(&self) -> usize;
    fn push(&mut self, pixel: Pixel);
    /// Appends a pixel from the colour cache.
    fn push_cached(&mut self, place: usize);
    /// Appends pixels from so far back, up to `total`.
    fn copy(&mut self, total: usize, distance: usize, length: usize) -> Result<(), DecodeError>;
}

/// Pixels in memory.
pub(super) struct Painting<'a> {
    pixels: &'a mut Vec<Pixel>,
    cache: Cache,
}

impl<'a> Painting<'a> {
    /// `pixels` is empty and has room for all.
    pub(super) fn new(pixels: &'a mut Vec<Pixel>, codes: &Codes) -> Self {
        Self { pixels, cache: Cache::new(codes.cache_bits) }
    }
}

impl Pixels for Painting<'_> {
    #[inline(always)]
    fn len(&self) -> usize {
        self.pixels.len()
    }

    #[inline(always)]
    fn push(&mut self, pixel: Pixel) {
        self.pixels.push(pixel);
    }

    #[inline(always)]
    fn push_cached(&mut self, place: usize) {
        let color = self.cache.get(self.pixels, place);
        self.pixels.push(color);
    }

    #[inline(always)]
    fn copy(&mut self, total: usize, distance: usize, length: usize) -> Result<(), DecodeError> {
        copy(self.pixels, total, distance, length)
    }
}

/// The number of pixels: where an image ends does not depend on its colours.
pub(super) struct Count(pub(super) usize);

impl Pixels for Count {
    #[inline(always)]
    fn len(&self) -> usize {
        self.0
    }

    #[inline(always)]
    fn push(&mut self, _: Pixel) {
        self.0 += 1;
    }

    #[inline(always)]
    fn push_cached(&mut self, _: usize) {
        self.0 += 1;
    }

    #[inline(always)]
    fn copy(&mut self, total: usize, distance: usize, length: usize) -> Result<(), DecodeError> {
        if distance > self.0 || length > total - self.0 {
            return Err(CORRUPT);
        }
        self.0 += length;
        Ok(())
    }
}

/// A number that fits.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "no code of a sample has more than 256 symbols")]
fn byte(number: usize) -> u8 {
    number as u8
}

/// A length or distance code by its prefix: RFC 9649, 3.6.2.2. Up to 18 bits are ready.
#[inline(always)]
fn number_of(reader: &mut BitReader<'_>, prefix: usize) -> usize {
    if prefix < 4 {
        return prefix + 1;
    }
    // At most 18.
    let extra_bits = (prefix - 2) >> 1;
    let extra = reader.peek((1 << extra_bits) - 1);
    reader.consume(u32::from(byte(extra_bits)));
    ((2 + (prefix & 1)) << extra_bits) + extra + 1
}

/// The distance in pixels that a code stands for.
#[inline(always)]
fn distance_of(code: usize, width: usize, near: &[(usize, isize); NEAR]) -> usize {
    match near.get(code - 1) {
        Some(&(up, left)) => (up * width).saturating_add_signed(left).max(1),
        None => code - NEAR,
    }
}

/// Appends pixels from so far back.
#[inline(always)]
fn copy(pixels: &mut Vec<Pixel>, total: usize, distance: usize, length: usize) -> Result<(), DecodeError> {
    let start = pixels.len().checked_sub(distance).ok_or(CORRUPT)?;
    if length > total - pixels.len() {
        return Err(CORRUPT);
    }
    if distance == 1 {
        let last = pixels[start];
        pixels.resize(pixels.len() + length, last);
    } else if distance >= length {
        pixels.extend_from_within(start..start + length);
    } else {
        // What is copied repeats itself, each time over twice as much.
        let mut left = length;
        while left > 0 {
            let part = left.min(pixels.len() - start);
            pixels.extend_from_within(start..start + part);
            left -= part;
        }
    }
    Ok(())
}

/// Recently used colours by their hash: RFC 9649, 3.6.2.3.
struct Cache {
    colors: Vec<Pixel>,
    shift: u32,
    /// How many pixels have been put in.
    seen: usize,
}

impl Cache {
    fn new(bits: u32) -> Self {
        let size = if bits > 0 { 1 << bits } else { 0 };
        Self { colors: vec![[0; 4]; size], shift: 32 - bits, seen: 0 }
    }

    /// The colour in a place, after all pixels so far.
    #[inline(always)]
    fn get(&mut self, pixels: &[Pixel], place: usize) -> Pixel {
        for &color in pixels.get(self.seen..).unwrap_or_default() {
            let [red, green, blue, alpha] = color;
            let argb = u32::from_be_bytes([alpha, red, green, blue]);
            // The product's upper bits, as many as the cache has.
            self.colors[(0x1e35_a7bd_u32.wrapping_mul(argb) >> self.shift) as usize] = color;
        }
        self.seen = pixels.len();
        self.colors[place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_distances_are_those_of_the_specification() {
        // RFC 9649, 3.6.2.2: columns to the left and rows up by code, the first and the last ones, and some in between.
        let table = [
            (1, (0, 1)),
            (2, (1, 0)),
            (3, (1, 1)),
            (4, (-1, 1)),
            (5, (0, 2)),
            (35, (0, 5)),
            (36, (3, 4)),
            (47, (5, 2)),
            (73, (0, 7)),
            (97, (8, 0)),
            (98, (4, 7)),
            (105, (-6, 6)),
            (119, (8, 6)),
            (120, (8, 7)),
        ];
        let near = near_pixels();
        for (code, (left, up)) in table {
            assert_eq!(near[code - 1], (up, left), "{code}");
        }
        assert_eq!([1, 2, 3, 4].map(|code| distance_of(code, 100, &near)), [100, 1, 101, 99]);
        assert_eq!(distance_of(121, 100, &near), 1);
        assert_eq!(distance_of(4, 1, &near), 1, "none is below one");
    }

    #[test]
    fn copies_repeat_what_they_have_written() {
        let pixel = |n: u8| [n; 4];
        let copied = |distance, length| {
            let mut pixels: Vec<Pixel> = [1, 2, 3].map(pixel).to_vec();
            copy(&mut pixels, 12, distance, length)?;
            Ok(pixels.iter().skip(3).map(|pixel| pixel[0]).collect::<Vec<u8>>())
        };
        assert_eq!(copied(1, 3), Ok(vec![3, 3, 3]));
        assert_eq!(copied(2, 7), Ok(vec![2, 3, 2, 3, 2, 3, 2]));
        assert_eq!(copied(3, 9), Ok(vec![1, 2, 3, 1, 2, 3, 1, 2, 3]));
        assert_eq!(copied(3, 2), Ok(vec![1, 2]));
        assert_eq!(copied(4, 1), Err(CORRUPT), "before the first");
        assert_eq!(copied(3, 10), Err(CORRUPT), "behind the last");
    }
}
