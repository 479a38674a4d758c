//! `GET /api/v4/photo`, and entity tags.

use serde_json::{Value, json};

use crate::support::{Call, ID, app, found, ready};

fn list(query: &str) -> Call {
    Call::new("GET", "/api/v4/photo").query(query)
}

/// DynamoDB's answer to a query that found this photo and looked no further.
fn page(more: &Value) -> (u16, String) {
    let item = serde_json::from_str::<Value>(&found(more).1).unwrap()["Item"].clone();
    let last = json!({ "pk": item["pk"], "sk": item["sk"] });
    (200, json!({ "Items": [item], "LastEvaluatedKey": last }).to_string())
}

#[tokio::test]
async fn a_page_is_one_read_and_its_cursor_leads_on() {
    let (first, table, buckets) = app(vec![page(&ready())], vec![]);
    let reply = list("limit=1").to(&first).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!((table.all().len(), buckets.all().len()), (1, 0));
    assert!(table.all()[0].target.ends_with("Query"));
    assert_eq!(reply.body["photos"][0]["photo_id"], ID);
    assert!(reply.body["photos"][0]["variants"][0]["url"].as_str().unwrap().contains("small.webp"));
    let cursor = reply.body["next_cursor"].as_str().unwrap();

    let (next, table, _) = app(vec![(200, json!({ "Items": [] }).to_string())], vec![]);
    let reply = list(&format!("limit=5&cursor={cursor}")).to(&next).await;
    assert_eq!(reply.body, json!({ "photos": [], "next_cursor": null }));
    let asked: Value = serde_json::from_slice(&table.all()[0].body).unwrap();
    assert_eq!(asked["ExclusiveStartKey"]["sk"]["S"], format!("photo#{ID}"));
    assert_eq!(asked["ExclusiveStartKey"]["pk"]["S"], "owner#auth0%7C7");
}

#[tokio::test]
async fn a_bad_page_is_named_and_not_looked_up() {
    for (query, pointers) in [
        ("limit=0", &["limit"][..]),
        ("limit=101", &["limit"]),
        ("limit=x", &["limit"]),
        ("cursor=abc", &["cursor"]),
        ("limit=0&cursor=", &["cursor", "limit"]),
    ] {
        let (app, table, _) = app(vec![], vec![]);
        let reply = list(query).to(&app).await;
        let errors = reply.body["errors"].as_array().unwrap();
        let found: Vec<_> = errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        assert_eq!((reply.status, found.as_slice(), table.all().len()), (400, pointers, 0), "{query}");
    }
    let (app, table, _) = app(vec![], vec![]);
    assert_eq!(list("").anonymous().to(&app).await.status, 401);
    assert_eq!(table.all().len(), 0);
}

#[tokio::test]
async fn a_photo_that_has_not_changed_is_not_sent_again() {
    let get = || Call::new("GET", &format!("/api/v4/photo/{ID}"));
    let answers = || vec![found(&ready())];
    let (first, ..) = app(answers(), vec![]);
    let reply = get().to(&first).await;
    let etag = reply.header("etag").unwrap().to_owned();
    assert!(etag.starts_with("W/\""), "{etag}");
    assert_eq!(reply.header("cache-control"), Some("private, no-cache"));
    assert_eq!(reply.header("vary"), Some("Authorization"));
    for sent in [etag.clone(), format!("\"x\", {etag}"), etag.replace("W/", ""), "*".to_owned()] {
        let (again, ..) = app(answers(), vec![]);
        let reply = get().header("if-none-match", &sent).to(&again).await;
        assert_eq!((reply.status, &reply.body), (304, &Value::Null), "{sent}");
        assert_eq!(reply.header("etag"), Some(etag.as_str()));
    }
    for (answer, sent) in [(ready(), "\"x\"".to_owned()), (json!({}), etag)] {
        let (changed, ..) = app(vec![found(&answer)], vec![]);
        assert_eq!(get().header("if-none-match", &sent).to(&changed).await.status, 200);
    }
}

#[tokio::test]
async fn the_urls_of_a_photo_stay_the_same_for_a_while() {
    let get = || Call::new("GET", &format!("/api/v4/photo/{ID}"));
    let (app, ..) = app(vec![found(&ready()), found(&ready()), found(&ready())], vec![]);
    let mut urls = Vec::new();
    // A window may end between two of three, and not twice.
    for _ in 0..3 {
        urls.push(get().to(&app).await.body["variants"][0]["url"].clone());
    }
    assert!(urls[0] == urls[1] || urls[1] == urls[2], "{urls:?}");
}

#[tokio::test]
async fn through_cloudfront_a_url_is_the_key_and_is_not_signed() {
    let (mut app, ..) = app(vec![found(&ready())], vec![]);
    app.config.variant_domain = Some("d1.cloudfront.net".to_owned());
    let reply = Call::new("GET", &format!("/api/v4/photo/{ID}")).to(&app).await;
    let url = format!("https://d1.cloudfront.net/photos/auth0%257C7/{ID}/small.webp");
    assert_eq!(reply.body["variants"][0]["url"], url);
}
