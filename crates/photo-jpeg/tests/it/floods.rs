//! Files that consist of segments almost to the last byte: time is bounded by their length, and the deadline is looked at.

use std::time::Duration;

use photo_jpeg::{Decoded, Error, Jpeg, Scale, Scales};

/// Bytes of a flood; photodrop takes files of up to 32 MiB.
const LENGTH: usize = 31_000_000;
/// What walking and decoding such a file may take, by the CPU's clock. A tenth of it is what it takes.
const MOST: Duration = Duration::from_millis(1500);

fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 2).unwrap();
    [&[0xff, marker], &length.to_be_bytes()[..], body].concat()
}

/// A segment that holds as many of these tables as it can.
fn full(marker: u8, table: &[u8]) -> Vec<u8> {
    segment(marker, &table.repeat(65_533 / table.len()))
}

/// A table of one code of one bit.
fn huffman(head: u8, symbol: u8) -> Vec<u8> {
    let mut table = vec![head, 1];
    table.extend([0; 15]);
    table.push(symbol);
    table
}

/// A gray picture of 64 × 64 px whose blocks have no coefficients, with `before` and `behind` around its scan.
fn picture(progressive: bool, before: &[u8], behind: &[u8]) -> Vec<u8> {
    let mut file = vec![0xff, 0xd8];
    file.extend(segment(0xdb, &[&[0][..], &[1; 64]].concat()));
    file.extend(segment(if progressive { 0xc2 } else { 0xc0 }, &[8, 0, 64, 0, 64, 1, 1, 0x11, 0]));
    file.extend(segment(0xc4, &[huffman(0x00, 0), huffman(0x10, 0)].concat()));
    file.extend(before);
    file.extend(segment(0xda, &[1, 1, 0, 0, if progressive { 0 } else { 63 }, 0]));
    // One bit for DC and, in a sequential file, one for the end of the block.
    file.extend(vec![0; if progressive { 8 } else { 16 }]);
    file.extend(behind);
    file.extend([0xff, 0xd9]);
    file
}

/// A progressive CMYK picture of one MCU that lacks the last coefficient of the last component alone, and what is behind it.
fn almost_whole(behind: &[u8]) -> Vec<u8> {
    let mut file = vec![0xff, 0xd8];
    file.extend(segment(0xdb, &[&[0][..], &[1; 64]].concat()));
    let components = [1, 2, 3, 4].map(|id| [id, 0x11, 0]);
    file.extend(segment(0xc2, &[&[8, 0, 8, 0, 8, 4][..], components.as_flattened()].concat()));
    file.extend(segment(0xc4, &[huffman(0x00, 0), huffman(0x10, 0)].concat()));
    file.extend(segment(0xda, &[4, 1, 0, 2, 0, 3, 0, 4, 0, 0, 0, 0]));
    file.push(0);
    for (id, last) in [(1, 63), (2, 63), (3, 63), (4, 62)] {
        file.extend(segment(0xda, &[1, id, 0, 1, last, 0]));
        file.push(0);
    }
    file.extend(behind);
    file.extend([0xff, 0xd9]);
    file
}

/// The answer, and the time that this thread was on a CPU for it.
fn timed<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let nanoseconds = || -> u64 {
        let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        stat.split_whitespace().next().unwrap().parse().unwrap()
    };
    let start = nanoseconds();
    let answer = run();
    (answer, Duration::from_nanos(nanoseconds() - start))
}

fn decode(bytes: &[u8], scale: Scale) -> Result<Decoded, Error> {
    Jpeg::parse(bytes)?.decode(Scales::same(scale), &mut || false)
}

/// Each kind of flood.
fn floods() -> Vec<(&'static str, Vec<u8>)> {
    let all_lengths = [&[0x10][..], &[1; 16], &(0..16).collect::<Vec<u8>>()].concat();
    let kinds = [
        ("one-code AC tables", full(0xc4, &huffman(0x10, 1))),
        ("AC tables that end blocks", full(0xc4, &huffman(0x10, 0))),
        ("DC tables", full(0xc4, &huffman(0x00, 0))),
        ("AC tables of all lengths", full(0xc4, &all_lengths)),
        ("segments of one AC table", segment(0xc4, &huffman(0x10, 0))),
        ("empty table segments", segment(0xc4, &[])),
        ("quantisation tables", full(0xdb, &[&[0][..], &[1; 64]].concat())),
        ("quantisation tables of 16 bits", full(0xdb, &[&[0x11][..], &[0, 1].repeat(64)].concat())),
        ("restart intervals", segment(0xdd, &[0, 0])),
        ("application data", segment(0xe5, b"")),
        ("JFIF headers", segment(0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0")),
        ("EXIF without entries", segment(0xe1, b"Exif\0\0MM\0*\0\0\0\x08\0\0")),
        ("profile chunks", segment(0xe2, b"ICC_PROFILE\0\x01\x02x")),
        ("Adobe markers", segment(0xee, b"Adobe\0\x64\0\0\0\0\x01")),
        ("comments", segment(0xfe, b"")),
        ("fill bytes", vec![0xff]),
        ("stray bytes", vec![0x11]),
        ("stuffed bytes of no scan", vec![0xff, 0]),
        ("restart markers of no scan", vec![0xff, 0xd0]),
        ("reserved markers", vec![0xff, 0x01]),
    ];
    kinds.into_iter().map(|(name, one)| (name, one.repeat(LENGTH / one.len()))).collect()
}

#[test]
fn floods_of_segments_cost_little() {
    for (name, flood) in floods() {
        for progressive in [false, true] {
            let bytes = picture(progressive, &flood, b"");
            let (decoded, spent) = timed(|| decode(&bytes, Scale::LEAST));
            // The tables of the flood decode the blocks, and those of one code have no end of a block.
            let damaged = !progressive && name == "one-code AC tables";
            let loss = decoded.unwrap_or_else(|e| panic!("{name}: {e}")).loss;
            // The progressive one has no AC scans.
            assert_eq!(loss.is_some(), damaged || progressive, "{name}: {loss:?}");
            assert!(spent < MOST, "{name}, progressive {progressive}: {spent:?}");
        }
    }
}

#[test]
fn floods_behind_a_scan_cost_little() {
    let whole = decode(&picture(false, b"", b""), Scale::LEAST).unwrap();
    for (name, flood) in floods() {
        for progressive in [false, true] {
            let bytes = picture(progressive, b"", &flood);
            let (answer, spent) = timed(|| decode(&bytes, Scale::LEAST));
            let decoded = answer.unwrap_or_else(|e| panic!("{name}: {e}"));
            // The progressive one has no AC scans.
            assert!(decoded.picture == whole.picture && decoded.loss.is_some() == progressive, "{name}");
            assert!(spent < MOST, "{name}: {spent:?}");
        }
    }
}

#[test]
fn floods_behind_an_incomplete_scan_cost_little() {
    let loss = decode(&almost_whole(b""), Scale::LEAST).unwrap().loss;
    assert_eq!(
        loss.map(|loss| (loss.received, loss.total)),
        Some((7984, 8000)),
        "1 of 63 × 2 × 4 is missing"
    );
    for (name, flood) in floods() {
        let bytes = almost_whole(&flood);
        let (jpeg, parsed) = timed(|| Jpeg::parse(&bytes).unwrap());
        let (decoded, spent) = timed(|| jpeg.decode(Scales::same(Scale::LEAST), &mut || false).unwrap());
        assert_eq!(decoded.loss.map(|loss| loss.received), Some(7984), "{name}");
        assert!(parsed < MOST / 2 && spent < MOST / 2, "{name}: parsed in {parsed:?}, decoded in {spent:?}");
    }
}

#[test]
fn a_flood_of_scans_costs_no_decoding() {
    // The first one has all components.
    let empty = segment(0xda, &[1, 1, 0, 0, 63, 0]);
    let bytes = picture(false, &empty.repeat(LENGTH / empty.len()), b"");
    let (answer, spent) = timed(|| decode(&bytes, Scale::LEAST));
    assert_eq!(answer.unwrap().loss.map(|loss| loss.received), Some(0));
    assert!(spent < MOST, "{spent:?}");
    for parameters in [[0, 0, 0x10], [1, 63, 1]] {
        let empty = segment(0xda, &[&[1, 1, 0], &parameters[..]].concat());
        let bytes = picture(true, &empty.repeat(LENGTH / empty.len()), b"");
        let (answer, spent) = timed(|| decode(&bytes, Scale::LEAST));
        assert_eq!(answer.err(), Some(Error::Corrupt("too many scans")));
        assert!(spent < MOST, "{spent:?}");
    }
}

/// A gray picture of 8192 × 8192 px with a restart interval of one block, and this data.
fn restarting(data: &[u8]) -> Vec<u8> {
    let mut file = vec![0xff, 0xd8];
    file.extend(segment(0xdb, &[&[0][..], &[1; 64]].concat()));
    file.extend(segment(0xc0, &[8, 32, 0, 32, 0, 1, 1, 0x11, 0]));
    file.extend(segment(0xc4, &[huffman(0x00, 0), huffman(0x10, 0)].concat()));
    file.extend(segment(0xdd, &[0, 1]));
    file.extend(segment(0xda, &[1, 1, 0, 0, 63, 0]));
    file.extend(data);
    file.extend([0xff, 0xd9]);
    file
}

#[test]
fn resynchronising_takes_linear_time() {
    let flood = |one: &[u8]| one.repeat(LENGTH / one.len());
    for (name, data) in [
        ("no restart marker", flood(&[0x11])),
        ("stuffed bytes", flood(&[0xff, 0])),
        ("one number", flood(&[0x11, 0xff, 0xd0])),
        ("one number, nothing between", flood(&[0xff, 0xd0])),
        ("earlier numbers", flood(&[0xff, 0xd7, 0xff, 0xd6])),
        ("later numbers", flood(&[0xff, 0xd1, 0xff, 0xd2])),
        ("long intervals", flood(&[vec![0x11; 65_000], vec![0xff, 0xd3]].concat())),
        ("codes below markers", flood(&[0xff, 0x02])),
        ("fill bytes", flood(&[0xff])),
    ] {
        let bytes = restarting(&data);
        let (answer, spent) = timed(|| decode(&bytes, Scale::LEAST));
        assert!(answer.is_ok(), "{name}: {:?}", answer.err());
        assert!(spent < MOST, "{name}: {spent:?}");
    }
}

#[test]
fn the_deadline_is_looked_at_between_segments() {
    let one = segment(0xfe, b"");
    let bytes = picture(false, &one.repeat(100_000), b"");
    let jpeg = Jpeg::parse(&bytes).unwrap();
    let mut asked = 0;
    let answer = jpeg.decode(Scales::same(Scale::LEAST), &mut || {
        asked += 1;
        asked == 50
    });
    // The scan itself has eight rows.
    assert_eq!((answer.err(), asked), (Some(Error::Stopped), 50));
}

#[test]
fn a_broken_table_that_no_scan_uses_costs_no_pixel() {
    // Three codes of one bit.
    let broken = |head: u8| segment(0xc4, &[&[head, 3][..], &[0; 15], &[0, 1, 2]].concat());
    let unused = picture(false, &[broken(0x13), broken(0x02)].concat(), b"");
    assert_eq!(decode(&unused, Scale::FULL), decode(&picture(false, b"", b""), Scale::FULL));
    for used in [0x00, 0x10] {
        let decoded = decode(&picture(false, &broken(used), b""), Scale::FULL);
        assert_eq!(decoded.err(), Some(Error::Corrupt("invalid Huffman table")), "{used:#x}");
    }
}
