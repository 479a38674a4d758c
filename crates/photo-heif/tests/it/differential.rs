//! Pixels beside libheif's: see tests/fixtures.py.

use photo_heif::Heif;

use crate::support::{FILES, Pixels, read, shown};

#[test]
fn pixels_are_those_of_libheif() {
    for name in FILES {
        let expected = Pixels::of_png(&format!("{name}.png"));
        let found = shown(&read(&format!("{name}.heic")));
        let (mean, most) = found.distance(&expected);
        println!("{name}: {mean:.3}, {most}");
        assert!(mean < 0.7 && most <= 3, "{name}: {mean}, {most}");
    }
}

#[test]
fn sixteen_bits_are_the_eight_and_more() {
    for name in FILES {
        let bytes = read(&format!("{name}.heic"));
        let heif = Heif::parse(&bytes).unwrap();
        assert_eq!(heif.is_deep(), name.starts_with("ten"));
        let picture = heif.decode(1, &mut || false).unwrap();
        let eight = Pixels::of(&picture);
        let mut rows = picture.rows();
        let mut row = vec![0_u16; eight.width * eight.channels];
        let mut low_bits = 0;
        for expected in eight.samples.chunks(row.len()) {
            assert!(rows.next_16(&mut row));
            for (&deep, &shallow) in row.iter().zip(expected) {
                assert!(
                    (i32::from(deep) - i32::from(shallow) * 257).abs() <= 129,
                    "{name}: {deep} {shallow}"
                );
                low_bits |= deep ^ (u16::from(shallow) * 257);
            }
        }
        assert!(low_bits != 0 || matches!(name, "gray"), "{name}");
    }
}

#[test]
fn a_reduced_picture_is_the_mean_of_its_boxes() {
    for name in FILES {
        let bytes = read(&format!("{name}.heic"));
        let heif = Heif::parse(&bytes).unwrap();
        let whole = Pixels::of(&heif.decode(1, &mut || false).unwrap());
        for factor in [2, 4, 8, 16] {
            let used = heif.factor_at_most(factor);
            assert_eq!(used, if name == "grid-irot" { factor.min(16) } else { factor }, "{name}");
            let reduced = Pixels::of(&heif.decode(factor, &mut || false).unwrap());
            let (mean, most) = reduced.distance(&whole.reduced(used as usize));
            // Clipping of colours, and chroma beyond the edge of a box.
            println!("{name} by {factor}: {mean:.3}, {most}");
            assert!(mean < 2.0, "{name} by {factor}: {mean}");
        }
    }
}
