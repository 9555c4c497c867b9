//! Opens a partition's folder, repairing it as a broker would, and says what is in it:
//! `cargo run -p odradek-log --example inspect -- COPY_OF_FOLDER [clean|RECOVERY_POINT]`.

use std::error::Error;
use std::sync::Arc;

use odradek_log::{Disk, Log, LogConfig, OpenState, RealDisk};
use odradek_wire::batch::{RecordBatches, records};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().ok_or("give the folder of a partition; work on a copy, it may be repaired")?;
    let opened = match args.next().as_deref() {
        Some("clean") => OpenState { clean_shutdown: true, ..OpenState::default() },
        Some(point) => OpenState { recovery_point: point.parse()?, ..OpenState::default() },
        None => OpenState::default(),
    };
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let (mut log, recovered) = Log::open(disk, dir.into(), LogConfig::default(), opened, 0)?;
    println!("{recovered:#?}");
    println!(
        "offsets {}..{}, {} segments, {} bytes, epochs {:?}, {} producers",
        log.log_start_offset(),
        log.log_end_offset(),
        log.segments(),
        log.size_bytes(),
        log.epochs().entries(),
        log.producers().len()
    );
    let (mut from, mut batches, mut count, mut bytes) = (log.log_start_offset(), 0, 0, 0);
    while from < log.log_end_offset() {
        let read = log.read(from, 1 << 20, i64::MAX, true)?;
        let Some(range) = read.ranges.first() else { break };
        let set = RecordBatches::parse_trailing(range.read()?)?;
        for info in &set.batches {
            for record in records(&set.batch_bytes(info))? {
                let record = record?;
                count += 1;
                bytes += record.value.map_or(0, |value| value.len());
            }
            batches += 1;
            from = info.header.last_offset() + 1;
        }
    }
    println!("{count} records in {batches} batches read, {bytes} bytes of values");
    println!("largest timestamp: {:?}", log.max_timestamp(i64::MAX)?);
    log.close()?;
    Ok(())
}
