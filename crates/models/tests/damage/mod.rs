//! Damaged copies of files, and an allocator that remembers the largest request made while they are
//! read.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::collection::vec;
use proptest::prelude::*;

/// The system's allocator, which remembers the largest request.
struct Watched;

pub static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed on to the system's allocator.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of the same method of the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of the same method of the system's allocator.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of the same method of the system's allocator.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of the same method of the system's allocator.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// A file of `reference/`.
pub fn reference(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../reference")
        .join(path)
}

/// Bytes to put at places, given as fractions of the file.
pub fn damage() -> impl Strategy<Value = Vec<(f64, Vec<u8>)>> {
    let large = prop_oneof![
        vec(any::<u8>(), 1..9),
        Just(i32::MAX.to_le_bytes().to_vec()),
        Just(i64::MAX.to_le_bytes().to_vec()),
        Just((-1i64).to_le_bytes().to_vec()),
        Just(0x0800_0000i32.to_le_bytes().to_vec()),
    ];
    // Most of what is read as a number stands at the beginning.
    let place = prop_oneof![
        0.0..1.0f64,
        0.0..0.01f64,
        (0.0..0.01f64).prop_map(|x| x * x)
    ];
    vec((place, large), 1..5)
}

/// A copy with that damage, cut to a share of its length.
pub fn damaged(whole: &[u8], damage: &[(f64, Vec<u8>)], length: f64) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for (place, with) in damage {
        let at = (place * bytes.len() as f64) as usize;
        let end = (at + with.len()).min(bytes.len());
        bytes[at..end].copy_from_slice(&with[..end - at]);
    }
    bytes.truncate((length * bytes.len() as f64) as usize);
    bytes
}
