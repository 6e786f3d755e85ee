//! A run folder as MT-LLM leaves it: an LLM, an encoder and a stack of both fine-tuned on the topics
//! of short English sentences, and their evaluation in seven languages.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use corpus::labelled::TaskConfig;
use corpus::language::Language;
use corpus::progress::Silent;
use corpus::seam::EngineError;
use engines::local_classifier::LocalClassifier;
use engines::opening::Opening;
use engines::translator::TranslateConfig;
use evaluation::classification::{
    ClassificationConfig, ClassificationResults, Contender, ENCODER_ALONE, LLM_ZERO_SHOT, MT_LLM,
    TRANSLATE_TEST, TaskTest, evaluate,
};
use evaluation::significance::Resampling;
use models::encoders::EncoderModel;
use models::model_directory::CardFacts;
use models::{
    Backbone, BackboneNetwork, BackboneSettings, ComputeDevice, LanguageModel, Precision,
    WeightForm,
};
use training::classification::{self, classification};
use training::{Start, Task};

/// The languages of the test sets.
pub const LANGUAGES: [&str; 7] = [
    "eng_Latn", "deu_Latn", "fra_Latn", "jpn_Jpan", "por_Latn", "rus_Cyrl", "spa_Latn",
];

pub struct Made {
    folder: tempfile::TempDir,
    pub results: ClassificationResults,
}

impl Made {
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("run")
    }
}

pub fn made() -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let run = folder.path().join("run");
        let task = task();
        let data = task.load(1).expect("the topics of the example");
        for (kind, own) in [
            (Kind::Llm, "classify/topic"),
            (Kind::Encoder, "baselines/encoder-alone/topic"),
            (Kind::Stack, "distill"),
        ] {
            let start = Start::fresh(kind.backbone());
            let folder = run.join(own);
            let tasks = [Task {
                name: "topic",
                data: &data,
            }];
            let config = kind.config();
            let (output, card) = (folder.join("model"), CardFacts::default());
            classification(start, &tasks, &config, &folder, &output, card, &Silent)
                .expect("trains");
        }
        let results = evaluated(&run).expect("evaluates");
        Made { folder, results }
    })
}

/// Evaluates the classifiers of `run`, or takes what is there.
pub fn evaluated(
    run: &Path,
) -> Result<ClassificationResults, evaluation::classification::ClassificationError> {
    let data = task().load(1).expect("the topics of the example");
    let sets: Vec<TaskTest> = (data.tests.iter())
        .map(|test| TaskTest::new("topic", "topic", Language::ENGLISH, test))
        .collect();
    let open = |own: &str| {
        let folder = run.join(own).join("model");
        LocalClassifier::open(&folder, Precision::F32, ComputeDevice::Cpu).expect("a classifier")
    };
    let translator = translator().expect("a translator");
    let portuguese = Some(vec![Language::PORTUGUESE]);
    let contenders = vec![
        Contender::new(&MT_LLM, open("distill")),
        Contender::new(&ENCODER_ALONE, open("baselines/encoder-alone/topic")),
        Contender::new(&LLM_ZERO_SHOT, open("classify/topic")),
        Contender::new(&TRANSLATE_TEST, open("classify/topic")).translating(translator, portuguese),
    ];
    let config = ClassificationConfig {
        title: "A tiny Llama on a tiny encoder".to_owned(),
        batch_size: 32,
        resampling: Resampling::default(),
    };
    evaluate(contenders, &sets, &config, &run.join("evaluate"), &Silent)
}

/// The project's own example, in seven languages.
fn task() -> TaskConfig {
    let example = fixtures::repository().join("examples/mt_llm");
    let file = |name: String| {
        example
            .join(name)
            .canonicalize()
            .expect("a file of the example")
    };
    let test = LANGUAGES.map(|code| (code, file(format!("topics.test.{code}.tsv"))));
    let config = serde_json::json!({
        "columns": { "text": "text", "label": "label" },
        "train": [file("topics.train.tsv".to_owned())],
        "validation_fraction": 0.2,
        "test": test.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
    });
    serde_json::from_value(config).expect("a task")
}

fn translator() -> Result<Arc<dyn corpus::seam::Translator>, EngineError> {
    let config = serde_json::json!({
        "engine": "nllb",
        "model": fixtures::reference("m2m100/tiny"),
        "beam_size": 1,
        "max_new_tokens": 12,
    });
    let config: TranslateConfig = serde_json::from_value(config).expect("a translation engine");
    let opening = Opening {
        model: None,
        template: None,
        source: Language::PORTUGUESE,
        targets: &[Language::ENGLISH],
        parallel: &Default::default(),
        device: ComputeDevice::Cpu,
        seed: 0,
    };
    Ok(config.open(&opening)?.there)
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Llm,
    Encoder,
    Stack,
}

impl Kind {
    fn backbone(self) -> (Backbone, BackboneNetwork) {
        let device = ComputeDevice::Cpu.open().expect("a device").autodiff();
        let form = WeightForm::Parameters;
        let llm = || {
            let path = fixtures::reference("mt_llm/llama");
            LanguageModel::load_as(&path, &device, form).expect("an LLM")
        };
        let encoder = |device: &burn::tensor::Device| {
            let path = fixtures::reference("mt_llm/xlm_roberta");
            EncoderModel::load_as(&path, device, form).expect("an encoder")
        };
        let settings = BackboneSettings {
            max_length: 32,
            ..BackboneSettings::default()
        };
        match self {
            Kind::Llm => Backbone::of_llm(llm(), settings),
            Kind::Encoder => Backbone::of_encoder(encoder(&device), settings),
            Kind::Stack => {
                let frozen = ComputeDevice::Cpu.open().expect("a device");
                Backbone::of_stack(encoder(&frozen), llm(), settings, false, 1)
            }
        }
    }

    fn config(self) -> classification::ClassificationConfig {
        let config = serde_json::json!({
            "train_projection": self == Kind::Stack,
            "training": {
                "epochs": 6, "learning_rate": 0.02, "items_per_step": 32, "lora_dropout": 0.0,
                "evaluate_every": 10, "precision": "f32",
            },
        });
        serde_json::from_value(config).expect("settings")
    }
}
