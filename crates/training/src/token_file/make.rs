//! Makes a token file: tokenises a stream of documents in parallel, part by part.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Instant;

use artefacts::{ArtefactError, Lock, MANIFEST_FILE, Manifest, Provenance};
use corpus::progress::Progress;
use corpus::source::plain_text::Documents;
use rayon::prelude::*;

use super::part::Part;
use super::{TokenCounts, TokenFile, TokenFileError, Tokens};

/// Documents of the text in a part: what an interrupted run repeats at most.
const PART: usize = 1 << 15;
/// Documents that are in memory as text at a time.
const CHUNK: usize = 1 << 10;
/// File with the key of what is being made.
const MAKING: &str = "making.txt";

impl<const N: usize> TokenFile<N> {
    /// The token file in `folder`, made from `documents` by `encode` unless it is there. The
    /// sequences that `encode` returns are called `names` in the counts. `provenance` names the
    /// text, the tokenizers and the maximum length; a folder with tokens from others is emptied.
    ///
    /// A killed process resumes after the last complete part.
    pub fn make<E: std::error::Error + Send + Sync + 'static>(
        folder: &Path,
        names: [&str; N],
        mut documents: Documents,
        encode: impl Fn(&str) -> Result<[Tokens; N], E> + Sync,
        provenance: Provenance,
        progress: &dyn Progress,
    ) -> Result<Self, TokenFileError> {
        if let Some(made) = Self::open(folder, &provenance)? {
            return Ok(made);
        }
        fs::create_dir_all(folder).map_err(ArtefactError::io("create", folder))?;
        let _lock = Lock::whole(folder)?;
        let started = Instant::now();
        begin(folder, &provenance)?;
        progress.begin("tokenise", None);

        let mut counts = TokenCounts {
            columns: names
                .map(|name| (name.to_owned(), Default::default()))
                .into(),
            ..TokenCounts::default()
        };
        let mut files = BTreeMap::new();
        for number in 0.. {
            let (read, hashes) = match Part::open(folder, number)? {
                Some(part) => {
                    let index = part.index::<N>()?;
                    for entries in &index {
                        count(&mut counts, names, entries.map(|e| (e.length, e.truncated)));
                    }
                    for document in documents.by_ref().take(index.len()) {
                        document?;
                    }
                    progress.already_done(index.len() as u64);
                    (index.len(), part.hashes()?)
                }
                None => {
                    let first = number * PART;
                    let encoded = encode_part(&mut documents, first as u64, &encode, progress)?;
                    if encoded.is_empty() {
                        break;
                    }
                    for document in &encoded {
                        let of = |tokens: &Tokens| (tokens.ids.len() as u32, tokens.truncated);
                        count(&mut counts, names, document.each_ref().map(of));
                    }
                    (encoded.len(), Part::write(folder, number, &encoded)?)
                }
            };
            files.extend(hashes);
            if read < PART {
                break;
            }
        }
        progress.end();
        counts.text = documents.counts().clone();
        if counts.documents == 0 {
            return Err(TokenFileError::Empty {
                documents: counts.text.documents,
                empty: counts.empty,
            });
        }
        let seconds = started.elapsed().as_secs_f64();
        let manifest = Manifest::new(provenance.clone(), files, counts, seconds);
        manifest.write(&folder.join(MANIFEST_FILE))?;
        artefacts::remove(&folder.join(MAKING))?;
        let made = Self::open(folder, &provenance)?;
        Ok(made.expect("the manifest was written for this provenance"))
    }
}

/// Removes what is left of other tokens.
fn begin(folder: &Path, provenance: &Provenance) -> Result<(), ArtefactError> {
    let (making, key) = (folder.join(MAKING), provenance.key().to_string());
    if fs::read_to_string(&making).is_ok_and(|found| found == key) {
        return Ok(());
    }
    artefacts::remove(&folder.join(MANIFEST_FILE))?;
    let entries = fs::read_dir(folder).map_err(ArtefactError::io("list", folder))?;
    for entry in entries {
        let path = entry.map_err(ArtefactError::io("list", folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("part-") {
            artefacts::remove(&path)?;
        }
    }
    artefacts::write(&making, key.as_bytes()).map(drop)
}

/// The tokens of the next documents, of which `first` came before: a whole part, unless the stream
/// ends.
fn encode_part<const N: usize, E: std::error::Error + Send + Sync + 'static>(
    documents: &mut Documents,
    first: u64,
    encode: &(impl Fn(&str) -> Result<[Tokens; N], E> + Sync),
    progress: &dyn Progress,
) -> Result<Vec<[Tokens; N]>, TokenFileError> {
    let mut part = Vec::new();
    while part.len() < PART {
        let texts = documents
            .by_ref()
            .take(CHUNK)
            .collect::<Result<Vec<String>, _>>()?;
        if texts.is_empty() {
            break;
        }
        let before = first + part.len() as u64;
        let encoded = texts.par_iter().enumerate().map(|(at, text)| {
            encode(text).map_err(|source| TokenFileError::Encode {
                document: before + at as u64 + 1,
                start: text.chars().take(40).collect(),
                source: Box::new(source),
            })
        });
        part.extend(encoded.collect::<Result<Vec<_>, _>>()?);
        progress.advance(texts.len() as u64);
    }
    Ok(part)
}

/// Counts a document by the lengths of its sequences, and whether they were truncated.
fn count<const N: usize>(counts: &mut TokenCounts, names: [&str; N], document: [(u32, bool); N]) {
    if document.iter().any(|&(length, _)| length == 0) {
        counts.empty += 1;
        return;
    }
    counts.documents += 1;
    for (name, (length, truncated)) in names.into_iter().zip(document) {
        let column = counts.columns.entry(name.to_owned()).or_default();
        column.tokens += u64::from(length);
        column.truncated += u64::from(truncated);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    use corpus::file_path::FilePath;
    use corpus::progress::Silent;
    use corpus::source::plain_text::{TextOptions, TextSource, documents};

    /// The characters of the text, at most three, and its words' lengths.
    fn encode(text: &str) -> Result<[Tokens; 2], Infallible> {
        let characters = text.chars().map(u32::from).collect();
        let words = text.split(' ').map(|word| word.len() as u32);
        let words = words.filter(|&length| length != 9);
        Ok([
            Tokens::up_to(characters, 3),
            Tokens::up_to(words.collect(), 9),
        ])
    }

    fn provenance(text: &str) -> Provenance {
        Provenance {
            stage: "tokens".into(),
            version: 1,
            parameters: serde_json::Value::Null,
            engines: Vec::new(),
            inputs: [("text".to_owned(), text.to_owned())].into(),
        }
    }

    fn stream(path: &Path) -> Documents {
        let source = TextSource::Files(FilePath::from(path.to_owned()));
        documents(&[source], &TextOptions::default()).unwrap()
    }

    fn make(path: &Path, folder: &Path, text: &str) -> Result<TokenFile<2>, TokenFileError> {
        let names = ["characters", "words"];
        TokenFile::make(
            folder,
            names,
            stream(path),
            encode,
            provenance(text),
            &Silent,
        )
    }

    #[test]
    fn every_document_is_found_again_with_all_its_sequences() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        fs::write(&path, "ab cde\nninechars\n\nx\n").unwrap();
        let file = make(&path, &folder.path().join("tokens"), "a").unwrap();
        assert_eq!(file.len(), 2);
        assert_eq!(file.read(0).unwrap(), [vec![97, 98, 32], vec![2, 3]]);
        assert_eq!(file.read(1).unwrap(), [vec![120], vec![1]]);
        assert_eq!(file.lengths(0), [3, 2]);
        let counts = file.counts();
        assert_eq!((counts.documents, counts.empty), (2, 1));
        assert_eq!(
            (
                counts.columns["characters"].tokens,
                counts.columns["words"].tokens
            ),
            (4, 3)
        );
        assert_eq!(counts.columns["characters"].truncated, 1);
        assert_eq!(counts.text.rejected["empty"], 1);
        let notes = counts.notes(3).join("\n");
        assert!(
            notes.contains("characters: longer than 3 tokens and cut off: 1 of 2"),
            "{notes}"
        );
    }

    #[test]
    fn a_killed_run_resumes_to_the_same_bytes_and_other_text_starts_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        let text: String = (0..PART + 100)
            .map(|number| format!("text {number}\n"))
            .collect();
        fs::write(&path, text).unwrap();
        let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
        let file = make(&path, &whole, "a").unwrap();
        assert_eq!((file.len(), file.parts.len()), (PART + 100, 2));
        let last = file.read(PART + 99).unwrap();
        assert_eq!(last, [vec![116, 101, 120], vec![4, 5]]);

        fs::create_dir(&killed).unwrap();
        begin(&killed, &provenance("a")).unwrap();
        for name in super::super::part::names(0) {
            fs::copy(whole.join(&name), killed.join(&name)).unwrap();
        }
        fs::write(killed.join("part-00001.tokens.incomplete"), "torn").unwrap();
        let resumed = make(&path, &killed, "a").unwrap();
        assert_eq!(resumed.counts(), file.counts());
        for name in [0, 1].into_iter().flat_map(super::super::part::names) {
            let [one, other] =
                [&whole, &killed].map(|folder| fs::read(folder.join(&name)).unwrap());
            assert_eq!(one, other, "{name}");
        }

        fs::write(&path, "short\n").unwrap();
        assert_eq!(
            make(&path, &killed, "a").unwrap().len(),
            PART + 100,
            "it is finished"
        );
        let other = make(&path, &killed, "b").unwrap();
        assert_eq!(
            (other.len(), killed.join("part-00001.index").exists()),
            (1, false)
        );
        fs::write(&path, "\n").unwrap();
        let error = make(&path, &killed, "c").unwrap_err().to_string();
        assert!(error.contains("name other files"), "{error}");
    }

    #[test]
    fn held_out_documents_are_drawn_by_the_seed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        fs::write(&path, "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n").unwrap();
        let file = make(&path, &folder.path().join("tokens"), "a").unwrap();
        let (train, held_out) = file.split(3, 1);
        assert_eq!((train.len(), held_out.len()), (7, 3));
        assert!(train.iter().all(|document| !held_out.contains(document)));
        assert_ne!(file.split(3, 2).1, held_out);
        assert_eq!(file.split(100, 1).1.len(), 5);
    }
}
