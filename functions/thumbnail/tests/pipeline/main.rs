//! The pipeline, from S3's event to the settled record, with real photos, the real SDK and written-down
//! answers of AWS.

#[cfg(test)]
mod support;

#[cfg(test)]
mod damage;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod outcomes;
#[cfg(test)]
mod queue;
#[cfg(test)]
mod renew;
#[cfg(test)]
mod transient;
#[cfg(test)]
mod types;
