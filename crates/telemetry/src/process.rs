//! Measurements of this process, read from `/proc` at each scrape. Where there is no `/proc` they stay away.

use std::fs;

use metrics::Gauge;

use crate::Metric;

pub(crate) const RESIDENT_BYTES: Metric =
    Metric::gauge("process_resident_memory_bytes", "Memory of this process in RAM. Bytes.");
pub(crate) const OPEN_FDS: Metric =
    Metric::gauge("process_open_fds", "File descriptors this process holds open.");
pub(crate) const OPEN_FDS_MAX: Metric =
    Metric::gauge("process_max_fds", "File descriptors this process may hold open.");
pub(crate) const THREADS: Metric = Metric::gauge("process_threads", "Threads of this process.");

#[derive(Clone)]
pub(crate) struct ProcessMetrics {
    resident_bytes: Gauge,
    open_fds: Gauge,
    open_fds_max: Gauge,
    threads: Gauge,
}

impl std::fmt::Debug for ProcessMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProcessMetrics").finish_non_exhaustive()
    }
}

impl ProcessMetrics {
    pub(crate) fn new() -> Self {
        let gauges = Self {
            resident_bytes: RESIDENT_BYTES.gauge_of(&[]),
            open_fds: OPEN_FDS.gauge_of(&[]),
            open_fds_max: OPEN_FDS_MAX.gauge_of(&[]),
            threads: THREADS.gauge_of(&[]),
        };
        gauges.refresh();
        gauges
    }

    pub(crate) fn refresh(&self) {
        if let Ok(status) = fs::read_to_string("/proc/self/status") {
            if let Some(kib) = number_after(&status, "VmRSS:") {
                self.resident_bytes.set(f64::from(kib) * 1024.0);
            }
            if let Some(count) = number_after(&status, "Threads:") {
                self.threads.set(f64::from(count));
            }
        }
        if let Ok(limits) = fs::read_to_string("/proc/self/limits")
            && let Some(most) = number_after(&limits, "Max open files")
        {
            self.open_fds_max.set(f64::from(most));
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            self.open_fds.set(f64::from(u32::try_from(open.count()).unwrap_or(u32::MAX)));
        }
    }
}

/// The first number after `label`. `u32` holds 4 TiB in KiB.
fn number_after(text: &str, label: &str) -> Option<u32> {
    let (_, rest) = text.split_once(label)?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::number_after;

    #[test]
    fn the_number_after_a_label_is_found() {
        let text = "Name:\tsillage\nVmRSS:\t   10240 kB\nThreads:\t3\n";
        assert_eq!(number_after(text, "VmRSS:"), Some(10_240));
        assert_eq!(number_after(text, "Threads:"), Some(3));
    }

    #[test]
    fn unlimited_or_absent_is_no_number() {
        assert_eq!(number_after("Max open files   unlimited", "Max open files"), None);
        assert_eq!(number_after("", "VmRSS:"), None);
    }
}
