//! What the allocator does with freed tensors.

/// Tells glibc to keep freed memory instead of returning it to the system, so that the tensors of
/// one training step reuse the pages of the step before. Call it once, first thing in `main`.
///
/// glibc maps every block above 128 KiB afresh and unmaps it when freed; each new tensor then
/// costs a page fault for every 4 KiB. The fast forms reuse their tensors' memory by themselves, so
/// this serves what Burn's own operations allocate. Other allocators and systems are left alone.
pub fn retain_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: mallopt only sets allocator parameters; the values are in their documented
        // range, and failure (0) leaves the defaults.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, i32::MAX);
            libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
            libc::mallopt(libc::M_TOP_PAD, 64 << 20);
        }
    }
}
