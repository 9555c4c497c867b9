//! One whole node, broker and controller, wired over Net, Disk and Clock.
