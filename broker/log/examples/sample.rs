//! Writes a small log with everything in it into a folder, to be looked at with Kafka's dump-log:
//! `cargo run -p odradek-log --example sample -- /tmp/sample/topic-0`.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use odradek_log::{Disk, Log, LogConfig, OpenState, Origin, RealDisk};
use odradek_wire::batch::{BatchBuilder, Compression, RecordBatches};
use uuid::Uuid;

const START: i64 = 1_790_000_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = PathBuf::from(std::env::args().nth(1).ok_or("give the folder of the log, which must not exist")?);
    if dir.exists() {
        return Err(format!("{} is there already", dir.display()).into());
    }
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    // No checks of time: the records' clock stands still so that the bytes are the same each time.
    let config = LogConfig {
        segment_bytes: 4096,
        index_interval_bytes: 300,
        timestamp_after_max_ms: i64::MAX,
        ..LogConfig::default()
    };
    let (mut log, _) = Log::open(disk, dir, config, OpenState { clean_shutdown: true, ..OpenState::default() }, START)?;
    log.set_topic_id(Uuid::from_u128(0x0dad_ec00_0000_4000_8000_0000_0000_0001))?;
    let codecs = [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
    for i in 0..60_i64 {
        let epoch = 1 + (i / 25) as i32;
        let mut builder = match i % 3 {
            0 => BatchBuilder::new(0).producer(1000 + i % 2, 0, (i / 6 * 3) as i32),
            _ => BatchBuilder::new(0).compression(codecs[(i % 5) as usize]),
        };
        for j in 0..3 {
            let key = format!("key {}", (i * 3 + j) % 7);
            let value = format!("value {i} {j}").repeat(1 + (i % 4) as usize);
            // Not in order: the time index has fewer entries than the offset index then.
            let timestamp = START + i * 100 + j - if i % 10 == 9 { 5000 } else { 0 };
            builder.append(
                timestamp,
                Some(key.as_bytes()),
                Some(value.as_bytes()),
                &[(b"h", Some(b"x")), (b"n", None)],
            );
        }
        let batch = RecordBatches::validate(builder.build()?, 1 << 20)?;
        log.append_leader(&batch, epoch, START)?;
    }
    let mut open = BatchBuilder::new(0).producer(2000, 3, 0).transactional(true);
    open.append(START + 7000, None, Some(b"in a transaction"), &[]);
    log.append_leader(&RecordBatches::validate(open.build()?, 1 << 20)?, 3, START)?;
    let mut marker = BatchBuilder::new(0).producer(2000, 3, -1).transactional(true).control(true);
    marker.append(START + 7001, Some(&[0, 0, 0, 1]), Some(&[0, 0, 0, 0, 0, 5]), &[]);
    log.append_leader_as(&RecordBatches::validate(marker.build()?, 1 << 20)?, 3, START, Origin::Internal)?;
    log.close()?;
    println!("{} segments, offsets {}..{}", log.segments(), log.log_start_offset(), log.log_end_offset());
    Ok(())
}
