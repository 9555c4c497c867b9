//! The operator and its clusters on a real Kubernetes. Run by `e2e/kubernetes`, which brings up what they need.

mod bad_input;
mod failpoints;
mod gitops;
mod kill;
mod long_rolls;
mod many;
mod plugin;
mod produce;
mod quorum;
mod rack;
mod ready;
mod rebalance;
mod recreate;
mod roll;
mod scale;
mod topic;
mod versions;
