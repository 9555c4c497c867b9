//! The controller's loop: the quorum, the image that its log adds up to, and, while this node leads, the decisions.
//!
//! Requests come in as events. The active controller decides each on its speculative image and proposes the records
//! as one entry; the answer waits, as data, until that entry is committed and applied. All entries of one turn are
//! written with one sync. Any controller answers brokers that follow the metadata, from what is committed.

mod answer;
mod apply;
mod cluster_id;
mod config;
mod decide;
mod describe;
mod entry;
mod error;
mod event;
mod fetches;
mod join;
mod lead;
mod peer;
mod progress;
mod recover;
mod status;
mod supported;
mod voters;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use odradek_core::metadata::image::Image;
use odradek_core::time::Now;
use odradek_log::Disk;
use odradek_quorum::Quorum;

use self::fetches::Fetches;
use self::join::Join;
use self::lead::Lead;
use self::progress::Progress;
use self::supported::Supported;
use self::window::Window;

pub use config::ControllerNodeConfig;
pub use error::ControllerError;
pub use event::{ControllerCommand, ControllerEvent};
pub use odradek_quorum::{Endpoint, Member, QuorumError, stored_directory_id};
pub use recover::Loss;
pub use status::ControllerStatus;

/// One controller. See the module's own words.
#[derive(Debug)]
pub struct ControllerNode {
    config: ControllerNodeConfig,
    seed: u64,
    quorum: Quorum,
    /// Everything committed and applied.
    image: Image,
    window: Window,
    lead: Option<Lead>,
    fetches: Fetches,
    /// Which broker sends its heartbeats over which connection.
    heartbeats: BTreeMap<u64, i32>,
    progress: Progress,
    /// (leader, term) as brokers that wait were last told.
    known_leader: (Option<u64>, u64),
    /// Controllers whose connection broke and that said nothing since.
    unreachable: BTreeSet<u64>,
    /// Peers of other clusters that were complained about.
    foreign: BTreeSet<u64>,
    next_tick: Option<u64>,
    /// What other controllers support.
    supported: Supported,
    /// How this controller and others find each other.
    join: Join,
    /// A change of the voters that somebody asked for.
    change: Option<voters::Change>,
    /// Records and bytes applied since the last snapshot.
    records_since: u64,
    bytes_since: u64,
    snapshots_written: u64,
    /// While it led before.
    unclean_elections: u64,
    /// SIGTERM came: leave at this time at the latest.
    stopping: Option<u64>,
    /// After a [`ControllerCommand::Fatal`] or [`ControllerCommand::Stopped`] nothing happens any more.
    ended: bool,
}

impl ControllerNode {
    /// Opens the metadata log, and joins the quorum. Call [`ControllerNode::handle`] with
    /// [`ControllerEvent::Timer`] right after it: a lone controller is active after that call.
    ///
    /// `seed` must differ between nodes and between starts outside of simulations: the id of a new cluster and the
    /// ids of topics come from it.
    ///
    /// # Errors
    ///
    /// The configuration, the disk, damage, or a log of another cluster.
    pub fn open(
        config: ControllerNodeConfig,
        disk: Arc<dyn Disk>,
        now: Now,
        seed: u64,
    ) -> Result<ControllerNode, ControllerError> {
        let quorum = Quorum::open(disk, config.dir.clone(), config.quorum(seed), now.wall_ms)?;
        let next_tick = (!quorum.is_alone()).then(|| now.mono_ms + config.tick_ms);
        let window = Window::new(config.window_bytes, 1);
        Ok(ControllerNode {
            join: Join::new(&config.voters, now),
            change: None,
            config,
            seed,
            quorum,
            image: Image::new(),
            window,
            lead: None,
            fetches: Fetches::default(),
            heartbeats: BTreeMap::new(),
            progress: Progress::default(),
            known_leader: (None, 0),
            unreachable: BTreeSet::new(),
            foreign: BTreeSet::new(),
            next_tick,
            supported: Supported::default(),
            records_since: 0,
            bytes_since: 0,
            snapshots_written: 0,
            unclean_elections: 0,
            stopping: None,
            ended: false,
        })
    }

    /// Takes one event, and whatever is due at `now`.
    pub fn handle(&mut self, now: Now, event: ControllerEvent, out: &mut Vec<ControllerCommand>) {
        self.handle_all(now, [event], out);
    }

    /// Takes all events that are there: their entries share one sync.
    pub fn handle_all(
        &mut self,
        now: Now,
        events: impl IntoIterator<Item = ControllerEvent>,
        out: &mut Vec<ControllerCommand>,
    ) {
        for event in events {
            if self.ended {
                return;
            }
            if let Err(error) = self.accept(now, event, out) {
                return self.fail(&error, out);
            }
        }
        if self.ended {
            return;
        }
        if let Err(error) = self.turn(now, out) {
            self.fail(&error, out);
        }
    }

    /// When [`ControllerEvent::Timer`] is due, on the monotonic clock. None: only another event can change something.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        if self.ended {
            return None;
        }
        let controller = self.lead.as_ref().and_then(|lead| lead.controller.as_ref());
        let deadlines = [
            self.next_tick,
            controller.and_then(|c| c.next_deadline()),
            self.fetches.next_deadline(),
            self.stopping,
            self.join.due,
            self.change.as_ref().and_then(voters::Change::next_deadline),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// What metrics and probes show.
    #[must_use]
    pub fn status(&self) -> ControllerStatus {
        ControllerStatus {
            quorum: self.quorum.status(),
            active: self.is_active(),
            cluster_id: self.image.cluster_id().map(str::to_owned),
            applied: self.image.offset(),
            pending_replies: self.lead.as_ref().map_or(0, |lead| lead.pending.len()),
            waiting_fetches: self.fetches.len(),
            unclean_elections: self.unclean_elections + self.lead.as_ref().map_or(0, Lead::unclean_elections),
            snapshots_written: self.snapshots_written,
        }
    }

    /// Its term, and whom it voted for in it: for the simulator's invariants.
    #[must_use]
    pub fn vote(&self) -> (u64, Option<u64>) {
        self.quorum.vote()
    }

    /// Who takes part in the quorum, voters and observers, as it is committed, and the entry that says so (0 before the
    /// quorum has formed).
    #[must_use]
    pub fn members(&self) -> (u64, &[Member]) {
        (self.quorum.members_index(), self.quorum.members())
    }

    /// Whether, as the leader, it may have a change of the members under way: for the simulator, which takes no disk
    /// away then.
    #[must_use]
    pub fn is_changing_members(&self) -> bool {
        self.quorum.is_changing()
    }

    /// Whether it decides: it leads, and has applied all that was committed before.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.lead.as_ref().is_some_and(|lead| lead.controller.is_some())
    }

    /// The id of its metadata folder: with the node id, who it is in the quorum.
    #[must_use]
    pub fn directory_id(&self) -> &[u8] {
        self.quorum.directory_id()
    }

    /// The committed metadata.
    #[must_use]
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// Notes on disk how far the log is committed. Not needed for safety, only for a quicker start.
    ///
    /// # Errors
    ///
    /// The disk's.
    pub fn close(self) -> Result<(), ControllerError> {
        Ok(self.quorum.close()?)
    }

    fn fail(&mut self, error: &ControllerError, out: &mut Vec<ControllerCommand>) {
        self.ended = true;
        out.push(ControllerCommand::Fatal { reason: error.to_string(), exit_code: error.exit_code() });
    }

    /// The active controller's id as answers name it, -1 when there is none.
    fn leader_id(&self) -> i32 {
        self.quorum.leader().and_then(|id| i32::try_from(id).ok()).unwrap_or(-1)
    }
}
