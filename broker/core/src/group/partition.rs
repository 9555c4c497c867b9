//! Which partition of `__consumer_offsets` keeps a group.

/// The partition of `__consumer_offsets` that keeps `group_id`, of `partitions` in all.
///
/// This is Kafka's choice, so that an adopted topic is found where it was written: Java's string
/// hash over UTF-16 units without its sign bit, modulo the count. A count below one is taken as
/// one.
pub fn partition_for(group_id: &str, partitions: i32) -> i32 {
    let hash = group_id.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    // `Utils.abs` of Kafka: the smallest integer has no positive counterpart and counts as zero.
    hash.checked_abs().unwrap_or(0) % partitions.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_java() {
        // `"polygenelubricants".hashCode()` is Integer.MIN_VALUE, "Aa" and "BB" are 2112.
        assert_eq!(partition_for("polygenelubricants", 50), 0);
        assert_eq!(partition_for("Aa", 50), 12);
        assert_eq!(partition_for("BB", 50), 12);
        assert_eq!(partition_for("", 50), 0);
        assert_eq!(partition_for("any", 0), 0);
    }
}
