//! Nothing is lost, whatever goes wrong: the deployed functions behind a proxy that makes their calls fail.
//!
//! Without a stack every test fails; `make e2e` starts one. `PHOTODROP_CHAOS=1` (`make chaos`) tries every fault at every
//! call instead of one call of each kind, and adds what takes longer.

#[cfg(test)]
mod away;
#[cfg(test)]
mod backfill;
#[cfg(test)]
mod client;
#[cfg(test)]
mod count;
#[cfg(test)]
mod kills;
#[cfg(test)]
mod reconcile;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod small_account;
#[cfg(test)]
mod storm;
#[cfg(test)]
mod thumbnail;
#[cfg(test)]
mod upload;
