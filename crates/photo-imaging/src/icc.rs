//! ICC profiles as files hold them, and what the colour library is given of them.
//!
//! moxcms reads each entry of a profile's table of tags that it knows, however many there are and even if all of them name the
//! same bytes: 483,000 entries that name one LUT of 4.7 MB are 2.3 TB. So it is given the few tags that a conversion to sRGB
//! needs, each once. What moxcms then reads is no more than the profile's bytes. See `docs/adr/037-checked-profiles.md`.

use std::ops::Range;

use flate2::{Decompress, FlushDecompress, Status};

/// Longest profile in bytes.
const MAX_BYTES: usize = photo_jpeg::MAX_ICC_BYTES;

/// Most entries in the table of tags, as in Little CMS. Profiles have at most some 40.
const MAX_TAGS: usize = 100;

/// Length of the header in bytes; the number of tags follows.
const HEADER: usize = 128;
/// Length in bytes of an entry in the table of tags: signature, offset and size.
const ENTRY: usize = 12;
/// Shortest content of a tag in bytes: its type, four reserved bytes and one value.
const SHORTEST: usize = 12;

/// Every tag that moxcms 0.9.2 looks at for a conversion to sRGB by perceptual intent: primaries and curves, or a LUT, or the
/// curve by its number.
const NEEDED: [[u8; 4]; 9] =
    [*b"rXYZ", *b"gXYZ", *b"bXYZ", *b"rTRC", *b"gTRC", *b"bTRC", *b"kTRC", *b"cicp", *b"A2B0"];

/// Returns the profile with the needed tags alone. `None` if the profile is broken or over a limit:
///
/// - more than [`MAX_BYTES`], or fewer bytes than its header says;
/// - more than [`MAX_TAGS`] tags, or a tag that ends beyond the profile;
/// - needed tags that overlap so far that together they are longer than the profile. Tags that share all of their bytes, as the
///   three curves mostly do, count once.
///
/// Of several tags with one signature the first counts, as in browsers.
pub(crate) fn reduce(icc: &[u8]) -> Option<Vec<u8>> {
    if icc.len() > MAX_BYTES {
        return None;
    }
    let profile = icc.get(..number(icc, 0)?)?;
    let count = number(profile, HEADER)?;
    if count > MAX_TAGS {
        return None;
    }
    let (entries, _) = profile.get(HEADER + 4..HEADER + 4 + ENTRY * count)?.as_chunks::<ENTRY>();
    let mut needed: Vec<([u8; 4], Range<usize>)> = Vec::new();
    for entry in entries {
        let (&signature, _) = entry.split_first_chunk::<4>()?;
        let start = number(entry, 4)?;
        let content = start..start.checked_add(number(entry, 8)?)?;
        profile.get(content.clone())?;
        if NEEDED.contains(&signature) && needed.iter().all(|(known, _)| *known != signature) {
            if content.len() < SHORTEST {
                return None;
            }
            needed.push((signature, content));
        }
    }
    rebuild(profile, &needed)
}

fn rebuild(profile: &[u8], needed: &[([u8; 4], Range<usize>)]) -> Option<Vec<u8>> {
    let first = HEADER + 4 + ENTRY * needed.len();
    let mut places: Vec<usize> = Vec::with_capacity(needed.len());
    let mut end = first;
    for (index, (_, content)) in needed.iter().enumerate() {
        let same = needed[..index].iter().position(|(_, earlier)| earlier == content);
        places.push(same.map_or(end, |earlier| places[earlier]));
        end += if same.is_some() { 0 } else { content.len() };
    }
    if end > profile.len() {
        return None;
    }
    let mut out = Vec::with_capacity(end);
    out.extend_from_slice(&u32::try_from(end).ok()?.to_be_bytes());
    out.extend_from_slice(profile.get(4..HEADER)?);
    out.extend_from_slice(&u32::try_from(needed.len()).ok()?.to_be_bytes());
    for ((signature, content), &place) in needed.iter().zip(&places) {
        out.extend_from_slice(signature);
        out.extend_from_slice(&u32::try_from(place).ok()?.to_be_bytes());
        out.extend_from_slice(&u32::try_from(content.len()).ok()?.to_be_bytes());
    }
    for ((_, content), place) in needed.iter().zip(places) {
        if place == out.len() {
            out.extend_from_slice(&profile[content.clone()]);
        }
    }
    Some(out)
}

/// A number of 32 bits at a place.
fn number(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?)).ok()
}

/// Inflates the profile of a PNG's `iCCP` chunk. `None` if the chunk is broken, or the profile longer than [`MAX_BYTES`], beyond
/// which nothing is inflated.
pub(crate) fn inflate(chunk: &[u8]) -> Option<Vec<u8>> {
    /// Longest name of a profile in bytes.
    const NAME: usize = 79;
    /// The only method of compression there is.
    const DEFLATE: u8 = 0;
    /// Bytes that are read at once, and by how many more may be read than come out. Blocks without content cost time and give
    /// nothing.
    const PIECE: usize = 64 << 10;
    const MOST_EMPTY: usize = 256 << 10;
    let total = |total: u64| usize::try_from(total).ok();
    let end = chunk.iter().take(NAME + 1).position(|&byte| byte == 0).filter(|&end| end > 0)?;
    let (&method, stream) = chunk[end + 1..].split_first()?;
    // Compressing makes nothing longer by more than some bytes in each 64 kB.
    if method != DEFLATE || stream.len() > MAX_BYTES + MAX_BYTES / 1000 {
        return None;
    }
    // One byte more than the limit, so that a longer profile shows.
    let mut profile = vec![0; MAX_BYTES + 1];
    let mut inflater = Decompress::new(true);
    loop {
        let (read, written) = (total(inflater.total_in())?, total(inflater.total_out())?);
        if read > written + MOST_EMPTY {
            return None;
        }
        let piece = &stream[read..stream.len().min(read + PIECE)];
        let status = inflater.decompress(piece, &mut profile[written..], FlushDecompress::None).ok()?;
        let length = total(inflater.total_out())?;
        let has_moved = length > written || total(inflater.total_in())? > read;
        match status {
            _ if length > MAX_BYTES => return None,
            Status::StreamEnd => {
                profile.truncate(length);
                return Some(profile);
            }
            Status::Ok if has_moved => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::ZlibEncoder};

    use super::*;

    /// A header, a table of tags with their offset and size, and 100 bytes of content.
    fn profile(tags: &[([u8; 4], usize, usize)]) -> Vec<u8> {
        let be32 = |value: usize| u32::try_from(value).unwrap().to_be_bytes();
        let entries = tags.iter().flat_map(|(name, start, size)| [*name, be32(*start), be32(*size)]);
        let mut bytes =
            [&[0; HEADER], &be32(tags.len())[..], &entries.flatten().collect::<Vec<u8>>()].concat();
        bytes.extend(0..100);
        let length = be32(bytes.len());
        bytes[..4].copy_from_slice(&length);
        bytes
    }

    fn content(reduced: &[u8], index: usize) -> (&[u8], &[u8]) {
        let entry = &reduced[HEADER + 4 + ENTRY * index..];
        let start = number(entry, 4).unwrap();
        (&entry[..4], &reduced[start..start + number(entry, 8).unwrap()])
    }

    #[test]
    fn needed_tags_are_kept_once() {
        // Four entries end at 180.
        let (a, b) = (180..200, 210..240);
        let entry = |name: &[u8; 4], part: &Range<usize>| (*name, part.start, part.len());
        let tags = [entry(b"rTRC", &a), entry(b"desc", &b), entry(b"gTRC", &a), entry(b"A2B0", &b)];
        let whole = profile(&tags);
        let reduced = reduce(&whole).unwrap();
        assert_eq!(reduced.len(), HEADER + 4 + 3 * ENTRY + 20 + 30);
        assert_eq!(number(&reduced, 0), Some(reduced.len()));
        assert_eq!(number(&reduced, HEADER), Some(3));
        assert_eq!(content(&reduced, 0), (&b"rTRC"[..], &whole[a.clone()]));
        assert_eq!(content(&reduced, 1), (&b"gTRC"[..], &whole[a]));
        assert_eq!(content(&reduced, 2), (&b"A2B0"[..], &whole[b]));
    }

    #[test]
    fn the_first_of_two_tags_of_a_name_counts() {
        let reduced = reduce(&profile(&[(*b"rTRC", 160, 12), (*b"rTRC", 180, 20)])).unwrap();
        assert_eq!(number(&reduced, HEADER), Some(1));
        assert_eq!(content(&reduced, 0).1.len(), 12);
    }

    #[test]
    fn tags_that_overlap_are_no_longer_than_the_profile() {
        let overlap =
            |size: usize| profile(&[(*b"rTRC", 168, size), (*b"gTRC", 169, size), (*b"bTRC", 170, size)]);
        assert!(reduce(&overlap(30)).is_some());
        assert_eq!(reduce(&overlap(90)), None);
    }

    #[test]
    fn what_lies_about_its_size_is_broken() {
        let good = profile(&[(*b"rTRC", 150, 20), (*b"desc", 170, 20)]);
        assert!(reduce(&good).is_some());
        assert_eq!(reduce(&good), reduce(&[&good[..], b"what follows"].concat()));
        assert_eq!(reduce(&good[..good.len() - 1]), None);
        for broken in [
            profile(&[(*b"rTRC", 150, 11)]),
            profile(&[(*b"rTRC", 150, 95)]),
            profile(&[(*b"desc", 150, 95)]),
            profile(&[(*b"desc", 0xffff_ffff, 0xffff_ffff)]),
            vec![],
            vec![0; HEADER + 4],
        ] {
            assert_eq!(reduce(&broken), None);
        }
        let many = |count: usize| reduce(&profile(&vec![(*b"rTRC", 150, 20); count])).is_some();
        assert!(many(MAX_TAGS));
        assert!(!many(MAX_TAGS + 1));
        let mut endless = good;
        endless[HEADER..HEADER + 4].copy_from_slice(&[0xff; 4]);
        assert_eq!(reduce(&endless), None);
    }

    #[test]
    fn a_chunk_is_inflated_up_to_the_limit() {
        let inflated = |name: &[u8], length: usize| {
            let mut encoder = ZlibEncoder::new(name.to_vec(), Compression::fast());
            encoder.write_all(&vec![7; length]).unwrap();
            inflate(&encoder.finish().unwrap()).map(|profile| profile.len())
        };
        assert_eq!(inflated(b"name\0\0", 1000), Some(1000));
        assert_eq!(inflated(b"name\0\0", MAX_BYTES), Some(MAX_BYTES));
        assert_eq!(inflated(b"name\0\0", MAX_BYTES + 1), None);
        assert_eq!(inflated(b"name\0\x01", 1000), None, "no such compression");
        assert_eq!(inflated(b"\0\0", 1000), None, "no name");
        assert_eq!(inflated(&[&[b'n'; 80], &b"\0\0"[..]].concat(), 1000), None, "a long name");
        assert_eq!(inflate(b"name\0\0"), None);
    }
}
