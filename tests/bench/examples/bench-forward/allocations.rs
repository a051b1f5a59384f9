//! Counts what the worker's thread takes from the heap, and says whose code asked.
#![expect(unsafe_code, reason = "only a global allocator can count allocations")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    /// So many allocations are still to be looked at.
    static WATCHED: Cell<u32> = const { Cell::new(0) };
    static SEEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

// SAFETY: everything is the system allocator's; what is added allocates only while nothing is watched.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of this thread so far.
pub(crate) fn count() -> u64 {
    COUNT.get()
}

/// Looks at the next so many allocations of this thread. It takes milliseconds each.
pub(crate) fn watch(allocations: u32) {
    WATCHED.set(allocations);
}

/// Who asked for those that were looked at: of how many the innermost frame outside the standard library is our own, and of how many it is not.
pub(crate) fn seen() -> (usize, usize) {
    WATCHED.set(0);
    let seen = SEEN.take();
    let ours = seen.iter().filter(|owner| owner.starts_with("stoa_")).count();
    (ours, seen.len() - ours)
}

fn note() {
    COUNT.set(COUNT.get() + 1);
    let left = WATCHED.get();
    if left > 0 {
        WATCHED.set(0);
        let backtrace = Backtrace::force_capture().to_string();
        let owner =
            backtrace.lines().filter_map(owner).find(|owner| !STANDARD.iter().any(|known| owner.starts_with(known)));
        let owner = owner.map(str::to_owned);
        SEEN.with_borrow_mut(|seen| seen.extend(owner));
        WATCHED.set(left - 1);
    }
}

/// The path of a frame's function, from a line such as `  4: <stoa_sfu_core::shard::Shard>::join`.
fn owner(line: &str) -> Option<&str> {
    let (number, name) = line.trim_start().split_once(": ")?;
    number.parse::<u32>().ok()?;
    Some(name.trim_start_matches(['<', '&']))
}

/// Whatever is between a program and the heap.
const STANDARD: [&str; 8] =
    ["std::", "core::", "alloc::", "bench_forward::allocations", "__rust", "hashbrown::", "__rustc", "_RNv"];
