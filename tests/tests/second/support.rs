//! Clients as the functions make them, and what keeps a test apart from all others.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, BillingMode, GlobalSecondaryIndex};
use photo_aws::{Clients, Created, IdempotentRequest, PhotoStore, Settled, Timeouts};
use photo_domain::quota::{Counter, Quotas, day};
use photo_domain::record::{Outcome, PhotoRecord, Processed, State, Status, StoredVariant};
use photo_domain::{
    ContentType, FailureCode, IdempotencyKey, Metadata, OriginalKey, OwnerId, PhotoId, Recipe, UploadMethod,
    UploadRequest, VariantFormat, VariantName,
};
use time::OffsetDateTime;

pub(crate) type Item = HashMap<String, AttributeValue>;

/// The functions' clients, by the variables that the functions read. No address is AWS's own.
pub(crate) fn clients() -> Clients {
    for name in ["", "_DYNAMODB", "_SQS", "_EVENTBRIDGE"] {
        local(&format!("AWS_ENDPOINT_URL{name}"));
    }
    Clients::load(Timeouts::PIPELINE)
}

/// An address on this machine that a variable holds.
pub(crate) fn local(variable: &str) -> String {
    let url =
        std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: make second sets it"));
    assert!(
        url.starts_with("http://127.0.0.1:"),
        "{variable} is {url}: the tests write only on this machine"
    );
    url
}

/// A time as records hold it.
pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc().truncate_to_millisecond()
}

/// An owner whose key has to be encoded.
pub(crate) fn owner() -> OwnerId {
    OwnerId::from_subject("auth0|7 ä/%#").unwrap()
}

pub(crate) fn key_of(record: &PhotoRecord) -> OriginalKey {
    OriginalKey { owner: record.owner.clone(), photo_id: record.photo_id }
}

/// A record of an upload that is asked for now.
pub(crate) fn record(size_bytes: u64) -> PhotoRecord {
    let created_at = now();
    PhotoRecord {
        photo_id: PhotoId::generate(),
        owner: owner(),
        request: UploadRequest {
            file_name: None,
            content_type: ContentType::Jpeg.into(),
            size_bytes,
            checksum: None,
            metadata: Metadata::new([("ü".to_owned(), "ö \u{1f4f7}".to_owned())].into()).unwrap(),
            method: UploadMethod::Put,
        },
        created_at,
        state: State::Pending {
            expires_at: (created_at + time::Duration::days(15)).replace_nanosecond(0).unwrap(),
        },
    }
}

pub(crate) fn idempotency_key(text: &str) -> IdempotencyKey {
    IdempotencyKey::parse(text).unwrap()
}

/// What a photo has come to, made by `recipe`.
pub(crate) fn processed(recipe: &str) -> Processed {
    Processed {
        format: ContentType::Jpeg,
        width: 4032,
        height: 3024,
        thumbhash: "1QcSHQRnh493V4dIh4eXh1h4kJUI".to_owned(),
        dominant_color: "#336699".to_owned(),
        original_etag: "\"0123\"".to_owned(),
        variants: vec![StoredVariant {
            name: VariantName::parse("small").unwrap(),
            format: VariantFormat::WebP,
            width: 160,
            height: 120,
            size_bytes: 4096,
            key: "photos/a/b/small.webp".to_owned(),
        }],
        recipe: Some(Recipe::of([("recipe", recipe)])),
        renewed: false,
        received_percent: None,
    }
}

pub(crate) fn ready() -> Outcome {
    Outcome::Ready(processed("first"))
}

pub(crate) fn failed() -> Outcome {
    Outcome::Failed { code: FailureCode::NotAnImage, reason: "text".to_owned() }
}

/// A table of the test's own.
pub(crate) struct Table {
    pub(crate) store: PhotoStore,
    pub(crate) client: Client,
    pub(crate) name: String,
}

impl Table {
    pub(crate) async fn new() -> Self {
        Self::with_quotas(Quotas::default()).await
    }

    /// A table like that of the template, which `PHOTODROP_TABLE_NAME` names.
    pub(crate) async fn with_quotas(quotas: Quotas) -> Self {
        let client = clients().dynamodb;
        let name = format!("photos-{}", PhotoId::generate());
        let template = std::env::var("PHOTODROP_TABLE_NAME").unwrap();
        let template = client.describe_table().table_name(template).send().await.unwrap().table.unwrap();
        let indexes = template.global_secondary_indexes.unwrap().into_iter().map(|index| {
            GlobalSecondaryIndex::builder()
                .set_index_name(index.index_name)
                .set_key_schema(index.key_schema)
                .set_projection(index.projection)
                .build()
                .unwrap()
        });
        client
            .create_table()
            .table_name(&name)
            .billing_mode(BillingMode::PayPerRequest)
            .set_attribute_definitions(template.attribute_definitions)
            .set_key_schema(template.key_schema)
            .set_global_secondary_indexes(Some(indexes.collect()))
            .send()
            .await
            .unwrap();
        let store = PhotoStore::new(client.clone(), name.clone()).with_quotas(quotas);
        Self { store, client, name }
    }

    /// A store in the same table whose calls go to another address.
    pub(crate) fn store_through(&self, url: &str, quotas: Quotas) -> PhotoStore {
        let config = self.client.config().to_builder().endpoint_url(url).build();
        PhotoStore::new(Client::from_conf(config), self.name.clone()).with_quotas(quotas)
    }

    /// A record that the store has created.
    pub(crate) async fn create(&self) -> PhotoRecord {
        let record = record(1000);
        assert_eq!(self.store.create(&record, None).await.unwrap(), Created::New);
        record
    }

    pub(crate) async fn create_with(&self, record: &PhotoRecord, key: &str) -> Created {
        let key = idempotency_key(key);
        let request = IdempotentRequest { key: &key, fingerprint: "same" };
        self.store.create(record, Some(request)).await.unwrap()
    }

    /// A record that the store has taken to `status`.
    pub(crate) async fn create_in(&self, status: Status) -> PhotoRecord {
        let record = self.create().await;
        let (key, store, at) = (key_of(&record), &self.store, now());
        let done = match status {
            Status::Pending => true,
            Status::Ready => store.settle(&key, &ready(), at).await.unwrap() == Settled::Now,
            Status::Failed => store.settle(&key, &failed(), at).await.unwrap() == Settled::Now,
            Status::Expired => store.expire(&key, record.request.size_bytes, at).await.unwrap(),
            Status::Deleting => store.mark_deleted(&key, at).await.unwrap(),
        };
        assert!(done, "{status}");
        record
    }

    /// The item under a key, as it is stored.
    pub(crate) async fn item(&self, pk: &str, sk: &str) -> Option<Item> {
        let get = self.client.get_item().table_name(&self.name).consistent_read(true);
        let get = get.key("pk", AttributeValue::S(pk.to_owned())).key("sk", AttributeValue::S(sk.to_owned()));
        get.send().await.unwrap().item
    }

    pub(crate) async fn photo(&self, key: &OriginalKey) -> Option<Item> {
        let pk = format!("owner#{}", key.owner.encoded());
        self.item(&pk, &format!("photo#{}", key.photo_id)).await
    }

    /// What is counted for the owner on the day of a photo.
    pub(crate) async fn counter(&self, key: &OriginalKey) -> Counter {
        let pk = format!("owner#{}", key.owner.encoded());
        let item = self.item(&pk, &format!("quota#{}", day(key.photo_id))).await.unwrap_or_default();
        let number = |name: &str| item.get(name).map_or(0, |value| value.as_n().unwrap().parse().unwrap());
        Counter { photos: number("photos"), bytes: number("bytes"), pending: number("pending") }
    }
}
