//! `xldistill calibrate`, and a threshold given as a quantile.

use serde_json::{Value, json};

use crate::{Run, manifest};

#[test]
fn calibrate_says_what_scores_mean_and_a_quantile_uses_it() {
    let run = Run::new();
    let engine = [
        "estimate_quality.engine=round-trip",
        "evaluate.pairs.por_Latn=parallel.tsv",
    ];
    let output = run.xldistill(&[&["calibrate", "--json"][..], &engine].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let direction = &report["directions"][0];
    assert_eq!(
        (&direction["to"], &direction["pairs"]),
        (&json!("por_Latn"), &json!(3))
    );
    assert_eq!(direction["configured"]["min_quality"], 0.4);
    let scores: Vec<f64> = direction["quantiles"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|quantile| quantile["score"].as_f64().expect("a score"))
        .collect();
    assert!(scores.is_sorted() && scores.len() == 7, "{scores:?}");
    let tried = direction["thresholds"].as_array().expect("a list");
    let tried: Vec<f64> = tried
        .iter()
        .map(|at| at["min_quality"].as_f64().expect("a score"))
        .collect();
    let once = |at: &f64| tried.iter().filter(|other| *other == at).count() == 1;
    assert!(tried.len() > 1 && tried.iter().all(once), "{tried:?}");
    let table = run.xldistill(&[&["calibrate"][..], &engine].concat());
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(
        table.contains("3 human translations") && table.contains("this config"),
        "{table}"
    );
    let copies = direction["configured"]["copied_accepted"].as_f64();
    assert_eq!(
        table.contains("filter.max_source_similarity rejects copies"),
        copies.expect("a share") > 0.0,
        "{table}"
    );

    run.succeed(
        &[
            &[
                "run",
                "--until",
                "filter",
                "filter.min_quality={quantile=0.5}",
            ][..],
            &engine,
        ]
        .concat(),
    );
    let calibrated = &manifest(&run.path("run/filter"))["parameters"]["calibrated"];
    let median = scores[4];
    assert_eq!(
        calibrated["por_Latn"].as_f64(),
        Some(median),
        "{calibrated}"
    );
    assert!(
        run.path("run/calibration-eng_Latn-por_Latn/scores.json")
            .is_file()
    );
}
