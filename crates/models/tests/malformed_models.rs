//! Whatever bytes a model file holds: a model or an error, never a panic, and no more memory than
//! a few times the file.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::Device;
use models::LanguageModel;
use models::checkpoint::Checkpoint;
use models::huggingface::SafetensorsCheckpoint;
use proptest::collection::vec;
use proptest::prelude::*;

/// The system's allocator, which remembers the largest request.
struct Watched;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed on to the system's allocator.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// More than any of these files can ask for with reason.
const MUCH: usize = 64 << 20;

fn reference(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../reference")
        .join(path)
}

/// Bytes to put at places, given as fractions of the file.
fn damage() -> impl Strategy<Value = Vec<(f64, Vec<u8>)>> {
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

fn damaged(whole: &[u8], damage: &[(f64, Vec<u8>)], length: f64) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for (place, with) in damage {
        let at = (place * bytes.len() as f64) as usize;
        let end = (at + with.len()).min(bytes.len());
        bytes[at..end].copy_from_slice(&with[..end - at]);
    }
    bytes.truncate((length * bytes.len() as f64) as usize);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_safetensors_are_read_or_refused(
        damage in damage(),
        length in prop_oneof![3 => Just(1.0), 1 => 0.0..1.0f64],
    ) {
        let whole = fs::read(reference("llama/grouped_tied/model.safetensors")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("model.safetensors"), damaged(&whole, &damage, length)).unwrap();
        LARGEST.store(0, Ordering::Relaxed);
        if let Ok(checkpoint) = SafetensorsCheckpoint::open(folder.path()) {
            for name in checkpoint.names() {
                let shape = checkpoint.shape(&name).unwrap_or_default().to_vec();
                let _ = checkpoint.tensor(&name, &shape);
            }
        }
        prop_assert!(LARGEST.load(Ordering::Relaxed) < MUCH);
    }

    #[test]
    fn damaged_indices_are_read_or_refused(
        damage in damage(),
        length in prop_oneof![3 => Just(1.0), 1 => 0.0..1.0f64],
    ) {
        let source = reference("llama/mistral_bf16_sharded");
        let folder = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(&source).unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let bytes = fs::read(entry.path()).unwrap();
            let bytes = match name.ends_with(".json") {
                true => damaged(&bytes, &damage, length),
                false => bytes,
            };
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        LARGEST.store(0, Ordering::Relaxed);
        let _ = SafetensorsCheckpoint::open(folder.path());
        prop_assert!(LanguageModel::load(folder.path(), &Device::flex()).is_err(), "it has no tokenizer");
        prop_assert!(LARGEST.load(Ordering::Relaxed) < MUCH);
    }

    #[test]
    fn damaged_gguf_models_are_read_or_refused(
        file in 0usize..2,
        damage in damage(),
        length in prop_oneof![3 => Just(1.0), 1 => 0.0..1.0f64],
    ) {
        let whole = fs::read(reference(["gguf/bpe.gguf", "gguf/spm.gguf"][file])).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        fs::write(&path, damaged(&whole, &damage, length)).unwrap();
        LARGEST.store(0, Ordering::Relaxed);
        let _ = LanguageModel::load(&path, &Device::flex());
        prop_assert!(LARGEST.load(Ordering::Relaxed) < MUCH);
    }
}
