//! ICC profiles (ICC.1:2022): a new one with what turns the picture's colours into others, and nothing else.

use std::rc::Rc;

use crate::profile::Profile;

use super::lut;

/// Signature and content.
type Tag = ([u8; 4], Rc<[u8]>);

/// Profiles that count for a gray picture, for one in colours, and for one of four inks.
pub(super) const GRAY: &[[u8; 4]] = &[*b"GRAY", *b"RGB "];
pub(super) const COLOR: &[[u8; 4]] = &[*b"RGB "];
pub(super) const INK: &[[u8; 4]] = &[*b"CMYK"];

const HEADER: usize = 128;
/// Bytes of an entry of the tag table.
const ENTRY: usize = 12;

/// 1 January 2000.
const DATE: [u8; 12] = [7, 208, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0];
/// The light of the connection space.
const D50: [u8; 12] = [0, 0, 0xf6, 0xd6, 0, 1, 0, 0, 0, 0, 0xd3, 0x2d];

/// Texts of all profiles, no longer than those that they replace.
const DESCRIPTION: &str = "ICC";
const COPYRIGHT: &str = "n/a";

/// A profile with the same colours. `None` if it is broken, or for other channels than the picture has: such a profile is
/// passed over when the picture is shown.
///
/// It is one for input, as every embedded profile is used: tables from colours to inks are left out.
pub(super) fn clean(icc: &[u8], spaces: &[[u8; 4]]) -> Option<Vec<u8>> {
    let header: &[u8; HEADER] = icc.first_chunk()?;
    if !spaces.iter().any(|space| space == &header[16..20]) {
        return None;
    }
    // Within the limits, and of a kind that the colour library takes.
    Profile::parse(icc)?;
    let tags = Tags::parse(icc)?;
    let mut colors: Vec<Tag> = Vec::new();
    let mut tables = Vec::new();
    for signature in [*b"rXYZ", *b"gXYZ", *b"bXYZ"] {
        colors.extend(tags.get(signature).and_then(|data| Some((signature, xyz(data)?.into()))));
    }
    for signature in [*b"rTRC", *b"gTRC", *b"bTRC", *b"kTRC"] {
        colors.extend(tags.get(signature).and_then(|data| Some((signature, lut::curve(data)?.0.into()))));
    }
    for signature in [*b"A2B0", *b"A2B1", *b"A2B2"] {
        // Intents share tables often.
        let table = tags.get(signature).and_then(|data| {
            let known = tables.iter().find(|(other, _): &&(&[u8], Rc<[u8]>)| std::ptr::eq(*other, data));
            known.map(|(_, table)| Rc::clone(table)).or_else(|| Some(lut::table(data)?.into()))
        });
        if let Some((table, data)) = table.zip(tags.get(signature)) {
            tables.push((data, Rc::clone(&table)));
            colors.push((signature, table));
        }
    }
    if let Some(data) = tags.get(*b"cicp")
        && let Some(points) = data.strip_prefix(b"cicp").and_then(|data| data.get(4..8))
    {
        colors.push((*b"cicp", [b"cicp\0\0\0\0".as_slice(), points].concat().into()));
    }
    let header = clean_header(header, !tables.is_empty());
    // What specifications ask for, which some readers may insist on.
    let is_v4 = header[8] >= 4;
    let mut all = Vec::new();
    for (signature, text) in [(*b"desc", DESCRIPTION), (*b"cprt", COPYRIGHT)] {
        if tags.get(signature).is_some() {
            let data = if is_v4 { localized(text) } else { plain(signature, text) };
            all.push((signature, data.into()));
        }
    }
    let white = [b"XYZ \0\0\0\0".as_slice(), &D50].concat();
    all.extend(tags.get(*b"wtpt").map(|_| (*b"wtpt", white.into())));
    all.extend_from_slice(&colors);
    // Without texts, padding alone can make it longer. Tags that overlap in the input could make much of little.
    let padded = icc.len() + 3 * colors.len();
    [(all, icc.len()), (colors, padded)]
        .into_iter()
        .map(|(tags, most)| (assemble(header, &tags), most))
        .find_map(|(profile, most)| (profile.len() <= most).then_some(profile))
}

/// Class, spaces and intent as they are, all else as the specification has it.
fn clean_header(header: &[u8; HEADER], has_table: bool) -> [u8; HEADER] {
    let mut clean = [0; HEADER];
    // A version of zero is taken for 2.
    clean[8] = if header[8] == 0 { 2 } else { header[8] };
    clean[9] = header[9] & 0xf0;
    clean[12..24].copy_from_slice(&header[12..24]);
    // Other classes with tables would need those in the other direction.
    if has_table && matches!(&header[12..16], b"mntr" | b"prtr" | b"spac") {
        clean[12..16].copy_from_slice(b"scnr");
    }
    clean[24..36].copy_from_slice(&DATE);
    clean[36..40].copy_from_slice(b"acsp");
    if let &[0, 0, 0, intent @ 0..=3] = &header[64..68] {
        clean[67] = intent;
    }
    clean[68..80].copy_from_slice(&D50);
    clean
}

/// The tag table.
struct Tags<'a> {
    icc: &'a [u8],
    entries: &'a [[u8; ENTRY]],
}

impl<'a> Tags<'a> {
    fn parse(icc: &'a [u8]) -> Option<Self> {
        let length = usize::try_from(u32::from_be_bytes(*icc.first_chunk()?)).ok()?;
        let icc = icc.get(..length)?;
        let (count, rest) = icc.get(HEADER..)?.split_first_chunk::<4>()?;
        let entries = rest.as_chunks::<ENTRY>().0.get(..usize::try_from(u32::from_be_bytes(*count)).ok()?)?;
        Some(Self { icc, entries })
    }

    /// A tag's bytes. Of tags that come twice, the first counts, as in browsers.
    fn get(&self, signature: [u8; 4]) -> Option<&'a [u8]> {
        let entry = self.entries.iter().find(|entry| entry.starts_with(&signature))?;
        let (offset, size) = parts(entry);
        self.icc.get(offset..)?.get(..size)
    }
}

/// Offset and size.
fn parts(&[_, _, _, _, o3, o2, o1, o0, s3, s2, s1, s0]: &[u8; ENTRY]) -> (usize, usize) {
    let number = |bytes| usize::try_from(u32::from_be_bytes(bytes)).unwrap_or(usize::MAX);
    (number([o3, o2, o1, o0]), number([s3, s2, s1, s0]))
}

/// A colour.
fn xyz(data: &[u8]) -> Option<Vec<u8>> {
    let numbers = data.strip_prefix(b"XYZ ")?.get(4..16)?;
    Some([b"XYZ \0\0\0\0".as_slice(), numbers].concat())
}

/// A text of version 4.
fn localized(text: &str) -> Vec<u8> {
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    // One text, of 12 bytes in the table, in English, behind the table.
    let head = b"mluc\0\0\0\0\0\0\0\x01\0\0\0\x0cenUS";
    let length = u32::try_from(utf16.len()).unwrap_or(0);
    [head.as_slice(), &length.to_be_bytes(), &28_u32.to_be_bytes(), &utf16].concat()
}

/// A text of version 2: a description has the same in Unicode and for Macintosh behind it, which are empty.
fn plain(signature: [u8; 4], text: &str) -> Vec<u8> {
    let mut data = Vec::new();
    if &signature == b"desc" {
        data.extend_from_slice(b"desc\0\0\0\0");
        data.extend_from_slice(&u32::try_from(text.len() + 1).unwrap_or(0).to_be_bytes());
    } else {
        data.extend_from_slice(b"text\0\0\0\0");
    }
    data.extend_from_slice(text.as_bytes());
    data.push(0);
    if &signature == b"desc" {
        data.extend_from_slice(&[0; 78]);
    }
    data
}

/// A profile of these tags. Tags of the same content share it.
fn assemble(mut header: [u8; HEADER], tags: &[Tag]) -> Vec<u8> {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
    let mut table = number(tags.len()).to_vec();
    let mut end = HEADER + table.len() + ENTRY * tags.len();
    let mut placed: Vec<(&[u8], usize)> = Vec::new();
    for (signature, data) in tags {
        let known = placed.iter().find(|(other, _)| **other == **data).map(|&(_, offset)| offset);
        let offset = known.unwrap_or_else(|| {
            placed.push((data, end));
            let behind = (end + data.len()).next_multiple_of(4);
            std::mem::replace(&mut end, behind)
        });
        table.extend_from_slice(signature);
        table.extend_from_slice(&number(offset));
        table.extend_from_slice(&number(data.len()));
    }
    header[..4].copy_from_slice(&number(end));
    let mut out = Vec::with_capacity(end);
    out.extend_from_slice(&header);
    out.extend_from_slice(&table);
    for (data, _) in placed {
        out.extend_from_slice(data);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    out
}
