//! Kafka's own tools, kcat and kafka-python against real broker processes. Run by `e2e/clients/run`.

mod bad_input;
mod cluster;
mod elections;
mod follower_reads;
mod log_dirs;
mod mirror;
mod planner;
mod quorum;
mod reassign;
mod restart_safety;
mod single;
mod versions;
