//! What the allocator does with freed tensors, and how much memory the process holds.

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

/// Most memory that this process held at a time, in bytes; 0 where the system does not tell.
pub fn peak_memory() -> u64 {
    process_status("VmHWM:")
}

/// Memory that this process holds now, in bytes; 0 where the system does not tell.
pub fn resident_memory() -> u64 {
    process_status("VmRSS:")
}

/// Memory that is free for programs now, in bytes; 0 where the system does not tell.
pub fn available_memory() -> u64 {
    kilobytes_in("/proc/meminfo", "MemAvailable:")
}

/// A number of kilobytes that Linux says of this process, in bytes.
fn process_status(name: &str) -> u64 {
    kilobytes_in("/proc/self/status", name)
}

/// The number of kilobytes called `name` in a file of Linux, in bytes; 0 without.
fn kilobytes_in(path: &str, name: &str) -> u64 {
    let status = std::fs::read_to_string(path).unwrap_or_default();
    let kilobytes = status.lines().find_map(|line| {
        let kilobytes = line.strip_prefix(name)?.trim().strip_suffix("kB")?;
        kilobytes.trim().parse::<u64>().ok()
    });
    kilobytes.unwrap_or(0) * 1024
}
