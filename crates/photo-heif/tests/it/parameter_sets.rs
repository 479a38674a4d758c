//! Parameter sets that are written anew, by their bits (ITU-T H.265, 7.3.2).

use photo_heif::{Error, Heif};

use crate::support::{Coded, Container, boxed, ispe, refusal, shown};

const SIZE: (u32, u32) = (120, 80);

/// NAL unit types.
pub(crate) const SPS: u8 = 33;
pub(crate) const PPS: u8 = 34;

/// Bits in front of the number of a sequence parameter set: the header of one without sub-layers, and its profile.
const BEFORE_NUMBER: usize = 8 + 96;

pub(crate) type Bits = Vec<bool>;

pub(crate) fn fixed(value: u64, count: u32) -> Bits {
    (0..count).rev().map(|bit| value >> bit & 1 == 1).collect()
}

/// An Exp-Golomb code.
pub(crate) fn ue(value: u64) -> Bits {
    let length = (value + 1).ilog2();
    [fixed(0, length), fixed(value + 1, length + 1)].concat()
}

/// Reads an Exp-Golomb code, and returns the place behind it.
fn skip_ue(bits: &[bool], at: usize) -> usize {
    let zeros = bits[at..].iter().take_while(|bit| !**bit).count();
    at + 2 * zeros + 1
}

/// The payload of a NAL unit as bits.
fn bits(unit: &[u8]) -> Bits {
    let (mut bits, mut zeros) = (Vec::new(), 0);
    for &byte in &unit[2..] {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        bits.extend(fixed(byte.into(), 8));
    }
    bits
}

pub(crate) fn unit(kind: u8, bits: &[bool]) -> Vec<u8> {
    let (mut unit, mut zeros) = (vec![kind << 1, 1], 0);
    for byte in bits.chunks(8) {
        let byte = byte.iter().enumerate().fold(0, |sum, (i, &bit)| sum | u8::from(bit) << (7 - i));
        if zeros >= 2 && byte <= 3 {
            unit.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        unit.push(byte);
    }
    unit
}

/// The parameter sets of a picture: kind and unit.
pub(crate) fn sets(coded: &Coded) -> Vec<(u8, Vec<u8>)> {
    let body = &coded.configuration[8..];
    let (mut at, mut sets) = (23, Vec::new());
    for _ in 0..body[22] {
        let count = u16::from_be_bytes([body[at + 1], body[at + 2]]);
        at += 3;
        for _ in 0..count {
            let length = usize::from(u16::from_be_bytes([body[at], body[at + 1]]));
            let unit = body[at + 2..at + 2 + length].to_vec();
            sets.push((unit[0] >> 1, unit));
            at += 2 + length;
        }
    }
    sets
}

pub(crate) fn configuration(coded: &Coded, sets: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut body = coded.configuration[8..30].to_vec();
    body.push(u8::try_from(sets.len()).unwrap());
    for (kind, unit) in sets {
        body.extend([*kind, 0, 1]);
        body.extend(u16::try_from(unit.len()).unwrap().to_be_bytes());
        body.extend(unit);
    }
    boxed("hvcC", &body)
}

/// The same picture whose parameter sets are changed one by one.
fn changed(coded: &Coded, change: impl Fn(u8, Bits) -> Bits) -> Vec<(u8, Vec<u8>)> {
    let change = |(kind, set): (u8, Vec<u8>)| {
        if matches!(kind, SPS | PPS) { (kind, unit(kind, &change(kind, bits(&set)))) } else { (kind, set) }
    };
    sets(coded).into_iter().map(change).collect()
}

/// A sequence parameter set with another number and size.
fn with_size(sps: &[bool], number: u64, (width, height): (u64, u64)) -> Bits {
    let format = skip_ue(sps, BEFORE_NUMBER);
    let mut size = skip_ue(sps, format);
    // 4:4:4 says whether its planes are separate.
    size += usize::from(sps[format..size] == ue(3)[..]);
    let rest = skip_ue(sps, skip_ue(sps, size));
    [&sps[..BEFORE_NUMBER], &ue(number), &sps[format..size], &ue(width), &ue(height), &sps[rest..]].concat()
}

/// A picture parameter set with other numbers.
fn numbered(pps: &[bool], number: u64, sequence: u64) -> Bits {
    let rest = skip_ue(pps, skip_ue(pps, 0));
    [ue(number), ue(sequence), pps[rest..].to_vec()].concat()
}

#[test]
fn every_sequence_parameter_set_is_bounded() {
    let coded = Coded::of("yuv420.heic");
    for size in [(1 << 31, 1 << 31), (1 << 31, 80), (120, 1 << 31), (1 << 16, 1 << 16), (120, 1 << 16)] {
        for order in [false, true] {
            let mut all = sets(&coded);
            let sps = all.iter().find(|set| set.0 == SPS).unwrap().1.clone();
            let pps = all.iter().find(|set| set.0 == PPS).unwrap().1.clone();
            let second = [
                (SPS, unit(SPS, &with_size(&bits(&sps), 1, size))),
                (PPS, unit(PPS, &numbered(&bits(&pps), u64::from(order), 1))),
            ];
            all.extend(second);
            if order {
                all.reverse();
            }
            let mut coded = coded.clone();
            coded.configuration = configuration(&coded, &all);
            let refused = refusal(&Container::single(&coded, SIZE).bytes());
            assert_eq!(refused, Error::Corrupt("a coded picture that is too large"), "{size:?}");
        }
    }
}

#[test]
fn the_first_slice_names_its_parameter_sets() {
    let mut coded = Coded::of("yuv420.heic");
    let expected = shown(&Container::single(&coded, SIZE).bytes());
    // The picture's own are renumbered, and those of a smaller one take their place.
    let mut all = changed(&coded, |kind, bits| match kind {
        SPS => with_size(&bits, 2, (120, 80)),
        _ => numbered(&bits, 0, 2),
    });
    let other = changed(&coded, |kind, bits| match kind {
        SPS => with_size(&bits, 0, (64, 48)),
        _ => numbered(&bits, 1, 0),
    });
    all.extend(other);
    coded.configuration = configuration(&coded, &all);
    for container in [Container::single(&coded, SIZE), Container::grid(&coded, SIZE, (1, 1), SIZE)] {
        assert!(shown(&container.bytes()) == expected);
    }
}

#[test]
fn memory_is_that_of_the_samples_and_the_picture() {
    for (name, samples, sample_bytes) in
        [("yuv420", 1.5, 1.0), ("yuv444", 3.0, 1.0), ("gray", 1.0, 1.0), ("ten-bit-422", 2.0, 2.0)]
    {
        let mut coded = Coded::of(&format!("{name}.heic"));
        let all = changed(&coded, |kind, bits| match kind {
            SPS => with_size(&bits, 0, (8_192, 8_192)),
            _ => bits,
        });
        coded.configuration = configuration(&coded, &all);
        let mut container = Container::single(&coded, SIZE);
        container.properties[1] = ispe(8_192, 8_192);
        let bytes = container.bytes();
        let heif = Heif::parse(&bytes).unwrap();
        let pixels = 8_192.0 * 8_192.0;
        // Two bytes a sample while the planes are made of them.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let least = (pixels * samples * (2.0 + sample_bytes)) as u64;
        assert!(heif.memory_bytes(1) >= least, "{name}: {} < {least}", heif.memory_bytes(1));
        assert!(heif.memory_bytes(1) < 2 * least, "{name}");
    }
}
