//! Who is alive: soft state, known only to the active controller.
//!
//! A session ends in one of three ways:
//!
//! - nothing was heard for the whole session time-out (Kafka's rule);
//! - the broker's connection broke (its process ended, most likely), and it said nothing within the grace that a
//!   process needs to connect again;
//! - it was silent for a short while (a cut network tells nothing) *while at least half of all brokers were heard*. When
//!   most are silent, it is more likely that this controller, or its network, does not hear them: then the first rule
//!   alone counts. So does a controller that did not run itself: see [`Sessions::awake`].

use std::collections::BTreeMap;

/// How long a broker may say nothing, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patience {
    /// In any case.
    pub(super) session_ms: u64,
    /// While most of the others are heard; 0: only the whole session counts.
    pub(super) silence_ms: u64,
    /// After its connection broke.
    pub(super) disconnect_ms: u64,
}

/// What a session ended by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The whole session time-out.
    TimedOut,
    /// The connection broke, and nothing came after it.
    Disconnected,
    /// Silence, while others were heard.
    Silent,
}

/// What is known of one broker since this controller became active.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// When it ends unless the broker says something.
    deadline: u64,
    /// When it ends because the connection broke; anything the broker says clears this.
    broken_deadline: Option<u64>,
    /// When the silence is long enough to look at the others.
    quiet_deadline: u64,
    /// When it last said something to this controller. `None`: it is only presumed alive, since the controller before
    /// knew it.
    heard_ms: Option<u64>,
    /// The offset up to which the broker has applied the metadata, as far as it said.
    pub(super) metadata_offset: u64,
    /// It got more time already because the controller itself was late.
    excused: bool,
    /// How far its controlled shutdown is.
    pub(super) shutdown: Option<super::shutdown::Progress>,
}

impl Session {
    fn ends_at(&self) -> (u64, End) {
        match self.broken_deadline {
            Some(broken) if broken < self.deadline => (broken, End::Disconnected),
            _ => (self.deadline, End::TimedOut),
        }
    }
}

/// The sessions of all brokers that said something, or that are presumed alive.
#[derive(Clone, Debug)]
pub(super) struct Sessions {
    patience: Patience,
    by_broker: BTreeMap<i32, Session>,
    /// When this controller last ran.
    awake_ms: u64,
}

impl Sessions {
    pub(super) fn new(patience: Patience, now: u64) -> Sessions {
        Sessions { patience, by_broker: BTreeMap::new(), awake_ms: now }
    }

    fn fresh(&self, now: u64, heard: bool) -> Session {
        let silence = self.patience.silence_ms;
        // Who is only presumed alive had time to look for this controller while it was elected.
        let quiet = if heard { silence } else { silence - silence / 4 };
        Session {
            deadline: now + self.patience.session_ms,
            broken_deadline: None,
            quiet_deadline: if silence == 0 { u64::MAX } else { now + quiet },
            heard_ms: heard.then_some(now),
            metadata_offset: 0,
            excused: false,
            shutdown: None,
        }
    }

    /// Gives the broker a new session; all that was known of the one before is forgotten.
    pub(super) fn open(&mut self, broker: i32, now: u64) {
        self.by_broker.insert(broker, self.fresh(now, true));
    }

    /// A broker that the controller before counted as alive: it has some time to say something.
    pub(super) fn presume(&mut self, broker: i32, now: u64) {
        self.by_broker.insert(broker, self.fresh(now, false));
    }

    /// The broker said something: its session goes on, or begins.
    pub(super) fn touch(&mut self, broker: i32, now: u64) -> &mut Session {
        let fresh = self.fresh(now, true);
        let session = self.by_broker.entry(broker).or_insert_with(|| fresh.clone());
        session.deadline = fresh.deadline;
        session.quiet_deadline = fresh.quiet_deadline;
        session.heard_ms = fresh.heard_ms;
        session.broken_deadline = None;
        session.excused = false;
        session
    }

    /// The broker's connection broke.
    pub(super) fn broken(&mut self, broker: i32, now: u64) {
        if let Some(session) = self.by_broker.get_mut(&broker) {
            session.broken_deadline.get_or_insert(now + self.patience.disconnect_ms);
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
        self.by_broker.get(&broker).is_some_and(|session| now < session.ends_at().0)
    }

    /// Whether there is no sign that the broker still runs: its connection broke and it said nothing since, or it
    /// never said anything to this controller.
    pub(super) fn is_in_doubt(&self, broker: i32) -> bool {
        self.by_broker
            .get(&broker)
            .is_some_and(|session| session.broken_deadline.is_some() || session.heard_ms.is_none())
    }

    pub(super) fn close(&mut self, broker: i32) {
        self.by_broker.remove(&broker);
    }

    /// To be told whenever the controller runs. When it did not for longer than `most_late`, what the brokers said
    /// meanwhile may not have been read yet: their silence begins anew.
    pub(super) fn awake(&mut self, now: u64, most_late: u64) {
        let slept = now.saturating_sub(self.awake_ms) > most_late;
        self.awake_ms = self.awake_ms.max(now);
        if slept && self.patience.silence_ms > 0 {
            for session in self.by_broker.values_mut() {
                session.quiet_deadline = session.quiet_deadline.max(now + self.patience.silence_ms);
            }
        }
    }

    /// Gives more time, once until they say something, to all whose sessions would have ended
    /// while the controller did not run: what they said may not have been read yet.
    pub(super) fn excuse(&mut self, now: u64, most_late: u64) {
        let end = self.by_broker.values().map(|session| session.ends_at().0).min();
        if end.is_none_or(|end| now.saturating_sub(end) <= most_late) {
            return;
        }
        for session in self.by_broker.values_mut().filter(|session| !session.excused) {
            session.excused = true;
            session.deadline = session.deadline.max(now + most_late);
            session.broken_deadline = session.broken_deadline.map(|at| at.max(now + most_late));
        }
    }

    /// The brokers whose sessions ended, and why; they have none any more.
    pub(super) fn take_expired(&mut self, now: u64) -> Vec<(i32, End)> {
        let silence = self.patience.silence_ms;
        let heard = |session: &Session| session.heard_ms.is_some_and(|at| now < at + silence);
        let most_heard = self.by_broker.values().filter(|session| heard(session)).count() * 2 >= self.by_broker.len();
        let mut expired = Vec::new();
        for (broker, session) in &mut self.by_broker {
            let (end, why) = session.ends_at();
            if end <= now {
                expired.push((*broker, why));
            } else if session.quiet_deadline <= now {
                if most_heard {
                    expired.push((*broker, End::Silent));
                } else {
                    session.quiet_deadline = now + (silence / 8).max(1);
                }
            }
        }
        for (broker, _) in &expired {
            self.close(*broker);
        }
        expired
    }

    /// When the next session ends, or when a silence has to be looked at.
    pub(super) fn next_end(&self) -> Option<u64> {
        self.by_broker.values().map(|session| session.ends_at().0.min(session.quiet_deadline)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { session_ms: 9_000, silence_ms: 2_000, disconnect_ms: 300 };

    fn sessions(brokers: &[i32]) -> Sessions {
        let mut sessions = Sessions::new(PATIENCE, 0);
        for broker in brokers {
            sessions.open(*broker, 0);
        }
        sessions
    }

    /// Runs from `from` to `to` while `alive` say something every 250 ms; who was lost, and when.
    fn run(sessions: &mut Sessions, from: u64, to: u64, alive: &[i32]) -> Vec<(u64, i32, End)> {
        let mut lost = Vec::new();
        for now in (from..=to).step_by(50) {
            sessions.awake(now, 500);
            if now % 250 == 0 {
                for broker in alive {
                    sessions.touch(*broker, now);
                }
            }
            lost.extend(sessions.take_expired(now).into_iter().map(|(broker, end)| (now, broker, end)));
        }
        lost
    }

    #[test]
    fn a_word_of_the_broker_clears_a_broken_connection() {
        let mut sessions = Sessions::new(Patience { silence_ms: 0, ..PATIENCE }, 0);
        sessions.open(1, 0);
        sessions.broken(1, 1_700);
        sessions.broken(1, 2_700);
        assert_eq!(sessions.next_end(), Some(2_000));
        sessions.touch(1, 1_800);
        assert_eq!(sessions.next_end(), Some(10_800));
        assert!(sessions.is_live(1, 10_799));
        assert!(!sessions.is_live(1, 10_800));
        assert!(sessions.take_expired(10_799).is_empty());
        assert_eq!(sessions.take_expired(10_800), [(1, End::TimedOut)]);
        assert_eq!(sessions.next_end(), None);
    }

    #[test]
    fn a_broken_connection_ends_a_session_within_the_grace() {
        let mut sessions = sessions(&[1, 2, 3]);
        sessions.broken(3, 1_000);
        assert_eq!(run(&mut sessions, 1_050, 5_000, &[1, 2]), [(1_300, 3, End::Disconnected)]);
    }

    #[test]
    fn one_silent_broker_is_lost_soon_and_a_short_pause_is_none() {
        let mut sessions = sessions(&[1, 2, 3]);
        assert_eq!(run(&mut sessions, 0, 1_900, &[1, 2]), []);
        assert_eq!(run(&mut sessions, 1_950, 3_700, &[1, 2, 3]), []);
        assert_eq!(run(&mut sessions, 3_750, 9_000, &[1, 2]), [(5_500, 3, End::Silent)]);
    }

    #[test]
    fn when_most_are_silent_nobody_is_lost_before_the_session_ends() {
        let mut three = sessions(&[1, 2, 3]);
        let lost = run(&mut three, 0, 12_000, &[1]);
        assert_eq!(lost, [(9_000, 2, End::TimedOut), (9_000, 3, End::TimedOut)]);
        let mut alone = sessions(&[1]);
        assert_eq!(run(&mut alone, 0, 12_000, &[]), [(9_000, 1, End::TimedOut)]);
    }

    #[test]
    fn a_controller_that_slept_hears_them_out() {
        let mut sessions = sessions(&[1, 2, 3]);
        assert_eq!(run(&mut sessions, 0, 1_000, &[1, 2, 3]), []);
        // It slept for 5 s; the words of 3 are read last.
        assert_eq!(run(&mut sessions, 6_000, 7_900, &[1, 2]), []);
        assert_eq!(run(&mut sessions, 7_950, 12_000, &[1, 2]), [(8_000, 3, End::Silent)]);
    }

    #[test]
    fn who_is_presumed_alive_is_lost_when_the_others_have_come() {
        let mut three = Sessions::new(PATIENCE, 0);
        for broker in 1..=3 {
            three.presume(broker, 0);
        }
        assert_eq!(run(&mut three.clone(), 0, 8_000, &[1, 2]), [(1_500, 3, End::Silent)]);
        // When nobody has come yet, they look for this controller still.
        assert_eq!(run(&mut three, 0, 8_000, &[]), []);
    }
}
