//! Events for people. They are written in the background, so that no reconcile waits for one.

use std::{collections::HashMap, fmt, sync::Arc};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube_runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;

use crate::names::{MANAGER, fnv1a};

/// Events that may wait to be written. More than these are lost, as with Kubernetes' own components.
const QUEUE: usize = 1000;
/// Events that may wait while one that only mentions something is still taken.
const FEW: usize = 50;

/// What was told lately, so that it is counted when it is told again. Beyond that it is a new Event.
const TOLD: usize = 1000;

/// Tells people what was done, or could not be. An Event that cannot be written stops nothing.
#[derive(Clone)]
pub struct Events(Arc<mpsc::Sender<(Event, ObjectReference)>>);

impl Events {
    /// Starts the task that writes. Has to be called within a Tokio runtime.
    pub fn start(client: Client) -> Self {
        let (queue, mut events) = mpsc::channel::<(Event, ObjectReference)>(QUEUE);
        tokio::spawn(async move {
            let mut recorders: HashMap<u64, Recorder> = HashMap::new();
            while let Some((event, about)) = events.recv().await {
                if recorders.len() >= TOLD {
                    recorders.clear();
                }
                let recorder = recorders.entry(what_is_told(&event, &about)).or_insert_with(|| {
                    Recorder::new(client.clone(), Reporter { controller: MANAGER.to_owned(), instance: None })
                });
                if let Err(error) = recorder.publish(&event, &about).await {
                    tracing::warn!(%error, reason = event.reason, "cannot write an Event");
                }
            }
        });
        Events(Arc::new(queue))
    }

    /// Tells something.
    pub fn tell(&self, about: &ObjectReference, good: bool, reason: &str, action: &str, note: String) {
        let event = Event {
            type_: if good { EventType::Normal } else { EventType::Warning },
            reason: reason.to_owned(),
            note: Some(cut(note)),
            action: action.to_owned(),
            secondary: None,
        };
        if self.0.try_send((event, about.clone())).is_err() {
            tracing::warn!(reason, name = about.name, "too many Events wait: one is lost");
        }
    }

    /// Tells something that can be seen elsewhere too, unless there is much to tell.
    pub fn mention(&self, about: &ObjectReference, reason: &str, action: &str, note: String) {
        if self.0.max_capacity() - self.0.capacity() < FEW {
            self.tell(about, true, reason, action, note);
        }
    }
}

/// A recorder takes Events of the same reason and action for one series and keeps the note of the first: each note needs a
/// recorder of its own, or all but the first of several steps would be lost.
fn what_is_told(event: &Event, about: &ObjectReference) -> u64 {
    let note = event.note.as_deref().unwrap_or_default();
    let text = format!("{}/{}/{}/{note}", about.uid.as_deref().unwrap_or_default(), event.reason, event.action);
    fnv1a(text.as_bytes())
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

/// The API takes notes of up to 1 KiB.
fn cut(mut note: String) -> String {
    if note.len() > 1000 {
        let end = (0..=1000).rev().find(|i| note.is_char_boundary(*i)).unwrap_or(0);
        note.truncate(end);
        note.push('…');
    }
    note
}
