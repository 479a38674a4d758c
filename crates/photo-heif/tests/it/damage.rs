//! Damaged tiles are gray and counted; damaged containers are refused.

use photo_heif::{Error, Heif};

use crate::support::{Coded, Container, Item, Pixels, boxed, full, ispe};

const SIZE: (u32, u32) = (120, 80);

fn grid() -> Container {
    Container::grid(&Coded::of("yuv420.heic"), SIZE, (2, 2), (240, 160))
}

#[test]
fn a_damaged_tile_is_gray_and_the_others_are_shown() {
    let whole = grid().bytes();
    let heif = Heif::parse(&whole).unwrap();
    let all = Pixels::of(&heif.decode(1, &mut || false).unwrap());
    for damage in [
        |data: &mut Vec<u8>| data.truncate(40),
        |data: &mut Vec<u8>| data.truncate(3),
        |data: &mut Vec<u8>| data[..4].fill(0),
        |data: &mut Vec<u8>| *data = vec![0],
    ] {
        let mut container = grid();
        damage(&mut container.items[3].data);
        let bytes = container.bytes();
        let heif = Heif::parse(&bytes).unwrap();
        let picture = heif.decode(1, &mut || false).unwrap();
        assert!(matches!(picture.damage, Some(Error::Corrupt(_))), "{:?}", picture.damage);
        assert_eq!((picture.received_rows, picture.total_rows), (240, 320));
        let found = Pixels::of(&picture);
        // Chroma is interpolated across the edge.
        assert!(found.part(0, 0, 240, 78) == all.part(0, 0, 240, 78));
        assert!(found.part(122, 80, 118, 80) == all.part(122, 80, 118, 80));
        let gray = found.part(1, 81, 118, 78);
        let (first, rest) = gray.samples.split_first().unwrap();
        assert!(rest.iter().all(|value| value == first) && (100..160).contains(first), "{first}");
    }
}

#[test]
fn a_file_cut_off_in_its_media_data_shows_the_tiles_before() {
    let whole = grid().bytes();
    let tile = grid().items[1].data.len();
    for (missing, received) in [(0, 320), (tile - 40, 240), (2 * tile - 40, 160), (4 * tile - 40, 0)] {
        let bytes = &whole[..whole.len() - missing];
        let picture = Heif::parse(bytes).unwrap().decode(1, &mut || false);
        let cut_off = Error::Corrupt("the file ends inside a tile");
        match received {
            0 => assert_eq!(picture.err(), Some(cut_off)),
            320 => assert_eq!(picture.unwrap().damage, None),
            _ => {
                let picture = picture.unwrap();
                assert_eq!((picture.received_rows, picture.damage), (received, Some(cut_off)));
            }
        }
    }
}

#[test]
fn a_picture_that_is_cut_off_shows_the_rows_before() {
    for name in ["yuv420", "yuv444", "gray", "ten-bit-422"] {
        let bytes = Container::single(&Coded::of(&format!("{name}.heic")), SIZE).bytes();
        let decode = |missing: usize| {
            let bytes = &bytes[..bytes.len() - missing];
            Heif::parse(bytes).unwrap().decode(1, &mut || false)
        };
        let whole = Pixels::of(&decode(0).unwrap());
        let data = Coded::of(&format!("{name}.heic")).data.len();
        let mut counts = vec![80];
        for missing in (0..data).step_by(61) {
            let Ok(picture) = decode(missing) else {
                counts.push(0);
                continue;
            };
            let rows = usize::try_from(picture.received_rows).unwrap();
            assert_eq!(picture.damage.is_some(), rows < 80, "{name} without {missing}");
            counts.push(rows);
            let found = Pixels::of(&picture);
            // In-loop filters and the interpolation of chroma reach over the edge.
            let sure = if rows < 80 { rows - 8 } else { rows };
            assert!(found.part(0, 0, 120, sure) == whole.part(0, 0, 120, sure), "{name} without {missing}");
            let gray = found.part(0, (rows + 2).min(80), 120, 80 - (rows + 2).min(80));
            assert!(gray.samples.iter().all(|value| (100..160).contains(value)), "{name} without {missing}");
        }
        println!("{name}: {counts:?}");
        assert!(counts.is_sorted_by(|a, b| a >= b), "{counts:?}");
        assert!(counts.iter().any(|rows| (1..80).contains(rows)), "{name}: {counts:?}");
        assert_eq!(counts.last(), Some(&0));
    }
}

#[test]
fn bytes_behind_the_last_slice_cost_nothing() {
    let mut coded = Coded::of("yuv420.heic");
    let unit = [&900_u32.to_be_bytes()[..], &[0x28, 1], &[7; 400]].concat();
    coded.data.extend(unit);
    let bytes = Container::single(&coded, SIZE).bytes();
    for missing in [0, 1, 401, 403] {
        let heif = Heif::parse(&bytes[..bytes.len() - missing]).unwrap();
        assert_eq!(heif.decode(1, &mut || false).unwrap().damage, None, "{missing}");
    }
}

#[test]
fn damaged_alpha_hides_nothing_and_counts_half() {
    let bytes = crate::support::read("alpha.heic");
    let all = Pixels::of(&Heif::parse(&bytes).unwrap().decode(1, &mut || false).unwrap());
    // Alpha is coded second.
    let heif = Heif::parse(&bytes[..bytes.len() - 20]).unwrap();
    let picture = heif.decode(1, &mut || false).unwrap();
    let (received, total) = (picture.received_rows, picture.total_rows);
    assert!(total <= 2 * received && received < total, "{received} of {total}");
    let lost = usize::try_from(total - received).unwrap();
    let found = Pixels::of(&picture);
    let below = found.part(0, found.height - lost + 1, found.width, lost - 1);
    assert!(below.samples.chunks(4).all(|pixel| pixel[3] == 255));
    let colors = |pixels: &Pixels| -> Vec<u8> {
        pixels.samples.chunks(4).flat_map(|pixel| pixel[..3].to_vec()).collect()
    };
    assert!(colors(&found) == colors(&all));
}

/// A picture and its alpha, the second as `change` leaves it.
fn with_alpha(mut container: Container, change: impl Fn(&mut Container, &mut Item)) -> Vec<u8> {
    let gray = Coded::of("gray.heic");
    let auxiliary = full("auxC", b"urn:mpeg:hevc:2015:auxid:1\0");
    let properties = vec![container.property(gray.configuration), container.size(120, 80)];
    let mut item = Item { id: 900, kind: "hvc1", data: gray.data, properties, ..Item::default() };
    change(&mut container, &mut item);
    item.properties.push(container.property(auxiliary));
    container.items.push(item);
    container.references.push(("auxl", 900, vec![1]));
    container.bytes()
}

#[test]
fn alpha_that_cannot_be_read_leaves_the_photo_opaque() {
    let change: [fn(&mut Container, &mut Item); 7] = [
        |_, item| item.kind = "av01",
        |_, item| _ = item.properties.remove(0),
        |container, item| item.properties[1] = container.size(121, 80),
        |_, item| _ = item.properties.remove(1),
        |container, item| item.properties.push(container.property(boxed("what", &[])) | 0x8000),
        |container, item| item.properties[0] = container.property(boxed("hvcC", &[1; 40])),
        |container, _| container.extents.push((900, 0, u32::MAX)),
    ];
    for (number, change) in change.iter().enumerate() {
        let single = Container::single(&Coded::of("yuv420.heic"), SIZE);
        let bytes = with_alpha(single, |container, item| {
            change(container, item);
            if number == 6 {
                container.extents.extend(vec![(900, 0, u32::MAX); 3]);
            }
        });
        let heif = Heif::parse(&bytes).unwrap();
        assert!(!heif.has_alpha(), "{number}");
        let picture = heif.decode(1, &mut || false).unwrap();
        assert_eq!(picture.total_rows, 2 * picture.received_rows, "{number}");
        assert!(picture.damage.is_some());
        assert_eq!(Pixels::of(&picture).channels, 3);
    }
    // Larger than the picture.
    let mut large = Container::single(&Coded::of("odd-size.heic"), (0, 0));
    let odd = crate::support::read("odd-size.heic");
    let (width, height) = Heif::parse(&odd).unwrap().coded_size();
    large.properties[1] = ispe(width, height);
    let heif = with_alpha(large, |_, _| {});
    let picture = Heif::parse(&heif).unwrap().decode(1, &mut || false).unwrap();
    assert_eq!(picture.damage, Some(Error::Unsupported("HEIF with alpha larger than the picture")));
}

#[test]
fn whole_alpha_makes_no_lost_colour_good() {
    let mut grid = Container::grid(&Coded::of("yuv420.heic"), SIZE, (8, 6), (960, 480));
    for item in &mut grid.items[2..] {
        item.data.truncate(20);
    }
    let bytes = with_alpha(grid, |_, _| {});
    let picture = Heif::parse(&bytes).unwrap().decode(1, &mut || false).unwrap();
    assert_eq!((picture.received_rows, picture.total_rows), (80, 48 * 80));
}

#[test]
fn any_length_and_any_flipped_byte_have_an_answer() {
    for name in ["grid-irot.heic", "alpha.heic"] {
        let whole = crate::support::read(name);
        let decode = |bytes: &[u8]| {
            let Ok(heif) = Heif::parse(bytes) else { return };
            assert!(heif.width() * heif.height() < 1 << 26, "nothing that is kept here is larger");
            if heif.width() * heif.height() < 1 << 18 {
                let _ = heif.decode(2, &mut || false).map(|picture| Pixels::of(&picture));
            }
        };
        for length in (0..whole.len()).step_by(7) {
            decode(&whole[..length]);
        }
        let end = whole.windows(4).position(|window| window == b"mdat").unwrap() + 40;
        for at in 0..end {
            for bit in [0, 3, 7] {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                decode(&bytes);
            }
        }
    }
}
