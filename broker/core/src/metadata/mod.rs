//! The cluster's metadata: its records, the image that they add up to, and the decisions of the
//! active controller.
//!
//! The controllers' log holds [`record::Record`]s. Every node applies the committed ones, in
//! order, to an [`image::Image`]. The active controller's [`controller::Controller`] turns
//! requests and the passing of time into new records.

pub mod controller;
pub mod image;
pub mod reassignments;
pub mod record;
pub mod rpc;
pub mod topic_config;
pub mod topic_name;
