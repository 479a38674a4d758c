//! `GET /api/v4/photo`, and entity tags.

use serde_json::{Value, json};
use upload::App;

use crate::session_token::of_a_role;
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

/// The most bytes of a page: API Gateway meters 512 KB as one request.
const MOST_BYTES: usize = 500_000;

/// The most bytes of a page as Lambda has it, as a JSON string.
const MOST_BYTES_IN_LAMBDA: usize = 6_000_000;

/// A photo with as much metadata as may be, all of it quotes: each is two bytes in the answer and four as Lambda has it.
fn full(number: usize, variants: usize) -> Value {
    let name = |entry: usize| format!("{entry:02}{}", "\"".repeat(62));
    let metadata: serde_json::Map<_, _> =
        (0..16).map(|entry| (name(entry), json!({ "S": "\"".repeat(512) }))).collect();
    let mut more = named(number, variants);
    more["metadata"] = json!({ "M": metadata });
    more["file_name"] = json!({ "S": "\"".repeat(255) });
    item(&more)
}

/// A usual photo.
pub(crate) fn usual(number: usize, variants: usize) -> Value {
    item(&named(number, variants))
}

fn item(more: &Value) -> Value {
    serde_json::from_str::<Value>(&found(more).1).unwrap()["Item"].clone()
}

/// What a record has on top of others with this number and so many variants.
fn named(number: usize, variants: usize) -> Value {
    let id = format!("01935b7c-0000-7000-8000-{number:012x}");
    let mut more = ready();
    let variant = |number: usize| {
        let mut variant = more["variants"]["L"][0].clone();
        variant["M"]["name"]["S"] = json!(format!("v{number}"));
        variant["M"]["key"]["S"] = json!(format!("photos/auth0%7C7/{id}/v{number}.webp"));
        variant
    };
    more["variants"]["L"] = (0..variants).map(variant).collect();
    more["photo_id"] = json!({ "S": id });
    more["sk"] = json!({ "S": format!("photo#{id}") });
    more
}

/// What DynamoDB answers to one query of the items from `from` on: at most `limit`, and at most 1 MB.
fn some_of(items: &[Value], from: usize, limit: usize) -> ((u16, String), usize) {
    let mut bytes = 0;
    let fits = items[from..].iter().take(limit).take_while(|item| {
        bytes += item.to_string().len();
        bytes <= 1 << 20
    });
    let to = from + fits.count().max(1);
    let mut answer = json!({ "Items": items[from..to] });
    if to < items.len() {
        answer["LastEvaluatedKey"] = json!({ "pk": items[to - 1]["pk"], "sk": items[to - 1]["sk"] });
    }
    ((200, answer.to_string()), to)
}

/// Goes through all pages of a list with these items; how many photos each page has.
async fn walk(items: &[Value], limit: usize) -> Vec<usize> {
    walk_as(items, limit, |app| app).await
}

/// The same for an app that is changed first.
pub(crate) async fn walk_as(items: &[Value], limit: usize, change: impl Fn(App) -> App) -> Vec<usize> {
    let (mut pages, mut seen, mut cursor) = (Vec::new(), Vec::new(), String::new());
    loop {
        let begin = seen.len();
        let (mut answers, mut at) = (Vec::new(), begin);
        while answers.len() < 3 && at < items.len() && at - begin < limit {
            let (answer, to) = some_of(items, at, limit - (at - begin));
            (answers, at) = ([answers, vec![answer]].concat(), to);
        }
        let (app, table, _) = app(answers, vec![]);
        let reply = list(&format!("limit={limit}{cursor}")).to(&change(app)).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let asked: Value = serde_json::from_slice(&table.all()[0].body).unwrap();
        let before = begin.checked_sub(1).map(|last| items[last]["sk"]["S"].clone());
        assert_eq!(asked["ExclusiveStartKey"]["sk"]["S"], before.unwrap_or_default());
        let photos = reply.body["photos"].as_array().unwrap();
        let body = reply.body.to_string();
        let as_lambda_has_it = json!(body).to_string().len();
        assert!(body.len() <= MOST_BYTES || photos.len() == 1, "{} bytes", body.len());
        assert!(as_lambda_has_it <= MOST_BYTES_IN_LAMBDA, "{as_lambda_has_it} bytes");
        assert!(!photos.is_empty());
        pages.push(photos.len());
        seen.extend(photos.iter().map(|photo| photo["photo_id"].clone()));
        match reply.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let all: Vec<_> = items.iter().map(|item| item["photo_id"]["S"].clone()).collect();
    assert_eq!(seen, all, "each photo once, in order");
    pages
}

#[tokio::test]
async fn a_page_of_large_photos_is_bound_by_bytes() {
    for variants in [0, 3, 6, 12] {
        let items: Vec<_> = (0..100).rev().map(|number| full(number, variants)).collect();
        let pages = walk(&items, 100).await;
        assert!(pages.len() > 3, "{variants} variants: {pages:?}");
        // No page ends long before it has to.
        assert!(pages.iter().rev().skip(1).all(|photos| *photos > 15), "{variants} variants: {pages:?}");
    }
    let items: Vec<_> = (0..30).rev().map(|number| full(number, 6)).collect();
    assert_eq!(walk(&items, 7).await, [7, 7, 7, 7, 2]);
}

#[tokio::test]
async fn a_photo_larger_than_a_page_has_a_page_of_its_own() {
    let mut items: Vec<_> = (0..6).rev().map(|number| full(number, 1)).collect();
    for large in [0, 3] {
        items[large] = full(5 - large, 100);
    }
    assert_eq!(walk_as(&items, 100, |app| of_a_role(app, 4_095)).await, [1, 2, 1, 2]);
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
