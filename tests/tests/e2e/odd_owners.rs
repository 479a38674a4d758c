//! Owners whose subject cannot stand in an object's key as it is: an issuer chooses subjects as it likes.

use photodrop_tests::patience::Wait;
use photodrop_tests::photos::photo;
use photodrop_tests::stack::root;
use photodrop_tests::{Created, Reply};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{World, function_works};

/// What API Gateway would hand to the upload function for such an owner; the local user pool makes UUIDs alone.
async fn call(world: &World, sample: &str, subject: &str, change: impl FnOnce(&mut Value)) -> Value {
    let text = std::fs::read_to_string(root().join("events").join(sample)).unwrap();
    let mut event: Value = serde_json::from_str(&text).unwrap();
    event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] = json!(subject);
    change(&mut event);
    let answer = world.aws.invoke(&world.stack.upload_function, &event).await.unwrap();
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    json!({ "status": answer["statusCode"], "body": body })
}

#[tokio::test]
async fn an_owner_of_any_spelling_gets_thumbnails() {
    let _function = function_works().await;
    let world = World::new().await;
    let bytes = photo("orientation-6.jpg").unwrap();
    for (subject, in_key) in [
        ("auth0|5f7c8ec7 a+b", "auth0%7C5f7c8ec7%20a%2Bb"),
        ("Jörg ☀", "J%C3%B6rg%20%E2%98%80"),
        ("../a/b?c=%2F&d#e", "%2E%2E%2Fa%2Fb%3Fc%3D%252F%26d%23e"),
    ] {
        let request = json!({ "content_type": "image/jpeg", "size_bytes": bytes.len() }).to_string();
        let created =
            call(&world, "api-post-upload.json", subject, |event| event["body"] = json!(request)).await;
        assert_eq!(created["status"], 201, "{subject}: {created}");
        let created: Created = serde_json::from_value(created["body"].clone()).unwrap();
        let put: Reply = world.api.put(created.upload().unwrap(), bytes.clone()).await.unwrap();
        assert_eq!(put.status, 200, "{subject}: {}", put.text());

        let photo = settled(&world, subject, &created.photo_id).await;
        assert_eq!(photo["status"], "ready", "{subject}: {photo}");
        let prefix = format!("photos/{in_key}/{}/", created.photo_id);
        let thumbnails = world.aws.objects(&world.stack.thumbnails_bucket, &prefix).await.unwrap();
        assert_eq!(thumbnails.len(), 6, "{subject}");
        for variant in photo["variants"].as_array().unwrap() {
            let url = variant["url"].as_str().unwrap();
            let reply = world.api.send(Method::GET, url, &[], vec![]).await.unwrap();
            assert_eq!(reply.status, 200, "{subject}: {url}: {}", reply.text());
        }
        // Nobody else has it, however alike their names are.
        for other in [in_key, &subject.to_uppercase()] {
            assert_eq!(get(&world, other, &created.photo_id).await["status"], 404, "{other}");
        }
    }
}

async fn get(world: &World, subject: &str, photo_id: &str) -> Value {
    let path = format!("/api/v4/photo/{photo_id}");
    call(world, "api-get-photo.json", subject, |event| {
        event["requestContext"]["http"]["path"] = json!(path);
        event["rawPath"] = json!(path);
    })
    .await
}

async fn settled(world: &World, subject: &str, photo_id: &str) -> Value {
    let mut wait = Wait::begin(format_args!("the end of {photo_id} of {subject}"));
    loop {
        let answer = get(world, subject, photo_id).await;
        assert_eq!(answer["status"], 200, "{subject}: {answer}");
        if answer["body"]["status"] != "pending" {
            return answer["body"].clone();
        }
        wait.pause(std::time::Duration::from_millis(150), answer).await.unwrap();
    }
}
