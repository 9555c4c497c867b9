//! Who takes part in a quorum: voters, and observers that may become voters.

use bytes::Bytes;

/// Ids of the library that are not made from a node id alone have this bit.
const DRAWN: u64 = 1 << 63;

/// Where a controller listens.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Endpoint {
    /// The listener's name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// A name or an address.
    #[prost(string, tag = "2")]
    pub host: String,
    /// 1 to 65535.
    #[prost(uint32, tag = "3")]
    pub port: u32,
}

/// One controller of a quorum.
///
/// A controller is the pair (node id, directory id): the same id on another disk is another one, since that disk knows
/// nothing of the votes that the first one gave (KIP-853). Each pair has an id of its own in the Raft library, so a
/// disk that was replaced can neither vote nor acknowledge under the old name.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Member {
    /// The controller's `node.id`.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// The id of its metadata folder, 16 bytes; none for an initial voter before the quorum has formed.
    #[prost(bytes = "bytes", tag = "2")]
    pub directory_id: Bytes,
    /// Its id in the Raft library; 0 stands for the id of an initial voter, which is node id + 1.
    #[prost(uint64, tag = "3")]
    pub raft_id: u64,
    /// Where it listens.
    #[prost(message, repeated, tag = "4")]
    pub endpoints: Vec<Endpoint>,
    /// It has the log and does not vote.
    #[prost(bool, tag = "5")]
    pub observer: bool,
}

impl Member {
    /// An initial voter, as the configuration names it.
    pub(crate) fn initial(id: u64, endpoints: Vec<Endpoint>) -> Member {
        Member { id, directory_id: Bytes::new(), raft_id: initial_raft_id(id), endpoints, observer: false }
    }

    /// Its id in the Raft library.
    pub(crate) fn raft(&self) -> u64 {
        if self.raft_id == 0 { initial_raft_id(self.id) } else { self.raft_id }
    }

    /// Whether it is that controller with that disk.
    #[must_use]
    pub fn is(&self, id: u64, directory_id: &[u8]) -> bool {
        self.id == id && self.directory_id == directory_id
    }
}

/// Where members at entry `index` were named: there, or by the configuration while their disks are not known.
pub(crate) fn named_at(members: &[Member], index: u64) -> u64 {
    if members.iter().all(|member| !member.directory_id.is_empty()) { index } else { 0 }
}

/// The library's id of a voter that the configuration names: 0 means nobody there, and is a proper node id here.
pub(crate) fn initial_raft_id(node_id: u64) -> u64 {
    node_id + 1
}

/// The library's id of a controller that comes later.
pub(crate) fn drawn_raft_id(node_id: u64, directory_id: &[u8]) -> u64 {
    let mut hash = crate::election::splitmix(node_id);
    for part in directory_id.chunks(8) {
        let mut bytes = [0; 8];
        bytes[..part.len()].copy_from_slice(part);
        hash = crate::election::splitmix(hash ^ u64::from_be_bytes(bytes));
    }
    hash | DRAWN
}

/// The node id behind an initial voter's id in the library.
pub(crate) fn node_of_initial(raft_id: u64) -> Option<u64> {
    if raft_id & DRAWN == 0 { raft_id.checked_sub(1) } else { None }
}

/// A directory id for a folder that nobody gave one.
pub(crate) fn draw_directory_id(seed: u64, node_id: u64) -> Bytes {
    let first = crate::election::splitmix(seed ^ crate::election::splitmix(!node_id));
    let second = crate::election::splitmix(first);
    Bytes::from([first.to_be_bytes(), second.to_be_bytes()].concat())
}

/// What an entry changes about the members besides what the library knows; the context of an entry.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Control {
    /// The quorum forms: these are the voters from here on, each with its disk.
    #[prost(message, repeated, tag = "1")]
    pub formed: Vec<Member>,
    /// A member listens somewhere else.
    #[prost(message, optional, tag = "2")]
    pub moved: Option<Member>,
}

/// What is around a message to another controller's quorum.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Envelope {
    /// The sender's node id.
    #[prost(uint64, tag = "1")]
    pub from: u64,
    /// The sender's disk.
    #[prost(bytes = "bytes", tag = "2")]
    pub from_directory: Bytes,
    /// The receiver's disk as far as the sender knows it: nobody else's is meant.
    #[prost(bytes = "bytes", tag = "3")]
    pub to_directory: Bytes,
    /// 1 and how often the quorum was begun anew after a loss; 0 for a disk that has not seen it form.
    #[prost(uint64, tag = "4")]
    pub generation: u64,
    /// CRC-32C of the message.
    #[prost(fixed32, tag = "5")]
    pub crc: u32,
    /// The library's message.
    #[prost(bytes = "bytes", tag = "6")]
    pub message: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_was_replaced_has_another_id_in_the_library() {
        let first = drawn_raft_id(1, &[1; 16]);
        assert_eq!(first, drawn_raft_id(1, &[1; 16]));
        assert_ne!(first, drawn_raft_id(1, &[2; 16]));
        assert_ne!(first, drawn_raft_id(2, &[1; 16]));
        assert_eq!(node_of_initial(first), None);
        assert_eq!(node_of_initial(initial_raft_id(7)), Some(7));
        assert_eq!(node_of_initial(0), None);
    }
}
