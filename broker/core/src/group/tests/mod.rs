//! Transitions one by one, and random clients against invariants.

mod admin;
mod commit;
mod encoding;
mod expiry;
mod harness;
mod join;
mod load;
mod property;
mod static_members;
mod sync;
