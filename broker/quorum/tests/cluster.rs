//! Quorums of three and five under everything that a network and a disk can do to them.

mod sim;

use sim::{Cluster, Faults};

/// The same with voters that come and go, and disks that are replaced.
fn run_members(size: u64, seed: u64) -> (u64, (u64, u64, u64)) {
    let mut cluster = Cluster::new(size, seed);
    for _ in 0..5 {
        // A disk that is lost while a voter is on its way out may be one too many, so the two take turns.
        for faults in [Faults::MEMBERS, Faults::ROUGH] {
            let leader = cluster.settle();
            cluster.propose(leader);
            cluster.settle();
            if faults.change == 0 {
                cluster.wipe_one();
            }
            for _ in 0..60 {
                cluster.step(faults);
                if let Some(leader) = cluster.leader().filter(|_| cluster.rng.chance(40)) {
                    cluster.propose(leader);
                }
            }
        }
    }
    let leader = cluster.settle();
    let index = cluster.propose(leader).expect("a settled leader takes proposals");
    cluster.settle();
    assert!(cluster.history.contains_key(&index), "seed {seed}");
    (cluster.trace(), cluster.changes)
}

#[test]
fn voters_come_and_go_and_disks_are_replaced_and_nothing_committed_is_lost() {
    let mut sum = (0, 0, 0);
    for (size, seeds) in [(3, 0..150), (5, 500..600)] {
        for seed in seeds {
            let first = run_members(size, seed);
            assert_eq!(first, run_members(size, seed), "seed {seed}");
            let (made, taken, lost) = first.1;
            sum = (sum.0 + made, sum.1 + taken, sum.2 + lost);
        }
    }
    println!("{} made voters, {} taken out, {} disks lost", sum.0, sum.1, sum.2);
    assert!(sum.0 > 250 && sum.1 > 250 && sum.2 > 100, "{sum:?}");
}

/// A rough time, then quiet: what was committed is everywhere. Returns what two runs must have in common.
fn run(size: u64, seed: u64, steps: u64) -> (u64, usize, u64) {
    let mut cluster = Cluster::new(size, seed);
    for _ in 0..steps {
        cluster.step(Faults::ROUGH);
        for _ in 0..cluster.rng.below(3) {
            if let Some(leader) = cluster.leader() {
                cluster.propose(leader);
            }
        }
    }
    let leader = cluster.settle();
    let index = cluster.propose(leader).expect("a settled leader takes proposals");
    cluster.settle();
    assert!(cluster.history.contains_key(&index), "seed {seed}");
    let snapshots = cluster.nodes.values().map(|node| node.snapshots_from_leader).sum();
    (cluster.trace(), cluster.history.len(), snapshots)
}

/// Runs every seed twice, and looks whether the runs were worth it.
fn run_twice(size: u64, seeds: std::ops::Range<u64>) {
    let (mut committed, mut snapshots) = (0, 0);
    let count = seeds.end - seeds.start;
    for seed in seeds {
        let (first, second) = (run(size, seed, 300), run(size, seed, 300));
        assert_eq!(first, second, "seed {seed}");
        committed += first.1;
        snapshots += first.2;
    }
    println!("{size} nodes: {committed} entries committed and {snapshots} snapshots sent in {count} runs");
    assert!(committed as u64 > 20 * count && snapshots > count / 10, "{committed} entries, {snapshots} snapshots");
}

#[test]
fn three_nodes_agree_whatever_breaks_and_the_same_seed_gives_the_same_run() {
    run_twice(3, 0..200);
}

#[test]
fn five_nodes_agree_whatever_breaks_and_the_same_seed_gives_the_same_run() {
    run_twice(5, 1_000..1_100);
}

#[test]
fn different_seeds_give_different_runs() {
    assert_ne!(run(3, 1, 100), run(3, 2, 100));
}

#[test]
fn a_leader_is_found_soon_and_one_that_dies_is_replaced() {
    for seed in 0..20 {
        let mut cluster = Cluster::new(3, seed);
        let leader = cluster.settle();
        for _ in 0..10 {
            cluster.propose(leader).expect("the leader takes proposals");
        }
        cluster.settle();
        cluster.kill(leader);
        let mut steps = 0;
        while cluster.leader().is_none() {
            cluster.step_without(leader);
            steps += 1;
            assert!(steps < 100, "seed {seed}: no new leader");
        }
        cluster.settle();
    }
}

#[test]
fn a_leader_whose_connections_break_is_replaced_before_a_time_out() {
    for seed in 0..50 {
        let mut cluster = Cluster::new(3, seed);
        let leader = cluster.settle();
        for _ in 0..10 {
            cluster.propose(leader).expect("the leader takes proposals");
        }
        cluster.settle();
        cluster.kill(leader);
        // What it said last has arrived.
        cluster.step_without(leader);
        for (id, node) in &mut cluster.nodes {
            if *id != leader {
                node.quorum.as_mut().expect("it runs").unreachable(leader);
            }
        }
        let mut steps = 0;
        while cluster.leader().is_none() {
            cluster.step_without(leader);
            steps += 1;
            // An election time-out is 10 to 20 ticks; here one tick goes by, and four messages.
            assert!(steps <= 8, "seed {seed}: no new leader after {steps} ticks");
        }
        cluster.settle();
    }
}

#[test]
fn one_connection_that_breaks_to_a_leader_that_is_there_changes_nothing() {
    for seed in 0..50 {
        let mut cluster = Cluster::new(3, seed);
        let leader = cluster.settle();
        for _ in 0..10 {
            cluster.propose(leader).expect("the leader takes proposals");
        }
        cluster.settle();
        let terms = |cluster: &Cluster| -> Vec<u64> {
            cluster.nodes.values().map(|node| node.quorum.as_ref().expect("it runs").status().term).collect()
        };
        let before = terms(&cluster);
        for id in (0..3).filter(|id| *id != leader) {
            cluster.nodes.get_mut(&id).and_then(|node| node.quorum.as_mut()).expect("it runs").unreachable(leader);
            for _ in 0..30 {
                cluster.step(Faults::NONE);
            }
            assert_eq!((cluster.leader(), terms(&cluster)), (Some(leader), before.clone()), "seed {seed}");
        }
    }
}

#[test]
fn a_follower_that_was_away_too_long_gets_a_snapshot() {
    for seed in 0..10 {
        let mut cluster = Cluster::new(3, seed);
        let leader = cluster.settle();
        let away = (leader + 1) % 3;
        cluster.kill(away);
        for _ in 0..50 {
            cluster.propose(leader);
            for _ in 0..3 {
                cluster.step_without(away);
            }
        }
        // The log is cut behind the snapshot before the newest.
        cluster.compact(leader);
        cluster.propose(leader);
        for _ in 0..3 {
            cluster.step_without(away);
        }
        cluster.compact(leader);
        assert!(cluster.nodes[&leader].quorum.as_ref().unwrap().status().first_index > 40, "the log was cut");
        let before = cluster.nodes[&away].snapshots_from_leader;
        cluster.start(away);
        cluster.settle();
        assert!(cluster.nodes[&away].snapshots_from_leader > before, "seed {seed}");
        // And it is of use as a voter: the two others go, one after the other.
        let leader = cluster.settle();
        cluster.power_loss(leader);
        cluster.settle();
    }
}

#[test]
fn a_follower_that_lags_a_little_needs_no_snapshot() {
    let mut cluster = Cluster::new(3, 7);
    cluster.keep_entries = 1_000;
    for id in 0..3 {
        cluster.kill(id);
        cluster.start(id);
    }
    let leader = cluster.settle();
    let away = (leader + 1) % 3;
    cluster.kill(away);
    for _ in 0..50 {
        cluster.propose(leader);
        cluster.step_without(away);
    }
    cluster.compact(leader);
    cluster.start(away);
    cluster.settle();
    assert_eq!(cluster.nodes[&away].snapshots_from_leader, 0);
}

#[test]
fn all_may_lose_power_at_once() {
    for seed in 0..20 {
        let mut cluster = Cluster::new(3, seed);
        let leader = cluster.settle();
        for _ in 0..20 {
            cluster.propose(leader);
            cluster.step(Faults::NONE);
        }
        let committed = cluster.history.len();
        for id in 0..3 {
            cluster.power_loss(id);
        }
        cluster.settle();
        assert!(cluster.history.len() > committed, "the new leader's entry follows what there was");
    }
}

#[test]
fn leadership_is_handed_over_before_a_stop() {
    let mut cluster = Cluster::new(3, 3);
    let leader = cluster.settle();
    let to = cluster.nodes.get_mut(&leader).unwrap().quorum.as_mut().unwrap().transfer_leadership();
    cluster.turn(leader);
    for _ in 0..5 {
        cluster.step(Faults::NONE);
    }
    assert_eq!(cluster.leader(), to);
}

/// What `from` has to say to `to`, all of it before `to` acts on any.
fn pass(cluster: &mut Cluster, from: u64, to: u64) -> odradek_quorum::Ready {
    let ready = cluster.nodes.get_mut(&from).unwrap().quorum.as_mut().unwrap().ready(1).unwrap();
    let takes = cluster.nodes.get_mut(&to).unwrap().quorum.as_mut().unwrap();
    for (_, message) in ready.messages.iter().filter(|(receiver, _)| *receiver == to) {
        takes.step(message).unwrap();
    }
    ready
}

/// A quorum of two whose leader takes itself out, which is committed there by now and not applied; the leader and the
/// other one.
fn leader_that_takes_itself_out() -> (Cluster, u64, u64) {
    let mut cluster = Cluster::new(2, 7);
    let leader = cluster.settle();
    cluster.propose(leader);
    let leader = cluster.settle();
    let other = 1 - leader;
    let own = sim::directory(leader, 1);
    cluster.nodes.get_mut(&leader).unwrap().quorum.as_mut().unwrap().remove(leader, &own).unwrap();
    pass(&mut cluster, leader, other);
    pass(&mut cluster, other, leader);
    (cluster, leader, other)
}

#[test]
fn the_last_voter_leads_without_a_tick_once_the_other_took_itself_out() {
    let (mut cluster, leader, last) = leader_that_takes_itself_out();
    assert!(pass(&mut cluster, leader, last).lost_leadership);
    let ready = pass(&mut cluster, last, leader);
    assert!(ready.became_leader.is_some());
    let last = cluster.nodes[&last].quorum.as_ref().unwrap();
    assert!(last.is_alone() && last.members().len() == 1);
}

#[test]
fn a_leader_that_is_out_by_what_it_just_learnt_puts_what_was_proposed_onto_its_disk() {
    let (mut cluster, leader, _) = leader_that_takes_itself_out();
    let leads = cluster.nodes.get_mut(&leader).unwrap().quorum.as_mut().unwrap();
    let index = leads.propose(vec![7; 8]).unwrap();
    assert!(leads.ready(1).unwrap().lost_leadership);
    assert_eq!((leads.is_voter(), leads.next_index()), (false, index + 1));
}
