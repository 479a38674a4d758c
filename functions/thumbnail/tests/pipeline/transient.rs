//! What Lambda shall retry: each call of the pipeline that AWS does not answer.

use photo_aws::replay::Answer;

use crate::support::{
    event, far, found, key, ok, photo, pipeline, pipeline_without_original, record, written,
};

fn down() -> Answer {
    (500, String::new())
}

#[tokio::test]
async fn every_call_that_aws_does_not_answer_fails_the_invocation() {
    let pending = || found("pending", "image/jpeg");
    let good = || photo("orientation-1.jpg");
    let bad = || photo("not-an-image.jpg");
    let cases = [
        ("reading the record", pipeline(good(), vec![down()], vec![])),
        ("reading the original", pipeline_without_original(vec![pending()], vec![down()])),
        ("writing a variant", pipeline(good(), vec![pending()], [written(3), vec![down()]].concat())),
        ("settling", pipeline(good(), vec![pending(), down()], written(4))),
        ("settling a failure", pipeline(bad(), vec![pending(), down()], written(1))),
    ];
    for (step, (pipeline, ..)) in cases {
        let error = pipeline.handle(event(&[record(&key())]), far()).await.expect_err(step);
        let diagnostic = lambda_runtime::Diagnostic::from(error);
        assert_eq!(diagnostic.error_type, "TransientFailure", "{step}");
        assert!(diagnostic.error_message.contains("failed"), "{step}: {}", diagnostic.error_message);
    }
}

#[tokio::test]
async fn one_failed_record_does_not_keep_the_others_from_being_processed() {
    let (pipeline, table, _) =
        pipeline(photo("orientation-1.jpg"), vec![down(), found("pending", "image/jpeg"), ok()], written(4));
    let error = pipeline.handle(event(&[record(&key()), record(&key())]), far()).await.unwrap_err();
    assert_eq!((error.records, error.failed), (2, 1));
    // The second record is read, settled and noted as announced.
    assert_eq!(table.all().len(), 4);
}
