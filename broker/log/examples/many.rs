//! What many partitions cost: `cargo run --release -p odradek-log --example many [partitions] [folder]`.
//!
//! Makes logs of one batch each, closes them, opens them again as after a clean stop and as after a crash; prints times,
//! open files and memory for each log.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use odradek_log::{Disk, Log, LogConfig, OpenState, RealDisk};
use odradek_wire::batch::{BatchBuilder, RecordBatches};

fn resident_kb() -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS")).ok_or("no VmRSS")?;
    Ok(line.split_ascii_whitespace().nth(1).ok_or("no number")?.parse()?)
}

fn open_files() -> Result<usize, Box<dyn Error>> {
    Ok(std::fs::read_dir("/proc/self/fd")?.count())
}

fn open_all(root: &Path, count: usize, opened: OpenState) -> Result<Vec<Log>, Box<dyn Error>> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let config = LogConfig { timestamp_after_max_ms: i64::MAX, ..LogConfig::default() };
    let mut logs = Vec::with_capacity(count);
    for i in 0..count {
        logs.push(Log::open(Arc::clone(&disk), root.join(format!("t-{i}")), config.clone(), opened, 0)?.0);
    }
    Ok(logs)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let count: usize = args.next().map_or(Ok(10_000), |n| n.parse())?;
    let root =
        args.next().map_or_else(std::env::temp_dir, Into::into).join(format!("odradek-many-{}", std::process::id()));
    std::fs::create_dir_all(&root)?;
    let mut builder = BatchBuilder::new(0);
    builder.append(1_790_000_000_000, None, Some(&[7; 1024]), &[]);
    let batch = RecordBatches::validate(builder.build()?, 1 << 20)?;
    let clean = OpenState { clean_shutdown: true, ..OpenState::default() };

    let (before, started) = (resident_kb()?, Instant::now());
    let mut logs = open_all(&root, count, clean)?;
    let each = |since: Instant| since.elapsed().as_secs_f64() * 1e6 / count as f64;
    println!("{count} empty logs: {:.1} µs, {:.2} KB each", each(started), (resident_kb()? - before) / count as f64);
    let started = Instant::now();
    for log in &mut logs {
        log.append_leader(&batch, 1, 0)?;
    }
    println!("first append: {:.1} µs each", each(started));
    println!("then {:.2} KB each, {} open files", (resident_kb()? - before) / count as f64, open_files()?);
    let started = Instant::now();
    let half = count / 2;
    for log in &mut logs[..half] {
        log.close()?;
    }
    println!("close with its syncs: {:.1} µs each; {} open files", each(started) * 2.0, open_files()?);
    let started = Instant::now();
    let mut done = Vec::new();
    for log in &mut logs[half..] {
        done.push(log.close_job()?.map(|job| job.run_unsynced()).transpose()?);
    }
    RealDisk.sync_all(&root)?;
    for (log, done) in logs[half..].iter_mut().zip(done) {
        if let Some(done) = done {
            log.closed(done);
        }
    }
    println!("close with one sync for all: {:.1} µs each; {} open files", each(started) * 2.0, open_files()?);
    drop(logs);
    for (name, opened) in [("a clean stop", clean), ("a crash", OpenState::default())] {
        let started = Instant::now();
        let logs = open_all(&root, count, opened)?;
        println!("open after {name}: {:.1} µs each; {} open files", each(started), open_files()?);
        drop(logs);
    }
    std::fs::remove_dir_all(&root)?;
    Ok(())
}
