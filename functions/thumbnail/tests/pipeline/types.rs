//! What is declared of a photo, what its bytes are, and what the stack takes.

use crate::support::{
    calls, event, far, found, key, ok, photo, pipeline, pipeline_with, record, settled, written,
};

const TYPES: &str = "PHOTODROP_ALLOWED_CONTENT_TYPES";
const OCTET_STREAM: &str = "application/octet-stream";
const HEIC: &str = "../../photo-heif/testdata/grid-irot.heic";

#[tokio::test]
async fn a_heic_becomes_ready_where_it_is_taken() {
    let settings = [(TYPES, "image/jpeg,image/heic"), ("PHOTODROP_SANITIZED_ORIGINAL", "on")];
    // `image/heif` in a record would be an older version's or a hand's: it is the same type.
    for declared in ["image/heic", "image/heif", OCTET_STREAM] {
        let (pipeline, table, buckets) =
            pipeline_with(&settings, photo(HEIC), vec![found("pending", declared), ok()], written(5));
        pipeline.handle(event(&[record(&key())]), far()).await.unwrap();
        let record = settled(&table);
        let outcome = (&record["status"]["S"], &record["format"]["S"]);
        assert_eq!(outcome, (&"ready".into(), &"image/heic".into()), "{declared}: {record}");
        let written = calls(&buckets);
        for name in ["small.jpg", "small.webp", "medium.jpg", "medium.webp", "original.jpg"] {
            assert!(written.iter().any(|call| call.contains(&format!("/{name}?"))), "{name}: {written:?}");
        }
    }
}

#[tokio::test]
async fn a_photo_without_a_type_is_what_its_bytes_are() {
    for (name, format) in [
        ("orientation-1.jpg", "image/jpeg"),
        ("alpha.png", "image/png"),
        ("lossy.webp", "image/webp"),
        ("still.gif", "image/gif"),
    ] {
        let (pipeline, table, _) =
            pipeline(photo(name), vec![found("pending", OCTET_STREAM), ok()], written(4));
        pipeline.handle(event(&[record(&key())]), far()).await.unwrap();
        let record = settled(&table);
        assert_eq!(
            (&record["status"]["S"], &record["format"]["S"]),
            (&"ready".into(), &format.into()),
            "{name}"
        );
    }
}

#[tokio::test]
async fn bytes_of_a_type_that_is_not_taken_fail_without_a_decoder() {
    let jpeg_and_png = [(TYPES, "image/jpeg,image/png")];
    let without_heic = [(TYPES, "image/jpeg,image/png,image/webp,image/gif")];
    let heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec();
    for (settings, bytes, declared, code) in [
        (&without_heic, heic.clone(), OCTET_STREAM, "UNSUPPORTED_TYPE"),
        (&without_heic, heic.clone(), "image/heic", "UNSUPPORTED_TYPE"),
        (&without_heic, heic, "image/jpeg", "UNSUPPORTED_TYPE"),
        (&without_heic, photo(HEIC), OCTET_STREAM, "UNSUPPORTED_TYPE"),
        (&without_heic, photo(HEIC), "image/heic", "UNSUPPORTED_TYPE"),
        (&without_heic, photo("unsupported.heic"), OCTET_STREAM, "UNSUPPORTED_TYPE"),
        (&without_heic, photo("unsupported.avif"), OCTET_STREAM, "UNSUPPORTED_TYPE"),
        (&without_heic, photo("unsupported.tiff"), OCTET_STREAM, "UNSUPPORTED_TYPE"),
        (&without_heic, photo("not-an-image.jpg"), OCTET_STREAM, "NOT_AN_IMAGE"),
        (&jpeg_and_png, photo("animated.gif"), OCTET_STREAM, "UNSUPPORTED_TYPE"),
        // Declared while the stack still took it.
        (&jpeg_and_png, photo("lossy.webp"), "image/webp", "UNSUPPORTED_TYPE"),
        (&jpeg_and_png, photo("alpha.png"), "image/jpeg", "TYPE_MISMATCH"),
    ] {
        let (pipeline, table, buckets) =
            pipeline_with(settings, bytes, vec![found("pending", declared), ok(), ok()], vec![]);
        pipeline.handle(event(&[record(&key())]), far()).await.unwrap();
        let record = settled(&table);
        assert_eq!(record["failure_code"]["S"], code, "{declared}: {record}");
        assert_eq!(record["status"]["S"], "failed");
        let calls = calls(&buckets);
        assert!(matches!(&calls[..], [read] if read.starts_with("GET ")), "{calls:?}");
    }
}
