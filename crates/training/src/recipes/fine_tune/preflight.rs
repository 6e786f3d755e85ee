//! Warns before training about problems that would only show in the trained model.

use models::LanguageModel;

use super::config::{LearningRate, Method, TrainConfig};
use super::encode::{EncodeError, EncodedSet, Encoder};

/// A token whose embedding is shorter than the median by this factor was never trained.
const UNTRAINED_NORM: f64 = 1.0 / 3.0;

/// Warns if `model` cannot learn under `config` to end its turn.
pub fn model_warnings(
    model: &LanguageModel,
    config: &TrainConfig,
) -> Result<Vec<String>, EncodeError> {
    let encoder = Encoder::new(model, config)?;
    let frame = encoder.answer_frame();
    let mut warnings = Vec::new();
    if frame.end_of_turn.is_empty() {
        warnings.push(
            "the chat template writes nothing after an answer and the tokenizer has no \
             end-of-text token: the model will not learn where an answer ends"
                .to_string(),
        );
    } else if frame.end_token.is_none() {
        warnings.push(format!(
            "the chat template ends an answer without a special token; {:?} is taught as its end",
            frame.end_of_turn
        ));
    }
    if let Some(token) = frame.end_token.filter(|_| config.method == Method::Lora) {
        let (norm, median) = embedding_norms(model, token);
        if norm < UNTRAINED_NORM * median {
            warnings.push(format!(
                "the embedding of the end-of-turn token {:?} has norm {norm:.3}, and the \
                 median is {median:.3}: it was never trained, and LoRA leaves embeddings as they are, so \
                 answers may not end; use the instruction-tuned model or method = \"full\"",
                frame.end_of_turn
            ));
        }
    }
    Ok(warnings)
}

/// What a method is trained with in usual recipes, and the rate below which hardly anything is
/// learnt.
const fn usual_rates(method: Method) -> &'static str {
    match method {
        Method::Full => "full fine-tuning usually takes 1e-5 to 1e-4",
        Method::Lora => "LoRA usually takes 1e-4 to 1e-3",
    }
}

/// Warns if the peak learning rate is less than half the usual ones, as those of published rules are
/// with small steps: they fall with the square root of their size. Warns, too, if it is ten times
/// the highest.
pub fn learning_rate_warning(config: &TrainConfig, peak: f64) -> Option<String> {
    let usual = usual_rates(config.method);
    let (least, most) = config.method.usual_rates();
    let rule = match config.learning_rate {
        LearningRate::Rule(_) => " (by its rule, for steps of this size)",
        LearningRate::Auto | LearningRate::Value(_) => "",
    };
    let outcome = if peak < 0.5 * least {
        "little will be learnt; set train.learning_rate to \"auto\" or a number"
    } else if peak > 10.0 * most {
        "training may diverge; lower train.learning_rate"
    } else {
        return None;
    };
    Some(format!(
        "the peak learning rate is {peak:.1e}{rule}, and {usual}: {outcome}"
    ))
}

/// Warns about examples with more than `limit` tokens in the set called `name`.
pub fn length_warnings(name: &str, set: &EncodedSet, limit: usize) -> Vec<String> {
    let mut warnings = Vec::new();
    if !set.dropped.is_empty() {
        warnings.push(format!(
            "{} of the {name} examples have more than {limit} tokens and are left out, \
             the first is {}",
            set.dropped.len(),
            set.dropped[0]
        ));
    }
    if !set.truncated.is_empty() {
        warnings.push(format!(
            "{} of the {name} examples have more than {limit} tokens: their answers are cut and \
             do not teach where an answer ends, the first is {}",
            set.truncated.len(),
            set.truncated[0]
        ));
    }
    warnings
}

/// L2 norm of the embedding of `token`, and the median norm over the vocabulary.
fn embedding_norms(model: &LanguageModel, token: u32) -> (f64, f64) {
    let table = model.network.token_table().weight.val().inner();
    let norms = table
        .square()
        .sum_dim(1)
        .sqrt()
        .into_data()
        .convert::<f32>();
    let norms: Vec<f64> = norms.iter::<f32>().map(f64::from).collect();
    let norm = norms[token as usize];
    let mut sorted = norms;
    sorted.sort_by(f64::total_cmp);
    (norm, sorted[sorted.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipes::fine_tune::Rule;

    #[test]
    fn a_rate_that_teaches_nothing_is_warned_of() {
        let warning = |method, learning_rate: LearningRate, tokens| {
            let config = TrainConfig {
                method,
                learning_rate,
                ..TrainConfig::default()
            };
            learning_rate_warning(&config, config.peak_learning_rate(tokens, 0.3, 4096))
        };
        let openchat = LearningRate::Rule(Rule::Openchat);
        let low = warning(Method::Lora, openchat, 700.0).expect("4e-6 is too low");
        assert!(
            low.contains("4.0e-6 (by its rule") && low.contains("1e-4 to 1e-3"),
            "{low}"
        );
        assert!(warning(Method::Full, openchat, 480.0).is_some());
        for (method, tokens) in [
            (Method::Full, 480.0),
            (Method::Full, 25_000.0),
            (Method::Lora, 700.0),
        ] {
            assert_eq!(warning(method, LearningRate::Auto, tokens), None);
        }
        let high = warning(Method::Full, LearningRate::Value(1e-2), 480.0).expect("too high");
        assert!(high.contains("lower train.learning_rate"), "{high}");
        assert_eq!(
            warning(Method::Lora, LearningRate::Value(2e-4), 700.0),
            None
        );
        let low = warning(Method::Lora, LearningRate::Value(2e-6), 700.0).expect("too low");
        assert!(!low.contains("rule"), "{low}");
    }
}
