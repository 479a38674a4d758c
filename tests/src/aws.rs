//! The services behind the API, for looking behind the scenes and for making trouble.

use std::collections::HashMap;
use std::time::SystemTime;

use anyhow::{Context as _, Result, ensure};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, EventSourceMappingConfiguration, ScalingConfig};
use aws_sdk_s3::types::NotificationConfiguration;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use serde_json::{Value, json};

use crate::patience::until;
use crate::stack::Stack;

pub use aws_sdk_dynamodb::types::AttributeValue;

/// Clients of the services that the stack is made of.
#[derive(Clone, Debug)]
pub struct Aws {
    /// The table.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// The buckets.
    pub s3: aws_sdk_s3::Client,
    /// The functions.
    pub lambda: aws_sdk_lambda::Client,
    /// The thumbnail queue and its dead-letter queue.
    pub sqs: aws_sdk_sqs::Client,
    stack: Stack,
}

/// A DynamoDB item.
pub type Item = HashMap<String, AttributeValue>;

impl Aws {
    /// Clients of a local stack, as its root user.
    pub async fn new(stack: &Stack) -> Self {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let config = aws_config::from_env()
            .endpoint_url(&stack.endpoint)
            .region(aws_config::Region::new(stack.region.clone()))
            .credentials_provider(stack.credentials())
            .http_client(http)
            .load()
            .await;
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        Self {
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            s3: aws_sdk_s3::Client::from_conf(s3),
            lambda: aws_sdk_lambda::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
            stack: stack.clone(),
        }
    }

    /// A photo's item, as it is in the table.
    pub async fn item(&self, owner: &str, photo_id: &str) -> Result<Option<Item>> {
        let output = self
            .dynamodb
            .get_item()
            .table_name(&self.stack.table_name)
            .key("pk", AttributeValue::S(format!("owner#{owner}")))
            .key("sk", AttributeValue::S(format!("photo#{photo_id}")))
            .consistent_read(true)
            .send()
            .await?;
        Ok(output.item)
    }

    /// The item of a photo that is settled, once its event is sent as well: after that nothing changes it by itself.
    ///
    /// # Errors
    /// There is no record, or the event is not sent.
    pub async fn announced(&self, owner: &str, photo_id: &str) -> Result<Item> {
        until(format_args!("the announcement of {photo_id}"), async || {
            let item =
                self.item(owner, photo_id).await?.with_context(|| format!("no record of {photo_id}"))?;
            Ok(Some(item).filter(|item| !item.contains_key("unsent_event")))
        })
        .await
    }

    /// Sets attributes of a photo's item past every rule, as no function would.
    pub async fn set_attributes(
        &self,
        owner: &str,
        photo_id: &str,
        attributes: &[(&str, AttributeValue)],
    ) -> Result<()> {
        let mut update = self
            .dynamodb
            .update_item()
            .table_name(&self.stack.table_name)
            .key("pk", AttributeValue::S(format!("owner#{owner}")))
            .key("sk", AttributeValue::S(format!("photo#{photo_id}")))
            .condition_expression("attribute_exists(pk)");
        for (name, value) in attributes {
            update = update
                .expression_attribute_names(format!("#{name}"), *name)
                .expression_attribute_values(format!(":{name}"), value.clone());
        }
        let sets: Vec<_> = attributes.iter().map(|(name, _)| format!("#{name} = :{name}")).collect();
        update.update_expression(format!("SET {}", sets.join(", "))).send().await?;
        Ok(())
    }

    /// The messages of a queue, taken off it.
    pub async fn drain(&self, queue: &str) -> Result<Vec<Value>> {
        let mut taken = Vec::new();
        loop {
            let output =
                self.sqs.receive_message().queue_url(queue).max_number_of_messages(10).send().await?;
            let messages = output.messages.unwrap_or_default();
            if messages.is_empty() {
                return Ok(taken);
            }
            for message in messages {
                taken.push(serde_json::from_str(message.body().unwrap_or_default())?);
                let handle = message.receipt_handle().context("a receipt")?;
                self.sqs.delete_message().queue_url(queue).receipt_handle(handle).send().await?;
            }
        }
    }

    /// A new queue that gets every event of the stack's bus; its URL.
    pub async fn listen(&self, name: &str) -> Result<String> {
        let queue = self.sqs.create_queue().queue_name(name).send().await?;
        let url = queue.queue_url().context("a queue's URL")?.to_owned();
        let bus = &self.stack.event_bus_name;
        let pattern = json!({ "source": ["photodrop"] }).to_string();
        let rule = json!({ "Name": name, "EventBusName": bus, "EventPattern": pattern, "State": "ENABLED" });
        self.json_api("events", "AWSEvents.PutRule", &rule).await?;
        let arn = format!("arn:aws:sqs:{}:000000000000:{name}", self.stack.region);
        let target = json!({ "Rule": name, "EventBusName": bus, "Targets": [{ "Id": "queue", "Arn": arn }] });
        self.json_api("events", "AWSEvents.PutTargets", &target).await?;
        Ok(url)
    }

    /// Deletes a photo's item.
    pub async fn delete_item(&self, owner: &str, photo_id: &str) -> Result<()> {
        let request = self.dynamodb.delete_item().table_name(&self.stack.table_name);
        let request = request.key("pk", AttributeValue::S(format!("owner#{owner}")));
        request.key("sk", AttributeValue::S(format!("photo#{photo_id}"))).send().await?;
        Ok(())
    }

    /// The value of an original's `photodrop-state` tag.
    pub async fn state_tag(&self, key: &str) -> Result<Option<String>> {
        let output =
            self.s3.get_object_tagging().bucket(&self.stack.originals_bucket).key(key).send().await?;
        Ok(output.tag_set.into_iter().find(|tag| tag.key == "photodrop-state").map(|tag| tag.value))
    }

    /// How many parts of an unfinished upload of an original S3 has.
    pub async fn parts(&self, key: &str, upload_id: &str) -> Result<usize> {
        let bucket = &self.stack.originals_bucket;
        let output = self.s3.list_parts().bucket(bucket).key(key).upload_id(upload_id).send().await?;
        Ok(output.parts().len())
    }

    /// The keys and `ETag`s below a prefix of a bucket.
    pub async fn objects(&self, bucket: &str, prefix: &str) -> Result<Vec<(String, String)>> {
        let output = self.s3.list_objects_v2().bucket(bucket).prefix(prefix).send().await?;
        Ok(output
            .contents
            .unwrap_or_default()
            .into_iter()
            .map(|object| (object.key.unwrap_or_default(), object.e_tag.unwrap_or_default()))
            .collect())
    }

    /// Takes a bucket's notifications away and gives them.
    pub async fn silence(&self, bucket: &str) -> Result<NotificationConfiguration> {
        let current = self.s3.get_bucket_notification_configuration().bucket(bucket).send().await?;
        let current = NotificationConfiguration::builder()
            .set_queue_configurations(current.queue_configurations)
            .build();
        self.notify(bucket, NotificationConfiguration::builder().build()).await?;
        Ok(current)
    }

    /// Sets a bucket's notifications.
    pub async fn notify(&self, bucket: &str, notifications: NotificationConfiguration) -> Result<()> {
        let request = self.s3.put_bucket_notification_configuration().bucket(bucket);
        request.notification_configuration(notifications).send().await?;
        Ok(())
    }

    /// Invokes a function and waits for its answer; a function's error is an error.
    pub async fn invoke(&self, function: &str, payload: &Value) -> Result<Value> {
        let output = self
            .lambda
            .invoke()
            .function_name(function)
            .payload(Blob::new(payload.to_string()))
            .send()
            .await?;
        let answer = output.payload.map(Blob::into_inner).unwrap_or_default();
        ensure!(output.function_error.is_none(), "{function}: {}", String::from_utf8_lossy(&answer));
        Ok(serde_json::from_slice(&answer).unwrap_or_default())
    }

    /// Puts an event into the thumbnail queue, as S3 does.
    pub async fn send_event(&self, event: &Value) -> Result<()> {
        let request = self.sqs.send_message().queue_url(&self.stack.thumbnail_queue_url);
        request.message_body(event.to_string()).send().await?;
        Ok(())
    }

    /// Sets an attribute of the thumbnail queue and gives its value as it was.
    pub async fn set_queue_attribute(&self, name: QueueAttributeName, value: &str) -> Result<String> {
        let queue = &self.stack.thumbnail_queue_url;
        let current = self.sqs.get_queue_attributes().queue_url(queue).attribute_names(name.clone()).send();
        let before = current.await?.attributes.and_then(|mut attributes| attributes.remove(&name));
        let change = self.sqs.set_queue_attributes().queue_url(queue).attributes(name.clone(), value);
        change.send().await?;
        before.with_context(|| format!("the queue has no {name}"))
    }

    /// About how many messages of the thumbnail queue wait, and how many are being processed or wait for their next delivery.
    pub async fn queued(&self) -> Result<(u64, u64)> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let queue = &self.stack.thumbnail_queue_url;
        let asked = self.sqs.get_queue_attributes().queue_url(queue);
        let attributes =
            asked.set_attribute_names(Some(names.to_vec())).send().await?.attributes.unwrap_or_default();
        let number = |name: &QueueAttributeName| -> Result<u64> {
            Ok(attributes.get(name).with_context(|| format!("no {name}"))?.parse()?)
        };
        Ok((number(&names[0])?, number(&names[1])?))
    }

    /// Receives a photo's message and leaves it in its queue; how often it was received, this time included.
    pub async fn receive_count(&self, queue_url: &str, photo_id: &str) -> Result<Option<u32>> {
        let name = MessageSystemAttributeName::ApproximateReceiveCount;
        let request = self.sqs.receive_message().queue_url(queue_url);
        let request = request.max_number_of_messages(10).visibility_timeout(0);
        let received = request.message_system_attribute_names(name.clone()).send().await?;
        let is_its = |message: &Message| message.body().is_some_and(|body| body.contains(photo_id));
        let Some(message) = received.messages.unwrap_or_default().into_iter().find(is_its) else {
            return Ok(None);
        };
        let count = message.attributes.and_then(|mut attributes| attributes.remove(&name));
        Ok(Some(count.with_context(|| format!("the message has no {name}"))?.parse()?))
    }

    /// Has SQS move the dead letters back, as `photodrop redrive` does.
    pub async fn redrive(&self) -> Result<()> {
        let (queue, name) = (&self.stack.failure_queue_url, QueueAttributeName::QueueArn);
        let asked = self.sqs.get_queue_attributes().queue_url(queue).attribute_names(name.clone()).send();
        let arn = asked.await?.attributes.and_then(|mut attributes| attributes.remove(&name));
        let arn = arn.context("the failure queue has an ARN")?;
        self.sqs.start_message_move_task().source_arn(arn).send().await?;
        Ok(())
    }

    /// Sets how many messages of the thumbnail queue are processed at once, and gives how many were.
    pub async fn limit_mapping(&self, limit: i32) -> Result<i32> {
        let mapping = self.mapping().await?;
        let before =
            mapping.scaling_config().and_then(aws_sdk_lambda::types::ScalingConfig::maximum_concurrency);
        let scaling = ScalingConfig::builder().maximum_concurrency(limit).build();
        let update = self.lambda.update_event_source_mapping().set_uuid(mapping.uuid);
        update.scaling_config(scaling).send().await?;
        before.context("the mapping has a limit")
    }

    async fn mapping(&self) -> Result<EventSourceMappingConfiguration> {
        let function = &self.stack.thumbnail_function;
        let listed = self.lambda.list_event_source_mappings().function_name(function).send().await?;
        let [mapping] = listed.event_source_mappings() else {
            anyhow::bail!("{function} has no one mapping")
        };
        Ok(mapping.clone())
    }

    /// Stops all processing, or lets it go on: enables or disables the mapping of the thumbnail queue.
    pub async fn enable_mapping(&self, enabled: bool) -> Result<()> {
        let update = self.lambda.update_event_source_mapping().set_uuid(self.mapping().await?.uuid);
        update.enabled(enabled).send().await?;
        Ok(())
    }

    /// Sets variables of a function's environment and gives the environment as it was.
    pub async fn set_environment(
        &self,
        function: &str,
        changes: &[(&str, &str)],
    ) -> Result<HashMap<String, String>> {
        let current = self.lambda.get_function_configuration().function_name(function).send().await?;
        let before = current.environment.and_then(|environment| environment.variables).unwrap_or_default();
        let mut after = before.clone();
        after.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.restore_environment(function, after).await?;
        Ok(before)
    }

    /// Sets a function's whole environment.
    pub async fn restore_environment(
        &self,
        function: &str,
        variables: HashMap<String, String>,
    ) -> Result<()> {
        let environment = Environment::builder().set_variables(Some(variables)).build();
        self.lambda
            .update_function_configuration()
            .function_name(function)
            .environment(environment)
            .send()
            .await?;
        Ok(())
    }

    /// The messages of the failure queue that name a photo, taken off it. Others stay for whom they concern.
    pub async fn take_failures_of(&self, photo_id: &str) -> Result<Vec<Value>> {
        let queue = &self.stack.failure_queue_url;
        let mut taken = Vec::new();
        let mut others = Vec::new();
        loop {
            let output =
                self.sqs.receive_message().queue_url(queue).max_number_of_messages(10).send().await?;
            let messages = output.messages.unwrap_or_default();
            if messages.is_empty() {
                break;
            }
            for message in messages {
                let handle = message.receipt_handle().context("a receipt")?;
                let body = message.body().unwrap_or_default();
                if body.contains(photo_id) {
                    taken.push(serde_json::from_str(body)?);
                    self.sqs.delete_message().queue_url(queue).receipt_handle(handle).send().await?;
                } else {
                    others.push(handle.to_owned());
                }
            }
        }
        for handle in others {
            let request = self.sqs.change_message_visibility().queue_url(queue).receipt_handle(handle);
            request.visibility_timeout(0).send().await?;
        }
        Ok(taken)
    }

    /// Waits for a photo to be in the failure queue and takes what is of it.
    pub async fn wait_for_failures_of(&self, photo_id: &str) -> Result<Vec<Value>> {
        until(format_args!("{photo_id} in the failure queue"), async || {
            let taken = self.take_failures_of(photo_id).await?;
            Ok(Some(taken).filter(|taken| !taken.is_empty()))
        })
        .await
    }

    /// How often the thumbnail function has logged `message` about a photo.
    pub async fn logged_of(&self, photo_id: &str, message: &str) -> Result<usize> {
        let lines = self.log_lines(&self.stack.thumbnail_log_group, 0).await?;
        let of_photo = lines.iter().filter(|line| line.contains(photo_id));
        let entries = of_photo.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        Ok(entries.filter(|entry| entry["message"] == message).count())
    }

    /// The messages of a log group since a time in milliseconds of the epoch.
    pub async fn log_lines(&self, group: &str, since: i64) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let mut body = json!({ "logGroupName": group, "startTime": since });
            if let Some(token) = next {
                body["nextToken"] = json!(token);
            }
            let answer = self.json_api("logs", "Logs_20140328.FilterLogEvents", &body).await?;
            let events = answer["events"].as_array().cloned().unwrap_or_default();
            lines.extend(events.iter().filter_map(|event| event["message"].as_str().map(str::to_owned)));
            next = answer["nextToken"].as_str().map(str::to_owned);
            if next.is_none() {
                return Ok(lines);
            }
        }
    }

    /// A token of a user of the pool, who is made if need be.
    pub async fn token_of(&self, user: &str) -> Result<String> {
        self.token_by(user, &self.stack.user_pool_client_id).await
    }

    /// A token of a user of the pool for another client than the stack's: the API is not its audience.
    pub async fn token_for_another_client(&self, user: &str) -> Result<String> {
        let client = json!({
            "UserPoolId": self.stack.user_pool_id, "ClientName": "another",
            "ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        });
        let answer = self.cognito("CreateUserPoolClient", &client).await?;
        let client_id = answer["UserPoolClient"]["ClientId"].as_str().context("a client id")?;
        self.token_by(user, client_id).await
    }

    async fn token_by(&self, user: &str, client_id: &str) -> Result<String> {
        let password = "Aa1-only-on-this-machine";
        let pool = &self.stack.user_pool_id;
        // The user may be there from an earlier run.
        let user_there = json!({ "UserPoolId": pool, "Username": user, "MessageAction": "SUPPRESS" });
        let _ = self.cognito("AdminCreateUser", &user_there).await;
        let set = json!({ "UserPoolId": pool, "Username": user, "Password": password, "Permanent": true });
        self.cognito("AdminSetUserPassword", &set).await?;
        let auth = json!({
            "ClientId": client_id, "AuthFlow": "USER_PASSWORD_AUTH",
            "AuthParameters": { "USERNAME": user, "PASSWORD": password },
        });
        let answer = self.cognito("InitiateAuth", &auth).await?;
        answer["AuthenticationResult"]["AccessToken"].as_str().map(str::to_owned).context("an access token")
    }

    async fn cognito(&self, operation: &str, body: &Value) -> Result<Value> {
        self.json_api("cognito-idp", &format!("AWSCognitoIdentityProviderService.{operation}"), body).await
    }

    /// A JSON API of the emulator; a few calls are not worth another SDK.
    async fn json_api(&self, service: &str, target: &str, body: &Value) -> Result<Value> {
        let (endpoint, body) = (&self.stack.endpoint, body.to_string());
        let headers = [("x-amz-target", target), ("content-type", "application/x-amz-json-1.1")];
        let identity = self.stack.credentials().into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.stack.region)
            .name(service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let signable = SignableRequest::new(
            "POST",
            endpoint,
            headers.into_iter(),
            SignableBody::Bytes(body.as_bytes()),
        )?;
        let (signature, _) = sign(signable, &params)?.into_parts();
        let mut request = crate::api::http_client().build()?.post(endpoint);
        for (name, value) in headers.into_iter().chain(signature.headers()) {
            request = request.header(name, value);
        }
        let response = request.body(body).send().await?;
        let (status, text) = (response.status(), response.text().await?);
        ensure!(status.is_success(), "{target}: {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }
}

/// S3's event for any key of any bucket.
#[must_use]
pub fn event_for(bucket: &str, key: &str, etag: Option<&str>) -> Value {
    json!({ "Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1",
        "eventTime": "2026-11-24T12:00:00.000Z", "eventName": "ObjectCreated:Put",
        "userIdentity": { "principalId": "AWS:x" }, "requestParameters": { "sourceIPAddress": "192.0.2.1" },
        "responseElements": {},
        "s3": { "s3SchemaVersion": "1.0", "configurationId": "c",
            "bucket": { "name": bucket, "ownerIdentity": { "principalId": "x" }, "arn": format!("arn:aws:s3:::{bucket}") },
            "object": { "key": key.replace('%', "%25"), "size": 1, "eTag": etag, "sequencer": "00" } }
    }] })
}

/// The subject of a token, from its own claims.
pub fn subject(token: &str) -> Result<String> {
    use std::str::FromStr as _;
    let claims = token.split('.').nth(1).context("a JWT has three parts")?;
    let bytes = base64_url(claims)?;
    let claims = Value::from_str(&String::from_utf8(bytes)?)?;
    claims["sub"].as_str().map(str::to_owned).context("a subject")
}

fn base64_url(text: &str) -> Result<Vec<u8>> {
    use base64::Engine as _;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text.trim_end_matches('='))?)
}
