//! `docs/config.md` is what `xldistill config-reference` prints. `XLDISTILL_BLESS=1 cargo test
//! --test config_reference` writes it.

use std::path::Path;
use std::process::Command;

#[test]
fn the_reference_is_up_to_date() {
    let output = Command::new(env!("CARGO_BIN_EXE_xldistill"))
        .arg("config-reference")
        .output()
        .expect("starts");
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).expect("text");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/config.md");
    if std::env::var_os("XLDISTILL_BLESS").is_some() {
        std::fs::write(&path, &printed).expect("writes");
    }
    let written = std::fs::read_to_string(&path).expect("the reference");
    assert!(
        written == printed,
        "docs/config.md is not what the program prints; run this test with XLDISTILL_BLESS=1"
    );
}
