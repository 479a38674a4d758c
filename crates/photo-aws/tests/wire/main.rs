//! What goes over the wire to DynamoDB and S3, and how their answers are understood. The SDK is the real
//! one; only its HTTP connection is replaced.

#[cfg(test)]
mod busy;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod contention;
#[cfg(test)]
mod quota;
#[cfg(test)]
mod retries;
#[cfg(test)]
mod s3;
#[cfg(test)]
mod table;
