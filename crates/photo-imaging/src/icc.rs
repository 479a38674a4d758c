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
    let end = chunk.iter().take(NAME + 1).position(|&byte| byte == 0).filter(|&end| end > 0)?;
    let (&method, stream) = chunk[end + 1..].split_first()?;
    // Compressing makes nothing longer by more than some bytes in each 64 kB.
    if method != DEFLATE || stream.len() > MAX_BYTES + MAX_BYTES / 1000 {
        return None;
    }
    let mut profile = vec![0; MAX_BYTES];
    let mut inflater = Decompress::new(true);
    let status = inflater.decompress(stream, &mut profile, FlushDecompress::Finish).ok()?;
    profile.truncate(usize::try_from(inflater.total_out()).ok()?);
    (status == Status::StreamEnd).then_some(profile)
}
