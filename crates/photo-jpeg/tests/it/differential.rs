//! Against zune-jpeg and jpeg-decoder at full size.

use crate::support::{by_zune, decode_at, difference, folder, read};

#[test]
fn right_files_come_out_as_from_zune_jpeg() {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".jpg"))
        .filter(|name| {
            !["truncated", "garbled", "bomb", "empty", "not-an", "no-end", "regression"]
                .iter()
                .any(|w| name.contains(w))
        })
        .collect();
    names.sort();
    assert!(names.len() > 15);
    for name in names {
        let bytes = read(&name);
        let ours = decode_at(&bytes, 8).unwrap_or_else(|e| panic!("{name}: {e}")).into_pixels();
        let (most, ratio) = difference(&ours, &by_zune(&bytes));
        println!("{name}: {most} {ratio:.1}");
    }
}
