//! Pooled states of LLMs and stacks.

use burn::tensor::Device;
use fixtures::assert_close;
use models::{EncodedText, NamedLinears, Pooling, Precision, TextInput, WeightForm};

use crate::fixture::{STACKS, Tensors, Texts, encoded, llm, pooled, stack, stack_pooling};
use crate::tensors::values;

#[test]
fn pooled_states_are_those_of_the_reference() {
    let (texts, device) = (Texts::load(), Device::flex());
    for (name, ..) in STACKS {
        let tensors = Tensors::of(name);
        let stack = stack(name, &device);
        let found = values(pooled(&stack, &texts.all()));
        assert_close(&found, &tensors.values("student"), 1e-4, name);
        let (backbone, network) = &stack;
        let other = texts.other.iter().map(|(language, text)| {
            let input = TextInput::Single(text);
            backbone.encode(&input, Some(language)).unwrap()
        });
        let other: Vec<EncodedText> = other.collect();
        let other: Vec<&EncodedText> = other.iter().collect();
        let found = values(backbone.pooled(network, &other, None, None));
        let what = format!("{name}: other languages");
        assert_close(&found, &tensors.values("student_other"), 1e-4, &what);
    }
}

#[test]
fn a_text_may_be_pooled_to_its_first_or_last_token() {
    let (texts, device) = (Texts::load(), Device::flex());
    for (name, ..) in STACKS {
        for (pooling, expected) in [(Pooling::Cls, "student_cls"), (Pooling::Eos, "student_eos")] {
            let found = values(pooled(&stack_pooling(name, pooling, &device), &texts.all()));
            let expected = Tensors::of(name).values(expected);
            assert_close(&found, &expected, 1e-4, &format!("{name}: {pooling:?}"));
        }
    }
}

#[test]
fn the_teacher_is_the_same_llm_without_its_adapter() {
    let (texts, device) = (Texts::load(), Device::flex());
    for (name, stack_name) in [("llama", "nllb_llama"), ("gpt2", "nllb_gpt2")] {
        let (backbone, adapted) = llm(name, true, &device);
        let teacher = (backbone, adapted.without_adapters());
        // GPT-2's tokenizer sets the texts of a pair apart less than ours does.
        let english = texts.english.iter().map(|text| TextInput::Single(text));
        let inputs: Vec<TextInput<'_>> = match name {
            "gpt2" => english.collect(),
            _ => texts.all(),
        };
        let found = values(pooled(&teacher, &inputs));
        let expected = Tensors::of(stack_name).values("teacher");
        assert_close(&found, &expected[..found.len()], 1e-4, name);
    }
}

#[test]
fn the_choices_of_a_question_have_a_state_each() {
    let (texts, device) = (Texts::load(), Device::flex());
    let questions: Vec<TextInput<'_>> = texts.questions().collect();
    let tensors = Tensors::of("nllb_llama");
    let found = values(pooled(&stack("nllb_llama", &device), &questions));
    let expected = tensors.values("stage_2_choices.student");
    assert_close(&found, &expected, 1e-4, "stack");
    let found = values(pooled(&llm("llama", true, &device), &questions));
    assert_close(&found, &tensors.values("choices.pooled"), 1e-4, "LLM");
}

#[test]
fn a_batch_is_its_texts_one_by_one_and_states_may_be_cached() {
    let (texts, device) = (Texts::load(), Device::flex());
    for (name, ..) in STACKS {
        let stack = stack(name, &device);
        let together = values(pooled(&stack, &texts.all()));
        let (backbone, network) = &stack;
        let alone = encoded(backbone, &texts.all())
            .into_iter()
            .flat_map(|text| {
                let source = backbone.source_states(&[&text]);
                assert!(source.is_some(), "{name}");
                values(backbone.pooled(network, &[&text], source, None))
            });
        let alone: Vec<f32> = alone.collect();
        assert_close(&alone, &together, 1e-5, name);
    }
}

#[test]
fn packed_weights_change_little() {
    let (texts, device) = (Texts::load(), Device::flex());
    for (name, ..) in STACKS {
        let stack = stack(name, &device);
        let expected = values(pooled(&stack, &texts.all()));
        for (format, tolerance) in [(Precision::F32, 1e-5), (Precision::Bf16, 3e-2)] {
            let packed = (stack.0.clone(), stack.1.packed(format));
            let found = values(pooled(&packed, &texts.all()));
            assert_close(&found, &expected, tolerance, &format!("{name}, {format:?}"));
        }
    }
    // A form is a way to hold weights; the default holds them to be trained.
    assert_eq!(WeightForm::default(), WeightForm::Parameters);
}
