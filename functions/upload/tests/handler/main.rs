//! The handler, from API Gateway's event to its answer, with the real SDK and written-down answers of AWS.

#[cfg(test)]
mod support;

#[cfg(test)]
mod create;
#[cfg(test)]
mod delete;
#[cfg(test)]
mod get;
#[cfg(test)]
mod health;
#[cfg(test)]
mod list;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod session_token;
#[cfg(test)]
mod time_limit;
#[cfg(test)]
mod uploads;
