//! The operating system's files under a quorum.

use std::sync::Arc;

use bytes::Bytes;
use odradek_log::{Disk, RealDisk};
use odradek_quorum::{Quorum, QuorumConfig};

#[test]
fn entries_snapshots_and_votes_are_there_after_a_restart() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("deep").join("__cluster_metadata-0");
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    let open = || {
        let mut config = QuorumConfig::new(3, [3], 1);
        config.segment_bytes = 10_000;
        config.keep_entries = 10;
        Quorum::open(disk.clone(), dir.clone(), config, 1_800_000_000_000).unwrap()
    };
    let mut quorum = open();
    quorum.ready(1_800_000_000_000).unwrap();
    for number in 0..300_u32 {
        quorum.propose(number.to_be_bytes().repeat(20)).unwrap();
        assert_eq!(quorum.ready(1_800_000_000_000 + i64::from(number)).unwrap().committed.len(), 1);
        // The log is cut behind the snapshot before the newest.
        if number == 100 || number == 200 {
            quorum.compact(quorum.next_index() - 1, Bytes::from_static(b"state"), 1_800_000_000_000).unwrap();
        }
    }
    drop(quorum);
    let mut quorum = open();
    let ready = quorum.ready(1).unwrap();
    assert_eq!(ready.snapshot.map(|snapshot| (snapshot.index, snapshot.term)), Some((202, 1)));
    assert_eq!(ready.committed.first().map(|entry| entry.index), Some(203));
    assert_eq!(ready.committed.last().map(|entry| (entry.index, entry.term)), Some((302, 2)));
    assert!(quorum.status().first_index > 1, "segments before the snapshot are gone");
}
