//! What the end-to-end tests stand on: processes, Kafka's own tools, and Kubernetes through `kubectl`.
//!
//! Nothing here sleeps for a fixed time to let something happen: [`wait::until`] looks again until a condition holds or
//! its deadline is over, and says what it saw last.

pub mod kubernetes;
#[cfg(feature = "load")]
pub mod load;
pub mod process;
pub mod tools;
pub mod wait;
