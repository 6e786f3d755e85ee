//! The subsets of sentences: translation and completion.

use std::collections::{BTreeMap, BTreeSet};

use corpus::language::Language;
use corpus::mix::{MixConfig, MixInputs, PairSelection, TargetPairs, TargetSentences};
use corpus::record::Subset;
use corpus::stage::Inputs;

use crate::{ENGLISH, THAI, mix_in, mix_of, pairs, without_held_out};

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
        native: None,
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
    assert_eq!(mix.manifest.results.counts.rejections["too_short"], 1);
    assert!(mix.files[3].contains("แมว"));
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
