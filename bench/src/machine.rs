//! What the machine and the kernel say.

use std::fs;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::unistd::Pid;

use crate::error::Error;

/// CPU time of this process so far, user and system, all threads.
pub(crate) fn cpu_us() -> Result<u64, Error> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = |t: nix::sys::time::TimeVal| {
        u64::try_from(t.tv_sec()).unwrap_or(0) * 1_000_000 + u64::try_from(t.tv_usec()).unwrap_or(0)
    };
    Ok(micros(usage.user_time()) + micros(usage.system_time()))
}

/// The most memory that this process ever had resident. Not `getrusage`'s figure, which starts with what the parent had.
pub(crate) fn peak_kib() -> Result<u64, Error> {
    let status = fs::read_to_string("/proc/self/status")?;
    Ok(high_water_kib(&status).unwrap_or(0))
}

fn high_water_kib(status: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}

/// Binds this process, and those it will start, to the last core it may use; the core, or `None` if that is refused.
pub(crate) fn pin() -> Option<usize> {
    let me = Pid::from_raw(0);
    let allowed = sched_getaffinity(me).ok()?;
    let core = (0..CpuSet::count()).rev().find(|&core| allowed.is_set(core).unwrap_or(false))?;
    let mut one = CpuSet::new();
    one.set(core).ok()?;
    sched_setaffinity(me, &one).ok()?;
    Some(core)
}

/// The CPU's name as the kernel tells it.
pub(crate) fn cpu_model() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        info.lines()
            .find_map(|line| line.split_once(':').filter(|(key, _)| key.trim() == name))
            .map(|(_, value)| value.trim().to_owned())
    };
    let model = field("model name").unwrap_or_else(|| "unnamed CPU".to_owned());
    format!("{model}, {}", std::env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_water_mark_is_read_from_the_kernels_lines() {
        assert_eq!(high_water_kib("VmPeak:\t 9 kB\nVmHWM:\t  123456 kB\nVmRSS:\t 1 kB\n"), Some(123_456));
        assert_eq!(high_water_kib("VmRSS: 1 kB"), None);
        assert!(peak_kib().unwrap() > 0);
    }

    #[test]
    fn work_costs_cpu_time() {
        let before = cpu_us().unwrap();
        let mut sum = 0_u64;
        while cpu_us().unwrap() < before + 2000 {
            sum = sum.wrapping_mul(31).wrapping_add(1);
        }
        assert!(std::hint::black_box(sum) != 1 && cpu_us().unwrap() > before);
    }
}
