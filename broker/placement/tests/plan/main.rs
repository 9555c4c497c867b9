//! What plans must hold, whatever the cluster.

mod batches;
mod errors;
mod even;
mod goals;
mod racks;
mod world;
