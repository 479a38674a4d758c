//! Which stack is meant, and who the caller is.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::args::Global;
use crate::error::CliError;

/// What `make up` writes down of the local stack.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct LocalStack {
    /// Where AWS's own APIs answer.
    pub(crate) endpoint: String,
    /// The API.
    pub(crate) api_url: String,
    /// The region.
    pub(crate) region: String,
    /// The reconcile function's name.
    #[serde(default)]
    pub(crate) reconcile_function: String,
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
#[derive(Clone, Debug)]
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
#[derive(Clone, Debug)]
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
        let Some(stack) = local_stack()? else {
            return Err(CliError::Usage(
                "which API? Give --api URL (or PHOTODROP_API), or start a local stack with make up"
                    .to_owned(),
            ));
        };
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

/// The local stack's description: the file that `PHOTODROP_STACK` names, else the nearest one upwards.
pub(crate) fn local_stack() -> Result<Option<LocalStack>, CliError> {
    let named = std::env::var_os("PHOTODROP_STACK").map(PathBuf::from);
    let path = match named {
        Some(path) => Some(path),
        None => std::env::current_dir().ok().and_then(|folder| upwards(&folder)),
    };
    let Some(path) = path else { return Ok(None) };
    let text =
        std::fs::read_to_string(&path).map_err(|source| CliError::Io { path: path.clone(), source })?;
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|error| CliError::Usage(format!("{} is no description of a stack: {error}", path.display())))
}

fn upwards(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().map(|folder| folder.join(".local/stack.json")).find(|path| path.is_file())
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
