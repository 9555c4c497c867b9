//! Who is alive: soft state, known only to the active controller.

use std::collections::BTreeMap;

/// What is known of one broker since this controller became active.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// When it ends unless the broker says something.
    pub(super) deadline: u64,
    /// When it ends because the connection broke; anything the broker says clears this.
    pub(super) broken_deadline: Option<u64>,
    /// The offset up to which the broker has applied the metadata, as far as it said.
    pub(super) metadata_offset: u64,
    /// It said something to this controller. If not, it is only presumed alive since the controller before knew it.
    heard: bool,
    /// It got more time already because the controller itself was late.
    pub(super) excused: bool,
    /// Where the records of its controlled shutdown are: the others must know them first.
    pub(super) shutdown_offset: Option<u64>,
}

impl Session {
    fn new(deadline: u64) -> Session {
        Session {
            deadline,
            broken_deadline: None,
            metadata_offset: 0,
            heard: true,
            excused: false,
            shutdown_offset: None,
        }
    }

    fn ends_at(&self) -> u64 {
        self.broken_deadline.map_or(self.deadline, |broken| broken.min(self.deadline))
    }
}

/// The sessions of all brokers that said something.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    by_broker: BTreeMap<i32, Session>,
}

impl Sessions {
    /// Gives the broker a new session; all that was known of the one before is forgotten.
    pub(super) fn open(&mut self, broker: i32, deadline: u64) {
        self.by_broker.insert(broker, Session::new(deadline));
    }

    /// A broker that the controller before counted as alive: it has a full session to say something.
    pub(super) fn presume(&mut self, broker: i32, deadline: u64) {
        self.by_broker.insert(broker, Session { heard: false, ..Session::new(deadline) });
    }

    /// The broker said something: its session goes on, or begins.
    pub(super) fn touch(&mut self, broker: i32, deadline: u64) -> &mut Session {
        let session = self.by_broker.entry(broker).or_insert(Session::new(deadline));
        session.deadline = deadline;
        session.broken_deadline = None;
        session.heard = true;
        session.excused = false;
        session
    }

    /// The broker's connection broke.
    pub(super) fn broken(&mut self, broker: i32, deadline: u64) {
        if let Some(session) = self.by_broker.get_mut(&broker) {
            session.broken_deadline.get_or_insert(deadline);
        }
    }

    pub(super) fn get(&self, broker: i32) -> Option<&Session> {
        self.by_broker.get(&broker)
    }

    pub(super) fn get_mut(&mut self, broker: i32) -> Option<&mut Session> {
        self.by_broker.get_mut(&broker)
    }

    /// Whether the broker has a session that did not end.
    pub(super) fn is_live(&self, broker: i32, now: u64) -> bool {
        self.by_broker.get(&broker).is_some_and(|session| now < session.ends_at())
    }

    /// Whether there is no sign that the broker still runs: its connection broke and it said nothing since, or it
    /// never said anything to this controller.
    pub(super) fn is_in_doubt(&self, broker: i32) -> bool {
        self.by_broker.get(&broker).is_some_and(|session| session.broken_deadline.is_some() || !session.heard)
    }

    pub(super) fn close(&mut self, broker: i32) {
        self.by_broker.remove(&broker);
    }

    /// Gives more time, once until they say something, to all whose sessions would have ended
    /// while the controller did not run: what they said may not have been read yet.
    pub(super) fn excuse(&mut self, now: u64, most_late: u64) {
        let late = self.next_end().map_or(0, |end| now.saturating_sub(end));
        if late <= most_late {
            return;
        }
        for session in self.by_broker.values_mut().filter(|session| !session.excused) {
            session.excused = true;
            session.deadline = session.deadline.max(now + most_late);
            session.broken_deadline = session.broken_deadline.map(|at| at.max(now + most_late));
        }
    }

    /// The brokers whose sessions ended; they have none any more.
    pub(super) fn take_expired(&mut self, now: u64) -> Vec<i32> {
        let expired: Vec<i32> =
            self.by_broker.iter().filter(|(_, session)| session.ends_at() <= now).map(|(broker, _)| *broker).collect();
        for broker in &expired {
            self.close(*broker);
        }
        expired
    }

    /// When the next session ends.
    pub(super) fn next_end(&self) -> Option<u64> {
        self.by_broker.values().map(Session::ends_at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_the_broker_clears_a_broken_connection() {
        let mut sessions = Sessions::default();
        sessions.open(1, 9_000);
        sessions.broken(1, 2_000);
        sessions.broken(1, 3_000);
        assert_eq!(sessions.next_end(), Some(2_000));
        sessions.touch(1, 10_000);
        assert_eq!(sessions.next_end(), Some(10_000));
        assert!(sessions.is_live(1, 9_999));
        assert!(!sessions.is_live(1, 10_000));
        assert!(sessions.take_expired(9_999).is_empty());
        assert_eq!(sessions.take_expired(10_000), [1]);
        assert_eq!(sessions.next_end(), None);
    }
}
