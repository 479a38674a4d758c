//! Where the stack is.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use aws_credential_types::Credentials;
use serde::Deserialize;

/// What `make up` and `make test` write down of a deployed stack.
#[derive(Clone, Debug, Deserialize)]
pub struct Stack {
    /// Where AWS's own APIs answer.
    pub endpoint: String,
    /// The access key of the emulator's root user.
    pub access_key_id: String,
    /// The secret of the emulator's root user, which is the stack's own.
    pub secret_access_key: String,
    /// The HTTP API's base URL.
    pub api_url: String,
    /// Where the upload page is served.
    pub web_url: String,
    /// An access token of the demo user.
    pub token: String,
    /// The region.
    pub region: String,
    /// The bucket that clients put photos into.
    pub originals_bucket: String,
    /// The bucket of the variants.
    pub thumbnails_bucket: String,
    /// The table.
    pub table_name: String,
    /// The upload function's name.
    pub upload_function: String,
    /// The thumbnail function's name.
    pub thumbnail_function: String,
    /// The reconcile function's name.
    pub reconcile_function: String,
    /// The upload function's log group.
    pub upload_log_group: String,
    /// The thumbnail function's log group.
    pub thumbnail_log_group: String,
    /// The queue of the thumbnail function's events.
    pub thumbnail_queue_url: String,
    /// Where events go that could not be processed.
    pub failure_queue_url: String,
    /// Where photos are announced.
    pub event_bus_name: String,
    /// The user pool.
    pub user_pool_id: String,
    /// The user pool's client.
    pub user_pool_client_id: String,
}

impl Stack {
    /// The credentials of the emulator's root user.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        Credentials::new(&self.access_key_id, &self.secret_access_key, None, None, "local")
    }

    /// Reads the description of the running stack; without one there is nothing to test, and that is an error.
    pub fn load() -> Result<Self> {
        let path = std::env::var_os("PHOTODROP_STACK").map_or_else(default_path, PathBuf::from);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("no stack to test: {} (make e2e starts one)", path.display()))?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} is not a stack's description", path.display()))
    }
}

fn default_path() -> PathBuf {
    root().join(".local/stack.json")
}

/// The repository's top folder.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
