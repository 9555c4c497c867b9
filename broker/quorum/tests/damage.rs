//! Each file of a quorum's folder, damaged or gone: a clear error or a safe repair, and never a forgotten vote.

mod sim;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use odradek_log::disk::mem::{DiskOp, Fault};
use odradek_log::disk::read_file;
use odradek_log::{Disk, MemDisk, OpenMode};
use odradek_quorum::{ProposeError, Quorum, QuorumConfig, QuorumError, Role, StepError};
use sim::{Cluster, Faults, dir};

fn open(disk: &MemDisk) -> Result<Quorum, QuorumError> {
    Quorum::open(Arc::new(disk.clone()), dir(), QuorumConfig::new(0, [0], 1), 1)
}

/// A lone voter's disk with ten entries behind a snapshot and the note of a clean close.
fn used_disk() -> MemDisk {
    let disk = MemDisk::new();
    let mut quorum = open(&disk).unwrap();
    quorum.ready(1).unwrap();
    for number in 0..20_u8 {
        if number == 10 {
            quorum.compact(quorum.next_index() - 1, Bytes::from_static(b"state"), 1).unwrap();
        }
        quorum.propose(vec![number; 50]).unwrap();
        quorum.ready(1).unwrap();
    }
    quorum.close().unwrap();
    disk
}

fn files(disk: &MemDisk, suffix: &str) -> Vec<PathBuf> {
    let files = disk.files().into_iter().map(|(path, _)| path);
    files.filter(|path| path.to_string_lossy().ends_with(suffix)).collect()
}

fn flip(disk: &MemDisk, path: &Path, position: u64) {
    let file = disk.open(path, OpenMode::ReadWrite).unwrap();
    let mut byte = [0];
    file.read_at(&mut byte, position).unwrap();
    file.write_at(&[byte[0] ^ 0x10], position).unwrap();
    file.sync().unwrap();
}

fn assert_damaged(disk: &MemDisk, file: &Path, what: &str) {
    match open(disk) {
        Err(QuorumError::Damaged { path, reason }) => {
            assert!(path == file || path == dir(), "{what}: {} {reason}", path.display());
        }
        Err(other) => panic!("{what}: {other}"),
        Ok(_) => panic!("{what} was not noticed"),
    }
}

#[test]
fn a_lone_voter_leads_at_once_and_commits_in_one_turn() {
    let disk = MemDisk::new();
    let mut quorum = open(&disk).unwrap();
    let ready = quorum.ready(1).unwrap();
    assert_eq!((ready.became_leader, ready.committed.len()), (Some(1), 1));
    assert_eq!(quorum.status().role, Role::Leader);
    // With the first proposal the quorum forms, which is noted beside the log.
    quorum.propose(b"first".to_vec()).unwrap();
    quorum.ready(1).unwrap();
    assert!(quorum.is_formed());
    let syncs = disk.counts().syncs;
    let index = quorum.propose(b"a".to_vec()).unwrap();
    let ready = quorum.ready(1).unwrap();
    assert_eq!(ready.committed.iter().map(|entry| entry.index).collect::<Vec<_>>(), [index]);
    assert_eq!(&ready.committed[0].data[..], b"a");
    assert_eq!(disk.counts().syncs - syncs, 1, "one sync for one turn");
    assert!(quorum.ready(1).unwrap().is_empty());
}

#[test]
fn entries_of_one_turn_share_one_sync() {
    let disk = MemDisk::new();
    let mut quorum = open(&disk).unwrap();
    quorum.ready(1).unwrap();
    quorum.propose(b"first".to_vec()).unwrap();
    quorum.ready(1).unwrap();
    let syncs = disk.counts().syncs;
    for number in 0..100_u8 {
        quorum.propose(vec![number]).unwrap();
    }
    assert_eq!(quorum.ready(1).unwrap().committed.len(), 100);
    assert_eq!(disk.counts().syncs - syncs, 1);
}

#[test]
fn a_restart_gives_the_snapshot_and_what_follows_it() {
    let disk = used_disk();
    let mut quorum = open(&disk).unwrap();
    let ready = quorum.ready(1).unwrap();
    let snapshot = ready.snapshot.unwrap();
    assert_eq!((snapshot.index, &snapshot.data[..]), (11, b"state".as_slice()));
    let entries = ready.committed.iter().map(|entry| (entry.index, entry.data.len())).collect::<Vec<_>>();
    let expected = (12..=21).map(|index| (index, 50)).chain([(22, 0)]).collect::<Vec<_>>();
    assert_eq!(entries, expected, "and the entry of the new term");
    assert_eq!(ready.became_leader, Some(2));
}

#[test]
fn a_state_file_that_does_not_check_stops_the_start() {
    let state = dir().join("quorum-state");
    let length = read_file(&used_disk(), &state).unwrap().len() as u64;
    for position in 0..length {
        let disk = used_disk();
        flip(&disk, &state, position);
        assert_damaged(&disk, &state, &format!("byte {position} of quorum-state"));
    }
    for length in 0..length {
        let disk = used_disk();
        disk.open(&state, OpenMode::ReadWrite).unwrap().truncate(length).unwrap();
        assert_damaged(&disk, &state, &format!("quorum-state cut to {length}"));
    }
    let disk = used_disk();
    disk.remove_file(&state).unwrap();
    assert_damaged(&disk, &state, "quorum-state removed");
}

/// A disk whose log is cut: two snapshots, of which the newest stands for entries that are gone.
fn cut_disk() -> MemDisk {
    let disk = MemDisk::new();
    let mut config = QuorumConfig::new(0, [0], 1);
    (config.segment_bytes, config.keep_entries) = (1_000, 0);
    let mut quorum = Quorum::open(Arc::new(disk.clone()), dir(), config, 1).unwrap();
    quorum.ready(1).unwrap();
    for number in 0..60_u8 {
        if number % 20 == 10 {
            quorum.compact(quorum.next_index() - 1, Bytes::copy_from_slice(&[number]), 1).unwrap();
        }
        quorum.propose(vec![number; 50]).unwrap();
        quorum.ready(1).unwrap();
    }
    quorum.close().unwrap();
    disk
}

#[test]
fn what_is_before_a_snapshot_that_does_not_check_stands_for_it() {
    let snapshots = files(&used_disk(), ".checkpoint");
    let [snapshot] = snapshots.as_slice() else { panic!("one snapshot: {snapshots:?}") };
    assert_eq!(snapshot, &dir().join("00000000000000000011-0000000001.checkpoint"));
    let length = read_file(&used_disk(), snapshot).unwrap().len() as u64;
    let whole = |disk: &MemDisk, what: &str| {
        let ready = open(disk).unwrap_or_else(|error| panic!("{what}: {error}")).ready(1).unwrap();
        assert_eq!((ready.snapshot, ready.committed.len()), (None, 22), "{what}: all entries, from the first on");
    };
    for position in 0..length {
        let disk = used_disk();
        flip(&disk, snapshot, position);
        whole(&disk, &format!("byte {position}"));
        assert!(!disk.exists(snapshot), "it is out of the way");
    }
    for length in 0..length {
        let disk = used_disk();
        disk.open(snapshot, OpenMode::ReadWrite).unwrap().truncate(length).unwrap();
        whole(&disk, &format!("cut to {length}"));
    }
    let disk = used_disk();
    disk.remove_file(snapshot).unwrap();
    whole(&disk, "removed");

    // With a log that was cut: the snapshot before, and what follows on that.
    let snapshots = files(&cut_disk(), ".checkpoint");
    let [previous, newest] = snapshots.as_slice() else { panic!("two snapshots: {snapshots:?}") };
    let disk = cut_disk();
    assert_eq!(open(&disk).unwrap().ready(1).unwrap().snapshot.map(|it| it.data[0]), Some(50));
    flip(&disk, newest, 60);
    let ready = open(&disk).unwrap().ready(1).unwrap();
    let snapshot = ready.snapshot.unwrap();
    assert_eq!(snapshot.data[0], 30);
    assert_eq!(ready.committed.first().map(|entry| entry.index), Some(snapshot.index + 1));
    // Nothing stands for it when that one does not check either.
    let disk = cut_disk();
    flip(&disk, newest, 60);
    flip(&disk, previous, 60);
    let kept = |disk: &MemDisk| [files(disk, ".log"), files(disk, ".checkpoint"), files(disk, "quorum-state")];
    let before = kept(&disk);
    assert_damaged(&disk, newest, "both snapshots");
    assert_eq!(kept(&disk), before, "nothing is half done");
}

#[test]
fn a_snapshot_of_a_newer_format_is_told_as_such() {
    let disk = cut_disk();
    for snapshot in files(&disk, ".checkpoint") {
        let mut bytes = read_file(&disk, &snapshot).unwrap();
        bytes[8] = 2;
        let crc = crc32c::crc32c(&bytes[..bytes.len() - 4]).to_be_bytes();
        let end = bytes.len() - 4;
        bytes[end..].copy_from_slice(&crc);
        let file = disk.open(&snapshot, OpenMode::ReadWrite).unwrap();
        file.write_at(&bytes, 0).unwrap();
        file.sync().unwrap();
    }
    let error = open(&disk).unwrap_err().to_string();
    assert!(error.contains("format version 2") && error.contains("newer release"), "{error}");
}

#[test]
fn a_torn_end_of_the_log_is_cut_and_a_lost_part_is_not_accepted() {
    let logs = files(&used_disk(), ".log");
    let log = logs.last().unwrap();
    let length = read_file(&used_disk(), log).unwrap().len() as u64;
    let disk = used_disk();
    let file = disk.open(log, OpenMode::ReadWrite).unwrap();
    file.write_at(&[0x55; 100], length).unwrap();
    drop(file);
    let committed = open(&disk).unwrap().ready(1).unwrap().committed;
    assert_eq!(committed.len(), 11, "all of them, and the entry of the new term");
    for position in (0..length).step_by(7) {
        let disk = used_disk();
        flip(&disk, log, position);
        match open(&disk) {
            // The first of the entries are part of the snapshot, which stands for them.
            Ok(mut quorum) => {
                assert_eq!(quorum.ready(1).unwrap().snapshot.map(|s| s.index), Some(11), "byte {position}")
            }
            Err(QuorumError::Damaged { .. }) => {}
            Err(error) => panic!("byte {position}: {error}"),
        }
    }
    let disk = used_disk();
    disk.open(log, OpenMode::ReadWrite).unwrap().truncate(length - 1).unwrap();
    assert_damaged(&disk, log, "the last entry");
}

#[test]
fn another_nodes_folder_is_refused() {
    let disk = used_disk();
    let config = QuorumConfig::new(1, [0, 1, 2], 1);
    let error = Quorum::open(Arc::new(disk), dir(), config, 1).unwrap_err();
    assert!(matches!(error, QuorumError::OtherNode { found: 0, expected: 1, .. }), "{error}");
}

#[test]
fn a_node_that_is_no_voter_observes_and_never_leads() {
    let mut quorum = Quorum::open(Arc::new(MemDisk::new()), dir(), QuorumConfig::new(9, [0, 1], 1), 1).unwrap();
    for _ in 0..200 {
        quorum.tick();
        assert!(quorum.ready(1).unwrap().is_empty());
    }
    assert!(!quorum.is_voter());
    // Voters of a formed quorum are its own, whatever the configuration says later.
    let quorum = Quorum::open(Arc::new(used_disk()), dir(), QuorumConfig::new(0, [0, 1, 2], 1), 1);
    assert!(quorum.unwrap().is_alone());
}

#[test]
fn a_folder_under_another_directory_id_is_refused() {
    let config = QuorumConfig { directory_id: Some([7; 16]), ..QuorumConfig::new(0, [0], 1) };
    let error = Quorum::open(Arc::new(used_disk()), dir(), config, 1).unwrap_err();
    assert!(matches!(error, QuorumError::OtherDirectory { .. }), "{error}");
}

#[test]
fn a_disk_that_fails_stops_the_quorum_for_good() {
    for op in [DiskOp::Sync, DiskOp::Write] {
        let disk = MemDisk::new();
        let mut quorum = open(&disk).unwrap();
        quorum.ready(1).unwrap();
        let kind = std::io::ErrorKind::Other;
        disk.inject(Fault { op, path_contains: String::new(), after: 0, times: 1, kind });
        quorum.propose(b"x".to_vec()).unwrap();
        assert!(quorum.ready(1).is_err(), "{op:?}");
        // The disk is well again, and what it holds is in doubt all the same.
        assert!(matches!(quorum.ready(1), Err(QuorumError::Stopped)));
        assert_eq!(quorum.propose(b"y".to_vec()), Err(ProposeError::Stopped));
        drop(quorum);
        open(&disk).unwrap().ready(1).unwrap();
    }
}

#[test]
fn an_entry_that_fits_no_segment_is_refused_before_it_harms() {
    let mut config = QuorumConfig::new(0, [0], 1);
    config.segment_bytes = 4_096;
    let mut quorum = Quorum::open(Arc::new(MemDisk::new()), dir(), config, 1).unwrap();
    quorum.ready(1).unwrap();
    let max = quorum.max_entry_bytes();
    assert_eq!(quorum.propose(vec![0; max + 1]), Err(ProposeError::TooLarge { bytes: max + 1, max }));
    quorum.propose(vec![0; max]).unwrap();
    assert_eq!(quorum.ready(1).unwrap().committed.len(), 1);
}

#[test]
fn messages_of_strangers_and_noise_are_dropped() {
    let mut quorum = open(&MemDisk::new()).unwrap();
    quorum.ready(1).unwrap();
    let mut rng = sim::Rng::new(1);
    for length in 0..200 {
        let noise: Vec<u8> = (0..length).map(|_| rng.next() as u8).collect();
        match quorum.step(&noise.into()) {
            Ok(()) | Err(StepError::Malformed(_) | StepError::Stranger { .. } | StepError::Unexpected(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    quorum.propose(b"x".to_vec()).unwrap();
    assert_eq!(quorum.ready(1).unwrap().committed.len(), 1);
}

/// A cluster in which node `away` is down and the others went on without it.
fn with_one_away(seed: u64) -> (Cluster, u64, u64) {
    let mut cluster = Cluster::new(3, seed);
    cluster.keep_entries = 1_000;
    let leader = cluster.settle();
    for _ in 0..10 {
        cluster.propose(leader);
    }
    cluster.settle();
    let leader = cluster.settle();
    (cluster, leader, (leader + 1) % 3)
}

#[test]
fn a_controller_with_an_empty_disk_comes_back_as_an_observer_and_is_made_a_voter() {
    for seed in 0..10 {
        let (mut cluster, leader, away) = with_one_away(seed);
        cluster.wipe(away);
        cluster.nodes.get_mut(&away).unwrap().wanted = false;
        cluster.start(away);
        for _ in 0..100 {
            cluster.step(Faults::NONE);
        }
        cluster.propose(leader);
        let members = cluster.nodes[&leader].quorum.as_ref().unwrap().members().to_vec();
        let own = sim::directory(away, 2);
        assert!(members.iter().any(|member| member.is(away, &own) && member.observer), "{members:?}");
        let voters = members.iter().filter(|member| !member.observer).count();
        assert_eq!(voters, 3, "the disk that is gone is still the voter");
        cluster.nodes.get_mut(&away).unwrap().wanted = true;
        cluster.settle();
        let members = cluster.nodes[&away].quorum.as_ref().unwrap().members();
        assert_eq!(members.len(), 3);
        assert!(members.iter().all(|member| !member.observer));
    }
}

#[test]
fn an_empty_disk_neither_elects_nor_acknowledges_under_the_old_name() {
    for seed in 0..20 {
        let (mut cluster, leader, behind) = with_one_away(seed);
        // `behind` misses what the two others commit; then one of the two loses its disk, and the other one is away.
        cluster.kill(behind);
        for _ in 0..5 {
            cluster.propose(leader);
            cluster.step_without(behind);
        }
        let wiped = (0..3).find(|id| *id != leader && *id != behind).unwrap();
        cluster.kill(leader);
        cluster.wipe(wiped);
        cluster.start(wiped);
        cluster.start(behind);
        for _ in 0..200 {
            cluster.step_without(leader);
            assert_eq!(cluster.leader(), None, "seed {seed}");
        }
        // The one that has everything comes back.
        cluster.start(leader);
        cluster.settle();
    }
}

#[test]
fn two_empty_disks_of_three_do_not_form_a_second_quorum() {
    for seed in 0..20 {
        let (mut cluster, leader, _) = with_one_away(seed);
        for id in (0..3).filter(|id| *id != leader) {
            cluster.wipe(id);
            cluster.start(id);
        }
        cluster.kill(leader);
        for _ in 0..300 {
            cluster.step_without(leader);
            assert_eq!(cluster.leader(), None, "seed {seed}");
        }
    }
}

#[test]
fn a_lost_quorum_begins_anew_with_one_voter_and_the_old_ones_do_not_count() {
    let (mut cluster, leader, other) = with_one_away(3);
    let survivor = (0..3).find(|id| *id != leader && *id != other).unwrap();
    for id in 0..3 {
        cluster.kill(id);
    }
    let disk: Arc<dyn Disk> = Arc::new(cluster.nodes[&survivor].disk.clone());
    let config = cluster.config(survivor);
    let hash = cluster.nodes[&survivor].state;
    let nothing = Quorum::recover::<QuorumError>(disk.clone(), dir(), &config, 1, |_, _, _| Ok(None)).unwrap();
    assert_eq!(nothing, None);
    let recovered = Quorum::recover::<QuorumError>(disk.clone(), dir(), &config, 1, |snapshot, entries, found| {
        assert_eq!(snapshot, None);
        assert_eq!((entries.len() as u64, found.voters.len()), (found.last_index, 3));
        Ok(Some(Bytes::copy_from_slice(&hash.1.to_be_bytes())))
    });
    let recovered = recovered.unwrap().unwrap();
    let mut quorum = Quorum::open(disk, dir(), config, 1).unwrap();
    let ready = quorum.ready(1).unwrap();
    assert_eq!(ready.became_leader, Some(recovered.term + 1));
    assert_eq!(ready.snapshot.map(|snapshot| snapshot.index), Some(recovered.begins));
    assert!(recovered.begins > recovered.last_index + 100_000, "nobody has followed the old log that far");
    assert!(quorum.is_alone() && quorum.is_formed() && quorum.generation() == 1);
    // What one of the old quorum says is dropped there,
    cluster.start(other);
    let mut said = Vec::new();
    let old = cluster.nodes.get_mut(&other).unwrap().quorum.as_mut().unwrap();
    for _ in 0..60 {
        old.tick();
        said.extend(old.ready(1).unwrap().messages.into_iter().filter(|(to, _)| *to == survivor));
    }
    assert!(matches!(quorum.step(&said[0].1), Err(StepError::Outdated { .. })));
    // and it stops when it hears of the new one.
    let own = Bytes::copy_from_slice(&sim::directory(other, 1));
    quorum.add_observer(other, own, other + 1, Vec::new()).unwrap();
    quorum.ready(1).unwrap();
    quorum.tick();
    quorum.tick();
    let messages = quorum.ready(1).unwrap().messages;
    match old.step(&messages[0].1) {
        Err(StepError::Fatal(QuorumError::Superseded { theirs: 1, ours: 0, .. })) => {}
        answer => panic!("{answer:?}"),
    }
}

#[test]
fn a_controller_that_lost_acknowledged_entries_stops_with_a_reason() {
    let (mut cluster, leader, away) = with_one_away(5);
    cluster.kill(away);
    let disk = cluster.nodes[&away].disk.clone();
    let logs = files(&disk, ".log");
    let length = read_file(&disk, &logs[0]).unwrap().len() as u64;
    // The vote is there, so it is the same disk, and it forgot what it had said it had.
    disk.open(&logs[0], OpenMode::ReadWrite).unwrap().truncate(length / 2).unwrap();
    for log in &logs[1..] {
        disk.remove_file(log).unwrap();
    }
    let mut quorum = Quorum::open(Arc::new(disk), dir(), cluster.config(away), 1).unwrap();
    quorum.ready(1).unwrap();
    let last = quorum.status().last_index;
    let leads = cluster.nodes.get_mut(&leader).unwrap().quorum.as_mut().unwrap();
    leads.tick();
    leads.tick();
    let messages = leads.ready(1).unwrap().messages;
    let heartbeat = messages.iter().find(|(to, _)| *to == away).unwrap();
    match quorum.step(&heartbeat.1) {
        Err(StepError::Fatal(QuorumError::LostEntries { last_index, acknowledged, leader: who })) => {
            assert!(last_index == last && acknowledged > last && who == leader);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(quorum.ready(1), Err(QuorumError::Stopped)));
}
