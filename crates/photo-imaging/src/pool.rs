//! A few scoped threads for the encoders, which are most of the work and independent of each other.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::error::ImagingError;

/// Runs every job, on at most `threads` threads, this one included; results in the order of the jobs.
pub(crate) fn map<J: Sync, T: Send>(
    jobs: &[J],
    threads: usize,
    run: impl Fn(&J) -> Result<T, ImagingError> + Sync,
) -> Result<Vec<T>, ImagingError> {
    let next = AtomicUsize::new(0);
    // Each takes the next job when it is done with one: encoding times differ a hundredfold between sizes.
    let work = || {
        let mut done = Vec::new();
        while let Some((index, job)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            jobs.get(index).map(|job| (index, job))
        } {
            done.push((index, run(job)));
        }
        done
    };
    let helpers = threads.min(jobs.len()).saturating_sub(1);
    let mut done = thread::scope(|scope| {
        let running: Vec<_> = (0..helpers).map(|_| scope.spawn(work)).collect();
        let mut done = work();
        for helper in running {
            done.extend(helper.join().map_err(|_| ImagingError::Panicked { step: "encoding" })?);
        }
        Ok::<_, ImagingError>(done)
    })?;
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_their_order_on_any_number_of_threads() {
        let jobs: Vec<u64> = (0..50).collect();
        for threads in [0, 1, 2, 3, 100] {
            let squares = map(&jobs, threads, |n| Ok(n * n)).unwrap();
            assert_eq!(squares, jobs.iter().map(|n| n * n).collect::<Vec<_>>(), "{threads} threads");
        }
        assert_eq!(map(&[] as &[u64], 4, |n| Ok(*n)).unwrap(), Vec::<u64>::new());
    }

    #[test]
    fn the_error_of_the_earliest_job_is_given() {
        let failing = |n: &i32| match n {
            2 => Err(ImagingError::NotAnImage),
            3 => Err(ImagingError::UnsupportedType("this")),
            _ => Ok(*n),
        };
        for threads in [1, 2, 4] {
            assert_eq!(map(&[1, 2, 3, 4], threads, failing).map_err(|e| e.code()), Err("NOT_AN_IMAGE"));
        }
    }
}
