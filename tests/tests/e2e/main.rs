//! The deployed stack, end to end: real HTTP, real signatures, real events, real photos. Without a stack
//! every test fails; `make e2e` starts one.

#[cfg(test)]
mod support;

#[cfg(test)]
mod api;
#[cfg(test)]
mod auth;
#[cfg(test)]
mod backfill;
#[cfg(test)]
mod bad_photos;
#[cfg(test)]
mod completion;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod delete;
#[cfg(test)]
mod doors;
#[cfg(test)]
mod events;
#[cfg(test)]
mod hang;
#[cfg(test)]
mod idempotency;
#[cfg(test)]
mod kills;
#[cfg(test)]
mod list;
#[cfg(test)]
mod multipart;
#[cfg(test)]
mod odd_owners;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod photos;
#[cfg(test)]
mod quota;
#[cfg(test)]
mod reconcile;
#[cfg(test)]
mod signature;
#[cfg(test)]
mod transient;
#[cfg(test)]
mod types;
#[cfg(test)]
mod uploads;
