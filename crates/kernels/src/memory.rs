//! How much memory the process holds, and how much is free.

/// Peak memory of this process, in bytes; 0 if the system does not tell.
pub fn peak_memory() -> u64 {
    process_status("VmHWM:")
}

/// Memory that this process holds now, in bytes; 0 if the system does not tell.
pub fn resident_memory() -> u64 {
    process_status("VmRSS:")
}

/// Memory that is available to programs now, in bytes; 0 if the system does not tell.
pub fn available_memory() -> u64 {
    kilobytes_in("/proc/meminfo", "MemAvailable:")
}

/// An amount of memory in the status of this process, in bytes.
fn process_status(name: &str) -> u64 {
    kilobytes_in("/proc/self/status", name)
}

/// The entry `name` of a Linux status file, which is in kB, in bytes; 0 if there is none.
fn kilobytes_in(path: &str, name: &str) -> u64 {
    let status = std::fs::read_to_string(path).unwrap_or_default();
    let kilobytes = status.lines().find_map(|line| {
        let kilobytes = line.strip_prefix(name)?.trim().strip_suffix("kB")?;
        kilobytes.trim().parse::<u64>().ok()
    });
    kilobytes.unwrap_or(0) * 1024
}
