//! A limit for the memory of a thread.
//!
//! What cannot be trusted to stop, such as a chat template, runs on a thread of its own with an
//! allowance. A thread that asks for more sleeps for good: an allocator must not unwind, and a
//! thread cannot be stopped from outside. What it holds by then is freed with the process.
//!
//! The limit holds in programs that install [`Metered`]:
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: models::allowance::Metered = models::allowance::Metered;
//! # fn main() {}
//! ```

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The system's allocator, which keeps threads within their allowance.
#[derive(Debug, Default, Clone, Copy)]
pub struct Metered;

/// The memory that a thread may still take.
#[derive(Clone, Copy)]
struct Allowance {
    left: usize,
    exceeded: *const AtomicBool,
}

/// The limit of this thread, until it is dropped.
pub(crate) struct Limit<'a> {
    exceeded: PhantomData<&'a AtomicBool>,
}

impl Drop for Limit<'_> {
    fn drop(&mut self) {
        ALLOWANCE.set(None);
    }
}

thread_local! {
    // Without a destructor, so that it can be read whenever memory is asked for.
    static ALLOWANCE: Cell<Option<Allowance>> = const { Cell::new(None) };
}

/// Limits what this thread may hold, from now on, to `bytes`; `exceeded` becomes true if it asks for
/// more, and the thread sleeps.
pub(crate) fn limit(bytes: usize, exceeded: &AtomicBool) -> Limit<'_> {
    let allowance = Allowance {
        left: bytes,
        exceeded,
    };
    ALLOWANCE.set(Some(allowance));
    Limit {
        exceeded: PhantomData,
    }
}

fn take(bytes: usize) {
    let Some(mut allowance) = ALLOWANCE.get() else {
        return;
    };
    match allowance.left.checked_sub(bytes) {
        Some(left) => allowance.left = left,
        None => {
            // SAFETY: `Limit` borrows it, and takes the allowance away when it is dropped.
            unsafe { &*allowance.exceeded }.store(true, Ordering::Release);
            loop {
                std::thread::sleep(Duration::from_secs(3600));
            }
        }
    }
    ALLOWANCE.set(Some(allowance));
}

fn give_back(bytes: usize) {
    if let Some(mut allowance) = ALLOWANCE.get() {
        allowance.left = allowance.left.saturating_add(bytes);
        ALLOWANCE.set(Some(allowance));
    }
}

// SAFETY: every call is handed on to the system's allocator. What is done besides takes no memory and
// does not unwind.
unsafe impl GlobalAlloc for Metered {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: the caller keeps the contract of the same method of the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: the caller keeps the contract of the same method of the system's allocator.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        give_back(layout.size());
        // SAFETY: the caller keeps the contract of the same method of the system's allocator.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        take(size);
        give_back(layout.size());
        // SAFETY: the caller keeps the contract of the same method of the system's allocator.
        unsafe { System.realloc(at, layout, size) }
    }
}
