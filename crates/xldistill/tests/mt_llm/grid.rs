//! A grid of classifiers.

use super::{Run, classifier, tiny};

#[test]
fn a_grid_of_classifiers_varies_its_seeds_alone() {
    let run = Run::new(&classifier(&tiny("llama")));
    let grid = "config = \"config.toml\"\noutput = \"grid\"\nseeds = [0, 1]\n";
    std::fs::write(run.path("grid.toml"), grid).expect("writes");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_xldistill"));
    let command = command.arg("grid").arg(run.path("grid.toml"));
    let output = command.output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(printed.contains("accuracy"), "{printed}");
    assert!(printed.contains("Classifier"), "{printed}");
    let tables = run.json("grid/tables.json");
    let cell = &tables[0]["blocks"][0]["rows"][0]["cells"][0];
    assert_eq!(cell["seeds"], 2, "{tables}");
    let score = |seed: usize| {
        let results = format!("grid/runs/classify-seed{seed}/evaluate/classification.json");
        let results = run.json(&results);
        let measures = &results["sets"][0]["systems"]["classifier"]["measures"];
        measures[0]["score"].as_f64().expect("an accuracy")
    };
    let mean = cell["score"].as_f64().expect("a mean");
    assert!(
        (mean - 50.0 * (score(0) + score(1))).abs() < 1e-9,
        "{tables}"
    );

    let runs = [0, 1].map(|seed| run.path(&format!("grid/runs/classify-seed{seed}")));
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_xldistill"));
    let output = command.arg("compare").args(&runs).output();
    let output = output.expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("xldistill grid"), "{said}");
}
