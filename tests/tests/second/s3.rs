//! An S3 server for each test: s3s, which verifies signatures, on files.

use std::path::PathBuf;

use aws_sdk_s3::Client;
use photo_aws::{Clients, Objects, UploadSigner};
use photo_domain::{OriginalKey, PhotoId};
use photodrop_tests::{Api, Reply};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::task::JoinHandle;

use crate::support::{clients, owner};

pub(crate) const ORIGINALS: &str = "originals";
pub(crate) const THUMBNAILS: &str = "thumbnails";
pub(crate) const FOREIGN: &str = "foreign";

/// The stack's two buckets, and one that the stack does not own.
pub(crate) struct S3 {
    pub(crate) objects: Objects,
    pub(crate) signer: UploadSigner,
    pub(crate) client: Client,
    /// A client that signs nothing.
    pub(crate) http: Api,
    folder: PathBuf,
    server: JoinHandle<()>,
}

impl S3 {
    pub(crate) async fn start() -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("s3-{}", PhotoId::generate()));
        for bucket in [ORIGINALS, THUMBNAILS, FOREIGN] {
            std::fs::create_dir_all(folder.join(bucket)).unwrap();
        }
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(&folder).unwrap());
        let variable = |name: &str| std::env::var(name).unwrap();
        let secret = variable("AWS_SECRET_ACCESS_KEY");
        service.set_auth(SimpleAuth::from_single(variable("AWS_ACCESS_KEY_ID"), secret));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = router(service.build());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });

        // Everything but the address is as the functions have it.
        let clients = clients();
        let s3 = Client::from_conf(clients.s3.config().to_builder().endpoint_url(url).build());
        let clients = Clients { s3: s3.clone(), ..clients };
        Self {
            objects: Objects::new(s3.clone(), ORIGINALS.to_owned(), THUMBNAILS.to_owned()),
            signer: clients.upload_signer(ORIGINALS.to_owned()),
            client: s3,
            http: Api::of_no_stack().unwrap(),
            folder,
            server,
        }
    }

    /// The keys in a bucket, by its listing.
    pub(crate) async fn keys(&self, bucket: &str) -> Vec<String> {
        let listed = self.client.list_objects_v2().bucket(bucket).send().await.unwrap();
        listed.contents().iter().filter_map(|object| object.key().map(str::to_owned)).collect()
    }

    /// Writes an object as its bucket's owner.
    pub(crate) async fn put(&self, bucket: &str, key: &str, bytes: &[u8]) {
        let put = self.client.put_object().bucket(bucket).key(key).body(bytes.to_vec().into());
        put.send().await.unwrap();
    }

    /// `GET` of a URL, without any header.
    pub(crate) async fn get(&self, url: &str) -> Reply {
        self.http.send(reqwest::Method::GET, url, &[], Vec::new()).await.unwrap()
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.server.abort();
        // What is left is of a test's folder.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The key of a new photo.
pub(crate) fn new_key() -> OriginalKey {
    OriginalKey { owner: owner(), photo_id: PhotoId::generate() }
}

fn router(service: S3Service) -> axum::Router {
    axum::Router::new().fallback(move |request: axum::extract::Request| {
        let service = service.clone();
        async move {
            match service.call(request.map(s3s::Body::http_body_unsync)).await {
                Ok(answer) => answer.map(axum::body::Body::new),
                Err(error) => {
                    axum::response::Response::builder().status(500).body(format!("{error:?}").into()).unwrap()
                }
            }
        }
    })
}
