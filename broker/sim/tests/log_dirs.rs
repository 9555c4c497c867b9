//! Moves between the log directories of a broker (KIP-113).

mod support;

use odradek_sim::network::Place;
use support::{BROKER, Small};

const RECORDS: i64 = 50;
const BYTES: usize = 60_000;

/// A topic with one replica, synced, its broker and the directory that it is not in.
fn prepared() -> (Small, Place, &'static str) {
    let mut small = Small::start(|plan| {
        plan.log_dirs = 2;
    });
    small.create("t", 1, 1);
    let broker = small.leader("t", 0);
    for _ in 0..RECORDS {
        small.produce("t", 0, BYTES);
    }
    small.world.stop_in_order(broker);
    small.until("it stops", 20_000, |small| small.world.processes[&broker].broker.is_none());
    small.world.start(broker);
    small.until("it leads again", 20_000, |small| !small.isr("t", 0).is_empty());
    let to = if small.folders(broker, "t") == ["/data/t-0"] { "/data-1" } else { "/data" };
    (small, broker, to)
}

#[test]
fn a_replica_moves_under_load_and_its_old_folder_goes() {
    let (mut small, broker, to) = prepared();
    assert_eq!(small.move_to(broker, "t", "/nowhere"), 57);
    assert_eq!(small.move_to(broker, "other", to), 3);
    assert_eq!(small.move_to(broker % 3 + 1, "t", to), 9, "it is not there");
    assert_eq!(small.move_to(broker, "t", to), 0);
    for _ in 0..20 {
        small.produce("t", 0, BYTES);
    }
    let there = vec![format!("{to}/t-0")];
    small.until("it has moved", 20_000, |small| small.folders(broker, "t") == there);
    small.produce("t", 0, BYTES);
    assert_eq!(small.log_end(broker, "t"), Some(RECORDS + 21));
    small.world.kill(broker);
    small.world.start(broker);
    small.until("it leads again", 20_000, |small| !small.isr("t", 0).is_empty());
    assert_eq!(small.log_end(broker, "t"), Some(RECORDS + 21));
}

#[test]
fn a_move_is_throttled_and_ends_when_the_replica_is_wanted_where_it_is() {
    let (mut small, broker, to) = prepared();
    let home = small.folders(broker, "t");
    small.configure(BROKER, "", "replica.alter.log.dirs.io.max.bytes.per.second", "500000");
    assert_eq!(small.move_to(broker, "t", to), 0);
    small.pass(2_000);
    let folders = small.folders(broker, "t");
    assert_eq!(folders.len(), 2, "{folders:?}");
    assert!(folders.iter().any(|folder| folder.ends_with("-future")), "{folders:?}");
    assert_eq!(small.move_to(broker, "t", home[0].trim_end_matches("/t-0")), 0);
    assert_eq!(small.folders(broker, "t"), home, "cancelled");
    let began = small.world.now_us;
    assert_eq!(small.move_to(broker, "t", to), 0);
    let there = vec![format!("{to}/t-0")];
    small.until("it has moved", 60_000, |small| small.folders(broker, "t") == there);
    let took = (small.world.now_us - began) / 1_000;
    let fair = RECORDS as u64 * BYTES as u64 * 1_000 / 500_000;
    // The last step is not waited for.
    assert!(took > fair / 3 && took < fair * 3, "{took} ms where {fair} ms are fair");
    assert_eq!(small.log_end(broker, "t"), Some(RECORDS));
}

/// Crashes after each step of the whole: with the page cache, and with a power loss that tears what was not synced.
#[test]
fn a_crash_at_any_step_loses_nothing() {
    for power_loss in [false, true] {
        let mut resumed = 0;
        for step in 0.. {
            let (mut small, broker, to) = prepared();
            assert_eq!(small.move_to(broker, "t", to), 0);
            for _ in 0..step {
                small.world.step(u64::MAX);
            }
            let there = vec![format!("{to}/t-0")];
            let done = small.folders(broker, "t") == there;
            small.world.kill(broker);
            if power_loss {
                small.world.processes[&broker].disk.power_loss(Some(step));
            }
            small.world.start(broker);
            small.until("it leads again", 20_000, |small| !small.isr("t", 0).is_empty());
            assert_eq!(small.log_end(broker, "t"), Some(RECORDS), "step {step}");
            small.produce("t", 0, 100);
            small.pass(2_000);
            let folders = small.folders(broker, "t");
            assert_eq!(folders.len(), 1, "step {step}: {folders:?}");
            resumed += u32::from(folders == there);
            if done {
                break;
            }
        }
        assert!(resumed > 3, "power loss {power_loss}: only {resumed} interrupted moves were taken up again");
    }
}
