//! What can go wrong with a quorum.

use std::path::PathBuf;

/// The quorum cannot be opened, or cannot go on. Nothing is acknowledged after one of these: the process must stop.
#[derive(Debug, thiserror::Error)]
pub enum QuorumError {
    /// A value of the configuration cannot work.
    #[error("the controller quorum cannot start: {0}")]
    Config(String),
    /// The disk failed. What was written since the last sync is in doubt, so the process must stop and open again.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The log on disk failed.
    #[error("the metadata log in {}: {source}", dir.display())]
    Log {
        /// Its folder.
        dir: PathBuf,
        /// What it said.
        source: odradek_log::LogError,
    },
    /// The log on disk refused an entry.
    #[error("the metadata log in {} refused entry {index}: {reason}", dir.display())]
    Append {
        /// Its folder.
        dir: PathBuf,
        /// The entry's index.
        index: u64,
        /// What it said.
        reason: String,
    },
    /// A file does not check. It is not repaired: a voter that forgets its vote may elect two leaders in one term.
    #[error("{} is damaged ({reason}): restore it from a copy of this controller's own disk, or remove the whole \
             folder and let the controller join again with an empty one", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// The folder belongs to another node.
    #[error("{} belongs to controller {found}, and this is controller {expected}: check node.id and metadata.log.dir", path.display())]
    OtherNode {
        /// The file that says so.
        path: PathBuf,
        /// The id in the file.
        found: u64,
        /// This node's id.
        expected: u64,
    },
    /// This controller acknowledged entries that its disk does not hold any more.
    #[error(
        "the metadata log ends at entry {last_index}, but controller {leader} knows that this one had stored \
             entries up to {acknowledged}: its disk lost data; remove the whole folder and let the controller join \
             again with an empty one"
    )]
    LostEntries {
        /// Where the log ends here.
        last_index: u64,
        /// What was acknowledged.
        acknowledged: u64,
        /// Who says so.
        leader: u64,
    },
    /// A leader sends another entry than the one that was committed here: two quorums are mixed up.
    #[error(
        "controller {leader} sends entry {index} of term {theirs}, but the entry committed here is of term \
             {ours}: the two are not of the same quorum; check controller.quorum.voters and metadata.log.dir"
    )]
    Diverged {
        /// The entry.
        index: u64,
        /// Its term here.
        ours: u64,
        /// Its term there.
        theirs: u64,
        /// Who sent it.
        leader: u64,
    },
    /// A committed entry is of a kind that this release does not know.
    #[error(
        "entry {index} of the metadata log is of a kind that this release does not know: use the release that wrote it"
    )]
    NewerRelease {
        /// The entry.
        index: u64,
    },
    /// The folder was made under another directory id.
    #[error(
        "{} was written under another directory.id than meta.properties names: the two files are not of the same \
             folder; put the right meta.properties back, or remove the whole folder and let the controller join again",
        path.display()
    )]
    OtherDirectory {
        /// The file that says so.
        path: PathBuf,
    },
    /// A snapshot that a leader sent cannot be read.
    #[error("the metadata snapshot at entry {index} that the active controller sent cannot be read: {reason}")]
    Snapshot {
        /// Its entry.
        index: u64,
        /// What is wrong.
        reason: String,
    },
    /// The quorum was begun anew on another controller after a loss.
    #[error(
        "controller {from} is of the quorum that was begun anew after a loss (the {theirs}. time), and this \
             controller's log is of the one before ({ours}): what it holds does not count any more; remove the whole \
             folder of the metadata log and let the controller join again with an empty one"
    )]
    Superseded {
        /// Who said so.
        from: u64,
        /// How often it was begun anew there.
        theirs: u64,
        /// And here.
        ours: u64,
    },
    /// The Raft library refused to go on.
    #[error("raft: {0}")]
    Raft(#[from] raft::Error),
    /// An earlier call failed, and nothing can be relied upon since.
    #[error("the controller quorum stopped after an earlier failure")]
    Stopped,
}

/// A proposal was not taken. Nothing of it is in the log.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ProposeError {
    /// Another node leads, or nobody does.
    #[error("controller {} leads, this one does not", leader.map_or("no".to_owned(), |id| id.to_string()))]
    NotLeader {
        /// Who leads, when it is known.
        leader: Option<u64>,
    },
    /// More than one entry can hold. Nothing smaller is refused for it.
    #[error("an entry of {bytes} bytes; the log takes {max}")]
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// Too much waits for being committed already, or leadership is being handed over: try again later.
    #[error("the quorum takes no proposals for the moment")]
    Busy,
    /// An earlier call failed.
    #[error("the controller quorum stopped after an earlier failure")]
    Stopped,
}

/// A peer's message was not taken. The quorum goes on without it, as if it had been lost.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The bytes are no message of this protocol.
    #[error("a message that cannot be read: {0}")]
    Malformed(String),
    /// It comes from a disk that is not the voter any more, or is meant for a disk that was here before.
    #[error("a message from controller {from} that is of another disk, or for another one, than the voter's")]
    WrongDirectory {
        /// The sender's id.
        from: u64,
    },
    /// It is of the quorum as it was before it was begun anew.
    #[error("a message from controller {from}, which still belongs to the quorum before it was begun anew")]
    Outdated {
        /// The sender's id.
        from: u64,
    },
    /// It goes to another node, or is an answer from one that is no member.
    #[error("a message from {from} to {to}, and this is {node}: check controller.quorum.voters on both")]
    Stranger {
        /// The sender's id.
        from: u64,
        /// The receiver's id.
        to: u64,
        /// This node's id.
        node: u64,
    },
    /// A kind of message that peers of this protocol never send.
    #[error("an unexpected message {0}")]
    Unexpected(String),
    /// It shows that this node cannot go on.
    #[error(transparent)]
    Fatal(#[from] QuorumError),
}

/// A change of the members was not begun.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ChangeError {
    /// Another node leads, or nobody does.
    #[error("this controller does not lead")]
    NotLeader,
    /// Another change is under way, or the leader has not applied its own first entry yet: try again later.
    #[error("another change of the voters is under way")]
    Busy,
    /// The quorum has not formed yet.
    #[error("the quorum has not formed yet")]
    NotFormed,
    /// There is a voter of that id already, perhaps with another disk.
    #[error("controller {id} is a voter already")]
    DuplicateVoter {
        /// Its id.
        id: u64,
    },
    /// There is no such member.
    #[error("controller {id} with that directory is no member of the quorum")]
    Unknown {
        /// Its id.
        id: u64,
    },
    /// It lags too far behind to be counted upon.
    #[error("controller {id} has the log up to entry {has} of {last}")]
    Behind {
        /// Its id.
        id: u64,
        /// What it has.
        has: u64,
        /// What there is.
        last: u64,
    },
    /// The last voter cannot go.
    #[error("controller {id} is the only voter")]
    LastVoter {
        /// Its id.
        id: u64,
    },
    /// An earlier call failed.
    #[error("the controller quorum stopped after an earlier failure")]
    Stopped,
}
