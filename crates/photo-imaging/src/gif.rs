//! GIF blocks (`GIF89a`), in the one walk that probe, decoder, animations and sanitiser share.
//!
//! The walk shows what browsers show. Zeros between blocks, unknown extensions, and a missing terminator or trailer
//! cost nothing. What is no block ends the file.

pub(crate) mod lzw;

use crate::probe::Cursor;

/// Label of a graphic control extension.
const CONTROL: u8 = 0xf9;
/// Label of an application extension.
const APPLICATION: u8 = 0xff;
/// Flag of the screen and of an image: a colour table follows.
const HAS_TABLE: u8 = 0x80;
/// Flag of an image.
const INTERLACED: u8 = 0x40;

/// Screen descriptor and global colour table.
#[derive(Clone, Debug)]
pub(crate) struct Gif<'a> {
    screen: (u32, u32),
    /// Red, green and blue of each colour; empty without a table.
    pub(crate) table: &'a [u8],
    blocks: &'a [u8],
}

/// A block that says something about the picture.
pub(crate) enum Block<'a> {
    Image(Image<'a>),
    /// How often the images are shown after the first time; 0 is for ever.
    Repeats(u16),
}

/// An image of at least one pixel.
#[derive(Clone, Debug)]
pub(crate) struct Image<'a> {
    /// Of the graphic control extension before it.
    pub(crate) control: Option<Control>,
    pub(crate) left: u32,
    pub(crate) top: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) interlaced: bool,
    /// The local colour table; empty if the global one is meant.
    pub(crate) table: &'a [u8],
    /// Bits of a colour in the codes.
    pub(crate) code_size: u8,
    pub(crate) codes: SubBlocks<'a>,
    /// The file ends before the terminator of the codes.
    pub(crate) is_cut_off: bool,
}

/// What a graphic control extension says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Control {
    /// What becomes of the image before the next one is shown: 2 clears its place, 3 and 4 give back what was there.
    pub(crate) disposal: u8,
    /// Hundredths of a second.
    pub(crate) delay: u16,
    /// Index of the colour that is not painted.
    pub(crate) transparent: Option<u8>,
}

impl<'a> Gif<'a> {
    /// `None` if the file ends before its first block.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        // GIF87a or GIF89a.
        cursor.take(6)?;
        let screen = (cursor.u16_le()?.into(), cursor.u16_le()?.into());
        let [flags, _background, _aspect] = cursor.array()?;
        let table = cursor.take(table_bytes(flags))?;
        Some(Self { screen, table, blocks: cursor.rest() })
    }

    pub(crate) fn blocks(&self) -> Blocks<'a> {
        Blocks { cursor: Cursor::new(self.blocks), control: None }
    }

    pub(crate) fn images(&self) -> impl Iterator<Item = Image<'a>> + use<'a> {
        self.blocks().filter_map(|block| match block {
            Block::Image(image) => Some(image),
            Block::Repeats(_) => None,
        })
    }

    /// Width and height in px: browsers enlarge the screen for the first image, and crop later ones.
    pub(crate) fn canvas(&self, first: &Image<'_>) -> (u32, u32) {
        (self.screen.0.max(first.left + first.width), self.screen.1.max(first.top + first.height))
    }
}

impl Image<'_> {
    pub(crate) fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

/// See [`Gif::blocks`].
pub(crate) struct Blocks<'a> {
    cursor: Cursor<'a>,
    control: Option<Control>,
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    /// `None` at the trailer, at the end of the file and at a byte that begins no block.
    fn next(&mut self) -> Option<Block<'a>> {
        loop {
            match self.cursor.u8()? {
                0x2c => {
                    let image = image(&mut self.cursor, self.control.take())?;
                    // An image without pixels shows nothing.
                    if image.pixels() > 0 {
                        return Some(Block::Image(image));
                    }
                }
                0x21 => {
                    if let Some(repeats) = self.extension() {
                        return Some(Block::Repeats(repeats));
                    }
                }
                0x00 => self.skip_zeros(),
                _ => return None,
            }
        }
    }
}

impl Blocks<'_> {
    fn skip_zeros(&mut self) {
        let rest = self.cursor.rest();
        let zeros = rest.iter().position(|&byte| byte != 0).unwrap_or(rest.len());
        self.cursor.take(zeros);
    }

    /// Reads an extension to its end, or to that of the file. Answers the repetitions if it tells them.
    fn extension(&mut self) -> Option<u16> {
        let label = self.cursor.u8()?;
        let mut body = SubBlocks(self.cursor.rest());
        let first = body.next().unwrap_or(&[]);
        let repeats = match (label, first) {
            (APPLICATION, b"NETSCAPE2.0") => match body.next() {
                Some([1, low, high]) => Some(u16::from_le_bytes([*low, *high])),
                _ => None,
            },
            _ => None,
        };
        if let (CONTROL, [flags, low, high, index, ..]) = (label, first) {
            self.control = Some(Control {
                disposal: flags >> 2 & 7,
                delay: u16::from_le_bytes([*low, *high]),
                transparent: (flags & 1 != 0).then_some(*index),
            });
        }
        skip_sub_blocks(&mut self.cursor);
        repeats
    }
}

/// `None` if the file ends before the codes.
fn image<'a>(cursor: &mut Cursor<'a>, control: Option<Control>) -> Option<Image<'a>> {
    let (left, top) = (cursor.u16_le()?.into(), cursor.u16_le()?.into());
    let (width, height) = (cursor.u16_le()?.into(), cursor.u16_le()?.into());
    let flags = cursor.u8()?;
    let table = cursor.take(table_bytes(flags))?;
    let code_size = cursor.u8()?;
    let codes = SubBlocks(cursor.rest());
    let is_cut_off = !skip_sub_blocks(cursor);
    let interlaced = flags & INTERLACED != 0;
    Some(Image { control, left, top, width, height, interlaced, table, code_size, codes, is_cut_off })
}

const fn table_bytes(flags: u8) -> usize {
    if flags & HAS_TABLE == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// Moves behind the terminator. False if the file ends before it; nothing is left then.
fn skip_sub_blocks(cursor: &mut Cursor<'_>) -> bool {
    loop {
        match cursor.u8() {
            Some(0) => return true,
            Some(length) if cursor.take(length.into()).is_some() => {}
            _ => {
                cursor.take(cursor.rest().len());
                return false;
            }
        }
    }
}

/// Sub-blocks up to the terminator or to the end of the file, where the last one may be shorter than it says.
#[derive(Clone, Debug)]
pub(crate) struct SubBlocks<'a>(&'a [u8]);

impl<'a> Iterator for SubBlocks<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (&length, rest) = self.0.split_first().filter(|(length, _)| **length > 0)?;
        let (block, rest) = rest.split_at(rest.len().min(length.into()));
        self.0 = rest;
        Some(block)
    }
}
