//! One whole node, wired over Net, Disk and Clock: the broker's loop and the controller's loop.
//!
//! Both are state machines: `handle(now, event, &mut commands)`. They read no clock, open no socket and start no
//! thread; the server's threads and the simulator run the same code. Disk is the exception that proves the rule: a
//! loop reads and writes through [`odradek_log::Disk`], which the simulator replaces.

pub mod broker;
pub mod controller;
pub mod event;
