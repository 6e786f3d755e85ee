//! PyTorch checkpoints against what PyTorch saved, and files made to harm. Fixtures and their
//! exporter: `reference/pytorch`.

use std::io::Write;
use std::path::{Path, PathBuf};

use models::checkpoint::{Checkpoint, CheckpointError};
use models::huggingface::{SafetensorsCheckpoint, open_weights};
use models::pytorch::{PytorchCheckpoint, plain_data};
use proptest::prelude::*;

fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../reference")
        .join(name)
}

fn open(file: &Path) -> Result<PytorchCheckpoint, CheckpointError> {
    PytorchCheckpoint::open(file, &[file.to_path_buf()], Some("state_dict"))
}

#[test]
fn tensors_of_both_containers() {
    let file = reference("pytorch/expected.safetensors");
    let expected = SafetensorsCheckpoint::open_files(&file, std::slice::from_ref(&file)).unwrap();
    for container in ["zip.ckpt", "legacy.ckpt"] {
        let found = open(&reference("pytorch").join(container)).unwrap();
        assert_eq!(
            found.names().len(),
            expected.names().len() + 1,
            "and integers"
        );
        for name in expected.names() {
            let shape = Checkpoint::shape(&expected, &name).unwrap();
            assert_eq!(
                found.shape(&name),
                Some(shape.clone()),
                "{container}: {name}"
            );
            assert_eq!(
                found.tensor(&name, &shape).unwrap(),
                expected.tensor(&name, &shape).unwrap(),
                "{container}: {name}"
            );
        }
    }
}

#[test]
fn plain_data_beside_the_tensors() {
    for container in ["zip.ckpt", "legacy.ckpt"] {
        let file = reference("pytorch").join(container);
        let data = plain_data(&file, "hyper_parameters").unwrap().unwrap();
        let expected = serde_json::json!({
            "sizes": [3, 4], "name": "naïve", "rate": 0.5, "none": null, "flag": true
        });
        assert_eq!(data, expected);
        assert_eq!(plain_data(&file, "absent").unwrap(), None);
    }
}

#[test]
fn what_is_asked_for_wrongly_is_named() {
    let checkpoint = open(&reference("pytorch/zip.ckpt")).unwrap();
    let error =
        |name: &str, shape: &[usize]| checkpoint.tensor(name, shape).unwrap_err().to_string();
    assert!(error("absent", &[1]).contains("tensor `absent` is missing"));
    let wrong = error("plain", &[6, 4]);
    assert!(
        wrong.contains("`plain` has shape [4, 6]") && wrong.contains("[6, 4]"),
        "{wrong}"
    );
    assert!(error("integers", &[4]).contains("stored as I64"));
    let file = reference("pytorch/zip.ckpt");
    let error = PytorchCheckpoint::open(&file, std::slice::from_ref(&file), Some("absent"));
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("'absent' not found")
    );
}

#[test]
fn a_call_of_the_shell_is_refused_and_not_executed() {
    for name in [
        "malicious.ckpt",
        "malicious_legacy.ckpt",
        "malicious_protocol4.ckpt",
    ] {
        let file = reference("pytorch").join(name);
        let errors = [
            open(&file).unwrap_err().to_string(),
            plain_data(&file, "hyper_parameters")
                .unwrap_err()
                .to_string(),
        ];
        for error in errors {
            assert!(error.contains("posix.system"), "{name}: {error}");
            assert!(error.contains(name), "{name}: {error}");
        }
    }
}

/// A pickle in the archive of `torch.save`.
fn archive(pickle: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let mut zip = zip::ZipWriter::new(&mut file);
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip.start_file("archive/data.pkl", stored).unwrap();
    zip.write_all(pickle).unwrap();
    zip.finish().unwrap();
    file
}

#[test]
fn every_way_to_name_a_function_is_refused() {
    let by_global = b"\x80\x02cbuiltins\neval\nX\x01\x00\x00\x001\x85R.";
    let by_stack = b"\x80\x04\x8c\x08builtins\x94\x8c\x04eval\x94\x93\x8c\x011\x85R.";
    let hidden = b"\x80\x02cbuiltins\neval\n0}X\x0a\x00\x00\x00state_dict}s.";
    for pickle in [&by_global[..], by_stack, hidden] {
        let file = archive(pickle);
        let error = open(file.path()).unwrap_err().to_string();
        assert!(error.contains("`builtins.eval`"), "{error}");
    }
}

#[test]
fn truncated_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    for container in ["zip.ckpt", "legacy.ckpt"] {
        let bytes = std::fs::read(reference("pytorch").join(container)).unwrap();
        let file = folder.path().join(container);
        for length in [
            0,
            1,
            50,
            200,
            bytes.len() / 2,
            bytes.len() - 20,
            bytes.len() - 1,
        ] {
            std::fs::write(&file, &bytes[..length]).unwrap();
            let error = open(&file).expect_err(&format!("{length} of {} bytes", bytes.len()));
            assert!(error.to_string().contains(container), "{error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Any byte changed anywhere: an error or a checkpoint, never a panic.
    #[test]
    fn broken_bytes_never_panic(legacy: bool, at in 0.0..1.0, byte: u8) {
        let name = if legacy { "legacy.ckpt" } else { "zip.ckpt" };
        let mut bytes = std::fs::read(reference("pytorch").join(name)).unwrap();
        let at = (at * bytes.len() as f64) as usize;
        bytes[at] = byte;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        if let Ok(checkpoint) = open(file.path()) {
            for name in checkpoint.names() {
                if let Some(shape) = checkpoint.shape(&name) {
                    let _ = checkpoint.tensor(&name, &shape);
                }
            }
        }
        let _ = plain_data(file.path(), "hyper_parameters");
    }

    /// Any pickle at all.
    #[test]
    fn random_pickles_never_panic(pickle in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = open(archive(&pickle).path());
    }
}

#[test]
fn a_model_directory_of_pytorch_files() {
    let folder = reference("pytorch/llama_sharded");
    let found = open_weights(&folder).unwrap();
    let expected = SafetensorsCheckpoint::open(&reference("llama/grouped_tied")).unwrap();
    let mut names = found.names();
    names.sort();
    assert_eq!(names, expected.names());
    for name in names {
        let shape = found.shape(&name).unwrap();
        let values = found.tensor(&name, &shape).unwrap();
        let exact = expected.tensor(&name, &shape).unwrap();
        for (value, exact) in values.iter().zip(exact) {
            // Saved as float16.
            assert!(
                (value - exact).abs() <= exact.abs() / 1024.0 + 1e-7,
                "{name}"
            );
        }
    }
}

#[test]
fn a_shard_that_lacks_a_promised_tensor_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let source = reference("pytorch/llama_sharded");
    for entry in std::fs::read_dir(&source).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let index = folder.path().join("pytorch_model.bin.index.json");
    let text = std::fs::read_to_string(&index).unwrap();
    let text = text.replacen("model.norm.weight", "model.other.weight", 1);
    std::fs::write(&index, text).unwrap();
    let error = open_weights(folder.path()).err().unwrap().to_string();
    assert!(error.contains("model.other.weight"), "{error}");
}
