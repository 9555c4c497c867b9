//! Epochs only grow, and grow with each change.

use crate::metadata::image::{Broker, Image, Partition};

pub(super) fn check(place: &str, old: &Partition, new: &Partition) {
    assert!(new.leader_epoch >= old.leader_epoch, "{place}: leader epoch went back: {old:?}");
    assert!(new.partition_epoch >= old.partition_epoch, "{place}: partition epoch: {old:?}");
    if new != old {
        assert!(new.partition_epoch > old.partition_epoch, "{place}: same epoch as {old:?}");
    }
    if new.leader != old.leader {
        assert!(new.leader_epoch > old.leader_epoch, "{place}: same leader epoch as {old:?}");
    }
}

pub(super) fn check_broker(before: &Image, broker: &Broker) {
    let Some(old) = before.broker(broker.id) else {
        return;
    };
    assert!(broker.epoch >= old.epoch, "{broker:?} after {old:?}");
    if broker.incarnation != old.incarnation {
        assert!(broker.epoch > old.epoch, "{broker:?} after {old:?}");
        assert!(broker.fenced, "a new process starts fenced: {broker:?}");
    }
}
