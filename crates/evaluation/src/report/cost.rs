//! What a run cost besides time: memory, and the machine it ran on.

use std::path::Path;

use artefacts::ArtefactError;
use serde::{Deserialize, Serialize};

/// The file in a run's folder.
const FILE: &str = "cost.json";

/// Memory and machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Largest memory of a process of the run, in bytes.
    pub peak_memory: u64,
    /// Its machine, e.g. `AMD EPYC 7B13, 2 cores, 25.3 GB of memory`.
    pub machine: String,
}

impl Cost {
    /// What a run in `folder` has recorded.
    pub fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(folder.join(FILE)).ok()?).ok()
    }

    /// Notes the peak of this process in the run's `folder`, if none was higher before. Does
    /// nothing where the system does not tell (`/proc/self/status`).
    pub fn note(folder: &Path) -> Result<(), ArtefactError> {
        let Some(peak_memory) = kibibytes("/proc/self/status", "VmHWM:") else {
            return Ok(());
        };
        if Self::read(folder).is_some_and(|known| known.peak_memory >= peak_memory) {
            return Ok(());
        }
        let cost = Self {
            peak_memory,
            machine: machine(),
        };
        let json = serde_json::to_string_pretty(&cost).expect("a cost is plain data") + "\n";
        artefacts::write(&folder.join(FILE), json.as_bytes()).map(drop)
    }
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let processor = value("/proc/cpuinfo", "model name");
    let processor = processor.map_or_else(
        || std::env::consts::ARCH.to_owned(),
        |line| line.trim_start_matches([':', ' ', '\t']).to_owned(),
    );
    let mut machine = match cores {
        1 => format!("{processor}, 1 core"),
        _ => format!("{processor}, {cores} cores"),
    };
    if let Some(memory) = kibibytes("/proc/meminfo", "MemTotal:") {
        machine += &format!(", {} of memory", super::titles::bytes(memory));
    }
    machine
}

/// A size in bytes from a file of `/proc`, which states it in KiB.
fn kibibytes(path: &str, key: &str) -> Option<u64> {
    let line = value(path, key)?;
    let number: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(number * 1024)
}

/// The rest of the first line that begins with `key`.
fn value(path: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    Some(line.trim().to_owned())
}
