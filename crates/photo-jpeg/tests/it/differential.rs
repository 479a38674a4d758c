//! Against zune-jpeg and jpeg-decoder at full size.

use crate::support::{by_zune, decode_at, difference, read, right_files};

#[test]
fn right_files_come_out_as_from_zune_jpeg() {
    for name in right_files() {
        let bytes = read(&name);
        let ours = decode_at(&bytes, 8).unwrap_or_else(|e| panic!("{name}: {e}")).into_pixels();
        let (most, ratio) = difference(&ours, &by_zune(&bytes));
        // Its transform and its enlarging of chroma are rounded otherwise.
        assert!(most <= 5 && ratio > 52.0, "{name}: {most} levels at most, {ratio:.1} dB");
    }
}

#[test]
fn right_files_come_out_as_from_jpeg_decoder() {
    for name in right_files() {
        let bytes = read(&name);
        let ours = decode_at(&bytes, 8).unwrap();
        // It gives inks inverted, and enlarges chroma in another way.
        if ours.planes.len() == 4 || ours.planes.iter().any(|plane| plane.width != ours.planes[0].width) {
            continue;
        }
        let theirs = jpeg_decoder::Decoder::new(&bytes[..]).decode().unwrap();
        let (most, ratio) = difference(&ours.into_pixels(), &theirs);
        assert!(most <= 4 && ratio > 50.0, "{name}: {most} levels at most, {ratio:.1} dB");
    }
}
