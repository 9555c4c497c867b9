//! The broker loop.
