//! Replica placement and reassignment planning, pure and without dependencies.
