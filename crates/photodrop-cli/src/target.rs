//! Which stack is meant, and who the caller is.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::args::Global;
use crate::error::CliError;
use crate::files;

/// What `make up` writes down of the local stack.
#[derive(Clone, Deserialize)]
pub(crate) struct LocalStack {
    /// Where AWS's own APIs answer.
    pub(crate) endpoint: String,
    /// The credentials of the emulator's root user; a file of an older version has none.
    #[serde(default)]
    pub(crate) access_key_id: String,
    #[serde(default)]
    pub(crate) secret_access_key: String,
    /// The API.
    pub(crate) api_url: String,
    /// The region.
    pub(crate) region: String,
    /// The stack's name.
    #[serde(default)]
    pub(crate) stack_name: String,
    /// The reconcile function's name.
    #[serde(default)]
    pub(crate) reconcile_function: String,
    /// The stack's own user pool, where it has one.
    #[serde(default)]
    pub(crate) user_pool_id: Option<String>,
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    user_pool_client_id: Option<String>,
    #[serde(default)]
    demo_user: Option<String>,
    #[serde(default)]
    demo_password: Option<String>,
}

/// How to get a fresh token of the local stack's demo user.
#[derive(Clone)]
pub(crate) struct SignIn {
    /// Where Cognito answers.
    pub(crate) endpoint: String,
    client_id: String,
    user: String,
    password: String,
}

impl SignIn {
    /// The body of Cognito's `InitiateAuth`.
    pub(crate) fn request(&self) -> Value {
        json!({
            "ClientId": self.client_id,
            "AuthFlow": "USER_PASSWORD_AUTH",
            "AuthParameters": { "USERNAME": self.user, "PASSWORD": self.password },
        })
    }
}

/// An API and a caller.
#[derive(Clone)]
pub(crate) struct Target {
    /// The API's URL.
    pub(crate) api_url: String,
    /// The caller's token.
    pub(crate) token: Option<String>,
    /// A way to a fresh token.
    pub(crate) sign_in: Option<SignIn>,
}

impl Target {
    /// What the arguments, the environment and the folder say.
    pub(crate) fn find(global: &Global) -> Result<Self, CliError> {
        let given = given_token(global)?;
        if let Some(api_url) = &global.api {
            return Ok(Self { api_url: api_url.clone(), token: given, sign_in: None });
        }
        let Some(description) = Description::find() else {
            return Err(CliError::Usage(
                "which API? Give --api URL (or PHOTODROP_API), or start a local stack with make up"
                    .to_owned(),
            ));
        };
        if given.is_some() && !description.is_named {
            // Otherwise a file that anybody leaves in a parent folder would get the token.
            return Err(CliError::Usage(format!(
                "which API is the token for? It is sent to no API that a folder's {} names: give --api URL (or \
                 PHOTODROP_API), or unset PHOTODROP_TOKEN to be the local stack's demo user",
                description.path.display()
            )));
        }
        let stack = description.read()?;
        // Whoever brings a token wants to be its owner and nobody else.
        let sign_in = if given.is_some() { None } else { stack.sign_in() };
        Ok(Self { api_url: stack.api_url.clone(), token: given.or(stack.token), sign_in })
    }
}

impl LocalStack {
    fn sign_in(&self) -> Option<SignIn> {
        Some(SignIn {
            endpoint: format!("{}/", self.endpoint.trim_end_matches('/')),
            client_id: self.user_pool_client_id.clone()?,
            user: self.demo_user.clone()?,
            password: self.demo_password.clone()?,
        })
    }
}

/// The token of `--token-file`, else of `PHOTODROP_TOKEN`. There is no option for the token itself: every user of a
/// machine can read another's command lines.
fn given_token(global: &Global) -> Result<Option<String>, CliError> {
    let text = match &global.token_file {
        Some(path) => Some(
            std::fs::read_to_string(path).map_err(|source| CliError::Io { path: path.clone(), source })?,
        ),
        None => std::env::var("PHOTODROP_TOKEN").ok(),
    };
    Ok(text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
}

/// The local stack, if there is a description of one.
pub(crate) fn local_stack() -> Result<Option<LocalStack>, CliError> {
    Description::find().map(|description| description.read()).transpose()
}

/// The file that describes the local stack.
struct Description {
    path: PathBuf,
    /// `PHOTODROP_STACK` names it; else it is the nearest one upwards.
    is_named: bool,
}

impl Description {
    fn find() -> Option<Self> {
        let named = std::env::var_os("PHOTODROP_STACK").filter(|value| !value.is_empty());
        if let Some(path) = named {
            return Some(Self { path: path.into(), is_named: true });
        }
        Some(Self { path: upwards(&std::env::current_dir().ok()?)?, is_named: false })
    }

    /// Reads it. It says where photos and a password are sent: no other user may have written it, and one that was
    /// found in a folder, which may have come with an archive or a repository, leads to this machine alone.
    fn read(&self) -> Result<LocalStack, CliError> {
        let path = &self.path;
        let advice = |error| match error {
            CliError::Usage(text) => {
                CliError::Usage(format!("{text}; give --api URL (or PHOTODROP_API), or make the file yours"))
            }
            other => other,
        };
        let text = files::read_own(path).map_err(advice)?.ok_or_else(|| CliError::Io {
            path: path.clone(),
            source: std::io::ErrorKind::NotFound.into(),
        })?;
        let stack: LocalStack = serde_json::from_slice(&text).map_err(|error| {
            CliError::Usage(format!("{} is no description of a stack: {error}", path.display()))
        })?;
        let elsewhere = [&stack.api_url, &stack.endpoint].into_iter().find(|url| !is_on_this_machine(url));
        if let Some(url) = elsewhere.filter(|_| !self.is_named) {
            return Err(CliError::Usage(format!(
                "{} names {url:?}, which is not on this machine: give --api URL (or PHOTODROP_API) if it is \
                 right",
                path.display()
            )));
        }
        Ok(stack)
    }
}

/// Whether a URL's host is this machine, however names are resolved (RFC 6761, section 6.3).
fn is_on_this_machine(url: &str) -> bool {
    let Ok(url) = url.parse::<reqwest::Url>() else { return false };
    let Some(host) = url.host_str() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address
        .map_or_else(|_| host == "localhost" || host.ends_with(".localhost"), |address| address.is_loopback())
}

/// The nearest description. A dangling link counts: it is refused when it is read.
fn upwards(folder: &Path) -> Option<PathBuf> {
    folder
        .ancestors()
        .map(|folder| folder.join(".local/stack.json"))
        .find(|path| path.symlink_metadata().is_ok_and(|metadata| !metadata.is_dir()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_stack_is_found_from_a_folder_below_it() {
        let top = tempfile::tempdir().unwrap();
        let below = top.path().join("a/b");
        std::fs::create_dir_all(&below).unwrap();
        assert_eq!(upwards(&below), None);
        std::fs::create_dir(top.path().join(".local")).unwrap();
        let file = top.path().join(".local/stack.json");
        std::fs::write(&file, "{}").unwrap();
        assert_eq!(upwards(&below), Some(file));
    }

    #[test]
    fn this_machine_is_told_from_every_other() {
        for url in [
            "http://localhost:4566",
            "http://a1.execute-api.localhost:4566/x",
            "http://127.0.0.1",
            "http://[::1]:9",
        ] {
            assert!(is_on_this_machine(url), "{url}");
        }
        for url in [
            "http://192.0.2.1:4566",
            "https://localhost.evil.example",
            "http://evillocalhost",
            "http://localhost@evil.example",
            "http://127.0.0.1.evil.example",
            "http://[2001:db8::1]",
            "http://0.0.0.0",
            "file:///etc",
            "",
        ] {
            assert!(!is_on_this_machine(url), "{url}");
        }
    }

    #[test]
    fn a_stack_with_an_issuer_of_its_own_has_no_way_to_sign_in() {
        let mut description = json!({ "endpoint": "http://localhost:1", "api_url": "http://localhost:1/api",
            "region": "us-east-1", "user_pool_client_id": null });
        let stack: LocalStack = serde_json::from_value(description.clone()).unwrap();
        assert!(stack.sign_in().is_none());
        for (name, value) in [("user_pool_client_id", "c"), ("demo_user", "demo"), ("demo_password", "p")] {
            description[name] = json!(value);
        }
        let stack: LocalStack = serde_json::from_value(description).unwrap();
        let sign_in = stack.sign_in().unwrap();
        assert_eq!(sign_in.endpoint, "http://localhost:1/");
        assert_eq!(sign_in.request()["AuthParameters"]["USERNAME"], "demo");
    }
}
