//! The subsets of question-answer rows: their texts, languages, directives and counts.

use std::collections::BTreeSet;

use corpus::mix::{AnswerDirective, MixConfig};
use corpus::record::{Example, Subset};

use crate::{ENGLISH, PORTUGUESE, THAI, mix_of, pairs, rows, without_held_out};

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
fn the_manifest_sums_up_every_subset() {
    let held_out = MixConfig {
        held_out_fraction: 0.3,
        ..MixConfig::default()
    };
    let mix = mix_of(&rows(50, PORTUGUESE), &pairs(), &held_out);
    let summary = mix.summary();
    for subset in Subset::PAPER {
        let (examples, summary) = (mix.of(subset), &summary[subset.name()]);
        let sum = |text: fn(&Example) -> &str| {
            let characters = examples.iter().map(|e| text(e).chars().count() as u64);
            characters.sum::<u64>()
        };
        assert_eq!(examples.len() as u64, summary.rows);
        assert_eq!(sum(|e| &e.question), summary.question_characters);
        assert_eq!(sum(|e| &e.answer), summary.answer_characters);
        let held_out = mix.held_out.iter().filter(|e| e.subset == subset).count();
        assert_eq!(held_out as u64, summary.held_out_rows);
    }
    let without_pairs = mix_of(&rows(30, PORTUGUESE), &[], &without_held_out());
    assert!(!without_pairs.summary().contains_key("mt"));
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
        &Subset::PAPER,
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
