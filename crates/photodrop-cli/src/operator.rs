//! The stack that an operator's command works on, and the caller's access to AWS.

use photo_aws::operator::{Operator, OperatorError};

use crate::error::CliError;
use crate::target::{LocalStack, local_stack};

/// A stack, and the AWS APIs of the account that holds it.
pub(crate) struct OperatedStack {
    /// The caller.
    pub(crate) operator: Operator,
    /// The stack's name.
    pub(crate) name: String,
    /// The description of the local stack; `None` on AWS.
    pub(crate) local: Option<LocalStack>,
}

impl OperatedStack {
    /// The stack called `name` on AWS; without a name the local stack.
    pub(crate) async fn find(name: Option<&str>) -> Result<Self, CliError> {
        if let Some(name) = name {
            let operator = Operator::on_aws().await.map_err(failed)?;
            return Ok(Self { operator, name: name.to_owned(), local: None });
        }
        let Some(stack) = local_stack()? else {
            return Err(CliError::Usage(
                "which stack? Give --stack NAME of one on AWS, or start a local one with make up".to_owned(),
            ));
        };
        if stack.secret_access_key.is_empty() {
            return Err(CliError::Usage(
                "the local stack's description has no secret: make down, make up".to_owned(),
            ));
        }
        let (id, secret) = (&stack.access_key_id, &stack.secret_access_key);
        let operator = Operator::local(&stack.endpoint, &stack.region, id, secret).await;
        Ok(Self { operator, name: stack.stack_name.clone(), local: Some(stack) })
    }
}

/// An operator's failure, with the exit code that tells a script.
pub(crate) fn failed(error: OperatorError) -> CliError {
    match error {
        OperatorError::NoRegion => CliError::Usage(error.to_string()),
        OperatorError::Credentials(_) => CliError::Auth(error.to_string()),
        OperatorError::Unreachable(reason) => CliError::Unreachable { host: "AWS".to_owned(), reason },
        OperatorError::Refused { .. } | OperatorError::Incomplete { .. } | OperatorError::Function(_) => {
            CliError::Aws(error.to_string())
        }
    }
}
