//! Memory of the tensors the fast forms make, reused instead of returned to the system.
//!
//! A training step frees and retakes gigabytes. Through the allocator each new tensor is zeroed
//! or, worse, mapped afresh, at a page fault for every 4 KiB; here it is the memory of a tensor
//! of the step before.

use std::collections::BTreeMap;
use std::fmt;
use std::mem::MaybeUninit;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::{DType, Shape};
use burn_flex::{FlexTensor, Layout};
use burn_std::{AccessError, AccessPolicy, AllocationController, AllocationProperty, Bytes};

/// f32 memory that returns to the pool when dropped, as a slice or inside a tensor. Its first
/// content is arbitrary (what a former tensor left): write before you read.
pub struct Values {
    /// Always a whole size class, all of it initialised.
    memory: Vec<f32>,
    length: usize,
}

/// Idle memory by size class.
struct Pool {
    idle: BTreeMap<usize, Vec<Vec<f32>>>,
    idle_total: usize,
    live: usize,
    peak: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool {
    idle: BTreeMap::new(),
    idle_total: 0,
    live: 0,
    peak: 0,
});

/// Shorter memory is left to the allocator, which is quick with it.
const SMALLEST: usize = 1 << 12;

impl Values {
    /// Memory of `length` elements with arbitrary content.
    pub fn take(length: usize) -> Self {
        let class = size_class(length);
        let idle = (length >= SMALLEST).then(|| pool().take(class)).flatten();
        let memory = idle.unwrap_or_else(|| vec![0.0; class]);
        Self { memory, length }
    }

    /// Memory of `length` zeros.
    pub fn zeros(length: usize) -> Self {
        let mut values = Self::take(length);
        crate::cpu::parallel::fill(&mut values, 0.0);
        values
    }

    /// This memory as a contiguous tensor.
    ///
    /// # Panics
    /// If the shape has another number of elements.
    pub fn into_tensor(self, shape: impl Into<Shape>) -> FlexTensor {
        let shape = shape.into();
        assert_eq!(shape.num_elements(), self.length, "elements of {shape:?}");
        let bytes = self.length * size_of::<f32>();
        // SAFETY: the first `length` elements are initialised, and `Values` hands out its memory
        // as long as it lives.
        let bytes = unsafe { Bytes::from_controller(Box::new(self), bytes) };
        FlexTensor::new(bytes, Layout::contiguous(shape), DType::F32)
    }
}

impl std::ops::Deref for Values {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.memory[..self.length]
    }
}

impl std::ops::DerefMut for Values {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.memory[..self.length]
    }
}

impl Drop for Values {
    fn drop(&mut self) {
        if self.length >= SMALLEST {
            pool().put(std::mem::take(&mut self.memory));
        }
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Values({})", self.length)
    }
}

impl AllocationController for Values {
    fn alloc_align(&self) -> usize {
        align_of::<f32>()
    }

    fn property(&self) -> AllocationProperty {
        AllocationProperty::Other
    }

    unsafe fn memory_mut(
        &mut self,
        _policy: AccessPolicy,
    ) -> Result<&mut [MaybeUninit<u8>], AccessError> {
        let (start, bytes) = (self.as_mut_ptr(), self.length * size_of::<f32>());
        // SAFETY: the same memory as bytes, borrowed as mutably; the caller writes initialised
        // bytes only, and every bit pattern is an f32.
        Ok(unsafe { std::slice::from_raw_parts_mut(start.cast(), bytes) })
    }

    fn memory(&self, _policy: AccessPolicy) -> Result<&[MaybeUninit<u8>], AccessError> {
        let (start, bytes) = (self.as_ptr(), self.length * size_of::<f32>());
        // SAFETY: the same memory as bytes, borrowed as long.
        Ok(unsafe { std::slice::from_raw_parts(start.cast(), bytes) })
    }
}

impl Pool {
    fn take(&mut self, class: usize) -> Option<Vec<f32>> {
        self.live += class;
        self.peak = self.peak.max(self.live);
        let memory = self.idle.get_mut(&class)?.pop()?;
        self.idle_total -= class;
        Some(memory)
    }

    /// Keeps freed memory, but never holds more than a quarter above what was in use at once:
    /// shapes that no longer occur are given up, largest first, and the one just freed last.
    fn put(&mut self, memory: Vec<f32>) {
        let class = memory.len();
        self.live -= class;
        self.idle_total += class;
        self.idle.entry(class).or_default().push(memory);
        while self.live + self.idle_total > self.peak + self.peak / 4 {
            let stacks = self.idle.iter_mut().filter(|(_, stack)| !stack.is_empty());
            let Some((&idle, stack)) = stacks.max_by_key(|(idle, _)| (**idle != class, **idle))
            else {
                break;
            };
            stack.pop();
            self.idle_total -= idle;
        }
    }
}

fn pool() -> MutexGuard<'static, Pool> {
    // The pool's numbers are consistent between statements that can panic (allocation failure).
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lengths are rounded up to an eighth of their octave, so that similar shapes share memory.
fn size_class(length: usize) -> usize {
    if length < SMALLEST {
        return length;
    }
    length.next_multiple_of((length.next_power_of_two() / 16).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_waste_at_most_an_eighth() {
        for length in (SMALLEST..1 << 20).step_by(977) {
            let class = size_class(length);
            assert!(class >= length && class <= length + length / 8 + 1);
        }
    }

    /// A hundred shapes that come once each leave no more idle memory than one of them needs.
    #[test]
    fn forgotten_shapes_are_given_up() {
        let mut pool = Pool {
            idle: BTreeMap::new(),
            idle_total: 0,
            live: 0,
            peak: 0,
        };
        for class in (100_000..200_000).step_by(1000) {
            let memory = pool.take(class).unwrap_or_else(|| vec![0.0; class]);
            pool.put(memory);
            assert!(pool.idle_total <= pool.peak + pool.peak / 4);
        }
        assert_eq!(pool.live, 0);
        let idle: usize = pool.idle.values().flatten().map(Vec::len).sum();
        assert_eq!(idle, pool.idle_total);
        assert!(pool.take(199_000).is_some(), "the latest shape is kept");
    }

    #[test]
    fn memory_comes_back() {
        let length = 12_345_678;
        let first = Values::take(length);
        let address = first.as_ptr();
        let tensor = first.into_tensor([length]);
        assert_eq!(tensor.as_slice::<f32>().unwrap().as_ptr(), address);
        drop(tensor);
        assert_eq!(Values::take(length).as_ptr(), address);
    }

    #[test]
    fn tensors_of_the_pool_copy_on_write() {
        let mut values = Values::zeros(SMALLEST);
        values[0] = 1.0;
        let tensor = values.into_tensor([SMALLEST]);
        let mut other = tensor.clone();
        other.storage_mut::<f32>()[0] = 2.0;
        assert_eq!(tensor.as_slice::<f32>().unwrap()[0], 1.0);
        assert_eq!(other.as_slice::<f32>().unwrap()[0], 2.0);
    }
}
