//! `photodrop user`

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use photo_aws::operator::{Invitation, UserPool};
use serde_json::json;
use uuid::Uuid;

use crate::args::User;
use crate::error::CliError;
use crate::operator::{self, OperatedStack};
use crate::output::{Output, Text};

pub(crate) async fn run(user: &User, output: &Output) -> Result<(), CliError> {
    let name = &user.name;
    if user.mail && !name.contains('@') {
        return Err(CliError::Usage(format!("{name:?} is no e-mail address: --mail has nowhere to send to")));
    }
    let stack = OperatedStack::find(user.stack.as_deref()).await?;
    let pool = match &user.pool {
        Some(pool) => pool.clone(),
        None => pool_of(&stack).await?,
    };
    let password = if user.mail { None } else { Some(temporary_password()) };
    let invitation = password.clone().map_or(Invitation::Mail, Invitation::Password);
    stack.operator.create_user(&pool, name, invitation).await.map_err(operator::failed)?;
    let result = json!({ "user": name, "user_pool": pool, "temporary_password": password });
    let text = match &password {
        Some(password) => Text::columns(&[name, password]),
        None => Text::line(name),
    };
    output.result(&result, &text);
    Output::say(&match password {
        Some(_) => format!("{name} signs in with the temporary password within 7 days and chooses a new one"),
        None => format!("Cognito mails a temporary password to {name}"),
    });
    Ok(())
}

/// The user pool that the stack has made, which bears the stack's name.
async fn pool_of(stack: &OperatedStack) -> Result<String, CliError> {
    let name = &stack.name;
    let no_pool =
        || CliError::Usage(format!("{name} has no user pool of its own: users are its token issuer's"));
    if let Some(local) = &stack.local {
        return local.user_pool_id.clone().ok_or_else(no_pool);
    }
    let pools = stack.operator.user_pools(name).await.map_err(operator::failed)?;
    only(&pools).cloned().ok_or_else(|| match pools.as_slice() {
        [] => no_pool(),
        // A stack that was deleted leaves its pool behind.
        several => CliError::Usage(format!(
            "several user pools are called {name}: give --user-pool, the stack's output UserPoolId ({})",
            several.iter().map(|pool| pool.id.as_str()).collect::<Vec<_>>().join(", ")
        )),
    })
}

fn only(pools: &[UserPool]) -> Option<&String> {
    if let [pool] = pools { Some(&pool.id) } else { None }
}

/// A password that the pool's policy accepts: 122 random bits, and each kind of character that a policy can ask for.
fn temporary_password() -> String {
    format!("Aa1-{}", URL_SAFE_NO_PAD.encode(Uuid::new_v4()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_password_has_each_kind_of_character() {
        let password = temporary_password();
        assert!(password.len() >= 12);
        let kinds: [fn(char) -> bool; 4] =
            [|c| c.is_ascii_lowercase(), |c| c.is_ascii_uppercase(), |c| c.is_ascii_digit(), |c| c == '-'];
        assert!(kinds.into_iter().all(|kind| password.contains(kind)), "{password}");
        assert_ne!(password, temporary_password());
    }

    #[test]
    fn a_pool_is_chosen_only_when_it_is_the_only_one() {
        let pool = |id: &str| UserPool { id: id.to_owned(), name: "photodrop".to_owned() };
        assert_eq!(only(&[pool("a")]), Some(&"a".to_owned()));
        assert_eq!(only(&[]), None);
        assert_eq!(only(&[pool("a"), pool("b")]), None);
    }
}
