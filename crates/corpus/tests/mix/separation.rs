//! Training data, held-out data and evaluation sets have no text in common.

use std::collections::BTreeSet;

use corpus::decontamination::{EvaluationIndex, NgramSizes};
use corpus::mix::{MixConfig, MixInputs, TargetSentences};
use corpus::record::{Example, Subset};
use corpus::stage::Inputs;

use crate::{
    ENGLISH, Mix, PORTUGUESE, THAI, mix_in, mix_of, pairs, row, rows, text_pair, without_held_out,
};

#[test]
fn no_question_and_no_sentence_is_in_two_parts() {
    let mut both = rows(300, PORTUGUESE);
    both.extend(rows(300, THAI));
    // The same question under another identifier.
    let mut again = row(7, PORTUGUESE);
    again.row.id = "another".into();
    both.push(again);
    let config = MixConfig {
        held_out_fraction: 0.2,
        test_fraction: 0.1,
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
    let parts = [&mix.train, &mix.held_out, &mix.test].map(|part| questions(part));
    let [train, held_out, test] = &parts;
    assert!(train.is_disjoint(held_out) && train.is_disjoint(test) && held_out.is_disjoint(test));
    assert_eq!(parts.iter().map(BTreeSet::len).sum::<usize>(), 300 + 60);
    assert!((13..=59).contains(&test.len()), "{}", test.len());
    assert_eq!(mix.manifest.results.details["test_rows"], mix.test.len());
    // Four standard deviations of 360 draws.
    assert!((40..=104).contains(&held_out.len()), "{}", held_out.len());
    assert_eq!(
        mix.manifest.results.details["held_out_rows"],
        mix.held_out.len()
    );
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
        native: None,
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
    let counts = &mixed.manifest.results.counts;
    assert_eq!(counts.rejections["contaminated"], 4);
    assert_eq!((counts.rows, counts.rows_without_output), (6, 2));
    assert_eq!(counts.rejections_by_field["question"]["contaminated"], 1);
    assert_eq!(
        counts.rejections_by_field["answer.translation"]["contaminated"],
        1
    );
    assert_eq!(mixed.manifest.results.details["evaluation_texts"], 3);
    let rejected = &mixed.files[3];
    assert!(
        rejected.contains("belebele.jsonl has")
            && rejected.contains("The Sun doesn't have a crust"),
        "{rejected}"
    );
    assert!(clean.files[3].is_empty(), "{}", clean.files[3]);
}

/// A sentence of a pair that occurs in the monolingual text, too, is in the part of the pair.
#[test]
fn monolingual_text_adds_no_sentence_of_a_pair() {
    let pairs = pairs();
    let translations = pairs[0]
        .pairs
        .iter()
        .map(|(_, translation)| translation.clone());
    let monolingual = [TargetSentences {
        target: PORTUGUESE,
        sentences: translations
            .chain(["Outra frase que ninguém conhece.".into()])
            .collect(),
    }];
    let inputs = MixInputs {
        rows: Inputs::rows(&[]),
        source: ENGLISH,
        pairs: &pairs,
        monolingual: &monolingual,
        native: None,
        rejected: &[],
        evaluation: None,
    };
    let config = MixConfig {
        held_out_fraction: 0.3,
        test_fraction: 0.3,
        ..MixConfig::default()
    };
    let mix = mix_in(tempfile::tempdir().unwrap().path(), &inputs, &config);
    let sentences = |part: &[Example]| -> BTreeSet<String> {
        let part = part.iter().filter(|example| example.subset == Subset::Comp);
        part.map(|example| example.answer.clone()).collect()
    };
    let parts = [&mix.train, &mix.held_out, &mix.test].map(|part| sentences(part));
    assert!(parts.iter().all(|part| part.len() > 5), "{parts:?}");
    assert_eq!(parts.iter().map(BTreeSet::len).sum::<usize>(), 61);
    let all: BTreeSet<&String> = parts.iter().flatten().collect();
    assert_eq!(all.len(), 61);
}

/// What is held out comes besides the pairs of training.
#[test]
fn the_number_of_pairs_is_that_of_training() {
    let config = MixConfig {
        held_out_fraction: 0.2,
        test_fraction: 0.2,
        parallel_pairs: 20,
        ..MixConfig::default()
    };
    let mix = mix_of(&[], &pairs(), &config);
    assert_eq!(mix.of(Subset::Mt).len(), 40);
    assert!(!mix.held_out.is_empty() && !mix.test.is_empty());
}
