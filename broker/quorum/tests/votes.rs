//! A vote that was given is never given again in the same term, whatever happens to the machine.

mod sim;

use std::sync::Arc;

use bytes::Bytes;
use odradek_log::MemDisk;
use odradek_quorum::{Quorum, QuorumConfig, Role};
use sim::dir;

fn open(disk: &MemDisk, id: u64) -> Quorum {
    let config = QuorumConfig { directory_id: Some([id as u8 + 1; 16]), ..QuorumConfig::new(id, 0..3, 1) };
    Quorum::open(Arc::new(disk.clone()), dir(), config, 1).unwrap()
}

/// Gives messages to a node, and returns what it answers to `to`.
fn ask(node: &mut Quorum, messages: &[Bytes], to: u64) -> Vec<Bytes> {
    for message in messages {
        node.step(message).unwrap();
    }
    let answers = node.ready(1).unwrap().messages;
    answers.into_iter().filter(|(id, _)| *id == to).map(|(_, message)| message).collect()
}

/// Lets a node ask for node 0's vote: its request, for which node 0 has only said that it would get it.
fn campaign(node: &mut Quorum, id: u64, voter: &mut Quorum) -> Vec<Bytes> {
    loop {
        node.tick();
        let asks = ask(node, &[], 0);
        if asks.is_empty() {
            continue;
        }
        let answers = ask(voter, &asks, id);
        let requests = ask(node, &answers, 0);
        assert_eq!((node.term(), node.status().role), (1, Role::Candidate));
        return requests;
    }
}

#[test]
fn a_vote_survives_a_power_loss() {
    let disks: Vec<MemDisk> = (0..3).map(|_| MemDisk::new()).collect();
    let mut nodes: Vec<Quorum> = (0..3).map(|id| open(&disks[id as usize], id)).collect();
    let mut voter = nodes.remove(0);
    let first = campaign(&mut nodes[0], 1, &mut voter);
    let second = campaign(&mut nodes[1], 2, &mut voter);
    let vote = ask(&mut voter, &first, 1);
    drop(voter);
    disks[0].power_loss(Some(1));
    let mut voter = open(&disks[0], 0);
    let refusal = ask(&mut voter, &second, 2);
    ask(&mut nodes[1], &refusal, 0);
    assert_ne!(nodes[1].status().role, Role::Leader, "the vote was given twice");
    ask(&mut nodes[0], &vote, 0);
    assert_eq!(nodes[0].status().role, Role::Candidate, "the quorum forms with the votes of all");
    assert_eq!(nodes[0].waits_for(), [2]);
}
