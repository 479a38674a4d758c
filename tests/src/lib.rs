//! What the end-to-end tests share: the deployed stack, its API as a client sees it, and the AWS behind it.
//!
//! | module | holds |
//! | --- | --- |
//! | [`stack`] | where the stack is: `.local/stack.json`, or the file that `PHOTODROP_STACK` names |
//! | [`api`] | the HTTP API and presigned uploads, as a client uses them |
//! | [`aws`] | the services behind it: table, buckets, functions, queue, user pool |
//! | [`holdup`] | a proxy that holds requests up, for making AWS hang |
//! | [`schemas`] | the JSON schemas of the announced events |
//! | [`photos`] | the real photos of the imaging crate's test data |

pub mod api;
pub mod aws;
pub mod holdup;
pub mod photos;
pub mod schemas;
pub mod stack;

pub use api::{Api, Created, Reply};
pub use aws::Aws;
pub use holdup::Holdup;
pub use stack::Stack;
