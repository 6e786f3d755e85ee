//! Speed and memory of steps of general adaptation (stage 1 of MT-LLM) by shape, with random weights.
//!
//! ```text
//! cargo run --release -p training --example stack_step -- [--shape smollm2-e5|llama3-nllb]
//!     [--precision f32|bf16|int8] [--recompute] [--documents 16] [--length 64] [--steps 5]
//!     [--kept encoder|both] [--layers N]
//! ```
//! A step computes the states of the frozen encoder and the LLM's own states, both without
//! gradients, then the loss and the gradients of the projection and the adapters (r = 16 on all
//! linear layers), and updates them. With `--kept`, the states are computed once and read from
//! memory, as in the second pass over a text: those of the encoder, or of both. `--layers` takes
//! only the first layers of the LLM.
//!
//! Prints one JSON object with the median speed in documents and in tokens of the stack, and the
//! peak memory.

use std::convert::Infallible;
use std::time::Instant;

use burn::Tensor;
use burn::module::Module;
use burn::tensor::Device;
use kernels::{Precision, Segments};
use models::decoders::llama::LlamaConfig;
use models::encoders::{EncoderConfig, EncoderNetwork};
use models::{
    Attention, BackboneNetwork, NamedLinears, Network, Pooling, Shape, SourceStates, StackNetwork,
    WeightForm,
};
use training::general_adaptation::AdaptConfig;
use training::optimizer::AdamW;
use training::run::{Loss, Place, StepPlan, train_step};

/// Hidden size, inner size, layers, heads, key-value heads and vocabulary of an LLM, and the
/// `config.json` of an encoder.
const SHAPES: [(&str, [usize; 6], &str); 2] = [
    (
        "smollm2-e5",
        [576, 1536, 30, 9, 3, 49152],
        r#"{"model_type": "bert", "vocab_size": 250037, "hidden_size": 384, "num_hidden_layers": 12,
            "num_attention_heads": 12, "intermediate_size": 1536, "hidden_act": "gelu",
            "max_position_embeddings": 512, "type_vocab_size": 2}"#,
    ),
    (
        "llama3-nllb",
        [4096, 14336, 32, 32, 8, 128256],
        r#"{"model_type": "m2m_100", "vocab_size": 256206, "d_model": 1024, "encoder_layers": 12,
            "decoder_layers": 12, "encoder_attention_heads": 16, "decoder_attention_heads": 16,
            "encoder_ffn_dim": 4096, "decoder_ffn_dim": 4096, "max_position_embeddings": 1024,
            "activation_function": "relu", "scale_embedding": true, "pad_token_id": 1,
            "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2}"#,
    ),
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut shape, mut layers, mut kept) = ("smollm2-e5".to_owned(), None, String::new());
    let (mut documents, mut length, mut steps) = (16, 64, 5);
    let mut config = AdaptConfig::default();
    config.training.learning_rate = 1e-5;
    config.training.max_grad_norm = 1.0;
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| usage(&argument));
        match argument.as_str() {
            "--shape" => shape = value(),
            "--layers" => layers = Some(number(&value())),
            "--precision" => {
                let name = value();
                let known = Precision::ALL.into_iter().find(|p| p.name() == name);
                config.training.precision = known.unwrap_or_else(|| usage(&name));
            }
            "--recompute" => config.training.recompute = true,
            "--documents" => documents = number(&value()),
            "--length" => length = number(&value()),
            "--steps" => steps = number(&value()),
            "--kept" => kept = value(),
            other => usage(other),
        }
    }
    let Some((_, mut sizes, encoder)) = SHAPES.into_iter().find(|(name, ..)| *name == shape) else {
        usage(&shape)
    };
    if let Some(layers) = layers {
        sizes[2] = layers;
    }
    let device = Device::default();
    let encoder = EncoderConfig::from_json(encoder).expect("the config of an encoder");
    let inference = match config.training.precision {
        Precision::F32 => WeightForm::Parameters,
        precision => WeightForm::Packed(precision),
    };
    let encoder = EncoderNetwork::random(&encoder, 1, &device, inference);
    let (stack, llm) = stack(&encoder, sizes, &config, &device);

    let texts = Texts::new(documents, length, &encoder, sizes[5]);
    let settings = config.settings();
    let plan: StepPlan = vec![(0..documents).collect()];
    let mut optimizer = AdamW::default();
    let mut network = stack;
    let kept_source = ["encoder", "both"].contains(&kept.as_str());
    let source = kept_source.then(|| texts.source(&encoder));
    let targets = (kept == "both").then(|| texts.targets(&llm));
    let mut seconds = Vec::new();
    let precision = config.training.precision;
    for step in 0..=steps {
        let start = Instant::now();
        let loss = |network: &BackboneNetwork, _: &[usize], place: &Place<'_>| {
            let source = source.clone().unwrap_or_else(|| texts.source(&encoder));
            let targets = targets.clone().unwrap_or_else(|| texts.targets(&llm));
            Ok::<_, Infallible>(texts.loss(network, source, targets, place))
        };
        let stepped = precision
            .scope(|| train_step(network, &mut optimizer, &plan, step, 1e-5, &settings, loss));
        let (updated, result) = stepped.expect("computing a loss cannot fail");
        network = updated;
        let elapsed = start.elapsed().as_secs_f64();
        eprintln!("step {step}: loss {:.4}, {elapsed:.2} s", result.loss);
        // The first step allocates; it is not counted.
        if step > 0 {
            seconds.push(elapsed);
        }
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds
        .get(seconds.len() / 2)
        .copied()
        .unwrap_or(f64::INFINITY);
    let result = serde_json::json!({
        "documents_per_second": documents as f64 / median,
        "tokens_per_second": (documents * length) as f64 / median,
        "peak_bytes": kernels::peak_memory(),
        "version": env!("CARGO_PKG_VERSION"),
    });
    println!("{result}");
}

/// The stack with its adapters, to be trained, and the LLM without them; they share its weights.
fn stack(
    encoder: &EncoderNetwork,
    sizes: [usize; 6],
    config: &AdaptConfig,
    device: &Device,
) -> (BackboneNetwork, Network) {
    let training = &config.training;
    let shape = LlamaConfig::of_shape(Shape::of_sizes(sizes)).into();
    let llm = Network::random_states(&shape, 0, device, training.weight_form());
    let width = encoder.shape().hidden_size;
    let network = BackboneNetwork::Stack(StackNetwork::new(llm, width, None, 0));
    let network = network
        .with_lora(&training.lora(), 0)
        .unwrap_or_else(|error| usage(&error.to_string()));
    let network = match training.weight_form() {
        WeightForm::Frozen(format) => network.frozen(format),
        _ => network,
    };
    let BackboneNetwork::Stack(stack) = &network else {
        unreachable!("a stack stays one")
    };
    let own = stack.decoder.without_adapters();
    (network.recomputing(training.recompute).train(), own)
}

/// Documents as tokens of both models.
struct Texts {
    source: Vec<u32>,
    target: Vec<u32>,
    segments: Segments,
    spans: Vec<Vec<u32>>,
}

impl Texts {
    /// Tokens spread over the vocabularies; the values do not affect the speed.
    fn new(count: usize, length: usize, encoder: &EncoderNetwork, vocabulary: usize) -> Self {
        let spread = |vocabulary: usize| -> Vec<u32> {
            let tokens = 0..count * length;
            tokens
                .map(|at| (4 + at * 104_729 % (vocabulary - 4)) as u32)
                .collect()
        };
        let segments = Segments::new((0..count).map(|_| length));
        let spans = segments
            .iter()
            .map(|range| (range.start as u32..range.end as u32).collect());
        Self {
            source: spread(encoder.shape().vocab_size),
            target: spread(vocabulary),
            spans: spans.collect(),
            segments,
        }
    }

    fn source(&self, encoder: &EncoderNetwork) -> SourceStates {
        let types = vec![0; self.source.len()];
        let last = encoder.forward(&self.source, &types, &self.segments);
        SourceStates { layers: vec![last] }
    }

    fn targets(&self, llm: &Network) -> Tensor<2> {
        let attention = Attention::Bidirectional;
        let states = llm.forward_attending(&self.target, &self.segments, attention, None);
        Pooling::Mean.pool(states, &self.spans)
    }

    fn loss(
        &self,
        network: &BackboneNetwork,
        source: SourceStates,
        targets: Tensor<2>,
        place: &Place<'_>,
    ) -> Loss {
        let BackboneNetwork::Stack(stack) = network else {
            unreachable!("a stack stays one")
        };
        let (attention, seed) = (Attention::Bidirectional, Some(place.dropout_seed));
        let states = stack.forward(source, &self.segments, attention, seed);
        let pooled = Pooling::Mean.pool(states, &self.spans);
        let tensor = (pooled - targets.autodiff()).square().mean();
        Loss {
            value: f64::from(tensor.clone().into_scalar::<f32>()),
            tensor,
            parts: Default::default(),
            tokens: self.source.len(),
        }
    }
}

fn number(text: &str) -> usize {
    text.parse().unwrap_or_else(|_| usage(text))
}

fn usage(problem: &str) -> ! {
    eprintln!(
        "{problem}\nusage: stack_step [--shape smollm2-e5|llama3-nllb] [--precision f32|bf16|int8] [--recompute] \
         [--documents N] [--length N] [--steps N] [--kept encoder|both] [--layers N]"
    );
    std::process::exit(2)
}
