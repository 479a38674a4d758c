//! Users of a stack's own user pool.

use std::fmt;

use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::types::{AttributeType, DeliveryMediumType, MessageActionType};

use super::{Operator, OperatorError, refused};

const CREATE: &str = "cognito-idp:AdminCreateUser";
/// The most that one call lists.
const PAGE: i32 = 60;

/// A Cognito user pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPool {
    /// Its id, such as `eu-central-1_AbCdEf123`.
    pub id: String,
    /// Its name. Names are not unique.
    pub name: String,
}

/// How a new user learns the temporary password.
#[derive(Clone, PartialEq, Eq)]
pub enum Invitation {
    /// Cognito makes one and mails it to the user's name, which is an address.
    Mail,
    /// The operator passes this one on.
    Password(String),
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mail => "Mail",
            Self::Password(_) => "Password(…)",
        })
    }
}

impl Operator {
    /// Returns the account's user pools with this name: `cognito-idp:ListUserPools`.
    pub async fn user_pools(&self, name: &str) -> Result<Vec<UserPool>, OperatorError> {
        let client = Client::new(&self.config);
        let mut pages = client.list_user_pools().max_results(PAGE).into_paginator().items().send();
        let mut found = Vec::new();
        while let Some(pool) = pages.next().await {
            let pool = pool.map_err(|error| refused("cognito-idp:ListUserPools", &error))?;
            if let (Some(id), Some(own)) = (pool.id, pool.name)
                && own == name
            {
                found.push(UserPool { id, name: own });
            }
        }
        Ok(found)
    }

    /// Creates a user: `cognito-idp:AdminCreateUser`. At the first sign-in the user chooses a new password.
    pub async fn create_user(
        &self,
        pool: &str,
        name: &str,
        invitation: Invitation,
    ) -> Result<(), OperatorError> {
        let mut call = Client::new(&self.config).admin_create_user().user_pool_id(pool).username(name);
        if name.contains('@') {
            // The operator vouches for the address: a forgotten password can be mailed there.
            for (attribute, value) in [("email", name), ("email_verified", "true")] {
                let attribute = AttributeType::builder().name(attribute).value(value).build();
                call = call.user_attributes(
                    attribute
                        .map_err(|_| OperatorError::Incomplete { operation: CREATE, missing: "Name" })?,
                );
            }
        }
        call = match invitation {
            // Otherwise Cognito would send a text message.
            Invitation::Mail => call.desired_delivery_mediums(DeliveryMediumType::Email),
            Invitation::Password(password) => {
                call.temporary_password(password).message_action(MessageActionType::Suppress)
            }
        };
        call.send().await.map(drop).map_err(|error| refused(CREATE, &error))
    }
}
