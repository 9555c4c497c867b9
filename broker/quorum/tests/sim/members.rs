//! What controllers say to each other besides the library's messages, and disks that are lost.

use bytes::Bytes;

use super::{Cluster, directory};

impl Cluster {
    /// What controllers say to each other besides the library's messages: one that is no member says so to the leader,
    /// which lets it have the log, and makes it a voter in the place of its former disk when it is to be one.
    pub fn hello(&mut self, id: u64) {
        let Some(leader) = self.leader() else { return };
        if leader == id {
            let own = directory(id, self.nodes[&id].disks);
            if !self.nodes[&id].wanted {
                let leads = self.nodes.get_mut(&id).unwrap().quorum.as_mut().unwrap();
                self.changes.1 += u64::from(leads.remove(id, &own).is_ok());
                self.turn(id);
            }
            return;
        }
        if self.cut.contains(&id) != self.cut.contains(&leader) {
            return;
        }
        let node = &self.nodes[&id];
        let (own, wanted) = (directory(id, node.disks), node.wanted);
        let Some(asks) = &node.quorum else { return };
        let joins_as = asks.joins_as();
        let leads = self.nodes[&leader].quorum.as_ref().unwrap();
        if !leads.is_formed() {
            return;
        }
        let members = leads.members().to_vec();
        let member = members.iter().find(|member| member.is(id, &own)).cloned();
        let Some(raft_id) = joins_as else {
            // The disk bears an initial voter's id and has seen nothing of the quorum: perhaps it replaces that voter's.
            if member.is_none() {
                self.nodes.get_mut(&id).unwrap().quorum.as_mut().unwrap().become_observer(1).unwrap();
                self.turn(id);
            }
            return;
        };
        let stale = members.iter().find(|it| it.id == id && !it.is(id, &own)).cloned();
        let leads = self.nodes.get_mut(&leader).unwrap().quorum.as_mut().unwrap();
        match member {
            _ if stale.as_ref().is_some_and(|stale| stale.observer) => {
                drop(leads.remove(id, &stale.as_ref().unwrap().directory_id));
            }
            None => drop(leads.add_observer(id, Bytes::copy_from_slice(&own), raft_id, Vec::new())),
            // It took another id in the library since.
            Some(member) if member.observer && member.raft_id != raft_id => drop(leads.remove(id, &own)),
            Some(member) if member.observer && wanted => match stale {
                Some(stale) => drop(leads.remove(id, &stale.directory_id)),
                None => self.changes.0 += u64::from(leads.add_voter(id, &own).is_ok()),
            },
            Some(member) if !member.observer && !wanted => {
                self.changes.1 += u64::from(leads.remove(id, &own).is_ok());
            }
            Some(_) => {}
        }
        self.turn(leader);
    }

    /// A controller of a settled quorum loses its disk, when the quorum can bear that.
    pub fn wipe_one(&mut self) {
        let id = self.rng.below(self.nodes.len() as u64);
        let voters = self.nodes.values().filter(|node| node.wanted).count();
        if !self.nodes[&id].wanted || voters >= 3 {
            self.changes.2 += 1;
            self.wipe(id);
        }
    }
}
