//! A leader's high watermark never goes back while it leads (M5; KIP-966).

use std::collections::BTreeMap;

use odradek_node::event::LogKey;

use crate::network::Place;

/// Remembers what each life of a leader said.
#[derive(Debug, Clone, Default)]
pub struct HighWatermarks {
    said: BTreeMap<(LogKey, i32, Place, u64), i64>,
}

impl HighWatermarks {
    /// A leader in that life under that epoch says that this is its high watermark.
    ///
    /// # Errors
    /// When it said a larger one before.
    pub fn look(&mut self, key: LogKey, epoch: i32, who: (Place, u64), high_watermark: i64) -> Result<(), String> {
        let said = self.said.entry((key, epoch, who.0, who.1)).or_insert(high_watermark);
        if high_watermark < *said {
            return Err(format!(
                "partition {} under epoch {epoch}: the high watermark of broker {} went from {said} back to \
                 {high_watermark}",
                key.partition, who.0
            ));
        }
        *said = high_watermark;
        Ok(())
    }
}
