//! Waiting for what must come, in virtual time.

use odradek_node::controller::ControllerNode;

use super::World;

impl World {
    pub fn active(&self) -> Option<u64> {
        let active =
            self.machines.iter().filter(|(_, machine)| machine.node.as_ref().is_some_and(ControllerNode::is_active));
        active.map(|(id, _)| (self.node(*id).status().quorum.term, *id)).max().map(|active| active.1)
    }

    /// Lets time pass until one of them is active.
    pub fn wait_for_active(&mut self) -> u64 {
        for _ in 0..1_000 {
            if let Some(active) = self.active() {
                return active;
            }
            self.run(10);
        }
        panic!("no controller becomes active, seed {}", self.seed);
    }

    /// Lets time pass until all have applied the same; they must then have the same image.
    pub fn settle(&mut self) {
        self.lose = 0;
        self.loses.clear();
        self.cut.clear();
        for id in 0..self.machines.len() as u64 {
            if self.machines[&id].node.is_none() {
                self.start(id);
                assert_eq!(self.machines[&id].fatal, None, "seed {}", self.seed);
            }
        }
        for _ in 0..1_000 {
            self.run(10);
            let Some(active) = self.active() else { continue };
            let last = self.node(active).status().quorum.last_index;
            if self.machines.values().all(|machine| machine.node.as_ref().unwrap().image().offset() == last) {
                let first = self.node(0).image();
                for id in 1..self.machines.len() as u64 {
                    assert!(first == self.node(id).image(), "controllers 0 and {id} differ, seed {}", self.seed);
                }
                return;
            }
        }
        for (id, machine) in &self.machines {
            let Some(node) = &machine.node else { continue };
            let quorum = node.status().quorum;
            let (leader, term, voters) = (quorum.leader, quorum.term, quorum.voters.keys().collect::<Vec<_>>());
            println!(
                "{id}: leader {leader:?} term {term} applied {} of {}, voters {voters:?}",
                node.image().offset(),
                quorum.last_index
            );
        }
        panic!("the controllers do not settle, seed {}", self.seed);
    }

    /// Lets time pass until the active controller has these voters, each with the disk that it has now.
    pub fn wait_for_voters(&mut self, ids: &[u64]) {
        for _ in 0..3_000 {
            self.run(10);
            let Some(active) = self.active() else { continue };
            let voters = self.node(active).status().quorum.voters;
            let current = voters.iter().all(|(id, voter)| {
                let node = self.machines[id].node.as_ref();
                node.is_some_and(|node| node.directory_id()[..] == voter.directory_id[..])
            });
            if current && voters.keys().eq(ids) {
                return;
            }
        }
        let status = self.active().map(|active| self.node(active).status());
        panic!("the voters are not {ids:?}, seed {}: {status:#?}", self.seed);
    }
}
