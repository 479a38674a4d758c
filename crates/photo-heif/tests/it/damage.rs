//! Damaged tiles are gray and counted; damaged containers are refused.

use photo_heif::{Error, Heif};

use crate::support::{Coded, Container, Pixels};

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
        |data: &mut Vec<u8>| data.truncate(data.len() / 2),
        |data: &mut Vec<u8>| data.truncate(3),
        |data: &mut Vec<u8>| data[..4].fill(0xff),
        |data: &mut Vec<u8>| *data = vec![0],
    ] {
        let mut container = grid();
        damage(&mut container.items[3].data);
        let bytes = container.bytes();
        let heif = Heif::parse(&bytes).unwrap();
        let picture = heif.decode(1, &mut || false).unwrap();
        assert!(matches!(picture.damage, Some(Error::Corrupt(_))), "{:?}", picture.damage);
        assert_eq!((picture.received_tiles, picture.total_tiles), (3, 4));
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
    for (missing, received) in [(0, 4), (1, 3), (tile - 1, 3), (tile + 1, 2), (3 * tile + 1, 0)] {
        let bytes = &whole[..whole.len() - missing];
        let picture = Heif::parse(bytes).unwrap().decode(1, &mut || false);
        match received {
            0 => assert_eq!(picture.err(), Some(Error::Corrupt("the file ends inside a tile"))),
            _ => assert_eq!(picture.unwrap().received_tiles, received),
        }
    }
}

#[test]
fn a_single_picture_is_whole_or_refused() {
    let bytes = Container::single(&Coded::of("yuv420.heic"), SIZE).bytes();
    for missing in [1, 100, 1000] {
        let refused = Heif::parse(&bytes[..bytes.len() - missing]).unwrap().decode(1, &mut || false).err();
        assert_eq!(refused, Some(Error::Corrupt("the file ends inside a tile")));
    }
}

#[test]
fn damaged_alpha_hides_nothing() {
    let bytes = crate::support::read("alpha.heic");
    // Alpha is coded second.
    let heif = Heif::parse(&bytes[..bytes.len() - 20]).unwrap();
    let picture = heif.decode(1, &mut || false).unwrap();
    assert_eq!((picture.received_tiles, picture.total_tiles), (1, 2));
    assert!(Pixels::of(&picture).samples.chunks(4).all(|pixel| pixel[3] == 255));
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
