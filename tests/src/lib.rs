//! What the end-to-end tests and the measurements share: the deployed stack, its API as a client sees it, and the AWS behind it.
//!
//! | module | holds |
//! | --- | --- |
//! | [`stack`] | where the stack is: `.local/stack.json`, or the file that `PHOTODROP_STACK` names |
//! | [`api`] | the HTTP API and presigned uploads, as a client uses them |
//! | [`aws`] | the services behind it: table, buckets, functions, queue, user pool |
//! | [`audit`] | whether anything was lost: a photo's record against the buckets and the failure queue |
//! | [`faults`] | a proxy that makes single calls of the functions go wrong |
//! | [`holdup`] | a proxy that holds requests up, for making AWS hang |
//! | [`measure`] | figures out of times and log lines |
//! | [`patience`] | how long a test waits for something |
//! | [`old_way`] | thumbnails inside the request, for comparison |
//! | [`schemas`] | the JSON schemas of the announced events |
//! | [`photos`] | the real photos of the imaging crate's test data |

pub mod api;
pub mod audit;
pub mod aws;
pub mod faults;
pub mod holdup;
pub mod measure;
pub mod old_way;
pub mod patience;
pub mod photos;
pub mod schemas;
pub mod stack;

pub use api::{Api, Created, Reply};
pub use aws::Aws;
pub use holdup::Holdup;
pub use stack::Stack;
