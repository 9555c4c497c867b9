//! What must hold, one invariant a file, each with its source. Each gives the reasons why it does not.

mod acknowledged;
mod admin_kept;
mod high_watermark;
mod in_sync;
mod logs_agree;
mod metadata_agrees;
mod no_duplicates;
mod one_leader;
mod one_metadata_log;
mod one_vote;
mod one_voter_change;
mod recovers;
mod replicas;
mod stable_reads;
mod stale_epochs;
mod voters_kept;
mod watch;

pub use acknowledged::acknowledged;
pub use admin_kept::admin_kept;
pub use high_watermark::HighWatermarks;
pub use in_sync::{all_in_sync, in_sync};
pub use logs_agree::logs_agree;
pub use metadata_agrees::metadata_agrees;
pub use no_duplicates::no_duplicates;
pub use one_leader::OneLeader;
pub use one_metadata_log::OneMetadataLog;
pub use one_vote::OneVote;
pub use one_voter_change::OneVoterChange;
pub use recovers::recovers;
pub use replicas::{Led, Replica, led_values, replicas, values};
pub use stable_reads::stable_reads;
pub use stale_epochs::StaleEpochs;
pub use voters_kept::voters_kept;
pub use watch::Watch;
