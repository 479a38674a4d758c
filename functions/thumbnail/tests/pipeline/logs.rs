//! What the pipeline writes into its log: metrics of each photo, and nothing about whose it is.

use photo_aws::replay::Lines;
use photo_aws::telemetry;
use serde_json::json;
use tracing::Instrument as _;

use crate::support::{
    ID, cut, event, far, found, key, ok, photo, pipeline, pipeline_without_original, record, written,
};

const PLANTED: [&str; 5] = ["auth0|7", "auth0%7C7", "auth0%257C7", "192.0.2.1", "holiday-with-jane"];

#[tokio::test]
async fn no_line_holds_personal_data_and_every_line_leads_to_its_request() {
    let lines = Lines::capture();
    let denied = r#"<Error><Code>AccessDenied</Code><Message>not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::originals/photos/auth0%7C7/x/original"</Message></Error>"#;
    let pending = || found("pending", "image/jpeg");
    let cases = [
        (pipeline(photo("orientation-6.jpg"), vec![pending(), ok()], written(4)), key()),
        (pipeline(cut("orientation-1.jpg", 20), vec![pending(), ok()], written(1)), key()),
        (pipeline(photo("orientation-6.jpg"), vec![ok()], written(1)), key()),
        (pipeline_without_original(vec![pending()], vec![(403, denied.to_owned())]), key()),
        (pipeline(vec![], vec![(500, "auth0|7".to_owned())], vec![]), key()),
        (pipeline(vec![], vec![], vec![]), "auth0%257C7/holiday-with-jane.jpg".to_owned()),
    ];
    for ((pipeline, ..), key) in cases {
        // Failures are what some of these are for.
        let _ = pipeline
            .handle(event(&[record(&key)]), far())
            .instrument(telemetry::invocation("req-1", None))
            .await;
    }
    let lines = lines.all();
    assert!(lines.len() > 12, "{lines:#?}");
    for line in lines {
        assert_eq!(line["request_id"], "req-1", "{line}");
        for planted in PLANTED {
            assert!(!line.to_string().contains(planted), "{planted} is in {line}");
        }
    }
}

#[tokio::test]
async fn a_ready_photo_reports_its_age_its_times_and_its_size() {
    let lines = Lines::capture();
    let original = photo("orientation-6.jpg");
    let size = original.len();
    let (pipeline, ..) = pipeline(original, vec![found("pending", "image/jpeg"), ok()], written(4));
    pipeline.handle(event(&[record(&key())]), far()).await.unwrap();
    assert_eq!((lines.metric("PhotosReady"), lines.metric("PhotosFailed")), (vec![1.0], vec![0.0]));
    #[expect(clippy::cast_precision_loss, reason = "a small file")]
    let size = size as f64;
    assert_eq!(lines.metric("OriginalBytes"), [size]);
    for metric in
        ["AgeFromRequest", "AgeFromArrival", "DecodeTime", "EncodeTime", "MemoryUsed", "CpuUtilization"]
    {
        assert!(matches!(lines.metric(metric)[..], [value] if value >= 0.0), "{metric}");
    }
    assert_eq!(lines.having("PhotosReady")[0]["photo_id"], ID);
}

#[tokio::test]
async fn a_failed_photo_counts_under_its_code() {
    let lines = Lines::capture();
    let (pipeline, ..) =
        pipeline(cut("orientation-1.jpg", 20), vec![found("pending", "image/jpeg"), ok()], written(1));
    pipeline.handle(event(&[record(&key())]), far()).await.unwrap();
    assert_eq!((lines.metric("PhotosReady"), lines.metric("PhotosFailed")), (vec![0.0], vec![1.0]));
    assert_eq!(lines.having("FailuresByCode")[0]["Code"], json!("CORRUPT_IMAGE"));
}

#[tokio::test]
async fn a_duplicate_event_and_a_retry_count_no_photo() {
    let lines = Lines::capture();
    let (done, ..) = pipeline(photo("orientation-6.jpg"), vec![found("failed", "image/jpeg")], vec![]);
    done.handle(event(&[record(&key())]), far()).await.unwrap();
    let (down, ..) = pipeline(photo("orientation-6.jpg"), vec![(500, String::new())], vec![]);
    down.handle(event(&[record(&key())]), far()).await.unwrap_err();
    assert!(lines.metric("PhotosReady").is_empty() && lines.metric("PhotosFailed").is_empty());
}
