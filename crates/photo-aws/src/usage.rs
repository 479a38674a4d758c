//! What an invocation used of what it was given: Lambda itself says so only in the text of its `REPORT` line, and
//! Lambda Insights costs a layer and a metric for each of its numbers.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::calls;
use crate::metrics::{CPU_UTILIZATION, Document, MEMORY_USED, MEMORY_UTILIZATION};

/// The memory at which Lambda gives one whole vCPU, in MiB
/// ([AWS Lambda Developer Guide, "Configure Lambda function memory"](https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html)).
pub const MIB_PER_VCPU: u32 = 1769;

const BYTES_PER_MIB: f64 = 1_048_576.0;

/// The least time whose share an invocation is held against: that over which Linux by default enforces it
/// ([Linux kernel documentation, "CFS Bandwidth Control"](https://docs.kernel.org/scheduler/sched-bwc.html)); Lambda does not
/// say what its own is. What is done with no more than one such period's share is not slow for want of CPU.
const SCHEDULING_PERIOD: Duration = Duration::from_millis(100);

/// An invocation in progress.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    began: Instant,
    cpu: Duration,
}

/// What it used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// How long it took.
    pub wall: Duration,
    /// CPU time of all threads, in user and system mode.
    pub cpu: Duration,
    /// The most memory that the process has held since it began, in bytes, where the system tells it.
    pub peak_bytes: Option<u64>,
}

impl Meter {
    /// Begins to measure, and to count calls to AWS.
    #[must_use]
    pub fn start() -> Self {
        calls::begin();
        Self { began: Instant::now(), cpu: cpu_time() }
    }

    /// What was used since.
    #[must_use]
    pub fn read(&self) -> Usage {
        Usage {
            wall: self.began.elapsed(),
            cpu: cpu_time().saturating_sub(self.cpu),
            peak_bytes: std::fs::read_to_string("/proc/self/status").ok().and_then(|text| peak_bytes(&text)),
        }
    }

    /// Adds what was used, and the sum of all calls to AWS, to a document. `memory_mib` is the function's memory size.
    pub fn report(&self, document: Document, memory_mib: u64) -> Document {
        calls::report(self.read().report(document, memory_mib))
    }
}

impl Usage {
    /// Adds it to a document.
    pub fn report(&self, document: Document, memory_mib: u64) -> Document {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let (memory_mib, peak_mib) =
            (memory_mib as f64, self.peak_bytes.map(|bytes| bytes as f64 / BYTES_PER_MIB));
        // CPU grows with memory: 512 MiB have 0.29 of a vCPU.
        let vcpus = memory_mib / f64::from(MIB_PER_VCPU);
        let cpu = self.cpu.as_secs_f64() / (self.wall.max(SCHEDULING_PERIOD).as_secs_f64() * vcpus) * 100.0;
        let document = document
            .value(CPU_UTILIZATION, rounded(cpu))
            .property("duration_ms", rounded(self.wall.as_secs_f64() * 1000.0))
            .property("cpu_ms", rounded(self.cpu.as_secs_f64() * 1000.0));
        match peak_mib {
            None => document,
            Some(used) => document
                .value(MEMORY_USED, rounded(used))
                .value(MEMORY_UTILIZATION, rounded(used / memory_mib * 100.0)),
        }
    }
}

/// To thousandths: a log line does not need sixteen digits.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// `VmHWM`, "peak resident set size" (`proc_pid_status(5)`).
fn peak_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The function's memory size in MiB, as Lambda sets it; 0 outside Lambda, which leaves the shares out.
#[must_use]
pub fn memory_mib() -> u64 {
    std::env::var("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_costs_cpu_time_and_sleep_does_not() {
        let meter = Meter::start();
        let mut sum = 0_u64;
        while meter.read().cpu < Duration::from_millis(5) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let worked = meter.read();
        assert!(worked.cpu >= Duration::from_millis(5), "{worked:?}");
        assert!(worked.peak_bytes.is_some_and(|bytes| bytes > 100_000), "{worked:?}");
    }

    #[test]
    fn shares_are_of_what_the_memory_size_buys() {
        let usage =
            Usage { wall: Duration::from_secs(2), cpu: Duration::from_secs(1), peak_bytes: Some(512 << 20) };
        let text = format!("{:?}", usage.report(Document::new(), 1769));
        assert!(text.contains("CpuUtilization") && text.contains("[50.0]"), "{text}");
        let text = format!("{:?}", usage.report(Document::new(), 1024));
        assert!(text.contains("[512.0]") && text.contains("[50.0]"), "{text}");
        // Outside Lambda there is nothing to take a share of.
        let text = format!("{:?}", usage.report(Document::new(), 0));
        assert!(!text.contains("Utilization"), "{text}");
    }

    #[test]
    fn a_short_invocation_uses_a_share_of_a_scheduling_period() {
        // What reconcile takes when there is nothing to do: 0.14 of a vCPU is 14 ms of each 100, of which it needs 5.
        let (wall, cpu) = (Duration::from_millis(28), Duration::from_millis(5));
        let text = format!("{:?}", Usage { wall, cpu, peak_bytes: None }.report(Document::new(), 256));
        assert!(text.contains("CpuUtilization") && text.contains("[34.551]"), "{text}");
    }

    #[test]
    fn the_peak_is_read_from_proc() {
        assert_eq!(peak_bytes("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n"), Some(2 << 20));
        for other in ["", "VmHWM:", "VmHWM:\t x kB", "VmHWM:\t 1 MB", "VmRSS:\t 1 kB"] {
            assert_eq!(peak_bytes(other), None, "{other}");
        }
    }
}
