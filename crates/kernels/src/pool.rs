//! Memory of the tensors created by the fast forms, reused instead of returned to the system.
//!
//! A training step frees and allocates gigabytes. From the allocator, each new tensor would be
//! zeroed or, worse, newly mapped, with a page fault for every 4 KiB. Here it reuses the memory of
//! a tensor of the previous step, whatever its shape.

mod arena;

use std::fmt;
use std::mem::MaybeUninit;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::{DType, Shape};
use burn_flex::{FlexTensor, Layout};
use burn_std::{AccessError, AccessPolicy, AllocationController, AllocationProperty, Bytes};

use arena::{Arena, Block};

/// f32 memory that returns to the pool when dropped, as a slice or within a tensor. Its initial
/// content is arbitrary (left by a previous tensor), so write before you read.
pub struct Values {
    memory: Memory,
    length: usize,
}

/// At least as many elements as needed, all initialised.
enum Memory {
    /// Memory of the allocator.
    Own(Vec<f32>),
    /// Memory of the pool; `None` only while it is being returned.
    Pooled(Option<Block>),
}

static POOL: Mutex<Arena> = Mutex::new(Arena::new());

/// Smaller blocks come from the allocator, which is fast with them. A sanitiser can only check the
/// allocator's memory, so under one the pool is not used.
const SMALLEST: usize = if cfg!(any(miri, sanitized)) {
    usize::MAX
} else {
    1 << 12
};

impl Values {
    /// Memory of `length` elements with arbitrary content.
    pub fn take(length: usize) -> Self {
        let block = (length >= SMALLEST).then(|| pool().take(length)).flatten();
        let memory = match block {
            Some(block) => Memory::Pooled(Some(block)),
            None => Memory::Own(vec![0.0; length]),
        };
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
        let all = match &self.memory {
            Memory::Own(memory) => memory,
            Memory::Pooled(block) => block.as_ref().expect("not given back yet").as_slice(),
        };
        &all[..self.length]
    }
}

impl std::ops::DerefMut for Values {
    fn deref_mut(&mut self) -> &mut [f32] {
        let all = match &mut self.memory {
            Memory::Own(memory) => memory,
            Memory::Pooled(block) => block.as_mut().expect("not given back yet").as_mut_slice(),
        };
        &mut all[..self.length]
    }
}

impl Drop for Values {
    fn drop(&mut self) {
        if let Memory::Pooled(block) = &mut self.memory {
            block.take().into_iter().for_each(|block| pool().put(block));
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

fn pool() -> MutexGuard<'static, Arena> {
    // The arena is consistent between statements that can panic (allocation failure).
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(any(miri, sanitized), ignore = "the pool serves nothing here")]
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
    #[cfg_attr(any(miri, sanitized), ignore = "the pool serves nothing here")]
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
