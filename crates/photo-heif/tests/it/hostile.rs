//! Files made to cost time or memory.

use std::time::{Duration, Instant};

use photo_heif::{Error, Heif};

use crate::parameter_sets::{PPS, SPS, sets, unit};
use crate::support::{Coded, Container, Item, boxed, full, refusal, shown};

const SIZE: (u32, u32) = (120, 80);

fn coded() -> Coded {
    Coded::of("yuv420.heic")
}

/// Runs within a time that only time linear in the file's length can keep.
fn soon<T>(run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = run();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    result
}

#[test]
fn four_thousand_items_are_read_and_more_are_not() {
    for (more, is_refused) in [(3_999, false), (4_000, true)] {
        let mut container = Container::single(&coded(), SIZE);
        let item = |n: usize| Item { id: u16::try_from(n + 2).unwrap(), kind: "Exif", ..Item::default() };
        container.items.extend((0..more).map(item));
        let bytes = container.bytes();
        let refused = soon(|| Heif::parse(&bytes).err());
        assert!(matches!(refused, Some(Error::LimitExceeded(_))) == is_refused, "{refused:?}");
        assert!(refused.is_none() != is_refused, "{refused:?}");
    }
}

#[test]
fn a_flood_of_boxes_is_refused_wherever_it_stands() {
    let flood = boxed("free", &[]).repeat(4_001);
    let mut container = Container::single(&coded(), SIZE);
    container.before.clone_from(&flood);
    assert_eq!(soon(|| refusal(&container.bytes())), Error::LimitExceeded("boxes"));
    let mut container = Container::single(&coded(), SIZE);
    container.properties.extend((0..4_001).map(|_| boxed("free", &[])));
    assert_eq!(soon(|| refusal(&container.bytes())), Error::LimitExceeded("boxes"));
    let mut container = Container::single(&coded(), SIZE);
    container.references.extend((0..4_001).map(|_| ("cdsc", 1, vec![1])));
    assert_eq!(soon(|| refusal(&container.bytes())), Error::LimitExceeded("boxes"));
}

#[test]
fn references_beyond_the_limit_are_refused() {
    let mut container = Container::single(&coded(), SIZE);
    container.references.push(("cdsc", 1, vec![1; 16_001]));
    assert_eq!(soon(|| refusal(&container.bytes())), Error::LimitExceeded("references"));
}

#[test]
fn items_derived_in_a_circle_end() {
    for circle in [vec![2], vec![3, 2], vec![3, 4, 2]] {
        let mut container = Container::single(&coded(), SIZE);
        container.primary = 2;
        for (n, &to) in circle.iter().enumerate() {
            let id = u16::try_from(n + 2).unwrap();
            container.items.push(Item { id, kind: "iden", ..Item::default() });
            container.references.push(("dimg", id, vec![to]));
        }
        assert_eq!(refusal(&container.bytes()), Error::LimitExceeded("derived images"));
    }
    let mut container = Container::grid(&coded(), SIZE, (1, 1), SIZE);
    container.references[0].2 = vec![1];
    assert_eq!(refusal(&container.bytes()), Error::Unsupported("HEIF of this kind"));
}

#[test]
fn sizes_that_contradict_each_other_are_refused() {
    let single = Container::single(&coded(), (121, 80)).bytes();
    assert_eq!(refusal(&single), Error::Corrupt("a coded picture of another size than its item"));
    let tile = Container::grid(&coded(), (120, 81), (2, 1), (240, 81)).bytes();
    assert_eq!(refusal(&tile), Error::Corrupt("a coded picture of another size than its item"));
    for canvas in [(241, 80), (120, 80), (240, 81), (65_535, 65_535), (0, 80), (u32::MAX, u32::MAX)] {
        let bytes = Container::grid(&coded(), SIZE, (2, 1), canvas).bytes();
        assert_eq!(refusal(&bytes), Error::Corrupt("tiles that do not fit the grid"), "{canvas:?}");
    }
    let mut lying = Container::grid(&coded(), SIZE, (2, 1), (240, 80));
    let other = lying.size(240, 79);
    lying.items[0].properties = vec![other];
    assert_eq!(refusal(&lying.bytes()), Error::Corrupt("a grid of another size than its item"));
    let mut unequal = Container::grid(&coded(), SIZE, (2, 1), (240, 80));
    let gray = Coded::of("gray.heic");
    let configuration = unequal.property(gray.configuration);
    unequal.items[2].properties[0] = configuration;
    assert_eq!(refusal(&unequal.bytes()), Error::Corrupt("tiles that differ in size or format"));
}

#[test]
fn a_grid_has_as_many_tiles_as_rows_and_columns() {
    for count in [0, 1, 3, 5] {
        let mut container = Container::grid(&coded(), SIZE, (2, 2), (240, 160));
        container.references[0].2 = (0..count).map(|_| 2).collect();
        let expected = Error::Corrupt("a grid with missing or additional tiles");
        assert_eq!(refusal(&container.bytes()), expected);
    }
    // 256 x 256 tiles, all of them one item.
    let mut container = Container::grid(&coded(), SIZE, (1, 1), SIZE);
    container.items[0].data[2..4].fill(255);
    container.references[0].2 = vec![2; 15_000];
    assert_eq!(soon(|| refusal(&container.bytes())), Error::LimitExceeded("tiles"));
}

#[test]
fn tiles_far_larger_than_their_canvas_are_refused() {
    // 120 px of every tile are coded for one that is shown: 64 columns need not be more than 64 px wide.
    let mut container = Container::grid(&coded(), SIZE, (12, 120), (1321, 9521));
    let size = container.size(1321, 9521);
    container.items[0].properties = vec![size];
    assert!(Heif::parse(&container.bytes()).is_ok(), "as large as its tiles");
    let large = Container::grid(&coded(), SIZE, (1, 1), (1, 1)).bytes();
    assert!(Heif::parse(&large).is_ok(), "a small tile for a tiny canvas");
}

#[test]
fn tiles_that_share_their_bytes_are_bounded() {
    let mut container = Container::grid(&coded(), SIZE, (50, 50), (6_000, 4_000));
    // Every tile is the whole file.
    let data = std::mem::take(&mut container.items[1].data);
    for item in &mut container.items[2..] {
        item.data.clear();
    }
    container.items[1].data = data;
    container.extents = (2..2_502).map(|id| (id, 0, u32::MAX)).collect();
    assert_eq!(soon(|| refusal(&container.bytes())), Error::LimitExceeded("bytes of tiles"));
}

#[test]
fn sizes_of_boxes_that_go_nowhere_are_refused() {
    let ftyp = boxed("ftyp", b"heic\0\0\0\0heic");
    for length in [0_u32, 1, 2, 7, 9, 1 << 20, u32::MAX] {
        let child = [&length.to_be_bytes()[..], b"free"].concat();
        let meta = full("meta", &[child, full("pitm", &[0, 1])].concat());
        let refused = refusal(&[ftyp.clone(), meta].concat());
        assert!(matches!(refused, Error::Corrupt(_)), "{length}: {refused:?}");
        let top = [&length.to_be_bytes()[..], b"free", &[0; 16]].concat();
        let refused = refusal(&[ftyp.clone(), top].concat());
        assert!(matches!(refused, Error::Corrupt(_)), "{length}: {refused:?}");
    }
}

#[test]
fn items_elsewhere_or_made_of_items_are_refused() {
    let bytes = Container::single(&coded(), SIZE).bytes();
    let iloc = bytes.windows(4).position(|window| window == b"iloc").unwrap();
    // Behind version, sizes, count and id: the construction method, then the data reference.
    for (at, name) in
        [(iloc + 15, "HEIF with items made of items"), (iloc + 17, "HEIF with data in another file")]
    {
        let mut bytes = bytes.clone();
        bytes[at] = 2;
        assert_eq!(refusal(&bytes), Error::Unsupported(name));
    }
}

#[test]
fn slices_behind_the_last_block_are_left_out() {
    let coded = coded();
    let expected = shown(&Container::single(&coded, SIZE).bytes());
    let mut container = Container::single(&coded, SIZE);
    // A slice that is the first of a picture ends the one before.
    container.items[0].data = coded.data.repeat(1_000);
    assert!(soon(|| shown(&container.bytes())) == expected);
    // One that says it is not the first, and codes the picture again.
    let slice = last_unit(&coded.data);
    let mut second = coded.data[slice..].to_vec();
    second[6] &= 0x7f;
    container.items[0].data = [coded.data.clone(), second.repeat(1_000)].concat();
    assert!(soon(|| shown(&container.bytes())) == expected);
    // Such a slice in front is in no place of the picture.
    container.items[0].data = [&coded.data[..slice], &second.repeat(1_000)].concat();
    let bytes = container.bytes();
    let refused = soon(|| Heif::parse(&bytes).unwrap().decode(1, &mut || false).err());
    assert!(matches!(refused, Some(Error::Corrupt(_) | Error::Unsupported(_))), "{refused:?}");
}

/// Where the last NAL unit begins.
fn last_unit(data: &[u8]) -> usize {
    let mut at = 0;
    loop {
        let length = u32::from_be_bytes(data[at..at + 4].try_into().unwrap()) as usize;
        if at + 4 + length >= data.len() {
            return at;
        }
        at += 4 + length;
    }
}

#[test]
fn decoding_stops_when_it_is_told_to() {
    let single = Container::single(&coded(), SIZE).bytes();
    let grid = Container::grid(&coded(), SIZE, (3, 3), (360, 240)).bytes();
    for (bytes, least) in [(single, 4), (grid, 36)] {
        let heif = Heif::parse(&bytes).unwrap();
        let mut asked = 0;
        heif.decode(1, &mut || {
            asked += 1;
            false
        })
        .unwrap();
        // Inside of pictures too, not only before and after each.
        assert!(asked > least, "{asked}");
        for stop_at in 1..=asked {
            let mut left = stop_at;
            let stopped = heif.decode(1, &mut || {
                left -= 1;
                left == 0
            });
            assert_eq!(stopped.err(), Some(Error::Stopped), "{stop_at} of {asked}");
        }
    }
}

#[test]
fn parameter_sets_are_bounded() {
    let mut coded = coded();
    let body = [&coded.configuration[8..], &vec![0; 20_000]].concat();
    coded.configuration = boxed("hvcC", &body);
    let expected = Error::LimitExceeded("bytes of a decoder configuration");
    assert_eq!(refusal(&Container::single(&coded, SIZE).bytes()), expected);
    for length in 0..body.len().min(110) {
        coded.configuration = boxed("hvcC", &body[..length]);
        let refused = refusal(&Container::single(&coded, SIZE).bytes());
        assert!(matches!(refused, Error::Corrupt(_) | Error::Unsupported(_)), "{length}: {refused:?}");
    }
}

#[test]
fn names_of_auxiliary_pictures_are_compared_once_and_short() {
    // 3,900 references to a picture, each from an item with 255 names of 1 MB that do not end.
    let mut container = Container::single(&coded(), SIZE);
    let names = ["urn:mpeg:hevc:2015:auxid:1", "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", ""];
    for name in names {
        let body = [name.as_bytes(), &vec![b'x'; 1 << 20]].concat();
        container.property(full("auxC", &body));
    }
    let properties: Vec<u16> = (0..255).map(|n| 3 + n % 3).collect();
    container.items.push(Item { id: 2, kind: "hvc1", properties, ..Item::default() });
    container.references = (0..3_900).map(|_| ("auxl", 2, vec![1])).collect();
    let bytes = container.bytes();
    assert!(!soon(|| Heif::parse(&bytes)).unwrap().has_alpha());
}

#[test]
fn tiles_of_alternating_configurations_are_read_in_time() {
    let coded = coded();
    let sps = sets(&coded).into_iter().find(|set| set.0 == SPS).unwrap().1;
    // As many picture parameter sets as 16 kB hold, each with scaling lists: 1 ms to read.
    let lists = [false, true].repeat(20);
    let before =
        [vec![true; 2], vec![false; 7], vec![true; 3], vec![false; 3], vec![true; 2], vec![false; 8]];
    let after = [vec![true], lists, vec![false, true, false, false, true]];
    let pps = unit(PPS, &[before.concat(), after.concat()].concat());
    let array = |kind: u8, units: &[Vec<u8>]| {
        let number = |number: usize| u16::try_from(number).unwrap().to_be_bytes();
        let body: Vec<u8> = units.iter().flat_map(|unit| [&number(unit.len())[..], unit].concat()).collect();
        [&[kind][..], &number(units.len()), &body].concat()
    };
    let arrays = [array(SPS, &[sps]), array(PPS, &vec![pps; 1_200])].concat();
    let long = boxed("hvcC", &[&coded.configuration[8..30], &[2], &arrays].concat());
    let mut container = Container::grid(&coded, SIZE, (60, 60), (7_200, 4_800));
    container.properties[0] = long.clone();
    let other = container.property(long);
    for item in container.items.iter_mut().skip(1).step_by(2) {
        item.properties[0] = other;
    }
    for item in &mut container.items[1..] {
        item.data.truncate(10);
    }
    let bytes = container.bytes();
    soon(|| Heif::parse(&bytes)).unwrap();
}

#[test]
fn an_item_that_is_named_often_is_located_once() {
    let mut container = Container::grid(&coded(), SIZE, (60, 60), (7_200, 4_800));
    container.references[0].2 = vec![2; 3_600];
    for item in &mut container.items[1..] {
        item.data.clear();
    }
    container.extents = vec![(2, u32::MAX, 1); 12_000];
    let bytes = container.bytes();
    soon(|| Heif::parse(&bytes)).unwrap();
}
