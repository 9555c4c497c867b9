//! Memory, CPU and files of this process, under the names that Prometheus's own clients use.

use std::fmt::Write;

/// The lines; without those that `/proc` does not tell.
pub(super) fn text() -> String {
    let mut page = String::new();
    let mut add = |name: &str, kind: &str, help: &str, value: Option<f64>| {
        if let Some(value) = value {
            let family = name.strip_suffix("_total").unwrap_or(name);
            // Writing to a String cannot fail.
            let _ = writeln!(page, "# HELP {family} {help}\n# TYPE {family} {kind}\n{name} {value}");
        }
    };
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = after_name(&stat);
    add("process_cpu_seconds_total", "counter", "User and system CPU time", cpu_seconds(&fields));
    let pages = field(&fields, 24);
    let page_size = rustix::param::page_size() as f64;
    add("process_resident_memory_bytes", "gauge", "Resident memory", pages.map(|pages| pages * page_size));
    add("process_virtual_memory_bytes", "gauge", "Virtual memory", field(&fields, 23));
    add("process_threads", "gauge", "Threads", field(&fields, 20));
    add("process_start_time_seconds", "gauge", "Start, since the epoch", start_seconds(&fields));
    let open = std::fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as f64);
    add("process_open_fds", "gauge", "Open file descriptors", open);
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    add("process_max_fds", "gauge", "Most open file descriptors", limit.map(|limit| limit as f64));
    page
}

/// The fields after the process's name, which may hold spaces and parentheses; the first one is field 3.
fn after_name(stat: &str) -> Vec<&str> {
    stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default()
}

/// A field by its number in proc(5).
fn field(fields: &[&str], number: usize) -> Option<f64> {
    fields.get(number - 3)?.parse().ok()
}

fn ticks_per_second() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}

fn cpu_seconds(fields: &[&str]) -> Option<f64> {
    Some((field(fields, 14)? + field(fields, 15)?) / ticks_per_second())
}

fn start_seconds(fields: &[&str]) -> Option<f64> {
    let boot = std::fs::read_to_string("/proc/stat").ok()?;
    let boot: f64 = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(boot + field(fields, 22)? / ticks_per_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_parenthesis_does_not_shift_the_fields() {
        let fields = after_name("42 (a ) b) S 1 2 3");
        assert_eq!(fields, ["S", "1", "2", "3"]);
        assert_eq!(field(&fields, 4), Some(1.0));
    }

    #[test]
    fn this_process_has_memory() {
        let page = text();
        assert!(page.contains("process_resident_memory_bytes "), "{page}");
        assert!(page.contains("# TYPE process_cpu_seconds counter"), "{page}");
    }
}
