//! What operators do: redrive, users, the account.

use photodrop_tests::patience::until;
use photodrop_tests::{Api, Aws, Stack};
use reqwest::Method;
use serde_json::{Value, json};

use crate::Cli;

/// What S3 sends when a bucket gets a notification: the thumbnail function takes it, and no photo is touched.
fn harmless_event() -> String {
    json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-11-24T12:00:00.000Z", "Bucket": "b" })
        .to_string()
}

#[tokio::test]
async fn redrive_moves_dead_letters_and_waits_for_the_end() {
    let (cli, stack) = (Cli::new(), Stack::load().unwrap());
    let aws = Aws::new(&stack).await;
    for _ in 0..3 {
        let call = aws.sqs.send_message().queue_url(&stack.failure_queue_url).message_body(harmless_event());
        call.send().await.unwrap();
    }
    let redriven = cli.run(&["redrive", "--per-second", "100"]);
    assert_eq!(redriven.code, 0, "{}", redriven.stderr);
    let result = &redriven.lines[0];
    assert_eq!(
        (result["status"].as_str(), result["waiting"].as_u64()),
        (Some("COMPLETED"), Some(0)),
        "{result}"
    );
    assert!(result["moved"].as_u64().unwrap() >= 3, "{result}");
    // The function takes what was moved.
    until("the moved messages are taken", async || Ok((aws.queued().await?.0 == 0).then_some(())))
        .await
        .unwrap();
    // Nothing is left to move, which is no failure.
    let again = cli.run(&["redrive"]);
    assert_eq!((again.code, again.lines[0]["moved"].as_u64()), (0, Some(0)), "{}", again.stderr);
    assert_eq!(cli.run(&["redrive", "--per-second", "501"]).code, 2);
}

/// What Cognito answers to a user's name and password.
async fn sign_in(stack: &Stack, name: &str, password: &str) -> Value {
    let body = json!({ "ClientId": stack.user_pool_client_id, "AuthFlow": "USER_PASSWORD_AUTH",
        "AuthParameters": { "USERNAME": name, "PASSWORD": password } });
    let headers = [
        ("x-amz-target", "AWSCognitoIdentityProviderService.InitiateAuth"),
        ("content-type", "application/x-amz-json-1.1"),
    ];
    let url = format!("{}/", stack.endpoint.trim_end_matches('/'));
    let reply =
        Api::of_no_stack().unwrap().send(Method::POST, &url, &headers, body.to_string().into_bytes()).await;
    reply.unwrap().json()
}

#[tokio::test]
async fn a_new_user_has_to_choose_a_password() {
    let (cli, stack) = (Cli::new(), Stack::load().unwrap());
    let name = format!("alice-{}@example.com", uuid::Uuid::new_v4());
    let created = cli.run(&["user", &name]);
    assert_eq!(created.code, 0, "{}", created.stderr);
    let password = created.lines[0]["temporary_password"].as_str().unwrap();
    let answer = sign_in(&stack, &name, password).await;
    assert_eq!(answer["ChallengeName"], "NEW_PASSWORD_REQUIRED", "{answer}");
    assert!(sign_in(&stack, &name, "Wrong-password-1").await["ChallengeName"].is_null());

    let twice = cli.run(&["user", &name]);
    assert_eq!(twice.code, 1);
    assert!(twice.stderr.contains("UsernameExistsException"), "{}", twice.stderr);
    let nowhere = cli.run(&["user", "alice", "--mail"]);
    assert_eq!(nowhere.code, 2, "{}", nowhere.stderr);
    let no_pool = cli.run(&["user", "bob", "--user-pool", "us-east-1_000000000"]);
    assert_eq!(
        (no_pool.code, no_pool.lines[0]["error"]["code"].as_str()),
        (1, Some("AWS")),
        "{}",
        no_pool.stderr
    );
}

#[test]
fn the_account_is_told_and_the_local_one_is_not_advised() {
    let told = Cli::new().run(&["account"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    let account = &told.lines[0];
    let limit = account["concurrent_executions"].as_u64().unwrap();
    assert!(limit > 0, "{account}");
    assert_eq!(account["requests_per_second"].as_u64(), Some(10 * limit), "{account}");
    assert_eq!((account["quota_code"].as_str(), &account["advice"]), (Some("L-B99A9384"), &Value::Null));
}
