//! GIF blocks, from the screen descriptor to the trailer.

use image::metadata::Orientation;

use super::Header;
use super::cursor::Cursor;
use crate::animation::Survey;
use crate::error::ImagingError;
use crate::format::Format;
use crate::limits::Limits;

/// Walks all blocks and counts the frames.
pub(super) fn parse(bytes: &[u8]) -> Result<Header, ImagingError> {
    let file = walk(bytes).ok_or_else(|| corrupt("no screen descriptor"))?;
    let (width, height) = file.canvas;
    Ok(Header {
        format: Format::Gif,
        width,
        height,
        frames: file.frames.max(1),
        orientation: Orientation::NoTransforms,
        has_icc: false,
        // The canvas and, apart from it, a first frame that is not as wide, both as RGBA; the frame's palette indices.
        decoder_bytes: (file.pixels() + file.beside) * RGBA + file.first,
        damage: file.damage.or((file.frames == 0).then_some("no frame")),
    })
}

/// What all frames take, and how often they are shown. `None` if the file is damaged, or if its frames, which may be larger than the
/// canvas, have more pixels than the limits allow.
pub(crate) fn survey(bytes: &[u8], limits: &Limits) -> Option<Survey> {
    let file =
        walk(bytes).filter(|file| file.damage.is_none() && file.frame_pixels <= limits.max_frame_pixels)?;
    // What the next frame is put on, what is shown, and the frame itself: as RGBA and as palette indices.
    let decoder_bytes = (file.pixels() * 2 + file.largest) * RGBA + file.largest;
    Some(Survey { loops: file.loops, decoder_bytes })
}

/// The file as every decoder reads it: a screen that the first frame does not fit is as large as that asks for, and what comes
/// after the last whole block and is none ends the file. Browsers show both.
pub(crate) struct Repair<'a> {
    signature: &'a [u8],
    screen: [u8; 4],
    blocks: &'a [u8],
}

impl<'a> Repair<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        let unchanged = Self { signature: bytes, screen: [0; 4], blocks: &[] };
        let Some(file) = walk(bytes) else { return unchanged };
        let side = |side: u32| u16::try_from(side).ok().map(u16::to_le_bytes);
        let parts = bytes.get(..SIGNATURE).zip(bytes.get(SIGNATURE + 4..file.junk_at.unwrap_or(bytes.len())));
        match (parts, side(file.canvas.0), side(file.canvas.1)) {
            (Some((signature, blocks)), Some([w0, w1]), Some([h0, h1])) => {
                Self { signature, screen: [w0, w1, h0, h1], blocks }
            }
            _ => unchanged,
        }
    }

    /// A trailer more does no harm.
    pub(crate) fn parts(&self) -> [&[u8]; 4] {
        let screen = if self.blocks.is_empty() { &[][..] } else { &self.screen };
        [self.signature, screen, self.blocks, &[TRAILER]]
    }
}

/// Bytes of `GIF89a`.
const SIGNATURE: usize = 6;
const TRAILER: u8 = 0x3b;
/// Bytes of a pixel.
const RGBA: u64 = 4;

/// What a walk over all blocks finds.
struct Walk {
    /// Large enough for the first frame. Later ones that do not fit are cropped.
    canvas: (u32, u32),
    frames: u32,
    /// Pixels of the first frame.
    first: u64,
    /// The same, but 0 if the frame is as wide as the canvas and so decoded in place.
    beside: u64,
    /// Pixels of all frames.
    frame_pixels: u64,
    /// Pixels of the largest.
    largest: u64,
    loops: u16,
    /// Where something begins that is no block.
    junk_at: Option<usize>,
    damage: Option<&'static str>,
}

impl Walk {
    fn pixels(&self) -> u64 {
        u64::from(self.canvas.0) * u64::from(self.canvas.1)
    }

    fn count(&mut self, frame: &Frame) {
        if self.frames == 0 {
            let (width, height) = self.canvas;
            self.canvas = (width.max(frame.right), height.max(frame.bottom));
            self.first = frame.pixels;
            self.beside = if frame.width == self.canvas.0 { 0 } else { frame.pixels };
        }
        self.frames += 1;
        self.frame_pixels = self.frame_pixels.saturating_add(frame.pixels);
        self.largest = self.largest.max(frame.pixels);
    }
}

fn walk(bytes: &[u8]) -> Option<Walk> {
    let mut cursor = Cursor::new(bytes);
    let canvas = screen(&mut cursor)?;
    // Without the extension that says how often, it is shown once.
    let loops = 1;
    let mut file = Walk {
        canvas,
        frames: 0,
        first: 0,
        beside: 0,
        frame_pixels: 0,
        largest: 0,
        loops,
        junk_at: None,
        damage: None,
    };
    loop {
        let at = bytes.len() - cursor.rest().len();
        let whole = match cursor.u8() {
            // Some writers leave the trailer out; what came before is whole.
            None | Some(TRAILER) => break,
            Some(0x21) => {
                file.loops = loops_of(cursor.rest()).unwrap_or(file.loops);
                cursor.u8().and_then(|_| skip_sub_blocks(&mut cursor))
            }
            Some(0x2c) => frame(&mut cursor).map(|frame| file.count(&frame)),
            // Padding between blocks is seen in the wild.
            Some(0x00) => Some(()),
            Some(_) if file.frames > 0 => {
                file.junk_at = Some(at);
                break;
            }
            Some(_) => {
                file.damage = Some("unknown block");
                break;
            }
        };
        if whole.is_none() {
            file.damage = Some("the file ends inside a block");
            break;
        }
    }
    Some(file)
}

/// How often the pictures are shown, if an application extension says so; it counts the times after the first.
fn loops_of(extension: &[u8]) -> Option<u16> {
    let [0xff, 11, name @ ..] = extension else { return None };
    let [3, 1, low, high, ..] = name.strip_prefix(b"NETSCAPE2.0")? else { return None };
    let repeats = u16::from_le_bytes([*low, *high]);
    Some(if repeats == 0 { 0 } else { repeats.saturating_add(1) })
}

fn screen(cursor: &mut Cursor<'_>) -> Option<(u32, u32)> {
    cursor.take(SIGNATURE)?;
    let (width, height) = (cursor.u16_le()?, cursor.u16_le()?);
    let [flags, _, _] = cursor.array()?;
    skip_palette(cursor, flags)?;
    Some((width.into(), height.into()))
}

/// A frame's place and size.
struct Frame {
    width: u32,
    right: u32,
    bottom: u32,
    pixels: u64,
}

/// Skips a frame.
fn frame(cursor: &mut Cursor<'_>) -> Option<Frame> {
    let (left, top) = (u32::from(cursor.u16_le()?), u32::from(cursor.u16_le()?));
    let (width, height) = (u32::from(cursor.u16_le()?), u32::from(cursor.u16_le()?));
    let flags = cursor.u8()?;
    skip_palette(cursor, flags)?;
    cursor.u8()?;
    skip_sub_blocks(cursor)?;
    let pixels = u64::from(width) * u64::from(height);
    Some(Frame { width, right: left + width, bottom: top + height, pixels })
}

fn skip_palette(cursor: &mut Cursor<'_>, flags: u8) -> Option<()> {
    let bytes = if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    cursor.take(bytes).map(|_| ())
}

fn skip_sub_blocks(cursor: &mut Cursor<'_>) -> Option<()> {
    loop {
        match cursor.u8()? {
            0 => return Some(()),
            length => cursor.take(length.into())?,
        };
    }
}

fn corrupt(reason: &str) -> ImagingError {
    ImagingError::corrupt(Format::Gif, reason)
}
