//! The Raft library behind a narrow trait, with its storage on odradek-log.
