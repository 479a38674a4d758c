//! A limit on memory for the fuzz target.
//!
//! libFuzzer's `-malloc_limit_mb` sees one allocation at a time. This limit is on all that is held at once, so that a fuzzer finds
//! a picture that takes more memory than its estimate.

use std::alloc::System;

use cap::Cap;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// Does the work and aborts where it holds more than `bytes` beyond what was held before.
pub fn within<T>(bytes: u64, work: impl FnOnce() -> T) -> T {
    let limit = usize::try_from(bytes).unwrap_or(usize::MAX);
    ALLOCATOR.set_limit(ALLOCATOR.allocated().saturating_add(limit)).expect("a limit above what is held");
    let result = work();
    ALLOCATOR.set_limit(usize::MAX).expect("no limit");
    result
}
