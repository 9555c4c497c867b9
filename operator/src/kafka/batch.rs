//! Turns the single questions of reconciles side by side into one round trip.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    future::Future,
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};

use super::KafkaFailure;

/// Questions that go in one request at most.
pub const LIMIT: usize = 500;
/// How long the first question of a batch waits for others.
const LINGER: Duration = Duration::from_millis(3);
/// Questions that may wait for the batch to begin, before those who ask wait.
const QUEUE: usize = 2 * LIMIT;

/// The answers to a batch, by key: a call that failed as a whole, or one answer for each.
pub type Answers<A> = Result<BTreeMap<String, Result<A, KafkaFailure>>, KafkaFailure>;

/// One task that gathers questions of one kind for one cluster and asks them together. While a request is under way
/// the next batch gathers. Two questions with the same key never share a batch, and keep their order. The task ends
/// with the last clone of this.
pub struct Batcher<Q, A> {
    queue: mpsc::Sender<Ask<Q, A>>,
}

struct Ask<Q, A> {
    key: String,
    question: Q,
    reply: oneshot::Sender<Result<A, KafkaFailure>>,
}

impl<Q: Send + 'static, A: Send + 'static> Batcher<Q, A> {
    /// Starts the task, which asks by `call`.
    pub fn start<F>(call: impl Fn(BTreeMap<String, Q>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Answers<A>> + Send + 'static,
    {
        let (queue, asks) = mpsc::channel(QUEUE);
        tokio::spawn(run(asks, call));
        Batcher { queue }
    }

    /// Asks, and waits for the answer of this key alone.
    pub async fn ask(&self, key: &str, question: Q) -> Result<A, KafkaFailure> {
        let (reply, answer) = oneshot::channel();
        let gone = || KafkaFailure::Unreachable("the calls to this cluster have ended".to_owned());
        self.queue.send(Ask { key: key.to_owned(), question, reply }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl<Q, A> fmt::Debug for Batcher<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batcher").finish_non_exhaustive()
    }
}

/// A batch that gathers.
struct Batch<Q, A> {
    questions: BTreeMap<String, Q>,
    replies: Vec<(String, oneshot::Sender<Result<A, KafkaFailure>>)>,
    /// Those that have to wait for the next one.
    later: VecDeque<Ask<Q, A>>,
}

impl<Q, A> Batch<Q, A> {
    fn take(&mut self, ask: Ask<Q, A>) {
        if self.questions.len() >= LIMIT || self.questions.contains_key(&ask.key) {
            self.later.push_back(ask);
        } else {
            self.questions.insert(ask.key.clone(), ask.question);
            self.replies.push((ask.key, ask.reply));
        }
    }
}

async fn run<Q, A, F>(mut queue: mpsc::Receiver<Ask<Q, A>>, call: impl Fn(BTreeMap<String, Q>) -> F)
where
    F: Future<Output = Answers<A>>,
{
    let mut waiting = VecDeque::new();
    loop {
        if waiting.is_empty() {
            let Some(ask) = queue.recv().await else { return };
            waiting.push_back(ask);
        }
        let mut batch = Batch { questions: BTreeMap::new(), replies: Vec::new(), later: VecDeque::new() };
        waiting.drain(..).for_each(|ask| batch.take(ask));
        let linger = tokio::time::sleep(LINGER);
        tokio::pin!(linger);
        while batch.questions.len() < LIMIT && batch.later.len() < LIMIT {
            tokio::select! {
                biased;
                ask = queue.recv() => match ask {
                    Some(ask) => batch.take(ask),
                    None => break,
                },
                () = &mut linger => break,
            }
        }
        let mut answers = call(batch.questions).await;
        for (key, reply) in batch.replies {
            let answer = match &mut answers {
                Ok(answers) => answers.remove(&key).unwrap_or_else(|| {
                    Err(KafkaFailure::Unreachable(format!("the broker's answer says nothing of {key}")))
                }),
                Err(failure) => Err(failure.clone()),
            };
            // Who asked may be gone.
            let _ = reply.send(answer);
        }
        waiting = batch.later;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use futures::future::join_all;

    use super::*;

    type Seen = Arc<Mutex<Vec<Vec<String>>>>;

    /// Doubles numbers, refuses 13, forgets 14, and cannot be reached for 15.
    fn doubler() -> (Batcher<i32, i32>, Seen) {
        let seen = Seen::default();
        let batches = seen.clone();
        let call = move |questions: BTreeMap<String, i32>| {
            batches.lock().expect("a lock").push(questions.keys().cloned().collect());
            async move {
                if questions.values().any(|n| *n == 15) {
                    return Err(KafkaFailure::Unreachable("cut".to_owned()));
                }
                let answer = |n: i32| match n {
                    13 => Err(KafkaFailure::Refused { code: 1, name: "NO".to_owned(), message: None }),
                    n => Ok(2 * n),
                };
                Ok(questions.into_iter().filter(|(_, n)| *n != 14).map(|(key, n)| (key, answer(n))).collect())
            }
        };
        (Batcher::start(call), seen)
    }

    #[tokio::test]
    async fn questions_side_by_side_share_a_request_and_fail_alone() {
        let (batcher, seen) = doubler();
        let asks = [1, 2, 13, 14].map(|n| (n, n.to_string()));
        let answers = join_all(asks.iter().map(|(n, key)| batcher.ask(key, *n))).await;
        assert_eq!(answers[..2], [Ok(2), Ok(4)]);
        assert!(answers[2].as_ref().is_err_and(|failure| failure.is(1)), "{answers:?}");
        assert!(matches!(&answers[3], Err(KafkaFailure::Unreachable(why)) if why.contains("14")), "{answers:?}");
        assert_eq!(seen.lock().expect("a lock").len(), 1);
    }

    #[tokio::test]
    async fn a_batch_is_bounded_and_no_key_is_in_it_twice() {
        let (batcher, seen) = doubler();
        let keys: Vec<String> = (0..LIMIT + 20).map(|n| format!("{n:04}")).collect();
        let first = join_all(keys.iter().map(|key| batcher.ask(key, 1)));
        let again = join_all(keys[..2].iter().map(|key| batcher.ask(key, 2)));
        let (first, again) = tokio::join!(first, again);
        assert!(first.iter().all(|answer| *answer == Ok(2)));
        assert_eq!(again, [Ok(4), Ok(4)]);
        let sizes: Vec<usize> = seen.lock().expect("a lock").iter().map(Vec::len).collect();
        assert_eq!(sizes, [LIMIT, 22]);
    }

    #[tokio::test]
    async fn a_request_that_fails_as_a_whole_fails_all_of_it_and_nothing_later() {
        let (batcher, _) = doubler();
        let (one, two) = tokio::join!(batcher.ask("a", 15), batcher.ask("b", 1));
        assert_eq!(one, Err(KafkaFailure::Unreachable("cut".to_owned())));
        assert_eq!(two, one);
        assert_eq!(batcher.ask("b", 1).await, Ok(2));
    }
}
