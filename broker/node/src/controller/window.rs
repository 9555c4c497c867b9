//! The newest committed entries, and what a broker that follows gets of them.

use std::collections::VecDeque;

use odradek_core::metadata::image::Image;
use odradek_core::metadata::record::{Record, encode_records};
use odradek_core::metadata::rpc::{MetadataBatch, MetadataSnapshot};

/// Bytes that an entry without records is taken for.
const EMPTY: usize = 32;

/// The newest committed entries without a gap, the newest one last.
#[derive(Debug)]
pub(super) struct Window {
    entries: VecDeque<MetadataBatch>,
    bytes: usize,
    limit: usize,
    /// The next entry.
    end: u64,
}

/// What a broker gets that wants to go on from some entry.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Page {
    pub snapshot: Option<MetadataSnapshot>,
    pub batches: Vec<MetadataBatch>,
}

impl Window {
    /// Nothing yet; the first entry will be `next`.
    pub(super) fn new(limit: usize, next: u64) -> Window {
        Window { entries: VecDeque::new(), bytes: 0, limit, end: next }
    }

    /// Forgets everything; the next entry is `next`.
    pub(super) fn reset(&mut self, next: u64) {
        self.entries.clear();
        (self.bytes, self.end) = (0, next);
    }

    /// Takes the next committed entry.
    pub(super) fn push(&mut self, offset: u64, records: &[Record]) {
        let batch = MetadataBatch { offset, records: encode_records(records) };
        self.bytes += size(&batch);
        self.entries.push_back(batch);
        self.end = offset + 1;
        while self.bytes > self.limit && self.entries.len() > 1 {
            if let Some(old) = self.entries.pop_front() {
                self.bytes -= size(&old);
            }
        }
    }

    /// The entry after the newest.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// What follows from `from` on: entries (at least one, about `max_bytes`), after a snapshot where the first ones
    /// are not in memory any more. Empty when there is nothing new. `image` is the state at the end of the window.
    pub(super) fn page(&self, from: u64, max_bytes: usize, image: &Image) -> Page {
        let start = self.end - self.entries.len() as u64;
        if from.max(1) >= self.end {
            return Page::default();
        }
        // Offset 0 does not exist: whoever asks for it has nothing.
        if from.max(1) < start {
            let snapshot = MetadataSnapshot { offset: image.offset(), data: encode_records(&image.to_records()) };
            return Page { snapshot: Some(snapshot), batches: Vec::new() };
        }
        let mut batches = Vec::new();
        let mut bytes = 0;
        for batch in self.entries.iter().skip((from.max(1) - start) as usize) {
            bytes += size(batch);
            if bytes > max_bytes && !batches.is_empty() {
                break;
            }
            batches.push(batch.clone());
        }
        Page { snapshot: None, batches }
    }
}

fn size(batch: &MetadataBatch) -> usize {
    EMPTY + batch.records.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use odradek_core::metadata::record::ClusterId;

    fn records(text: &str) -> Vec<Record> {
        vec![ClusterId { cluster_id: text.to_owned() }.into()]
    }

    fn offsets(page: &Page) -> Vec<u64> {
        page.batches.iter().map(|batch| batch.offset).collect()
    }

    #[test]
    fn pages_go_on_where_the_asker_is_and_a_snapshot_helps_who_is_too_far_behind() {
        let mut window = Window::new(1_000, 1);
        let mut image = Image::new();
        assert_eq!(window.page(0, 100, &image), Page::default());
        for offset in 1..=50 {
            window.push(offset, &records("x"));
            image.advance_to(offset);
        }
        assert_eq!(window.end(), 51);
        assert_eq!(window.page(51, 100, &image), Page::default());
        assert_eq!(window.page(90, 100, &image), Page::default());
        assert_eq!(offsets(&window.page(50, 1, &image)), [50]);
        assert_eq!(offsets(&window.page(48, 1_000, &image)), [48, 49, 50]);
        let far = window.page(1, 1_000, &image);
        assert_eq!((far.snapshot.map(|snapshot| snapshot.offset), far.batches), (Some(50), Vec::new()));
        window.reset(71);
        image.advance_to(70);
        assert_eq!(window.page(50, 1, &image).snapshot.map(|snapshot| snapshot.offset), Some(70));
        assert_eq!(window.page(71, 1, &image), Page::default());
    }
}
