//! An allocator that remembers the largest request that was granted.

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicUsize, Ordering};

use models::allowance::Metered;

/// The program's allocator, which remembers the largest request.
struct Watched;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

/// The largest request since this was last called.
pub fn take_largest() -> usize {
    LARGEST.swap(0, Ordering::Relaxed)
}

// SAFETY: every call is handed on to the program's allocator.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of the same method of the program's allocator.
        let granted = unsafe { Metered.alloc(layout) };
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        granted
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of the same method of the program's allocator.
        let granted = unsafe { Metered.alloc_zeroed(layout) };
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        granted
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of the same method of the program's allocator.
        unsafe { Metered.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller keeps the contract of the same method of the program's allocator.
        let granted = unsafe { Metered.realloc(at, layout, size) };
        LARGEST.fetch_max(size, Ordering::Relaxed);
        granted
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;
