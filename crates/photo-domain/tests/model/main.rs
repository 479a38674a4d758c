//! A model check of a photo's life: every interleaving of uploads, events (twice, late, out of order, lost), deletes,
//! expiry and reconcile, with a crash between any two steps.
//!
//! The writes' conditions are those of the product: [`Step::from`](photo_domain::Step::from), from which the table's
//! condition expressions are made too. [`system`] says what the processes do, [`calm`] what is left when all is over.

#[cfg(test)]
mod calm;
#[cfg(test)]
mod checks;
#[cfg(test)]
mod processes;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod sweeps;
#[cfg(test)]
mod system;
