//! Tokens that end or are refused, and an API that is busy.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::server::{Asked, Said, Server};
use crate::{Cli, stderr};

/// A token without a signature that ends in so many seconds. Its claims end with the subject, also where another crate of the
/// workspace has `serde_json` keep the order of members.
pub(crate) fn token(subject: &str, seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = format!(r#"{{"exp":{},"sub":"{subject}"}}"#, now.saturating_add_signed(seconds));
    format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims))
}

/// The description of a stack whose demo user has this token, and can sign in.
fn describe(cli: &Cli, url: &str, token: &str) {
    let path = cli.describe(url);
    let mut stack: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    stack["token"] = json!(token);
    for name in ["user_pool_client_id", "demo_user", "demo_password"] {
        stack[name] = json!("demo");
    }
    fs::write(&path, stack.to_string()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A user pool that issues the token `fresh`, and an API whose authorizer takes no other.
fn gateway(asked: &Asked, _: &str) -> Said {
    if asked.head.contains("initiateauth") {
        let result = json!({ "AccessToken": "fresh", "ExpiresIn": 3600 });
        return (200, json!({ "AuthenticationResult": result }).to_string().into_bytes()).into();
    }
    if asked.head.contains("authorization: bearer fresh") {
        return (200, json!({ "photos": [], "next_cursor": null }).to_string().into_bytes()).into();
    }
    let error = r#"Bearer scope="" error="invalid_token" error_description="the token has expired""#;
    Said {
        status: 401,
        headers: vec![("www-authenticate".to_owned(), error.to_owned())],
        body: br#"{"message":"Unauthorized"}"#.to_vec(),
    }
}

#[test]
fn a_token_is_renewed_before_it_ends() {
    for (seconds, refused) in [(-10, 0), (30, 0), (600, 1)] {
        let server = Server::start(gateway);
        let cli = Cli::new();
        let old = token("demo", seconds);
        describe(&cli, &server.url, &old);
        let listed = cli.command(&["list"]).output().unwrap();
        assert_eq!(listed.status.code(), Some(0), "{listed:?}");
        let bearer = format!("bearer {}", old.to_lowercase());
        let sent = server.asked().iter().filter(|asked| asked.head.contains(&bearer)).count();
        assert_eq!(sent, refused, "{seconds} s: what is refused all the same is renewed after it");
        assert_eq!(server.asked().len(), 2 + refused);
    }
}

#[test]
fn a_given_token_that_has_expired_is_told_as_such() {
    let server = Server::start(gateway);
    let cli = Cli::new();
    for (seconds, words) in [(-10, "has expired"), (600, "another stack's")] {
        let mut command = cli.command(&["list", "--api", &server.url]);
        let refused = command.env("PHOTODROP_TOKEN", token("jane", seconds)).output().unwrap();
        assert_eq!(refused.status.code(), Some(3), "{refused:?}");
        assert!(stderr(&refused).contains(words), "{}", stderr(&refused));
    }
}

#[test]
fn a_busy_api_is_asked_again_as_late_as_it_says() {
    for (status, body) in
        [(429, r#"{"message":"Too Many Requests"}"#), (503, r#"{"message":"Service Unavailable"}"#)]
    {
        let left = std::sync::Mutex::new(2);
        let server = Server::start(move |_: &Asked, _: &str| {
            let mut left = left.lock().unwrap();
            if *left == 0 {
                return (200, json!({ "photos": [], "next_cursor": null }).to_string().into_bytes()).into();
            }
            *left -= 1;
            let headers = vec![("retry-after".to_owned(), "1".to_owned())];
            Said { status, headers, body: body.as_bytes().to_vec() }
        });
        let cli = Cli::new();
        let began = Instant::now();
        let mut command = cli.command(&["list", "--api", &server.url]);
        let listed = command.env("PHOTODROP_TOKEN", "mine").output().unwrap();
        assert_eq!(listed.status.code(), Some(0), "{listed:?}");
        assert_eq!(server.asked().len(), 3);
        assert!(began.elapsed() >= Duration::from_secs(2), "{status}: {:?}", began.elapsed());
    }
}
