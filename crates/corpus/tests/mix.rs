//! The transfer set: what is in which subset, in which language, with which weight.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use corpus::decontamination::{EvaluationIndex, NgramSizes};
use corpus::language::Language;
use corpus::mix::{
    AnswerDirective, HELD_OUT_FILE, MixConfig, MixInputs, PairSelection, SubsetSummary,
    TargetPairs, TargetSentences, mix,
};
use corpus::progress::Silent;
use corpus::record::{CodeSwitched, Example, Subset, TextPair, Translated};
use corpus::stage::{Inputs, Manifest, StageError};

const ENGLISH: Language = Language::ENGLISH;
const PORTUGUESE: Language = Language::PORTUGUESE;
const THAI: Language = Language::with_code("tha_Thai");

fn text_pair(source: String, translation: Option<String>) -> TextPair {
    TextPair {
        source,
        translation,
    }
}

/// Row `n` in `target`: every text says what it is. Every third lacks T(x), every fourth T(y),
/// every fifth T(ŷ), every seventh ŷ.
fn row(n: usize, target: Language) -> CodeSwitched {
    let with = |divisor: usize, text: &str| {
        (!n.is_multiple_of(divisor)).then(|| format!("{text} {n} {target}"))
    };
    let question = text_pair(format!("x {n}"), with(3, "T(x)"));
    let translated = question.translation.is_some();
    let switched = |text: &str, there: bool| there.then(|| format!("switched {text} {n} {target}"));
    CodeSwitched {
        questions: [
            switched("LL", true),
            switched("TL", translated),
            switched("LT", true),
            switched("TT", translated),
        ],
        row: Translated {
            id: format!("id-{n}"),
            target,
            question,
            answer: text_pair(format!("y {n}"), with(4, "T(y)")),
            generated: (!n.is_multiple_of(7)).then(|| text_pair(format!("ŷ {n}"), with(5, "T(ŷ)"))),
        },
    }
}

fn rows(count: usize, target: Language) -> Vec<CodeSwitched> {
    (1..=count).map(|n| row(n, target)).collect()
}

fn pairs() -> Vec<TargetPairs> {
    let pair = |n| {
        (
            format!("Sentence number {n} is here."),
            format!("A frase número {n} está aqui."),
        )
    };
    vec![TargetPairs {
        target: PORTUGUESE,
        pairs: (0..60).map(pair).collect(),
    }]
}

struct Mix {
    train: Vec<Example>,
    held_out: Vec<Example>,
    manifest: Manifest,
    files: [String; 3],
}

fn read(folder: &Path, name: &str) -> (Vec<Example>, String) {
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    (
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
        text,
    )
}

fn mix_of(rows: &[CodeSwitched], pairs: &[TargetPairs], config: &MixConfig) -> Mix {
    let inputs = MixInputs {
        rows: Inputs::rows(rows),
        source: ENGLISH,
        pairs,
        monolingual: &[],
        rejected: &[],
        evaluation: None,
    };
    mix_in(tempfile::tempdir().unwrap().path(), &inputs, config)
}

fn mix_in(folder: &Path, inputs: &MixInputs<'_>, config: &MixConfig) -> Mix {
    let manifest = mix(inputs, config, folder, &Silent).unwrap();
    let (train, train_text) = read(folder, &manifest.files.output);
    let (held_out, held_out_text) = read(folder, HELD_OUT_FILE);
    let rejected = std::fs::read_to_string(folder.join("rejected.jsonl")).unwrap();
    Mix {
        train,
        held_out,
        manifest,
        files: [train_text, held_out_text, rejected],
    }
}

fn without_held_out() -> MixConfig {
    MixConfig {
        held_out_fraction: 0.0,
        ..MixConfig::default()
    }
}

impl Mix {
    fn of(&self, subset: Subset) -> Vec<&Example> {
        self.train
            .iter()
            .filter(|example| example.subset == subset)
            .collect()
    }

    fn summary(&self) -> BTreeMap<String, SubsetSummary> {
        serde_json::from_value(self.manifest.details["subsets"].clone()).unwrap()
    }
}

#[test]
fn rejected_translations_drop_only_the_subsets_that_need_them() {
    let config = MixConfig {
        generated_fraction: 0.0,
        ..without_held_out()
    };
    let mix = mix_of(&rows(120, PORTUGUESE), &[], &config);
    let count = |subset| mix.of(subset).len();
    assert_eq!(count(Subset::LL), 120);
    assert_eq!(count(Subset::TL), 120 - 40);
    assert_eq!(count(Subset::LT), 120 - 30);
    assert_eq!(count(Subset::TT), 120 - 40 - 30 + 10);
    for example in &mix.train {
        let (id, n) = (
            &example.id,
            example.id.split('/').next().unwrap().replace("id-", ""),
        );
        let subset = example.subset.name();
        assert_eq!(*id, format!("id-{n}/por_Latn/{subset}"));
        assert!(
            example
                .question
                .starts_with(&format!("switched {subset} {n} por_Latn"))
        );
        let (question, answer) = match example.subset {
            Subset::LL => (ENGLISH, ENGLISH),
            Subset::TL => (PORTUGUESE, ENGLISH),
            Subset::LT => (ENGLISH, PORTUGUESE),
            _ => (PORTUGUESE, PORTUGUESE),
        };
        assert_eq!(
            (example.question_language, example.answer_language),
            (question, answer)
        );
        let translated = answer == PORTUGUESE;
        let expected = if translated {
            format!("T(y) {n} por_Latn")
        } else {
            format!("y {n}")
        };
        assert_eq!(example.answer, expected);
    }
}

#[test]
fn the_llm_s_own_answer_is_taken_by_half_the_questions_where_it_can_be() {
    let mix = mix_of(&rows(2000, PORTUGUESE), &[], &without_held_out());
    let mut by_question: HashMap<&str, BTreeSet<bool>> = HashMap::new();
    for example in &mix.train {
        let (id, n) = example
            .id
            .split('/')
            .next()
            .map(|id| (id, id.replace("id-", "")))
            .unwrap();
        let n: usize = n.parse().unwrap();
        let own = example.answer.contains('ŷ');
        let lacks_translation = example.answer_language != ENGLISH && n.is_multiple_of(5);
        let can = !n.is_multiple_of(7) && !lacks_translation;
        assert!(can || !own, "{example:?}");
        if can {
            by_question.entry(id).or_default().insert(own);
        }
    }
    assert!(
        by_question.values().all(|choices| choices.len() == 1),
        "one choice for all subsets"
    );
    let own = by_question
        .values()
        .filter(|choices| choices.contains(&true))
        .count() as f64;
    let share = own / by_question.len() as f64;
    // Four standard deviations of 1,714 fair draws.
    assert!((share - 0.5).abs() < 0.049, "{share}");
    let always = MixConfig {
        generated_fraction: 1.0,
        ..without_held_out()
    };
    let always = mix_of(&rows(100, PORTUGUESE), &[], &always);
    assert_eq!(always.summary()["LL"].generated, 100 - 14);
    let missing_translation = always
        .train
        .iter()
        .find(|e| e.id == "id-5/por_Latn/TT")
        .unwrap();
    assert_eq!(
        missing_translation.answer, "T(y) 5 por_Latn",
        "falls back to y"
    );
}

#[test]
fn questions_name_the_language_of_the_answer_where_it_is_not_theirs() {
    let mix = mix_of(&rows(10, PORTUGUESE), &[], &without_held_out());
    for example in &mix.train {
        let directive = match example.subset {
            Subset::TL => Some("\nResponda em inglês."),
            Subset::LT => Some("\nAnswer in Portuguese."),
            _ => None,
        };
        let last = example
            .question
            .find('\n')
            .map(|at| &example.question[at..]);
        assert_eq!(last, directive, "{example:?}");
    }
    let literal = MixConfig {
        answer_directive: AnswerDirective::None,
        ..without_held_out()
    };
    let mix = mix_of(&rows(10, PORTUGUESE), &[], &literal);
    assert!(
        mix.train
            .iter()
            .all(|example| !example.question.contains('\n'))
    );
}

#[test]
fn weights_make_a_plain_mean_the_loss_of_the_paper() {
    let mix = mix_of(
        &rows(50, PORTUGUESE),
        &pairs(),
        &MixConfig {
            held_out_fraction: 0.3,
            ..MixConfig::default()
        },
    );
    for part in [&mix.train, &mix.held_out] {
        // Any loss will do.
        let loss = |example: &Example| example.answer.chars().count() as f64;
        let mean = part.iter().map(|e| e.weight * loss(e)).sum::<f64>() / part.len() as f64;
        let mean_of_subset = |subset: Subset| {
            let losses: Vec<f64> = part
                .iter()
                .filter(|e| e.subset == subset)
                .map(loss)
                .collect();
            losses.iter().sum::<f64>() / losses.len() as f64
        };
        let expected = Subset::ALL.into_iter().map(mean_of_subset).sum::<f64>() / 6.0;
        assert!(
            (mean - expected).abs() < 1e-9 * expected,
            "{mean} {expected}"
        );
    }
    let summary = mix.summary();
    for subset in Subset::ALL {
        let (examples, summary) = (mix.of(subset), &summary[subset.name()]);
        assert_eq!(examples.len() as u64, summary.rows);
        assert!(
            examples
                .iter()
                .all(|example| example.weight == summary.weight)
        );
        let characters = examples
            .iter()
            .map(|e| e.answer.chars().count() as u64)
            .sum::<u64>();
        assert_eq!(characters, summary.answer_characters);
    }
}

#[test]
fn an_empty_subset_does_not_count() {
    let mix = mix_of(&rows(30, PORTUGUESE), &[], &without_held_out());
    let total: f64 = mix.train.iter().map(|example| example.weight).sum();
    assert!((total - mix.train.len() as f64).abs() < 1e-9);
    assert!(!mix.summary().contains_key("mt"));
}

#[test]
fn sentence_pairs_become_the_tasks_of_table_1() {
    let corpus = vec![TargetPairs {
        target: Language::parse("Indonesian").unwrap(),
        pairs: vec![(
            "The quick brown fox jumps over the lazy dog.".into(),
            "Sang rubah cokelat cepat melompati anjing malas.".into(),
        )],
    }];
    let mut beginnings = BTreeSet::new();
    for seed in 0..40 {
        let config = MixConfig {
            seed,
            subsets: vec![Subset::Mt, Subset::Comp],
            ..without_held_out()
        };
        let mix = mix_of(&[], &corpus, &config);
        let mt: BTreeMap<_, _> = mix
            .of(Subset::Mt)
            .iter()
            .map(|e| (e.question.clone(), e.answer.clone()))
            .collect();
        let expected = BTreeMap::from([
            (
                "Translate the following sentence from English to Indonesian.\n\
                 The quick brown fox jumps over the lazy dog."
                    .to_owned(),
                "Sang rubah cokelat cepat melompati anjing malas.".to_owned(),
            ),
            (
                "Translate the following sentence from Indonesian to English.\n\
                 Sang rubah cokelat cepat melompati anjing malas."
                    .to_owned(),
                "The quick brown fox jumps over the lazy dog.".to_owned(),
            ),
        ]);
        assert_eq!(mt, expected);
        let [completion] = mix.of(Subset::Comp)[..] else {
            panic!("one completion")
        };
        assert_eq!(
            completion.answer,
            "Sang rubah cokelat cepat melompati anjing malas."
        );
        let template = "Complete the following sentence in Indonesian according to its context.\n";
        beginnings.insert(
            completion
                .question
                .strip_prefix(template)
                .unwrap()
                .to_owned(),
        );
    }
    let words = "Sang rubah cokelat cepat melompati anjing";
    let ends = words
        .match_indices(' ')
        .map(|(at, _)| at)
        .chain([words.len()]);
    assert_eq!(
        beginnings,
        ends.map(|end| words[..end].to_owned()).collect()
    );
}

#[test]
fn sentences_without_spaces_are_cut_between_words() {
    let sentence = "ฉันชอบกินข้าวผัดกับเพื่อนที่โรงเรียน";
    let text = [TargetSentences {
        target: THAI,
        sentences: vec![sentence.into(), "แมว".into()],
    }];
    let inputs = MixInputs {
        rows: Inputs::rows(&[]),
        source: ENGLISH,
        pairs: &[],
        monolingual: &text,
        rejected: &[],
        evaluation: None,
    };
    let mix = mix_in(
        tempfile::tempdir().unwrap().path(),
        &inputs,
        &without_held_out(),
    );
    let [completion] = &mix.train[..] else {
        panic!("one completion")
    };
    let beginning = completion.question.lines().nth(1).unwrap();
    assert!(sentence.starts_with(beginning) && beginning.len() < sentence.len());
    assert_eq!(mix.manifest.counts.rejections["too_short"], 1);
    assert!(mix.files[2].contains("แมว"));
}

#[test]
fn pairs_are_the_first_or_a_sample_and_share_no_sentence() {
    let mut corpus = pairs();
    let translation = corpus[0].pairs[0].1.clone();
    corpus[0].pairs.insert(1, ("Another.".into(), translation));
    let sources = |selection, seed| -> BTreeSet<String> {
        let subsets = vec![Subset::Mt];
        let config = MixConfig {
            pair_selection: selection,
            parallel_pairs: 20,
            seed,
            subsets,
            ..without_held_out()
        };
        let mix = mix_of(&[], &corpus, &config);
        let english = mix
            .train
            .iter()
            .filter(|example| example.answer_language == ENGLISH);
        english.map(|example| example.answer.clone()).collect()
    };
    let first: BTreeSet<String> = (0..20)
        .map(|n| format!("Sentence number {n} is here."))
        .collect();
    assert_eq!(sources(PairSelection::First, 0), first);
    let sample = sources(PairSelection::Sampled, 1);
    assert!(sample.len() == 20 && sample != first && sample != sources(PairSelection::Sampled, 2));
}

#[test]
fn no_question_and_no_sentence_is_on_both_sides() {
    let mut both = rows(300, PORTUGUESE);
    both.extend(rows(300, THAI));
    // The same question under another identifier.
    let mut again = row(7, PORTUGUESE);
    again.row.id = "another".into();
    both.push(again);
    let config = MixConfig {
        held_out_fraction: 0.2,
        ..MixConfig::default()
    };
    let mix = mix_of(&both, &pairs(), &config);
    let questions = |examples: &[Example]| -> BTreeSet<String> {
        let id = |example: &Example| example.id.replace("another", "id-7");
        let question = |id: String| id.split('/').next().unwrap().to_owned();
        let pair = |id: String| id.split('/').take(3).collect::<Vec<_>>().join("/");
        examples
            .iter()
            .map(id)
            .map(|id| {
                if id.starts_with("pair") {
                    pair(id)
                } else {
                    question(id)
                }
            })
            .collect()
    };
    let (train, held_out) = (questions(&mix.train), questions(&mix.held_out));
    assert!(train.is_disjoint(&held_out));
    assert_eq!(train.len() + held_out.len(), 300 + 60);
    // Four standard deviations of 360 draws.
    assert!((40..=104).contains(&held_out.len()), "{}", held_out.len());
    assert_eq!(mix.manifest.details["held_out_rows"], mix.held_out.len());
}

#[test]
fn several_target_languages_share_their_english_examples() {
    let mut both = rows(100, PORTUGUESE);
    both.extend(rows(100, THAI));
    let mix = mix_of(&both, &[], &without_held_out());
    let ll = mix.of(Subset::LL);
    assert_eq!(ll.len(), 100);
    let thai = ll
        .iter()
        .filter(|example| example.id.contains("tha_Thai"))
        .count();
    assert!((20..=80).contains(&thai), "{thai}");
    let thai = mix
        .of(Subset::TT)
        .iter()
        .filter(|e| e.answer_language == THAI)
        .count();
    assert_eq!(2 * thai, mix.of(Subset::TT).len());
    let ids: BTreeSet<_> = mix.train.iter().map(|example| &example.id).collect();
    assert_eq!(ids.len(), mix.train.len());
}

#[test]
fn subsets_express_baselines_and_ablations() {
    let subsets_of = |subsets: &[Subset]| -> BTreeSet<Subset> {
        let config = MixConfig {
            subsets: subsets.to_vec(),
            ..without_held_out()
        };
        mix_of(&rows(40, PORTUGUESE), &pairs(), &config)
            .train
            .iter()
            .map(|e| e.subset)
            .collect()
    };
    for subsets in [
        &[Subset::LL][..],
        &[Subset::LL, Subset::TT],
        &[Subset::LL, Subset::LT],
        &[Subset::Mt, Subset::Comp],
        &Subset::ALL,
    ] {
        assert_eq!(subsets_of(subsets), subsets.iter().copied().collect());
    }
    let plain = MixConfig {
        code_switched: false,
        ..without_held_out()
    };
    let plain = mix_of(&rows(10, PORTUGUESE), &[], &plain);
    assert!(
        plain
            .train
            .iter()
            .all(|example| !example.question.contains("switched"))
    );
}

#[test]
fn the_same_seed_gives_the_same_bytes_whatever_the_order_of_the_rows() {
    let mut rows = rows(80, PORTUGUESE);
    let first = mix_of(&rows, &pairs(), &MixConfig::default());
    rows.reverse();
    assert_eq!(
        mix_of(&rows, &pairs(), &MixConfig::default()).files,
        first.files
    );
    let order: Vec<_> = first.train.iter().map(|example| example.subset).collect();
    assert!(!order.is_sorted(), "shuffled");
    let other = mix_of(
        &rows,
        &pairs(),
        &MixConfig {
            seed: 1,
            ..MixConfig::default()
        },
    );
    assert_ne!(other.files[0], first.files[0]);
}

#[test]
fn nothing_is_done_twice() {
    let (folder, rows, pairs) = (tempfile::tempdir().unwrap(), rows(20, PORTUGUESE), pairs());
    let inputs = MixInputs {
        rows: Inputs::rows(&rows),
        source: ENGLISH,
        pairs: &pairs,
        monolingual: &[],
        rejected: &[],
        evaluation: None,
    };
    let path = folder.path().join(HELD_OUT_FILE);
    let first = mix_in(folder.path(), &inputs, &MixConfig::default());
    let written = std::fs::metadata(&path).unwrap().modified().unwrap();
    let again = mix_in(folder.path(), &inputs, &MixConfig::default());
    assert_eq!(again.manifest, first.manifest);
    assert_eq!(
        std::fs::metadata(&path).unwrap().modified().unwrap(),
        written
    );
    std::fs::write(&path, "edited").unwrap();
    assert_eq!(
        mix_in(folder.path(), &inputs, &MixConfig::default()).files,
        first.files
    );
    let changed = mix_in(
        folder.path(),
        &MixInputs {
            pairs: &[],
            ..inputs
        },
        &MixConfig::default(),
    );
    assert!(changed.of(Subset::Mt).is_empty());
}

#[test]
fn impossible_settings_are_refused() {
    let refused = |config: MixConfig| {
        let inputs = MixInputs {
            rows: Inputs::rows(&[]),
            source: ENGLISH,
            pairs: &[],
            monolingual: &[],
            rejected: &[],
            evaluation: None,
        };
        mix(
            &inputs,
            &config,
            tempfile::tempdir().unwrap().path(),
            &Silent,
        )
        .unwrap_err()
        .to_string()
    };
    let default = MixConfig::default;
    assert!(
        refused(MixConfig {
            subsets: vec![],
            ..default()
        })
        .contains("LL, TL, LT, TT, mt, comp")
    );
    assert!(
        refused(MixConfig {
            generated_fraction: 1.5,
            ..default()
        })
        .contains("1.5")
    );
    assert!(
        refused(MixConfig {
            held_out_fraction: 1.0,
            ..default()
        })
        .contains("held_out_fraction")
    );
    assert!(refused(default()).contains("no rows"));
    let inputs = MixInputs {
        rows: Inputs::rows(&[]),
        source: ENGLISH,
        pairs: &[],
        monolingual: &[],
        rejected: &[],
        evaluation: None,
    };
    let error = mix(
        &inputs,
        &default(),
        tempfile::tempdir().unwrap().path(),
        &Silent,
    )
    .unwrap_err();
    assert!(matches!(error, StageError::Empty { .. }));
}

#[test]
fn what_an_evaluation_set_has_is_not_taught() {
    let mut rows = rows(6, PORTUGUESE);
    let passage = "The Sun doesn't have a crust like the Earth that you can stand on because it is made of gas.";
    rows[1].row.question.source = format!("Summarise this: {passage}");
    rows[2].row.answer.translation = Some(
        "O Sol não tem uma crosta como a Terra na qual você possa ficar de pé, pois é gás.".into(),
    );
    rows[4].row.generated = Some(text_pair("Because it is made of gas.".into(), None));
    let mut evaluation = EvaluationIndex::new(NgramSizes::default());
    evaluation.add("belebele.jsonl", [passage]);
    evaluation.add(
        "held_out.tsv",
        ["O Sol não tem uma crosta como a Terra na qual você possa ficar de pé, pois é gás"],
    );
    evaluation.add("sentences.tsv", ["A frase número 7 está aqui."]);
    let folder = tempfile::tempdir().unwrap();
    let pairs = pairs();
    let monolingual = [TargetSentences {
        target: PORTUGUESE,
        sentences: vec![
            "A frase número 7 está aqui!".into(),
            "Outra frase que ninguém conhece.".into(),
        ],
    }];
    let inputs = |evaluation| MixInputs {
        rows: Inputs::rows(&rows),
        source: ENGLISH,
        pairs: &pairs,
        monolingual: &monolingual,
        rejected: &[],
        evaluation,
    };
    let clean = mix_in(folder.path(), &inputs(None), &without_held_out());
    let mixed = mix_in(
        folder.path(),
        &inputs(Some(&evaluation)),
        &without_held_out(),
    );
    let of_rows = |mix: &Mix| -> BTreeSet<String> {
        let ids = mix
            .train
            .iter()
            .map(|example| example.id.split('/').next().unwrap().to_owned());
        ids.filter(|id| id.starts_with("id-")).collect()
    };
    assert_eq!(of_rows(&clean).len(), 6);
    assert_eq!(
        of_rows(&mixed),
        ["id-1", "id-4", "id-5", "id-6"].map(String::from).into()
    );
    assert_eq!(mixed.of(Subset::Mt).len(), clean.of(Subset::Mt).len() - 2);
    assert_eq!(
        mixed.of(Subset::Comp).len(),
        clean.of(Subset::Comp).len() - 2
    );
    let counts = &mixed.manifest.counts;
    assert_eq!(counts.rejections["contaminated"], 4);
    assert_eq!((counts.rows, counts.rows_without_output), (6, 2));
    assert_eq!(counts.rejections_by_field["question"]["contaminated"], 1);
    assert_eq!(
        counts.rejections_by_field["answer.translation"]["contaminated"],
        1
    );
    assert_eq!(mixed.manifest.details["evaluation_texts"], 3);
    let rejected = &mixed.files[2];
    assert!(
        rejected.contains("belebele.jsonl has")
            && rejected.contains("The Sun doesn't have a crust"),
        "{rejected}"
    );
    assert!(clean.files[2].is_empty(), "{}", clean.files[2]);
}
