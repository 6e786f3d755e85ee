//! Scratch memory that each thread reuses between operations.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::thread::LocalKey;

/// Scratch memory, returned to the thread's pool when dropped. Its content is arbitrary (left by
/// the previous user), so write before you read.
#[derive(Debug)]
pub struct Buffer<T: Pooled> {
    memory: Vec<T>,
    length: usize,
}

/// Kinds of scratch memory, each with a pool in every thread.
pub trait Pooled: Copy + Default + 'static {
    /// This thread's idle buffers.
    fn pool() -> &'static LocalKey<RefCell<Vec<Vec<Self>>>>;
}

macro_rules! pooled {
    ($($kind:ty)*) => {$(
        impl Pooled for $kind {
            fn pool() -> &'static LocalKey<RefCell<Vec<Vec<Self>>>> {
                thread_local!(static POOL: RefCell<Vec<Vec<$kind>>> = const { RefCell::new(Vec::new()) });
                &POOL
            }
        }
    )*};
}
pooled!(f32 u32);

/// Maximum number of idle buffers per thread; beyond it, the smallest is freed.
const KEPT: usize = 8;

/// Larger buffers, in elements, are returned to the allocator instead of a pool.
const LARGEST_KEPT: usize = 1 << 23;

impl<T: Pooled> Buffer<T> {
    /// A buffer of `length` elements: the smallest idle one that is long enough, or a new one.
    pub fn take(length: usize) -> Self {
        let memory = T::pool().with_borrow_mut(|pool| {
            let fitting = pool.iter().position(|idle| idle.len() >= length);
            fitting.map(|index| pool.remove(index))
        });
        let memory = memory.unwrap_or_else(|| vec![T::default(); length]);
        Self { memory, length }
    }
}

impl<T: Pooled> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.memory[..self.length]
    }
}

impl<T: Pooled> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.memory[..self.length]
    }
}

impl<T: Pooled> Drop for Buffer<T> {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        if memory.len() > LARGEST_KEPT {
            return;
        }
        // At thread exit the pool may be gone already; then the memory is simply freed.
        let _ = T::pool().try_with(|pool| {
            let mut pool = pool.borrow_mut();
            let place = pool.partition_point(|idle| idle.len() < memory.len());
            pool.insert(place, memory);
            if pool.len() > KEPT {
                pool.remove(0);
            }
        });
    }
}
