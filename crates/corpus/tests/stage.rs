//! The runner of the stages: what it leaves in the folder, however often it is killed, sharded,
//! repeated or given other inputs.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use corpus::progress::{Progress, Silent};
use corpus::record::Instruction;
use corpus::rejected::Rejected;
use corpus::sampling::Stream;
use corpus::seam::EngineIdentity;
use corpus::stage::{
    Inputs, Manifest, Outcome, Rejection, RowStage, Shard, StageError, StageOptions, run,
};
use serde_json::{Value, json};

/// Turns answers to upper case; refuses answers with a "z" and, as a whole, rows with a "q".
struct Upper {
    parameter: u32,
    chunk_rows: usize,
    pause: Duration,
    processed: AtomicUsize,
}

impl Upper {
    fn new() -> Self {
        Self {
            parameter: 1,
            chunk_rows: 16,
            pause: Duration::ZERO,
            processed: AtomicUsize::new(0),
        }
    }

    fn processed(&self) -> usize {
        self.processed.swap(0, Ordering::Relaxed)
    }
}

impl RowStage for Upper {
    type Input = Instruction;
    type Output = Instruction;

    fn name(&self) -> &'static str {
        "upper"
    }

    fn version(&self) -> u32 {
        1
    }

    fn parameters(&self) -> Value {
        json!({ "parameter": self.parameter })
    }

    fn engines(&self) -> Vec<EngineIdentity> {
        vec![EngineIdentity {
            engine: "upper".into(),
            model: "none".into(),
            revision: "1".into(),
            parameters: String::new(),
            licence: None,
        }]
    }

    fn chunk_rows(&self) -> usize {
        self.chunk_rows
    }

    fn process(&self, rows: &[Instruction]) -> Result<Vec<Outcome<Instruction>>, StageError> {
        std::thread::sleep(self.pause);
        self.processed.fetch_add(rows.len(), Ordering::Relaxed);
        Ok(rows.iter().map(upper).collect())
    }
}

fn upper(row: &Instruction) -> Outcome<Instruction> {
    if row.answer.contains('q') {
        return Outcome::rejected(Rejection::new("row", "has_q", "a \"q\""));
    }
    let output = Instruction {
        answer: row.answer.to_uppercase(),
        ..row.clone()
    };
    match row.answer.contains('z') {
        true => Outcome::kept_without(output, vec![Rejection::new("answer", "has_z", "a\nz")]),
        false => Outcome::kept(output),
    }
}

fn rows(count: usize) -> Vec<Instruction> {
    let letters = "abcdefghijklmnopqrstuvwxyz";
    let row = |number: usize| Instruction {
        id: format!("row-{number}"),
        question: format!("Question\t{number} \"?\"\u{2028}"),
        answer: letters
            .chars()
            .cycle()
            .skip(number * 7)
            .take(3 + number % 5)
            .collect(),
    };
    (0..count).map(row).collect()
}

/// The content of all files but the manifests, by name.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap());
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    let files =
        named.filter(|(name, _)| !name.starts_with("manifest") && !name.starts_with(".lock"));
    files
        .map(|(name, path)| (name, std::fs::read_to_string(path).unwrap()))
        .collect()
}

fn run_whole(stage: &Upper, rows: &[Instruction], folder: &Path) -> Result<Manifest, StageError> {
    run(
        stage,
        &Inputs::rows(rows),
        folder,
        &StageOptions::default(),
        &Silent,
    )
}

#[test]
fn leaves_rows_in_order_rejections_with_reasons_and_a_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let rows = rows(300);
    let manifest = run_whole(&Upper::new(), &rows, folder.path()).unwrap();

    let outcomes: Vec<_> = rows.iter().map(upper).collect();
    let expected: Vec<_> = outcomes.iter().flat_map(|o| o.outputs.clone()).collect();
    let files = files(folder.path());
    let read = |name: &str| files[name].lines().collect::<Vec<_>>();
    let outputs: Vec<Instruction> = read("part-00000-of-00001.jsonl")
        .iter()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(outputs, expected);
    let rejected: Vec<Rejected> = read("rejected.jsonl")
        .iter()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let refused = rows
        .iter()
        .zip(&outcomes)
        .filter(|(_, o)| !o.rejections.is_empty());
    for ((row, outcome), rejected) in refused.zip(&rejected) {
        assert_eq!((&rejected.id, rejected.stage.as_str()), (&row.id, "upper"));
        assert_eq!(rejected.detail, outcome.rejections[0].detail);
        assert_eq!(
            serde_json::from_value::<Instruction>(rejected.row.clone()).unwrap(),
            *row
        );
    }
    assert_eq!(files.len(), 3, "{:?}", files.keys());

    let counts = &manifest.counts;
    let (q, z) = (counts.rejections["has_q"], counts.rejections["has_z"]);
    assert_eq!(rejected.len() as u64, q + z);
    assert_eq!(counts.rejections_by_field["row"]["has_q"], q);
    assert_eq!(
        (counts.rows, counts.outputs, counts.reused),
        (300, 300 - q, 0)
    );
    assert_eq!(
        (counts.rows_without_output, counts.rows_with_rejection),
        (q, q + z)
    );
    assert_eq!(Manifest::read(folder.path()).unwrap(), manifest);
    let streamed: Result<Vec<Instruction>, _> = Inputs::stage(folder.path())
        .unwrap()
        .iter()
        .unwrap()
        .collect();
    assert_eq!(streamed.unwrap(), expected);
}

#[test]
fn a_re_run_does_only_what_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, mut rows) = (Upper::new(), rows(100));
    let first = run_whole(&stage, &rows, folder.path()).unwrap();
    assert_eq!(stage.processed(), 100);

    let again = run_whole(&stage, &rows, folder.path()).unwrap();
    assert_eq!((stage.processed(), &again), (0, &first), "nothing to do");

    rows[40].answer = "changed".into();
    rows.remove(3);
    rows.push(Instruction {
        id: "new".into(),
        question: "?".into(),
        answer: "new".into(),
    });
    let changed = run_whole(&stage, &rows, folder.path()).unwrap();
    assert_eq!((stage.processed(), changed.counts.reused), (2, 98));
    let undisturbed = tempfile::tempdir().unwrap();
    run_whole(&stage, &rows, undisturbed.path()).unwrap();
    assert_eq!(files(folder.path()), files(undisturbed.path()));

    stage.processed();
    run_whole(
        &Upper {
            parameter: 2,
            ..Upper::new()
        },
        &rows,
        folder.path(),
    )
    .unwrap();
    run_whole(&stage, &rows, folder.path()).unwrap();
    assert_eq!(
        stage.processed(),
        100,
        "another parameter makes every row new"
    );
}

#[test]
fn an_edited_file_is_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, rows) = (Upper::new(), rows(50));
    run_whole(&stage, &rows, folder.path()).unwrap();
    let before = files(folder.path());
    std::fs::write(
        folder.path().join("journal"),
        "left behind by a kill at the very end",
    )
    .unwrap();
    for name in before.keys() {
        let path = folder.path().join(name);
        std::fs::write(&path, before[name].replace(['1', '2', '3'], "4")).unwrap();
        run_whole(&stage, &rows, folder.path()).unwrap();
        assert_eq!(files(folder.path()), before, "{name}");
    }
}

#[test]
fn shards_merge_to_the_bytes_of_one_run() {
    let whole = tempfile::tempdir().unwrap();
    let rows = rows(333);
    let rejected_at_source = [Rejected {
        id: "data.jsonl:7".into(),
        stage: "source".into(),
        field: "row".into(),
        reason: "malformed".into(),
        detail: "expected `}`".into(),
        row: json!("{\"instruction\":"),
    }];
    let stage = Upper::new();
    let inputs = Inputs::rows(&rows).with_rejected(&rejected_at_source);
    run(
        &stage,
        &inputs,
        whole.path(),
        &StageOptions::default(),
        &Silent,
    )
    .unwrap();
    assert_eq!(stage.processed(), 333);

    let folder = tempfile::tempdir().unwrap();
    for index in [2, 0, 1] {
        let shard = Shard::new(index, 4).unwrap();
        let options = StageOptions {
            shard,
            ..StageOptions::default()
        };
        run(&stage, &inputs, folder.path(), &options, &Silent).unwrap();
        assert!(matches!(
            Inputs::<Instruction>::stage(folder.path()),
            Err(StageError::Unfinished { .. })
        ));
        stage.processed();
        let again = run(&stage, &inputs, folder.path(), &options, &Silent).unwrap();
        assert_eq!((again.shard, stage.processed()), (shard, 0));
    }
    // The last shard's machine never came back: its rows are done by the run that merges.
    let merged = run(
        &stage,
        &inputs,
        folder.path(),
        &StageOptions::default(),
        &Silent,
    )
    .unwrap();
    let last = 333 - merged.counts.reused as usize;
    assert!(
        stage.processed() == last && (48..=96).contains(&last),
        "{last} rows"
    );
    assert_eq!(merged.counts.rejected_at_source, 1);
    assert_eq!(files(folder.path()), files(whole.path()));
}

#[test]
fn too_many_rejections_stop_the_stage_and_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, rows) = (Upper::new(), rows(400));
    let strict = StageOptions {
        max_rejected_fraction: 0.1,
        ..StageOptions::default()
    };
    let stopped = run(
        &stage,
        &Inputs::rows(&rows),
        folder.path(),
        &strict,
        &Silent,
    )
    .unwrap_err();
    let message = stopped.to_string();
    assert!(
        message.contains("more than the 10 %") && message.contains("has_z"),
        "{message}"
    );
    assert_eq!(
        stage.processed(),
        112,
        "judged after the first chunk past a hundred rows"
    );
    assert!(files(folder.path())["rejected.jsonl"].contains("has_z"));
    assert!(matches!(
        Manifest::read(folder.path()),
        Err(StageError::Unfinished { .. })
    ));

    run_whole(&stage, &rows, folder.path()).unwrap();
    assert_eq!(
        stage.processed(),
        400 - 112,
        "what was done is not done again"
    );
}

#[test]
fn one_run_a_folder() {
    struct RunsAgain<'a>(&'a Path, Mutex<Option<StageError>>);
    impl Progress for RunsAgain<'_> {
        fn begin(&self, _: &str, _: Option<u64>) {
            let second = run_whole(&Upper::new(), &rows(10), self.0);
            *self.1.lock().unwrap() = second.err();
        }
        fn advance(&self, _: u64) {}
        fn status(&self, _: &str) {}
        fn note(&self, _: &str) {}
        fn end(&self) {}
    }
    let folder = tempfile::tempdir().unwrap();
    let progress = RunsAgain(folder.path(), Mutex::new(None));
    let rows = rows(10);
    run(
        &Upper::new(),
        &Inputs::rows(&rows),
        folder.path(),
        &StageOptions::default(),
        &progress,
    )
    .unwrap();
    let refused = progress.1.into_inner().unwrap();
    assert!(
        matches!(refused, Some(StageError::Locked { .. })),
        "{refused:?}"
    );
}

#[test]
fn no_rows_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = run_whole(&Upper::new(), &[], folder.path()).unwrap_err();
    assert!(error.to_string().contains("no rows"), "{error}");
}

#[test]
fn a_damaged_file_of_an_earlier_stage_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    run_whole(&Upper::new(), &rows(20), folder.path()).unwrap();
    let path = folder.path().join("part-00000-of-00001.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let inputs = Inputs::<Instruction>::stage(folder.path()).unwrap();
    let error_of = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let next = tempfile::tempdir().unwrap();
        run(
            &Upper::new(),
            &inputs,
            next.path(),
            &StageOptions::default(),
            &Silent,
        )
        .unwrap_err()
    };
    let third = text.lines().nth(2).unwrap();
    let broken = error_of(&text.replace(third, &third[..third.len() - 2]));
    assert!(broken.to_string().contains(".jsonl:3: "), "{broken}");
    let short = error_of(&text[..text.len() / 2]);
    assert!(matches!(short, StageError::Malformed { .. }), "{short}");
}

/// Tells the killed process from the one that kills.
const VICTIM_FOLDER: &str = "CORPUS_STAGE_TEST_FOLDER";

fn slow_stage() -> Upper {
    Upper {
        chunk_rows: 8,
        pause: Duration::from_millis(2),
        ..Upper::new()
    }
}

#[test]
#[ignore = "the process that other tests start and stop"]
fn victim() {
    let folder = std::env::var_os(VICTIM_FOLDER).expect("only started by other tests");
    if let Err(error) = run_whole(&slow_stage(), &rows(800), Path::new(&folder)) {
        panic!("{error}");
    }
}

#[cfg(unix)]
#[test]
fn without_room_on_the_disk_nothing_is_lost() {
    let (folder, undisturbed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // A limit on the size of files stands for a full disk; ignored, its signal becomes an error.
    let stopped = Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 32; exec \"$0\" --ignored --exact victim --nocapture",
        ])
        .arg(std::env::current_exe().unwrap())
        .env(VICTIM_FOLDER, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&stopped.stderr);
    assert!(
        said.contains("cannot write") && said.contains("free some space"),
        "{said}"
    );
    assert!(matches!(
        Manifest::read(folder.path()),
        Err(StageError::Unfinished { .. })
    ));

    let stage = Upper {
        chunk_rows: 8,
        ..Upper::new()
    };
    run_whole(&stage, &rows(800), folder.path()).unwrap();
    let redone = stage.processed();
    assert!(redone > 0 && redone < 800, "{redone} rows were redone");
    run_whole(&stage, &rows(800), undisturbed.path()).unwrap();
    assert_eq!(files(folder.path()), files(undisturbed.path()));
}

#[test]
fn killed_at_any_moment_the_files_end_the_same() {
    let undisturbed = tempfile::tempdir().unwrap();
    run_whole(&slow_stage(), &rows(800), undisturbed.path()).unwrap();
    let expected = files(undisturbed.path());

    let mut moments = Stream::new(7, "moments of the kills");
    let mut kills = 0;
    while kills < 20 {
        let folder = tempfile::tempdir().unwrap();
        // Longer lives after every kill, so that the end is reached on a busy machine, too.
        for life in (1..).map(|attempt| 0.05 * f64::from(attempt)) {
            let mut victim = Command::new(std::env::current_exe().unwrap())
                .args(["--ignored", "--exact", "victim"])
                .env(VICTIM_FOLDER, folder.path())
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_secs_f64(moments.uniform() * life));
            let ended = victim.try_wait().unwrap();
            victim.kill().unwrap();
            victim.wait().unwrap();
            match ended {
                None => kills += 1,
                Some(status) => {
                    assert!(status.success());
                    break;
                }
            }
        }
        assert_eq!(files(folder.path()), expected, "after {kills} kills");
    }
}
