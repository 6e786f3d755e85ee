//! The source language kept: a model between the one before training and the trained one (Wortsman
//! et al., 2022, arXiv 2109.01903).

use std::path::Path;

use artefacts::training::HeldOutLoss;
use burn::module::Module;
use corpus::progress::Progress;
use corpus::record::Subset;
use models::Network;

use super::config::{Interpolate, Method};
use super::error::TrainError;
use super::supervised_set::SupervisedSet;
use crate::optimizer::{NamedTensors, replace_trainable, trainable};

/// The shares that are tried; of equally good ones, the first.
const SHARES: [f64; 7] = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.3];

/// Name of the adapters' second factors, which are zero before training.
const SECOND_FACTOR: &str = ".lora_b";

/// The parameters before and after training.
pub struct Ends<'a> {
    /// What is trained: with [`Method::Lora`], the adapter is scaled.
    pub method: Method,
    /// The parameters before training; not needed for adapters.
    pub before: NamedTensors,
    /// The trained network.
    pub trained: Network,
    /// The model's path, for messages.
    pub path: &'a Path,
}

/// A network between the ends.
pub struct Between {
    /// The network.
    pub network: Network,
    /// The share of the change that it keeps.
    pub share: f64,
    /// Its held-out loss.
    pub held_out: Option<HeldOutLoss>,
}

impl Ends<'_> {
    /// The network at the share that `interpolate` asks for. `Auto` compares the held-out losses of
    /// answers in the source and in the target languages, each relative to `before`.
    pub fn interpolated(
        self,
        interpolate: Interpolate,
        held_out: &SupervisedSet,
        before: Option<&HeldOutLoss>,
        progress: &dyn Progress,
    ) -> Result<Between, TrainError> {
        let trained = trainable(&self.trained);
        let at = |share| self.at(&trained, share);
        let share = match (interpolate, before) {
            (Interpolate::Share(share), _) => share,
            (Interpolate::Auto, None) => {
                progress.note(
                    "warning: train.interpolate = \"auto\" needs held-out examples, and there are none: the trained model \
                     is kept as it is",
                );
                1.0
            }
            (Interpolate::Auto, Some(before)) => {
                let mut best = (f64::INFINITY, 1.0);
                for share in SHARES {
                    progress.status(&format!("measuring the held-out loss at {share}"));
                    let Some(loss) = held_out.held_out_loss(&at(share)?.valid())? else {
                        break;
                    };
                    let relative = relative(&loss, before);
                    if relative < best.0 {
                        best = (relative, share);
                    }
                }
                best.1
            }
        };
        let network = at(share)?;
        let held_out = held_out.held_out_loss(&network.valid())?;
        let loss = held_out.as_ref().map_or(String::new(), |held_out| {
            format!(", held-out loss {:.3}", held_out.loss)
        });
        progress.note(&format!(
            "the model keeps {:.0} % of the change by training{loss}",
            100.0 * share
        ));
        Ok(Between {
            network,
            share,
            held_out,
        })
    }

    fn at(&self, trained: &NamedTensors, share: f64) -> Result<Network, TrainError> {
        let between = trained.iter().map(|(name, (shape, after))| {
            let values = match (self.method, self.before.get(name)) {
                (Method::Lora, _) if name.ends_with(SECOND_FACTOR) => after.clone() * share,
                (Method::Full, Some((_, before))) => {
                    after.clone() * share + before.clone() * (1.0 - share)
                }
                _ => after.clone(),
            };
            (name.clone(), (shape.clone(), values))
        });
        let between = between.collect();
        Ok(replace_trainable(self.trained.clone(), between, self.path)?)
    }
}

/// The mean over both languages of the loss of their answers, relative to `before`.
fn relative(loss: &HeldOutLoss, before: &HeldOutLoss) -> f64 {
    const SIDES: [&[Subset]; 2] = [
        &[Subset::LL, Subset::TL],
        &[
            Subset::LT,
            Subset::TT,
            Subset::Mt,
            Subset::Comp,
            Subset::Native,
        ],
    ];
    let ratios = SIDES.into_iter().filter_map(|side| {
        let ratios = side.iter().filter_map(|subset| {
            let of = |loss: &HeldOutLoss| loss.losses.get(subset.name()).copied();
            Some(of(loss)? / of(before)?)
        });
        mean(ratios.collect())
    });
    mean(ratios.collect()).unwrap_or(loss.loss)
}

fn mean(values: Vec<f64>) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_count_the_same() {
        let loss = |parts: &[(&str, f64)]| HeldOutLoss {
            loss: 9.0,
            losses: parts
                .iter()
                .map(|(name, loss)| (name.to_string(), *loss))
                .collect(),
            ..HeldOutLoss::default()
        };
        let before = loss(&[
            ("LL", 2.0),
            ("TT", 4.0),
            ("mt", 4.0),
            ("TL.divergence", 1.0),
        ]);
        let after = loss(&[
            ("LL", 3.0),
            ("TT", 2.0),
            ("mt", 3.0),
            ("TL.divergence", 5.0),
        ]);
        // 1.5 in the source language, 0.625 in the target language.
        assert_eq!(relative(&after, &before), (1.5 + 0.625) / 2.0);
        assert_eq!(relative(&loss(&[]), &before), 9.0);
    }
}
