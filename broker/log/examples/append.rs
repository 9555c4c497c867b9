//! Speed of the append path: `cargo run --release -p odradek-log --example append [folder]`.
//!
//! Records of 1 KiB in batches of 16 KiB to 1 MiB, appended by a leader (offsets and epoch patched, nothing copied) into
//! the page cache; then read back by ranges. No fsync: the price of one depends on the disk, not on this code.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use odradek_log::{Disk, Log, LogConfig, OpenState, RealDisk};
use odradek_wire::batch::{BatchBuilder, RecordBatches};

const TOTAL: usize = 2 << 30;
/// Written in rounds, so that the folder never holds more than this.
const ROUND: usize = 256 << 20;

fn cpu_seconds() -> f64 {
    let time = |t: rustix::time::Timespec| t.tv_sec as f64 + t.tv_nsec as f64 / 1e9;
    time(rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime))
}

fn main() -> Result<(), Box<dyn Error>> {
    let root = match std::env::args().nth(1) {
        Some(folder) => std::path::PathBuf::from(folder),
        None => std::env::temp_dir(),
    };
    let dir = root.join(format!("odradek-append-{}-0", std::process::id()));
    println!(
        "{:>9} {:>10} {:>10} {:>12} {:>12} {:>12}",
        "batch", "MB/s", "CPU s/GB", "µs/append", "read MB/s", "µs/read"
    );
    for records in [16, 64, 256, 1000] {
        measure(&dir, records)?;
    }
    Ok(())
}

fn measure(dir: &std::path::Path, records: usize) -> Result<(), Box<dyn Error>> {
    let mut builder = BatchBuilder::new(0);
    for i in 0..records {
        builder.append(1_790_000_000_000 + i as i64, None, Some(&[i as u8; 1024]), &[]);
    }
    let batch = RecordBatches::validate(Bytes::clone(&builder.build()?), usize::MAX)?;
    let size = batch.bytes.len();
    let config = LogConfig { timestamp_after_max_ms: i64::MAX, max_message_bytes: usize::MAX, ..LogConfig::default() };
    let (mut wall, mut cpu, mut appends) = (0.0, 0.0, 0_u64);
    let (mut read_wall, mut read_bytes, mut reads) = (0.0, 0_u64, 0_u64);
    for _ in 0..TOTAL / ROUND {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let opened = OpenState { clean_shutdown: true, ..OpenState::default() };
        let (mut log, _) = Log::open(disk, dir.to_owned(), config.clone(), opened, 0)?;
        let (started, used) = (Instant::now(), cpu_seconds());
        for _ in 0..ROUND / size {
            log.append_leader(&batch, 1, 0)?;
            appends += 1;
        }
        wall += started.elapsed().as_secs_f64();
        cpu += cpu_seconds() - used;
        let started = Instant::now();
        let (mut from, end) = (0, log.log_end_offset());
        while from < end {
            // Where the loop stops; the bytes would go out by sendfile.
            let found = log.read(from, 1 << 20, end, true)?;
            read_bytes += found.len() as u64;
            from = found.first_offset + (found.len() / size).max(1) as i64 * records as i64;
            reads += 1;
        }
        read_wall += started.elapsed().as_secs_f64();
        log.delete("00000000000000000000000000000000")?.run()?;
    }
    let mb = appends as f64 * size as f64 / 1e6;
    println!(
        "{:>7}KB {:>10.0} {:>10.2} {:>12.1} {:>12.0} {:>12.1}",
        size / 1000,
        mb / wall,
        cpu / (mb / 1000.0),
        wall * 1e6 / appends as f64,
        read_bytes as f64 / 1e6 / read_wall,
        read_wall * 1e6 / reads as f64,
    );
    Ok(())
}
