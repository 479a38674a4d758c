//! What a page in a developer's browser can do to the local stack: nothing.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use photodrop_tests::Stack;
use reqwest::Method;
use serde_json::json;

use crate::support::World;

const FUNCTIONS: &str = "/2015-03-31/functions";
const PLAIN: (&str, &str) = ("content-type", "text/plain;charset=UTF-8");

/// A URL with its signature in the query, as a page can make one without a preflight.
fn signed_url(stack: &Stack, secret: &str, method: &Method, body: &str) -> String {
    let url = format!("{}{FUNCTIONS}", stack.endpoint);
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(Duration::from_mins(1));
    let identity = Credentials::new(&stack.access_key_id, secret, None, None, "a page").into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(&stack.region)
        .name("lambda")
        .time(SystemTime::now())
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let body = SignableBody::Bytes(body.as_bytes());
    let request = SignableRequest::new(method.as_str(), &url, std::iter::empty(), body).unwrap();
    let (signature, _) = sign(request, &params).unwrap().into_parts();
    let mut url = reqwest::Url::parse(&url).unwrap();
    for (name, value) in signature.params() {
        url.query_pairs_mut().append_pair(name, value);
    }
    url.into()
}

#[tokio::test]
async fn a_page_cannot_run_a_function_as_the_developer() {
    let world = World::new().await;
    let role = "arn:aws:iam::000000000000:role/photodrop-upload";
    let body = json!({ "FunctionName": "attack", "Runtime": "provided.al2023", "Handler": "bootstrap",
        "Role": role, "Code": { "ZipFile": "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==" } })
    .to_string();
    let right = world.stack.secret_access_key.clone();
    let cases: [(&str, &[(&str, &str)]); 5] = [
        ("test", &[PLAIN]),
        ("test", &[PLAIN, ("origin", "https://evil.example")]),
        (&right, &[PLAIN, ("origin", "https://evil.example")]),
        (&right, &[PLAIN, ("origin", "null")]),
        (&right, &[PLAIN, ("sec-fetch-site", "cross-site")]),
    ];
    for (secret, headers) in cases {
        let url = signed_url(&world.stack, secret, &Method::POST, &body);
        let reply = world.api.send(Method::POST, &url, headers, body.clone().into_bytes()).await.unwrap();
        assert_eq!(reply.status, 403, "{headers:?}: {}", reply.text());
        assert_eq!(reply.text().trim().lines().count(), 1, "{}", reply.text());
    }
    // The same signature without a page around it is the developer's own.
    let url = signed_url(&world.stack, &right, &Method::GET, "");
    let reply = world.api.send(Method::GET, &url, &[], vec![]).await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(!reply.text().contains("attack"), "{}", reply.text());
}

#[tokio::test]
async fn no_foreign_host_or_origin_reaches_any_server() {
    let world = World::new().await;
    let stack = &world.stack;
    let foreign: [(&str, &str); 5] = [
        ("host", "evil.example"),
        ("host", "127.0.0.1.nip.io"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
    ];
    let urls = [
        (Method::POST, format!("{}/_ministack/reset", stack.endpoint)),
        (Method::POST, format!("{}/_ministack/config", stack.endpoint)),
        (Method::GET, format!("{}/_ministack/health", stack.endpoint)),
        (Method::GET, format!("{}/{}", stack.endpoint, stack.originals_bucket)),
        (Method::GET, format!("{}/health", stack.api_url)),
        (Method::GET, format!("{}config.json", stack.web_url)),
        (Method::GET, format!("{}app.js", stack.web_url)),
    ];
    for (method, url) in &urls {
        for header in foreign {
            let reply = world.api.send(method.clone(), url, &[header], b"{}".to_vec()).await.unwrap();
            assert_eq!(reply.status, 403, "{method} {url} {header:?}: {}", reply.text());
            assert!(!reply.text().contains("password"), "{}", reply.text());
        }
    }
    // Nothing was reset, and the same requests without a page around them are answered.
    for url in [&urls[2].1, &urls[4].1, &urls[5].1] {
        let reply = world.api.send(Method::GET, url, &[], vec![]).await.unwrap();
        assert_eq!(reply.status, 200, "{url}: {}", reply.text());
    }
}

#[tokio::test]
async fn an_unsigned_request_is_nobodys() {
    let world = World::new().await;
    let endpoint = &world.stack.endpoint;
    let forged = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request, \
                  SignedHeaders=host, Signature=0";
    for authorization in [forged, "Bearer x", "x"] {
        for (method, url) in [
            (Method::GET, format!("{endpoint}{FUNCTIONS}")),
            (Method::GET, format!("{endpoint}/{}", world.stack.originals_bucket)),
            (Method::PUT, format!("{endpoint}/bucket-of-an-attack")),
        ] {
            let headers = [("authorization", authorization)];
            let reply = world.api.send(method.clone(), &url, &headers, vec![]).await.unwrap();
            assert_eq!(reply.status, 403, "{method} {url} {authorization}: {}", reply.text());
            let reply = world.api.send(method.clone(), &url, &[], vec![]).await.unwrap();
            assert_eq!(reply.status, 403, "{method} {url} unsigned: {}", reply.text());
        }
    }
}
