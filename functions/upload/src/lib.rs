//! The request path: it checks a request, signs an S3 URL, writes one record and answers.
//!
//! No photo's bytes come through here, and nothing here can decode an image: the dependency tree of
//! this crate holds no image code, and a test keeps it so.
//!
//! | module | holds |
//! | --- | --- |
//! | [`app`] | what each route does |
//! | [`routes`] | which route a request is for |
//! | [`request`] | a request's parts, checked |
//! | [`response`] | the answers' JSON |
//! | [`error`] | every way a request can fail, as a problem document |
//! | [`config`] | the environment |

pub mod app;
pub mod config;
pub mod error;
pub mod request;
pub mod response;
pub mod routes;

pub use app::App;
pub use config::Config;
