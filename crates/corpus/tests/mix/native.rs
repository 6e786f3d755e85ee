//! Native text with instructions made backwards.

use corpus::decontamination::{EvaluationIndex, NgramSizes};
use corpus::mix::{self, MixConfig, MixInputs, TargetPairs, TargetSentences};
use corpus::record::{Subset, TextPair, Translated};
use corpus::stage::Inputs;

use crate::{ENGLISH, Mix, PORTUGUESE, mix_in, rows, without_held_out};

fn native(n: usize, question: &str, passage: &str) -> Translated {
    let pair = |source: String, translation: &str| TextPair {
        source,
        translation: Some(translation.to_owned()),
    };
    Translated {
        id: format!("native/por_Latn/{n}"),
        target: PORTUGUESE,
        question: pair(format!("Describe {n}."), question),
        answer: pair(
            format!("This is passage number {n}, and it tells of water."),
            passage,
        ),
        generated: None,
    }
}

fn with_native() -> MixConfig {
    MixConfig {
        subsets: Subset::ALL.to_vec(),
        ..without_held_out()
    }
}

fn nothing<'a>() -> MixInputs<'a> {
    MixInputs {
        rows: Inputs::rows(&[]),
        source: ENGLISH,
        pairs: &[],
        monolingual: &[],
        native: None,
        rejected: &[],
        evaluation: None,
    }
}

fn mixed(inputs: &MixInputs<'_>, config: &MixConfig) -> Mix {
    mix_in(tempfile::tempdir().unwrap().path(), inputs, config)
}

#[test]
fn a_passage_answers_its_instruction_untouched() {
    let passage = "  O rio corre\n\n\tpara o mar…  ";
    let native = [native(1, "Descreva o rio.", passage)];
    let inputs = MixInputs {
        native: Some(Inputs::rows(&native)),
        ..nothing()
    };
    let mix = mixed(&inputs, &with_native());
    let [example] = &mix.train[..] else {
        panic!("one example")
    };
    assert_eq!(example.id, "native/por_Latn/1/native");
    assert_eq!(example.subset, Subset::Native);
    assert_eq!(
        (example.question.as_str(), example.answer.as_str()),
        ("Descreva o rio.", passage)
    );
    assert_eq!(example.question_language, PORTUGUESE);
    assert_eq!(example.answer_language, PORTUGUESE);
    assert_eq!(mix.summary()["native"].rows, 1);
}

#[test]
fn a_question_has_one_answer_and_a_sentence_of_a_pair_one_part() {
    let sentence = "A casa fica perto do rio.";
    let rows = [
        native(1, "Descreva o rio.", "O rio corre para o mar."),
        native(2, "Descreva o rio.", "O rio nasce na serra."),
        native(3, "Descreva a casa.", sentence),
        native(4, "Descreva a serra.", "A serra é alta."),
    ];
    let pairs = [TargetPairs {
        target: PORTUGUESE,
        pairs: vec![("The house is near the river.".into(), sentence.into())],
    }];
    let inputs = MixInputs {
        pairs: &pairs,
        native: Some(Inputs::rows(&rows)),
        ..nothing()
    };
    let mix = mixed(&inputs, &with_native());
    let mut ids: Vec<&str> = (mix.of(Subset::Native).iter())
        .map(|example| example.id.as_str())
        .collect();
    ids.sort_unstable();
    assert_eq!(
        ids,
        ["native/por_Latn/1/native", "native/por_Latn/4/native"]
    );
    let counts = &mix.manifest.results.counts;
    assert_eq!(counts.rejections["repeated_question"], 1);
    assert_eq!(counts.rejections["repeated_sentence"], 1);
}

#[test]
fn native_text_of_an_evaluation_is_left_out_in_either_language() {
    let rows = [
        native(1, "Descreva o rio.", "O rio corre para o mar."),
        native(2, "Descreva a serra.", "A serra é alta e fria no inverno."),
        native(3, "Descreva o mar.", "O mar é azul."),
    ];
    let mut evaluation = EvaluationIndex::new(NgramSizes::default());
    evaluation.add(
        "own.tsv",
        [
            "A serra é alta e fria no inverno",
            "This is passage number 3, and it tells of water",
        ],
    );
    let inputs = MixInputs {
        native: Some(Inputs::rows(&rows)),
        evaluation: Some(&evaluation),
        ..nothing()
    };
    let mix = mixed(&inputs, &with_native());
    assert_eq!(mix.of(Subset::Native).len(), 1);
    let fields = &mix.manifest.results.counts.rejections_by_field;
    assert_eq!(fields["answer.translation"]["contaminated"], 1);
    assert_eq!(fields["answer"]["contaminated"], 1);
}

#[test]
fn a_passage_that_is_completed_elsewhere_is_in_the_same_part() {
    let passage = |n| format!("O rio número {n} corre para o mar.");
    let native: Vec<Translated> = (0..60)
        .map(|n| native(n, &format!("Descreva o rio {n}."), &passage(n)))
        .collect();
    let monolingual = [TargetSentences {
        target: PORTUGUESE,
        sentences: (0..60).map(passage).collect(),
    }];
    let inputs = MixInputs {
        monolingual: &monolingual,
        native: Some(Inputs::rows(&native)),
        ..nothing()
    };
    let config = MixConfig {
        held_out_fraction: 0.3,
        test_fraction: 0.3,
        ..with_native()
    };
    let mix = mixed(&inputs, &config);
    for part in [&mix.train, &mix.held_out, &mix.test] {
        let answers = |subset| {
            let examples = part.iter().filter(|example| example.subset == subset);
            let mut answers: Vec<&str> = examples.map(|example| example.answer.as_str()).collect();
            answers.sort_unstable();
            answers
        };
        assert!(answers(Subset::Native).len() > 5);
        assert_eq!(answers(Subset::Native), answers(Subset::Comp));
    }
}

/// Transfer sets that runs without native text share through a store stay what they were.
#[test]
fn without_native_text_the_transfer_set_and_its_key_are_those_of_the_paper() {
    let config = MixConfig::default();
    let names: Vec<&str> = config.subsets.iter().map(|subset| subset.name()).collect();
    assert_eq!(names, ["LL", "TL", "LT", "TT", "mt", "comp"]);
    let rows = rows(20, PORTUGUESE);
    let native = [native(1, "Descreva o rio.", "O rio corre para o mar.")];
    let plain = MixInputs {
        rows: Inputs::rows(&rows),
        ..nothing()
    };
    let with = MixInputs {
        native: Some(Inputs::rows(&native)),
        ..plain.clone()
    };
    let provenance = mixed(&plain, &config).manifest.provenance;
    let inputs: Vec<&str> = provenance.inputs.keys().map(String::as_str).collect();
    assert_eq!((provenance.version, inputs), (4, vec!["corpora", "rows"]));
    assert_ne!(
        mix::key(&plain, &config).unwrap(),
        mix::key(&with, &config).unwrap()
    );
    // A subset that is not wanted leaves no trace.
    assert_eq!(mixed(&plain, &config).files, mixed(&with, &config).files);
}
