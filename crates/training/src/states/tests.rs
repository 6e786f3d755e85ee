use corpus::progress::Silent;

use super::*;

fn provenance(data: &str) -> Provenance {
    Provenance {
        stage: "states".into(),
        version: 1,
        parameters: serde_json::json!({ "max_length": 8 }),
        engines: Vec::new(),
        inputs: BTreeMap::from([("text".to_owned(), data.to_owned())]),
    }
}

/// Items of 0 to 3 rows, enough for four chunks.
fn layout() -> Layout {
    Layout {
        width: 3,
        rows: (0..200).map(|item| item % 4).collect(),
    }
}

fn values(layout: &Layout, item: usize) -> Vec<f32> {
    let count = layout.rows[item] as usize * layout.width;
    (0..count)
        .map(|index| item as f32 + index as f32 / 100.0)
        .collect()
}

/// Makes the states; fails at the chunk of this number.
fn make(folder: &Path, fails_at: Option<usize>) -> Result<States, StatesError> {
    let layout = layout();
    let mut chunk = 0;
    let compute = |range: Range<usize>| {
        chunk += 1;
        if Some(chunk - 1) == fails_at {
            let error = std::io::Error::other("killed");
            return Err(ArtefactError::io("write", folder)(error).into());
        }
        Ok(range.flat_map(|item| values(&layout, item)).collect())
    };
    States::make(folder, &provenance("a"), &layout, compute, &Silent)
}

#[test]
fn rows_are_read_as_they_were_computed() {
    let folder = tempfile::tempdir().unwrap();
    let states = make(folder.path(), None).unwrap();
    for item in [199, 0, 1, 64, 63, 7] {
        assert_eq!(states.read(item).unwrap(), values(&layout(), item));
    }
    // Finished states are not computed again.
    make(folder.path(), Some(0)).unwrap();
}

#[test]
fn a_killed_process_resumes_wherever_it_was_killed() {
    let whole = tempfile::tempdir().unwrap();
    make(whole.path(), None).unwrap();
    let expected = fs::read(whole.path().join(ROWS)).unwrap();

    let interrupted = tempfile::tempdir().unwrap();
    make(interrupted.path(), Some(2)).unwrap_err();
    let [rows, chunks] = [ROWS, CHUNKS].map(|name| interrupted.path().join(name));
    let (all_rows, all_chunks) = (fs::read(&rows).unwrap(), fs::read(&chunks).unwrap());
    let ends = [
        0,
        1,
        5,
        all_rows.len() / 2,
        all_rows.len() - 1,
        all_rows.len(),
    ];
    let records = [
        0,
        1,
        all_chunks.len() / 2,
        all_chunks.len() - 1,
        all_chunks.len(),
    ];
    for end in ends {
        for recorded in records {
            fs::write(&rows, &all_rows[..end]).unwrap();
            fs::write(&chunks, &all_chunks[..recorded]).unwrap();
            make(interrupted.path(), None).unwrap();
            assert_eq!(fs::read(&rows).unwrap(), expected, "{end} {recorded}");
            fs::remove_file(interrupted.path().join(MANIFEST_FILE)).unwrap();
        }
    }
}

#[test]
fn damaged_rows_are_computed_again() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), Some(2)).unwrap_err();
    let rows = folder.path().join(ROWS);
    let mut bytes = fs::read(&rows).unwrap();
    bytes[9] ^= 1;
    fs::write(&rows, bytes).unwrap();
    let states = make(folder.path(), None).unwrap();
    assert_eq!(states.read(1).unwrap(), values(&layout(), 1));
}

#[test]
fn states_of_other_data_or_another_model_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), Some(1)).unwrap_err();
    let compute = |_| -> Result<Vec<f32>, StatesError> { unreachable!("refused before") };
    let other = States::make(folder.path(), &provenance("b"), &layout(), compute, &Silent);
    let error = other.unwrap_err().to_string();
    assert!(
        error.contains("other data") && error.contains("text changed"),
        "{error}"
    );
}

#[test]
fn a_chunk_has_as_many_items_with_rows_as_fit() {
    let mut layout = Layout {
        width: 2,
        rows: vec![0; 1000],
    };
    assert_eq!(layout.chunk_end(0), 1000);
    (0..1000).step_by(10).for_each(|item| layout.rows[item] = 1);
    assert_eq!(layout.chunk_end(0), 631);
    assert_eq!(layout.chunk_end(631), 991);
    assert_eq!(layout.chunk_end(991), 1000);
}
