//! The functions' real code against implementations of AWS that share nothing with MiniStack: `DynamoDB` Local, s3s and moto.
//! Without their endpoints every test fails; `make second` starts them. `docs/adr/050-second-implementation.md` says what each
//! one is believed about.
//!
//! | module | holds |
//! | --- | --- |
//! | `support` | clients as the functions make them; a table for each test, made like the template's |
//! | `s3` | an S3 server for each test, which verifies every signature |
//! | `creation`, `quotas`, `steps`, `reads` | the table, on `DynamoDB` Local |
//! | `objects`, `forms`, `multipart` | the buckets, on s3s |
//! | `differences` | what s3s does otherwise than AWS, as `docs/ARCHITECTURE.md` lists it |
//! | `messages` | queues and events, on moto |
//! | `product` | the upload function and the thumbnail function, on all three |

#[cfg(test)]
mod s3;
#[cfg(test)]
mod support;

#[cfg(test)]
mod creation;
#[cfg(test)]
mod differences;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod multipart;
#[cfg(test)]
mod objects;
#[cfg(test)]
mod product;
#[cfg(test)]
mod quotas;
#[cfg(test)]
mod reads;
#[cfg(test)]
mod steps;
