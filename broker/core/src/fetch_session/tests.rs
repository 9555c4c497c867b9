use super::*;
use proptest::prelude::*;

fn asked(fetch_offset: i64) -> Asked {
    Asked { current_leader_epoch: 1, fetch_offset, last_fetched_epoch: -1, log_start_offset: 0, max_bytes: 100 }
}

fn request(session_id: i32, epoch: i32, owner: i32, keys: &[&'static str]) -> SessionRequest<&'static str, u32> {
    SessionRequest {
        session_id,
        epoch,
        owner,
        uses_topic_ids: true,
        asked: keys.iter().map(|key| (*key, Some(u32::from(key.as_bytes()[0])), asked(0))).collect(),
        forgotten: Vec::new(),
    }
}

type Cache = SessionCache<&'static str, u32>;

fn opened(cache: &mut Cache, now: u64, owner: i32, keys: &[&'static str]) -> Option<i32> {
    match cache.open(now, request(0, INITIAL_EPOCH, owner, keys)) {
        Ok(Opened::Full { session }) => Some(session),
        Ok(Opened::Sessionless) => None,
        other => panic!("{other:?}"),
    }
}

fn due(cache: &Cache, session: i32) -> Vec<&'static str> {
    cache.due(session).map(|(key, ..)| *key).collect()
}

#[test]
fn only_what_something_happened_to_is_looked_at_again() {
    let mut cache = Cache::new(10, 7);
    let session = opened(&mut cache, 0, -1, &["a", "b", "c"]).unwrap();
    assert_eq!(due(&cache, session), ["a", "b", "c"]);
    for key in ["a", "b", "c"] {
        cache.looked(session, &key, Some(Told { high_watermark: 5, log_start_offset: 0 }), Next::Rest);
    }
    assert!(due(&cache, session).is_empty());
    assert_eq!(cache.mark(&u32::from(b'b')), [session]);
    assert!(cache.mark(&u32::from(b'z')).is_empty());
    assert_eq!(due(&cache, session), ["b"]);
    // Another offset is something to look at, too.
    let next = SessionRequest { asked: vec![("c", None, asked(9))], ..request(session, 1, -1, &[]) };
    assert_eq!(cache.open(1, next), Ok(Opened::Incremental { session }));
    let looks: Vec<_> = cache.due(session).map(|(key, _, asked, told)| (*key, asked.fetch_offset, told)).collect();
    let told = Told { high_watermark: 5, log_start_offset: 0 };
    assert_eq!(looks, [("b", 0, told), ("c", 9, told)]);
}

#[test]
fn who_gave_records_goes_last() {
    let mut cache = Cache::new(10, 7);
    let session = opened(&mut cache, 0, -1, &["a", "b", "c"]).unwrap();
    cache.looked(session, &"a", None, Next::Last);
    cache.looked(session, &"b", None, Next::Again);
    assert_eq!(due(&cache, session), ["b", "c", "a"]);
}

#[test]
fn epochs_and_ids_are_checked() {
    let mut cache = Cache::new(10, 7);
    let session = opened(&mut cache, 0, 3, &["a"]).unwrap();
    assert_eq!(cache.open(0, request(session, 2, 3, &[])), Err(SessionError::InvalidEpoch));
    assert_eq!(cache.open(0, request(session, 1, 4, &[])), Err(SessionError::IdNotFound), "another follower's");
    assert_eq!(cache.open(0, request(session ^ 1, 1, 3, &[])), Err(SessionError::IdNotFound));
    let by_name = SessionRequest { uses_topic_ids: false, ..request(session, 1, 3, &[]) };
    assert_eq!(cache.open(0, by_name), Err(SessionError::TopicId));
    assert_eq!(cache.open(0, request(session, 1, 3, &[])), Ok(Opened::Incremental { session }));
    assert_eq!(cache.open(0, request(session, 1, 3, &[])), Err(SessionError::InvalidEpoch), "repeated");
    assert_eq!(cache.open(0, request(session, 2, 3, &[])), Ok(Opened::Incremental { session }));
    assert_eq!(
        [70, 71, 106],
        [SessionError::IdNotFound, SessionError::InvalidEpoch, SessionError::TopicId].map(SessionError::code)
    );
}

#[test]
fn a_session_ends_when_told_so_or_when_it_is_empty() {
    let mut cache = Cache::new(10, 7);
    let session = opened(&mut cache, 0, -1, &["a", "b"]).unwrap();
    assert_eq!(cache.partitions(), 2);
    let rest = SessionRequest { forgotten: vec!["a"], ..request(session, 1, -1, &[]) };
    assert_eq!(cache.open(0, rest), Ok(Opened::Incremental { session }));
    assert!(cache.mark(&u32::from(b'a')).is_empty());
    let none = SessionRequest { forgotten: vec!["b"], ..request(session, 2, -1, &[]) };
    assert_eq!(cache.open(0, none), Ok(Opened::Sessionless));
    assert!(cache.is_empty() && cache.partitions() == 0);
    let session = opened(&mut cache, 0, -1, &["a"]).unwrap();
    assert_eq!(cache.open(0, request(session, FINAL_EPOCH, -1, &[])), Ok(Opened::Sessionless));
    assert!(cache.is_empty());
    let session = opened(&mut cache, 0, -1, &["a"]).unwrap();
    let Ok(Opened::Full { session: second }) = cache.open(0, request(session, INITIAL_EPOCH, -1, &["a"])) else {
        panic!("a full fetch opens a new one");
    };
    assert_ne!(second, session);
    assert_eq!(cache.len(), 1);
}

#[test]
fn followers_take_consumers_slots_and_nobody_takes_a_busy_followers() {
    let mut cache = Cache::new(2, 7);
    let consumer = opened(&mut cache, 0, -1, &["a"]).unwrap();
    let follower = opened(&mut cache, 0, 1, &["a"]).unwrap();
    assert_eq!(opened(&mut cache, 1, -1, &["a", "b", "c"]), None, "all of them are young");
    let second = opened(&mut cache, 1, 2, &["a"]).unwrap();
    assert_eq!(cache.epoch(consumer), None);
    assert_eq!((cache.epoch(follower), cache.epoch(second)), (Some(1), Some(1)));
    assert_eq!(opened(&mut cache, 2, 3, &["a", "b"]), None);
    assert_eq!(cache.evictions(), 1);
    // Who says nothing for two minutes goes for anybody.
    assert_eq!(cache.open(100_000, request(second, 1, 2, &[])), Ok(Opened::Incremental { session: second }));
    let third = opened(&mut cache, EVICTION_MS + 1, -1, &["a"]).unwrap();
    assert_eq!((cache.epoch(follower), cache.len()), (None, 2));
    // An old follower's goes for a larger follower's, and not for a consumer's.
    assert_eq!(
        cache.open(EVICTION_MS + 50_000, request(second, 2, 2, &[])),
        Ok(Opened::Incremental { session: second })
    );
    assert_eq!(
        cache.open(EVICTION_MS + 50_000, request(third, 1, -1, &[])),
        Ok(Opened::Incremental { session: third })
    );
    assert_eq!(opened(&mut cache, EVICTION_MS + 50_001, -1, &["a", "b"]), None);
    assert!(opened(&mut cache, EVICTION_MS + 50_002, 5, &["a", "b"]).is_some());
    assert_eq!(cache.epoch(third), None, "the consumer's goes before");
    assert!(opened(&mut cache, EVICTION_MS + 50_003, 6, &["a", "b"]).is_some());
    assert_eq!(cache.epoch(second), None);
}

#[test]
fn no_slots_means_no_sessions() {
    let mut cache = Cache::new(0, 7);
    assert_eq!(opened(&mut cache, 0, 1, &["a"]), None);
}

#[test]
fn a_partition_that_becomes_known_is_watched() {
    let mut cache = Cache::new(1, 7);
    let unknown = SessionRequest { asked: vec![("x", None, asked(0))], ..request(0, INITIAL_EPOCH, -1, &[]) };
    let Ok(Opened::Full { session }) = cache.open(0, unknown) else { panic!("room for one") };
    cache.looked(session, &"x", None, Next::Rest);
    cache.watch(session, &"x", Some(9));
    assert_eq!(cache.mark(&9), [session]);
    cache.watch(session, &"x", Some(10));
    assert!(cache.mark(&9).is_empty());
}

#[test]
fn a_fetch_names_what_changed() {
    let mut handler: FetchSessionHandler<u8, i64> = FetchSessionHandler::default();
    assert!(handler.is_empty());
    handler.set(1, 10);
    handler.set(2, 20);
    let full = Built { session_id: 0, epoch: 0, asked: vec![(1, 10), (2, 20)], forgotten: vec![] };
    assert_eq!(handler.build(), full);
    assert!(handler.answered(0, 5));
    handler.set(1, 11);
    handler.set(2, 20);
    handler.set(3, 30);
    let next = Built { session_id: 5, epoch: 1, asked: vec![(1, 11), (3, 30)], forgotten: vec![] };
    assert_eq!(handler.build(), next);
    assert!(handler.answered(0, 5));
    handler.remove(&2);
    assert_eq!(handler.build(), Built { session_id: 5, epoch: 2, asked: vec![], forgotten: vec![2] });
    handler.failed();
    let again = Built { session_id: 5, epoch: 0, asked: vec![(1, 11), (3, 30)], forgotten: vec![] };
    assert_eq!(handler.build(), again, "the old one is closed, and a new one asked for");
    assert!(handler.answered(0, 6));
    assert_eq!(handler.build(), Built { session_id: 6, epoch: 1, asked: vec![], forgotten: vec![] });
    assert!(!handler.answered(70, 0), "the leader has forgotten it");
    assert_eq!(handler.build().session_id, 0);
    assert!(handler.answered(0, 0), "no room for sessions: a full fetch each time");
    assert_eq!(handler.build().asked.len(), 2);
    assert!(handler.answered(0, 8));
    assert_eq!(handler.build().epoch, 1);
    assert!(!handler.answered(71, 0));
    assert_eq!((handler.build().epoch, handler.is_full()), (0, true));
}

#[test]
fn epochs_wrap_to_one() {
    assert_eq!((next_epoch(0), next_epoch(i32::MAX), next_epoch(FINAL_EPOCH)), (1, 1, FINAL_EPOCH));
}

#[derive(Debug, Clone)]
enum Step {
    Set(u8, i64),
    Remove(u8),
    Fetch { lost: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0u8..6, 0i64..4).prop_map(|(key, state)| Step::Set(key, state)),
        (0u8..6).prop_map(Step::Remove),
        prop::bool::weighted(0.2).prop_map(|lost| Step::Fetch { lost }),
    ]
}

proptest! {
    /// Whatever gets lost on the way, after an answered fetch the leader's session is what the follower wants.
    #[test]
    fn both_sides_agree(steps in prop::collection::vec(step(), 0..80), slots in 0usize..3) {
        let mut handler: FetchSessionHandler<u8, i64> = FetchSessionHandler::default();
        let mut wanted = std::collections::BTreeMap::new();
        let mut cache: SessionCache<u8, u8> = SessionCache::new(slots, 1);
        for (now, step) in steps.into_iter().enumerate() {
            match step {
                Step::Set(key, state) => {
                    wanted.insert(key, state);
                    handler.set(key, state);
                }
                Step::Remove(key) => {
                    wanted.remove(&key);
                    handler.remove(&key);
                }
                Step::Fetch { lost } => {
                    let built = handler.build();
                    let outcome = cache.open(now as u64, SessionRequest {
                        session_id: built.session_id,
                        epoch: built.epoch,
                        owner: 1,
                        uses_topic_ids: true,
                        asked: built.asked.iter().map(|(key, state)| (*key, Some(*key), asked(*state))).collect(),
                        forgotten: built.forgotten.clone(),
                    });
                    if lost {
                        handler.failed();
                        continue;
                    }
                    match outcome {
                        Ok(Opened::Sessionless) => {
                            prop_assert!(handler.answered(0, NO_SESSION));
                        }
                        Ok(Opened::Full { session } | Opened::Incremental { session }) => {
                            prop_assert!(handler.answered(0, session));
                            let has: std::collections::BTreeMap<u8, i64> = cache.due(session)
                                .map(|(key, _, asked, _)| (*key, asked.fetch_offset))
                                .collect();
                            // Nothing was looked at, so everything is due.
                            prop_assert_eq!(&has, &wanted);
                        }
                        Err(error) => {
                            prop_assert!(!handler.answered(error.code(), NO_SESSION));
                        }
                    }
                }
            }
            prop_assert!(cache.len() <= slots);
        }
    }
}
