//! What `photodrop account` says of a stack whose thumbnail function has a reserve of its own.

use serde_json::{Value, json};

use super::profiles::account;
use super::server::{Asked, Server};
use super::{Cli, stderr};

/// Lambda, in an account with AWS's default quota; `function` answers for the thumbnail function.
fn lambda(asked: &Asked, function: impl Fn(&str) -> (u16, Value)) -> (u16, Vec<u8>) {
    let (status, body) = if asked.target.starts_with("/2016-08-19/account-settings") {
        (
            200,
            json!({ "AccountLimit": { "ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 996 } }),
        )
    } else {
        function(&asked.target)
    };
    (status, body.to_string().into_bytes())
}

fn told(answer: impl Fn(&str) -> (u16, Value) + Send + 'static) -> (Value, String) {
    let server = Server::start(move |asked: &Asked, _: &str| lambda(asked, &answer));
    let output = account(&Cli::new(), "keys", &server.url);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    (serde_json::from_slice(&output.stdout).unwrap(), stderr(&output))
}

#[test]
fn a_reserve_below_the_queues_concurrency_is_told() {
    for (reserved, maximum, is_told) in [(4, json!(5), true), (5, json!(5), false), (4, Value::Null, false)] {
        let (found, _) = told(move |target| match target.split('?').next().unwrap_or_default() {
            "/2019-09-30/functions/photodrop-thumbnail/concurrency" => {
                (200, json!({ "ReservedConcurrentExecutions": reserved }))
            }
            "/2015-03-31/event-source-mappings" => {
                assert!(target.contains("FunctionName=photodrop-thumbnail%3Alive"), "{target}");
                let mapping = json!({ "UUID": "u", "ScalingConfig": { "MaximumConcurrency": maximum } });
                (200, json!({ "EventSourceMappings": [mapping] }))
            }
            _ => (500, Value::Null),
        });
        assert_eq!(found["throttling"].is_string(), is_told, "{found}");
        assert_eq!(found["advice"], Value::Null);
        assert!(found["summary"].as_str().unwrap().starts_with("1000 concurrent executions"), "{found}");
    }
}

#[test]
fn a_function_without_a_reserve_is_not_throttled() {
    let (found, said) = told(|_| (200, json!({})));
    assert_eq!((&found["throttling"], said.as_str()), (&Value::Null, ""));
}

#[test]
fn a_function_that_may_not_be_asked_is_named() {
    let refused = |status, code| move |_: &str| (status, json!({ "__type": code, "Message": "no" }));
    let (found, said) = told(refused(404, "ResourceNotFoundException"));
    assert_eq!((&found["throttling"], said.as_str()), (&Value::Null, ""));
    let (found, said) = told(refused(403, "AccessDeniedException"));
    assert_eq!(found["throttling"], Value::Null);
    assert!(said.contains("photodrop-thumbnail is not known: lambda:GetFunctionConcurrency"), "{said}");
}
