//! What containers say, by files written here around pictures that libheif coded.

use photo_heif::{Error, Heif, Nclx, check_primary_item, is_heif};

use crate::support::{Coded, Container, Item, Pixels, boxed, full, refusal, shown};

const SIZE: (u32, u32) = (120, 80);

fn color() -> Coded {
    Coded::of("yuv444.heic")
}

fn expected() -> Pixels {
    Pixels::of_png("yuv444.png")
}

fn assert_near(found: &Pixels, expected: &Pixels) {
    let (mean, most) = found.distance(expected);
    assert!(mean < 0.7 && most <= 3, "{mean}, {most}");
}

/// Colour properties by numbers.
fn nclx(primaries: u16, transfer: u16, matrix: u16, full_range: bool) -> Vec<u8> {
    let numbers: Vec<u8> = [primaries, transfer, matrix].iter().flat_map(|n| n.to_be_bytes()).collect();
    boxed("colr", &[b"nclx", &numbers[..], &[u8::from(full_range) << 7]].concat())
}

#[test]
fn a_grid_shows_its_tiles_up_to_the_edge_of_its_canvas() {
    let mut container = Container::grid(&color(), SIZE, (2, 3), (200, 170));
    let range = container.property(nclx(1, 13, 6, true));
    container.items[0].properties.push(range);
    let found = shown(&container.bytes());
    assert_eq!((found.width, found.height), (200, 170));
    let tile = expected();
    for (x, y) in [(0, 0), (120, 0), (0, 80), (120, 80)] {
        let width = 120.min(200 - x);
        assert_near(&found.part(x, y, width, 80), &tile.part(0, 0, width, 80));
    }
    assert_near(&found.part(0, 160, 120, 10), &tile.part(0, 0, 120, 10));
}

#[test]
fn transformations_apply_in_the_order_of_their_associations() {
    let tile = expected();
    let clap: Vec<u8> = [40, 1, 30, 1, 10, 1, -5, 1].iter().flat_map(|n: &i32| n.to_be_bytes()).collect();
    let (clap, irot, imir) = (boxed("clap", &clap), boxed("irot", &[1]), boxed("imir", &[1]));
    let case = |properties: &[&Vec<u8>]| {
        let mut container = Container::single(&color(), SIZE);
        for property in [&nclx(1, 13, 6, true)].into_iter().chain(properties.iter().copied()) {
            let number = container.property(property.clone());
            container.items[0].properties.push(number | 0x8000);
        }
        shown(&container.bytes())
    };
    // The middle of 120 x 80 moved by (10, -5).
    let part = tile.part(50, 20, 40, 30);
    assert_near(&case(&[&clap]), &part);
    assert_near(&case(&[&clap, &irot]), &part.upright(8));
    assert_near(&case(&[&clap, &irot, &imir]), &part.upright(8).upright(2));
    assert_near(&case(&[&clap, &imir, &irot]), &part.upright(2).upright(8));
    // The aperture is of the turned picture, 80 x 120.
    assert_near(&case(&[&irot, &clap]), &tile.upright(8).part(30, 40, 40, 30));
    assert_near(&case(&[&imir, &irot, &clap]), &tile.upright(2).upright(8).part(30, 40, 40, 30));
}

#[test]
fn derived_primary_items_show_their_source() {
    for kind in ["iden", "tmap"] {
        let mut container = Container::single(&color(), SIZE);
        let number = container.property(nclx(1, 13, 6, true));
        container.items[0].properties.push(number);
        let turned = container.property(boxed("irot", &[1]));
        container.primary = 7;
        container.items.push(Item { id: 7, kind, properties: vec![turned], ..Item::default() });
        // A tone map has its gain map for a second source.
        container.references.push(("dimg", 7, if kind == "tmap" { vec![1, 9] } else { vec![1] }));
        assert_near(&shown(&container.bytes()), &expected().upright(8));
    }
}

#[test]
fn alpha_is_that_of_the_auxiliary_picture() {
    for (urn, is_alpha) in [
        ("urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", true),
        ("urn:mpeg:hevc:2015:auxid:1", true),
        ("urn:com:apple:photo:2020:aux:hdrgainmap", false),
        ("urn:mpeg:mpegB:cicp:systems:auxiliary:depth", false),
    ] {
        let mut container = Container::single(&color(), SIZE);
        let range = container.property(nclx(1, 13, 6, true));
        container.items[0].properties.push(range);
        let gray = Coded::of("gray.heic");
        let configuration = container.property(gray.configuration);
        let auxiliary = container.property(full("auxC", &[urn.as_bytes(), &[0]].concat()));
        // The size is that of item 1.
        let properties = vec![configuration, 2, auxiliary];
        container.items.push(Item { id: 2, kind: "hvc1", data: gray.data, properties, ..Item::default() });
        container.references.push(("auxl", 2, vec![1]));
        let found = shown(&container.bytes());
        assert_eq!(found.channels, if is_alpha { 4 } else { 3 }, "{urn}");
        let (rgb, alpha) = (expected(), Pixels::of_png("gray.png"));
        for (x, y) in [(0, 0), (60, 40), (119, 79)] {
            let pixel = found.pixel(x, y);
            let near = |a: u8, b: u8| a.abs_diff(b) <= 3;
            assert!(pixel.iter().zip(rgb.pixel(x, y)).all(|(&a, &b)| near(a, b)), "{urn}");
            assert!(!is_alpha || near(pixel[3], alpha.pixel(x, y)[0]), "{urn}");
        }
        if is_alpha {
            container.references.push(("prem", 1, vec![2]));
            let divided = shown(&container.bytes());
            let (x, y) = (60, 40);
            let alpha = f32::from(found.pixel(x, y)[3]) / 255.0;
            for (&a, &b) in divided.pixel(x, y)[..3].iter().zip(found.pixel(x, y)) {
                let whole = (f32::from(b) / alpha).min(255.0);
                assert!((f32::from(a) - whole).abs() <= 2.5, "{a} of {b} and {alpha}");
            }
        }
    }
}

#[test]
fn colours_come_from_the_grid_else_its_tile_else_the_stream() {
    let parse = |of_grid: &[Vec<u8>], of_tile: &[Vec<u8>]| {
        let mut container = Container::grid(&color(), SIZE, (2, 1), (240, 80));
        for (item, properties) in [(0, of_grid), (1, of_tile)] {
            for property in properties {
                let number = container.property(property.clone());
                container.items[item].properties.push(number);
            }
        }
        let bytes = container.bytes();
        let heif = Heif::parse(&bytes).unwrap();
        (heif.icc_profile().map(<[u8]>::to_vec), heif.nclx())
    };
    let icc = |kind: &str, profile: &str| boxed("colr", &[kind.as_bytes(), profile.as_bytes()].concat());
    let (p3, bt709) = (nclx(12, 13, 6, true), nclx(1, 1, 1, false));
    let numbers = |primaries, transfer, matrix, full_range| Nclx { primaries, transfer, matrix, full_range };
    let (p3_numbers, bt709_numbers) = (numbers(12, 13, 6, true), numbers(1, 1, 1, false));
    assert_eq!(parse(std::slice::from_ref(&p3), std::slice::from_ref(&bt709)), (None, p3_numbers));
    assert_eq!(parse(&[], std::slice::from_ref(&bt709)), (None, bt709_numbers));
    let both = [icc("prof", "first"), icc("rICC", "second"), p3.clone()];
    assert_eq!(parse(&both, std::slice::from_ref(&bt709)), (Some(b"first".to_vec()), p3_numbers));
    // Each of the two kinds alone.
    assert_eq!(parse(&[icc("rICC", "grid's")], &[bt709]), (Some(b"grid's".to_vec()), bt709_numbers));
    assert_eq!(parse(&[], &[icc("prof", "tile's")]).0, Some(b"tile's".to_vec()));
    // x265 writes what libheif tells it.
    let of_stream = parse(&[], &[]).1;
    assert!(of_stream.matrix == 6 || of_stream.matrix == 2, "{of_stream:?}");
}

#[test]
fn files_of_other_kinds_are_named() {
    for (kind, name) in [("av01", "AVIF"), ("jpeg", "HEIF of this kind"), ("unci", "HEIF of this kind")] {
        let mut container = Container::single(&color(), SIZE);
        container.items[0].kind = kind;
        assert_eq!(refusal(&container.bytes()), Error::Unsupported(name));
        assert_eq!(check_primary_item(&container.bytes()), Err(Error::Unsupported(name)));
        let mut grid = Container::grid(&color(), SIZE, (2, 1), (240, 80));
        grid.items[1].kind = kind;
        assert_eq!(refusal(&grid.bytes()), Error::Unsupported(name));
        assert_eq!(check_primary_item(&grid.bytes()), Err(Error::Unsupported(name)));
    }
    assert_eq!(check_primary_item(&Container::single(&color(), SIZE).bytes()), Ok(()));
    let sequence = [boxed("ftyp", b"hevc\0\0\0\0msf1hevc"), boxed("moov", &[0; 20])].concat();
    assert_eq!(refusal(&sequence), Error::Unsupported("HEIF without a still picture"));
}

#[test]
fn a_brand_counts_wherever_it_stands() {
    let ftyp = |brands: &[u8]| [boxed("ftyp", brands), boxed("meta", &[])].concat();
    for (brands, expected) in [
        (&b"heic\0\0\0\0"[..], true),
        (b"mif1\0\0\0\0heic", true),
        (b"MiHE\0\0\0\0", true),
        (b"avif\0\0\0\0mif1", true),
        (b"isom\0\0\0\0mp41heic", true),
        (b"mp42\0\0\0\0mp41isom", false),
        // A minor version is no brand.
        (b"mp42heic", false),
        (b"", false),
    ] {
        assert_eq!(is_heif(&ftyp(brands)), expected, "{brands:?}");
    }
    assert!(!is_heif(&boxed("free", b"heic\0\0\0\0heic")));
}

#[test]
fn boxes_in_any_order_and_of_long_sizes_are_read() {
    let mut container = Container::single(&color(), SIZE);
    let range = container.property(nclx(1, 13, 6, true));
    container.items[0].properties.push(range);
    // A sequence beside the still picture, with an unknown box of 64 bits of length.
    let wide = [&1_u32.to_be_bytes()[..], b"xxxx", &21_u64.to_be_bytes(), b"12345"].concat();
    container.before = [boxed("moov", &boxed("meta", &[1; 30])), wide, boxed("uuid", &[7; 16])].concat();
    assert_near(&shown(&container.bytes()), &expected());
    // Media data that goes to the end of the file.
    let mut bytes = container.bytes();
    let mdat = bytes.windows(4).rposition(|window| window == b"mdat").unwrap() - 4;
    bytes[mdat..mdat + 4].fill(0);
    assert_near(&shown(&bytes), &expected());
    // An item in idat, and one that goes to the end of the file.
    container.items[0].in_idat = true;
    assert_near(&shown(&container.bytes()), &expected());
    container.items[0].in_idat = false;
    let end = u32::try_from(container.bytes().len() - container.items[0].data.len()).unwrap();
    container.extents.push((1, end, 0));
    assert_near(&shown(&container.bytes()), &expected());
}

#[test]
fn an_unknown_essential_property_is_refused_and_others_are_not() {
    for (essential, kind, is_refused) in
        [(0, "what", false), (0x8000, "what", true), (0x8000, "pasp", false), (0x8000, "clli", false)]
    {
        let mut container = Container::single(&color(), SIZE);
        let number = container.property(boxed(kind, &[0; 8]));
        container.items[0].properties.push(number | essential);
        let refused = Heif::parse(&container.bytes()).err();
        let expected = Error::Unsupported("HEIF with an unknown essential property");
        assert_eq!(refused, is_refused.then_some(expected), "{kind}");
    }
}

#[test]
fn data_in_several_extents_is_put_together() {
    let mut container = Container::single(&color(), SIZE);
    let range = container.property(nclx(1, 13, 6, true));
    container.items[0].properties.push(range);
    let length = u32::try_from(container.items[0].data.len()).unwrap();
    let lengths = [1, 0, 100, 7, length - 108];
    // The offsets depend on how many extents there are.
    container.extents = vec![(1, 0, 1); 4];
    let mut at = u32::try_from(container.bytes().len()).unwrap() - length;
    container.extents.clear();
    for length in lengths.into_iter().filter(|&length| length > 0) {
        container.extents.push((1, at, length));
        at += length;
    }
    assert_near(&shown(&container.bytes()), &expected());
}

#[test]
fn padding_or_a_damaged_last_box_ends_a_list() {
    let longer = [&200_u32.to_be_bytes()[..], b"free", b"short"].concat();
    let trailers = [vec![0; 3], vec![0; 8], vec![0; 40], longer, boxed("free", &[]), boxed("cdsc", &[9])];
    for kind in ["meta", "ipco", "iref"] {
        for trailer in &trailers {
            let mut container = Container::grid(&color(), SIZE, (2, 1), (240, 80));
            let range = container.property(nclx(1, 13, 6, true));
            container.items[0].properties.push(range);
            container.trailer = (kind, trailer.clone());
            assert_near(&shown(&container.bytes()).part(120, 0, 120, 80), &expected());
        }
    }
}

#[test]
fn properties_that_end_early_count_for_nothing() {
    let numbers: Vec<u8> = [40, 1, 30, 1, 10, 1, -5, 1].iter().flat_map(|n: &i32| n.to_be_bytes()).collect();
    let whole = [nclx(9, 16, 9, false), boxed("irot", &[1]), boxed("imir", &[1]), boxed("clap", &numbers)];
    for property in whole {
        for length in 8..property.len() {
            let mut container = Container::single(&color(), SIZE);
            let kind = std::str::from_utf8(&property[4..8]).unwrap();
            for bytes in [boxed(kind, &property[8..length]), nclx(1, 13, 6, true)] {
                let number = container.property(bytes);
                container.items[0].properties.push(number | 0x8000);
            }
            assert_near(&shown(&container.bytes()), &expected());
        }
    }
}
