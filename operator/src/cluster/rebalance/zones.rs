//! The zones by which replicas are placed: a broker counts as in its rack, unless its pod was seen in another zone for a
//! while. Then what shares a zone by that has to move. Pure: what is seen at which time comes in, and what is remembered
//! goes out. A label that comes and goes moves nothing, and neither does a pod that is away.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use odradek_crds::BrokerZone;

use super::need::way;
use crate::kafka::{KafkaView, PartitionView};

/// How long a broker has to run in a zone before it counts as there.
pub const SETTLED: SignedDuration = SignedDuration::from_mins(5);

/// What is known of the brokers that do not run in their rack, by where they are seen now. `racks` has all brokers, and
/// `seen` those whose zone is known.
pub fn zones(
    racks: &BTreeMap<i32, Option<&str>>,
    seen: &BTreeMap<i32, &str>,
    before: &[BrokerZone],
    now: Timestamp,
) -> Vec<BrokerZone> {
    let before: BTreeMap<i32, &BrokerZone> = before.iter().map(|zone| (zone.broker, zone)).collect();
    let zone = |(id, rack): (&i32, &Option<&str>)| {
        let (rack, old) = ((*rack)?, before.get(id).copied());
        let Some(runs_in) = seen.get(id) else { return old.cloned() };
        let same = old.filter(|old| old.runs_in == *runs_in);
        let since = same.and_then(|old| old.since.parse::<Timestamp>().ok()).filter(|since| *since <= now);
        let since = since.unwrap_or_else(|| Timestamp::from_second(now.as_second()).unwrap_or(now));
        let counted = old.and_then(|old| old.counts_as.as_deref()).unwrap_or(rack);
        let counts_as = if now.duration_since(since) >= SETTLED { runs_in } else { counted };
        // One that is back is remembered until what was moved for it is looked through: see `forget`.
        let is_back = |old: &BrokerZone| old.counts_as.is_some() || old.runs_in == rack;
        if *runs_in == rack && counts_as == rack && !old.is_some_and(is_back) {
            return None;
        }
        Some(BrokerZone {
            broker: *id,
            runs_in: (*runs_in).to_owned(),
            since: since.to_string(),
            counts_as: (counts_as != rack).then(|| counts_as.to_owned()),
        })
    };
    racks.iter().filter_map(zone).collect()
}

/// Whether it counts where it runs, or is back in its rack.
pub fn is_settled(zone: &BrokerZone, racks: &BTreeMap<i32, Option<&str>>) -> bool {
    zone.counts_as.is_some() || racks.get(&zone.broker).copied().flatten() == Some(&zone.runs_in)
}

/// Forgets the brokers that are back in their racks, but for those with partitions that have yet to move.
pub fn forget(zones: &mut Vec<BrokerZone>, racks: &BTreeMap<i32, Option<&str>>, crowded: &BTreeSet<i32>) {
    let is_back = |zone: &BrokerZone| zone.counts_as.is_none() && is_settled(zone, racks);
    zones.retain(|zone| !is_back(zone) || crowded.contains(&zone.broker));
}

/// The zones as they count, to find what is closer together by them than it has to be.
pub struct Counted<'a> {
    /// The zone of each broker.
    racks: BTreeMap<i32, Option<&'a str>>,
    /// The zones of those that serve and stay.
    open: BTreeSet<&'a str>,
    /// The brokers that are looked at: those that run, or ran, elsewhere.
    whose: BTreeSet<i32>,
}

impl<'a> Counted<'a> {
    /// By the zone that each broker counts as; `leaving` have to go.
    pub fn of(
        racks: BTreeMap<i32, Option<&'a str>>,
        whose: BTreeSet<i32>,
        view: &KafkaView,
        leaving: &BTreeSet<i32>,
    ) -> Counted<'a> {
        let staying = view.brokers.iter().filter(|id| !leaving.contains(id));
        let open = staying.filter_map(|id| racks.get(id).copied().flatten()).collect();
        Counted { racks, open, whose }
    }

    /// Whether there is nothing to look at.
    pub fn is_empty(&self) -> bool {
        self.whose.is_empty()
    }

    /// The brokers among those that are looked at which hold this partition beside another in the same zone, while a zone
    /// that could take one has none.
    pub fn crowded(&self, view: &KafkaView, partition: &PartitionView) -> Vec<i32> {
        if !partition.replicas.iter().any(|id| self.whose.contains(id)) {
            return Vec::new();
        }
        // Until what is under way is done, it is not.
        let adding = way(view, partition).map(|way| &way.adding[..]).unwrap_or_default();
        let replicas: Vec<i32> = partition.replicas.iter().filter(|id| !adding.contains(id)).copied().collect();
        let zone = |id: &i32| self.racks.get(id).copied().flatten();
        let zones: Vec<&str> = replicas.iter().filter_map(zone).collect();
        if self.open.iter().all(|open| zones.contains(open)) {
            return Vec::new();
        }
        let shares =
            |id: &&i32| self.whose.contains(id) && zones.iter().filter(|other| zone(id) == Some(other)).count() > 1;
        replicas.iter().filter(shares).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RACKS: [(i32, Option<&str>); 3] = [(0, Some("a")), (1, Some("b")), (2, Some("c"))];

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("a time")
    }

    /// Broker 1 is seen in these zones at these seconds; what is known of it in the end.
    fn after(looks: &[(i64, Option<&str>)]) -> Option<(String, Option<String>)> {
        let mut known = Vec::new();
        for (seconds, zone) in looks {
            let seen: BTreeMap<i32, &str> = zone.iter().map(|zone| (1, *zone)).collect();
            known = zones(&BTreeMap::from(RACKS), &seen, &known, at(*seconds));
        }
        assert!(known.len() < 2);
        known.pop().map(|zone| (zone.runs_in, zone.counts_as))
    }

    fn known(runs_in: &str, counts_as: Option<&str>) -> Option<(String, Option<String>)> {
        Some((runs_in.to_owned(), counts_as.map(str::to_owned)))
    }

    #[test]
    fn a_zone_counts_once_it_lasted() {
        assert_eq!(after(&[(0, Some("b"))]), None);
        assert_eq!(after(&[(0, Some("x")), (299, Some("x"))]), known("x", None));
        assert_eq!(after(&[(0, Some("x")), (300, Some("x"))]), known("x", Some("x")));
        assert_eq!(after(&[(0, Some("x")), (200, Some("b"))]), None, "it was nothing");
        assert_eq!(after(&[(0, Some("x")), (200, Some("y")), (400, Some("y"))]), known("y", None), "each anew");
        assert_eq!(after(&[(0, Some("x")), (200, None), (400, None)]), known("x", None), "not while it is away");
        assert_eq!(after(&[(0, Some("x")), (200, None), (400, Some("x"))]), known("x", Some("x")));
    }

    #[test]
    fn what_counts_does_so_until_another_one_lasted() {
        let settled = [(0, Some("x")), (300, Some("x"))];
        let then = |more: &[(i64, Option<&str>)]| after(&[&settled[..], more].concat());
        assert_eq!(then(&[(310, Some("b")), (400, Some("b"))]), known("b", Some("x")));
        assert_eq!(then(&[(310, Some("b")), (610, Some("b"))]), known("b", None), "back, and to be looked through");
        assert_eq!(then(&[(310, Some("b")), (610, Some("b")), (700, Some("b"))]), known("b", None));
        assert_eq!(then(&[(310, Some("b")), (400, Some("x"))]), known("x", Some("x")));
    }

    #[test]
    fn one_that_is_back_is_forgotten_once_nothing_of_it_is_crowded() {
        let back = BrokerZone { broker: 1, runs_in: "b".to_owned(), ..BrokerZone::default() };
        let away = BrokerZone { broker: 2, runs_in: "x".to_owned(), ..BrokerZone::default() };
        let mut zones = vec![back, away.clone()];
        forget(&mut zones, &BTreeMap::from(RACKS), &BTreeSet::from([1]));
        assert_eq!(zones.len(), 2);
        forget(&mut zones, &BTreeMap::from(RACKS), &BTreeSet::new());
        assert_eq!(zones, [away]);
    }

    #[test]
    fn a_time_that_nobody_wrote_counts_from_now() {
        for since in ["", "soon", "2999-01-01T00:00:00Z"] {
            let odd = BrokerZone { broker: 1, runs_in: "x".into(), since: since.into(), counts_as: None };
            let seen = BTreeMap::from([(1, "x")]);
            assert_eq!(zones(&BTreeMap::from(RACKS), &seen, &[odd], at(1000))[0].since, at(1000).to_string());
        }
    }

    proptest! {
        /// However a label comes and goes, nothing counts that did not last.
        #[test]
        fn what_flaps_counts_for_nothing(looks in prop::collection::vec((1_i64..299, 0_usize..4), 1..40)) {
            let (mut now, mut known) = (0, Vec::new());
            let mut last = None;
            for (later, zone) in looks {
                // Never the same twice in a row.
                let zone = ["b", "x", "y", "z"][if last == Some(zone) { (zone + 1) % 4 } else { zone }];
                last = ["b", "x", "y", "z"].iter().position(|other| *other == zone);
                now += later;
                known = zones(&BTreeMap::from(RACKS), &BTreeMap::from([(1, zone)]), &known, at(now));
                prop_assert!(known.iter().all(|zone| zone.counts_as.is_none()), "{known:?}");
            }
        }
    }
}
