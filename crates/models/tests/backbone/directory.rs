//! Trained backbones and classifiers are kept in a directory and read back.

use std::collections::BTreeMap;
use std::path::Path;

use burn::Tensor;
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Device;
use models::export::StoredFormat;
use models::{
    Backbone, BackboneNetwork, Classifier, Head, HeadKind, LanguageModel, ModelDirectory,
    NamedLinears, SaveOptions, TextInput, WeightForm,
};

use crate::fixture::{STACKS, Texts, encoder, folder, llm, pooled, settings, stack};
use crate::tensors::values;

fn labels(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn classifier((backbone, network): (Backbone, BackboneNetwork)) -> Classifier {
    let (width, device) = (network.hidden_size(), network.device());
    let nli = labels(&["entailment", "neutral", "contradiction"]);
    let places = labels(&["1", "2", "3", "4"]);
    let heads = BTreeMap::from([
        (
            "nli".to_owned(),
            Head::new("nli", HeadKind::Pair, nli, width, 3, &device),
        ),
        (
            "reading".to_owned(),
            Head::new("reading", HeadKind::Choices, places, width, 3, &device),
        ),
    ]);
    Classifier {
        backbone,
        network,
        heads,
    }
}

fn probabilities(model: &Classifier, texts: &Texts) -> [Vec<Vec<f32>>; 2] {
    let language = Some("eng_Latn");
    let pairs: Vec<TextInput<'_>> = texts.pairs().collect();
    let questions: Vec<TextInput<'_>> = texts.questions().collect();
    [
        model.probabilities("nli", &pairs, language).unwrap(),
        model
            .probabilities("reading", &questions, language)
            .unwrap(),
    ]
}

fn encoder_alone() -> (Backbone, BackboneNetwork) {
    let (backbone, network) = Backbone::of_encoder(encoder("xlm_roberta"), settings(""));
    let network = network.with_lora(&Default::default(), 5).unwrap();
    // A fresh adapter changes nothing; this one does.
    let moved = network.map_linears(|_, layer| {
        let mut layer = layer;
        if let Some(lora) = &mut layer.lora {
            lora.lora_b = lora.lora_b.clone().map(|b| b + 0.01);
        }
        layer
    });
    (backbone, moved)
}

#[test]
fn a_classifier_gives_the_same_bits_when_it_is_loaded_again() {
    let (texts, device) = (Texts::load(), Device::flex());
    let mut models: Vec<(&str, Classifier)> = (STACKS.iter())
        .map(|(name, ..)| (*name, classifier(stack(name, &device))))
        .collect();
    models.push(("LLM", classifier(llm("llama", true, &device))));
    models.push(("encoder", classifier(encoder_alone())));
    for (name, model) in models {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        model.save(path, &SaveOptions::default()).unwrap();
        let loaded = Classifier::load(path, &device, WeightForm::Parameters).unwrap();
        let before = probabilities(&model, &texts);
        assert_eq!(probabilities(&loaded, &texts), before, "{name}");
        for row in before.iter().flatten() {
            let sum: f32 = row.iter().sum();
            assert!((sum - 1.0).abs() < 1e-5, "{name}: {row:?}");
        }
        assert_eq!(loaded.heads["nli"].labels, model.heads["nli"].labels);
        // Written again, it is the same.
        let again = tempfile::tempdir().unwrap();
        loaded.save(again.path(), &SaveOptions::default()).unwrap();
        let revision = |path: &Path| ModelDirectory::open(path).unwrap().revision().unwrap();
        assert_eq!(revision(again.path()), revision(path), "{name}");
    }
}

#[test]
fn a_backbone_without_tasks_is_loaded_to_be_trained_further() {
    let (texts, device) = (Texts::load(), Device::flex());
    let directory = tempfile::tempdir().unwrap();
    let before = stack("nllb_llama", &device);
    let options = SaveOptions::default();
    before
        .0
        .save(&before.1, directory.path(), &options)
        .unwrap();
    let after = Backbone::load(directory.path(), &device, WeightForm::Parameters).unwrap();
    let inputs = texts.all();
    let same = values(pooled(&after, &inputs)) == values(pooled(&before, &inputs));
    assert!(same, "the pooled states differ");
    let mut adapted = 0;
    after.1.map_linears(|_, layer| {
        adapted += usize::from(layer.lora.is_some());
        layer
    });
    assert_eq!(adapted, 14, "its adapter is still one");
    let error = Classifier::load(directory.path(), &device, WeightForm::Parameters).unwrap_err();
    assert!(error.to_string().contains("has no task"), "{error}");
}

#[test]
fn the_merged_llm_computes_what_the_adapted_one_does() {
    let (texts, device) = (Texts::load(), Device::flex());
    let directory = tempfile::tempdir().unwrap();
    let before = llm("llama", true, &device);
    let model = directory.path().join("model");
    before
        .0
        .save(&before.1, &model, &SaveOptions::default())
        .unwrap();
    let merged = directory.path().join("merged");
    let directory = ModelDirectory::open(&model).unwrap();
    directory.merge_llm(&merged, StoredFormat::F32).unwrap();
    let after = LanguageModel::load(&merged, &device).unwrap();
    let after = Backbone::of_llm(after, settings("llama"));
    let inputs = texts.all();
    let (found, expected) = (
        values(pooled(&after, &inputs)),
        values(pooled(&before, &inputs)),
    );
    fixtures::assert_close(&found, &expected, 1e-5, "merged");
}

#[test]
fn a_model_trained_as_a_whole_is_kept_as_a_whole() {
    let (texts, device) = (Texts::load(), Device::flex());
    let encoders = ["xlm_roberta", "bert", "nllb"].map(|name| {
        let (backbone, network) = Backbone::of_encoder(encoder(name), settings(""));
        (name, (backbone, moved(network)))
    });
    let (backbone, network) = llm("llama", true, &device);
    let llm = ("llama", (backbone, network.merge_lora()));
    for (name, backbone) in encoders.into_iter().chain([llm]) {
        let directory = tempfile::tempdir().unwrap();
        let model = classifier(backbone);
        let options = SaveOptions {
            whole_model: true,
            ..Default::default()
        };
        model.save(directory.path(), &options).unwrap();
        let loaded = Classifier::load(directory.path(), &device, WeightForm::Parameters).unwrap();
        let same = probabilities(&loaded, &texts) == probabilities(&model, &texts);
        assert!(same, "{name}");
        // It needs nothing else.
        let llm = loaded.backbone.llm().or(loaded.backbone.encoder());
        assert!(llm.unwrap().path.starts_with(directory.path()), "{name}");
    }
}

/// The network with every parameter changed.
fn moved(network: BackboneNetwork) -> BackboneNetwork {
    struct Move;
    impl ModuleMapper for Move {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|tensor| tensor * 1.1 + 0.01)
        }
    }
    network.map(&mut Move)
}

#[test]
fn a_folder_with_a_model_and_its_llm_can_be_moved() {
    let (texts, device) = (Texts::load(), Device::flex());
    let place = tempfile::tempdir().unwrap();
    let (old, new) = (place.path().join("old"), place.path().join("new"));
    std::fs::create_dir_all(old.join("llm")).unwrap();
    for entry in std::fs::read_dir(folder("llama")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, old.join("llm").join(path.file_name().unwrap())).unwrap();
    }
    let llm = LanguageModel::load(old.join("llm"), &device).unwrap();
    let (backbone, network) = Backbone::of_llm(llm, settings("llama"));
    let network = network.with_lora(&Default::default(), 5).unwrap();
    let model = classifier((backbone, network));
    let options = SaveOptions::default();
    model.save(&old.join("model"), &options).unwrap();
    let revision = |path: &Path| ModelDirectory::open(path).unwrap().revision().unwrap();
    let before = revision(&old.join("model"));
    std::fs::rename(&old, &new).unwrap();
    let loaded = Classifier::load(&new.join("model"), &device, WeightForm::Parameters).unwrap();
    assert_eq!(
        probabilities(&loaded, &texts),
        probabilities(&model, &texts)
    );
    // As a PEFT adapter too.
    LanguageModel::load(new.join("model/adapter"), &device).unwrap();
    assert_eq!(revision(&new.join("model")), before);
    // Where a model lies does not make it another.
    for elsewhere in [place.path().join("a/b"), new.join("again")] {
        loaded.save(&elsewhere, &options).unwrap();
        assert_eq!(revision(&elsewhere), before);
        let llm = ModelDirectory::open(&elsewhere).unwrap();
        let llm = &llm.description().llm.as_ref().unwrap().path;
        assert!(
            !llm.to_str().unwrap().contains("model"),
            "{}",
            llm.display()
        );
    }
}

/// Writes the tiny stack, with one key of its description replaced.
fn with_changed(path: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let model = classifier(stack("nllb_llama", &Device::flex()));
    model.save(path, &SaveOptions::default()).unwrap();
    let file = path.join("xldistill.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut json = serde_json::from_str(&text).unwrap();
    change(&mut json);
    std::fs::write(&file, json.to_string()).unwrap();
}

fn load_error(path: &Path) -> String {
    let loaded = Classifier::load(path, &Device::flex(), WeightForm::Parameters);
    loaded.unwrap_err().to_string()
}

#[test]
fn another_encoder_or_llm_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    with_changed(path, |json| {
        json["encoder"]["path"] = folder("xlm_roberta").to_str().unwrap().into();
    });
    let error = load_error(path);
    assert!(
        error.contains("revision") && error.contains("xlm_roberta"),
        "{error}"
    );
    with_changed(path, |json| json["llm"]["path"] = "/nowhere".into());
    let error = load_error(path);
    assert!(error.contains("`llm.path` is /nowhere"), "{error}");

    // The revisions fit, the projection does not.
    let other = LanguageModel::identity_of(folder("gpt2")).unwrap();
    with_changed(path, |json| {
        json["llm"]["path"] = folder("gpt2").to_str().unwrap().into();
        json["llm"]["revision"] = other.revision.as_str().into();
        json["adapter"] = false.into();
    });
    let error = load_error(path);
    assert!(
        error.contains("gpt2") && error.contains("projects [24, 32]"),
        "{error}"
    );

    with_changed(path, |json| json["version"] = 99.into());
    let error = load_error(path);
    assert!(error.contains("`version` is 99"), "{error}");
    std::fs::remove_file(path.join("xldistill.json")).unwrap();
    let error = load_error(path);
    assert!(error.contains("does not exist"), "{error}");
}

#[test]
fn a_task_reads_its_own_kind_of_input() {
    let texts = Texts::load();
    let model = classifier(llm("llama", false, &Device::flex()));
    let error = |task: &str, input: TextInput<'_>| {
        let answer = model.probabilities(task, &[input], None);
        answer.unwrap_err().to_string()
    };
    for input in [texts.questions[0].input(), TextInput::Single("A text.")] {
        let wrong = error("nli", input);
        assert!(
            wrong.contains("input 1: task `nli` reads pairs of texts"),
            "{wrong}"
        );
    }
    let wrong = error("reading", TextInput::Single("A text."));
    assert!(wrong.contains("reads questions with choices"), "{wrong}");
    let wrong = error("topic", TextInput::Single("A text."));
    assert!(
        wrong.contains("no task `topic`; its tasks are nli, reading"),
        "{wrong}"
    );
    // Answers that leave no room are the fault of one question.
    let long = "the sea and the library ".repeat(2000);
    let unreadable = TextInput::Choices {
        passage: "The sea.",
        question: "Which?",
        choices: &[long, "the sea".to_owned()],
    };
    let inputs = [unreadable, texts.questions[0].input()];
    let found = model.probabilities("reading", &inputs, None).unwrap();
    assert!(found[0].is_empty() && !found[1].is_empty(), "{found:?}");
}
