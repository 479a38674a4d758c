//! Any bytes by any factor: an answer, in bounded memory and time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use photo_heif::{Error, Heif, check_primary_item};
use photo_heif_fuzz::within;

/// What parameter sets, and the lists of a container at their limits, may hold in bytes.
const BESIDE: u64 = 512 << 10;

fuzz_target!(|bytes: &[u8]| {
    // The last byte chooses, so that a seed stays a file.
    let Some((&choice, _)) = bytes.split_last() else { return };
    let Ok(heif) = within(BESIDE + 16 * bytes.len() as u64, || Heif::parse(bytes)) else { return };
    assert_eq!(check_primary_item(bytes), Ok(()));
    let (width, height) = heif.coded_size();
    if u64::from(width) * u64::from(height) > 100_000 {
        return;
    }
    assert!(heif.width() <= width && heif.height() <= height && (1..=8).contains(&heif.orientation()));
    let factor = heif.factor_at_most(1 << (choice & 7));
    assert!(heif.memory_bytes(factor) >= heif.picture_bytes(factor));
    let mut asked = 0_u32;
    let decoded = within(heif.memory_bytes(factor) + BESIDE, || {
        heif.decode(factor, &mut || {
            asked += 1;
            false
        })
    });
    match decoded {
        Ok(picture) => {
            assert!(asked > 0);
            assert_eq!(picture.width(), heif.width().div_ceil(factor));
            assert_eq!(picture.damage.is_none(), picture.received_rows == picture.total_rows);
            let length = picture.width() as usize * picture.channels().count();
            let (mut rows, mut row, mut count) = (picture.rows(), vec![0; length], 0);
            while rows.next_16(&mut row) {
                count += 1;
            }
            assert_eq!(count, picture.height());
        }
        Err(error) => assert_ne!(error, Error::Stopped),
    }
});
