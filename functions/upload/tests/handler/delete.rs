//! `DELETE /api/v4/photo/{photo_id}`

use serde_json::{Value, json};

use crate::support::{Call, ID, app, found, ok};

fn delete(photo_id: &str) -> Call {
    Call::new("DELETE", &format!("/api/v4/photo/{photo_id}"))
}

fn refused(found: &Value) -> (u16, String) {
    let mut body = json!({ "__type": "ConditionalCheckFailedException" });
    if !found.is_null() {
        body["Item"] = found.clone();
    }
    (400, body.to_string())
}

#[tokio::test]
async fn a_photo_is_deleted_by_one_conditional_write_and_no_call_to_s3() {
    let (app, table, buckets) = app(vec![ok()], vec![]);
    let reply = delete(ID).to(&app).await;
    assert_eq!((reply.status, reply.body), (204, Value::Null));
    assert_eq!(buckets.all().len(), 0);
    let [request] = table.all().try_into().unwrap();
    assert_eq!(request.target, "DynamoDB_20120810.UpdateItem");
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body["Key"]["pk"]["S"], "owner#auth0%7C7");
    assert_eq!(body["ConditionExpression"], "#status IN (:from0, :from1, :from2, :from3)");
}

#[tokio::test]
async fn deleting_again_or_what_never_was_is_as_good() {
    for found in [json!({ "status": { "S": "deleting" } }), Value::Null] {
        let (app, table, _) = app(vec![refused(&found)], vec![]);
        assert_eq!(delete(ID).to(&app).await.status, 204);
        assert_eq!(table.all().len(), 1);
    }
}

#[tokio::test]
async fn a_bad_id_an_unknown_caller_and_a_silent_table_delete_nothing() {
    let (silent, ..) = app(vec![(500, String::new())], vec![]);
    let reply = delete(ID).to(&silent).await;
    assert_eq!((reply.status, &reply.body["code"]), (503, &json!("UNAVAILABLE")));
    let (app, table, _) = app(vec![], vec![]);
    assert_eq!(delete("not-an-id").to(&app).await.status, 404);
    assert_eq!(delete(ID).anonymous().to(&app).await.status, 401);
    assert_eq!(table.all().len(), 0);
}

#[tokio::test]
async fn a_photo_that_is_being_deleted_is_gone_for_its_owner() {
    let deleting = json!({ "status": { "S": "deleting" }, "deleted_at": { "S": "2026-11-24T12:10:00Z" } });
    let (app, ..) = app(vec![found(&deleting)], vec![]);
    let reply = Call::new("GET", &format!("/api/v4/photo/{ID}")).to(&app).await;
    assert_eq!((reply.status, &reply.body["code"]), (404, &json!("NOT_FOUND")));
}

#[tokio::test]
async fn an_expired_photo_says_so_and_is_not_waited_for() {
    let (app, ..) = app(vec![found(&json!({ "status": { "S": "expired" } }))], vec![]);
    let reply = Call::new("GET", &format!("/api/v4/photo/{ID}")).to(&app).await;
    assert_eq!(
        (reply.status, &reply.body["status"], reply.header("retry-after")),
        (200, &json!("expired"), None)
    );
}
