//! Producer ids are handed out in blocks, never twice.

use crate::metadata::controller::PRODUCER_ID_BLOCK;
use crate::metadata::image::Image;

pub(super) fn check(before: &Image, after: &Image) {
    let handed = after.next_producer_id() - before.next_producer_id();
    assert!(handed == 0 || handed == i64::from(PRODUCER_ID_BLOCK), "{handed} ids at once");
}
