//! Centring: the part of an encoder's states that only says which language a text is in.
//!
//! Multilingual encoders add much the same vector to every state of a language (Libovický et al.
//! 2020, arXiv 2004.05160). A stack has learnt to read one language, so that the vector of another
//! one is noise to it. Plain text is enough to estimate it: the mean state of its tokens. Not in the
//! paper of MT-LLM.

use std::collections::BTreeMap;

use burn::Tensor;
use burn::tensor::{Device, TensorData};

use super::SourceStates;
use crate::text_input::EncodedText;

/// The mean of an encoder's states over the tokens of some texts: for each layer that is read, C
/// values.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MeanStates {
    sums: Vec<Vec<f64>>,
    tokens: usize,
}

impl MeanStates {
    /// Adds the states of more tokens.
    ///
    /// # Panics
    /// If there are not as many layers as before.
    pub fn add(&mut self, states: SourceStates) {
        self.tokens += states.layers[0].dims()[0];
        let width = states.layers[0].dims()[1];
        if self.sums.is_empty() {
            self.sums = vec![vec![0.0; width]; states.layers.len()];
        }
        assert_eq!(self.sums.len(), states.layers.len(), "layers");
        for (sums, layer) in self.sums.iter_mut().zip(states.layers) {
            let values = layer.into_data().convert::<f32>();
            let values: Vec<f32> = values.iter().collect();
            for row in values.chunks_exact(width) {
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += f64::from(*value);
                }
            }
        }
    }

    /// Number of tokens.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Row by row: [layers, C].
    fn values(&self) -> impl Iterator<Item = f64> {
        let tokens = self.tokens.max(1) as f64;
        self.sums.iter().flatten().map(move |sum| sum / tokens)
    }
}

/// What is added to each state of a text in a language: the mean state in the language of training
/// less that in the language of the text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LanguageShifts {
    /// [layers, C] by FLORES-200 code.
    shifts: BTreeMap<String, Vec<f32>>,
}

impl LanguageShifts {
    /// The shifts from `others`, by FLORES-200 code, to `source`.
    pub fn between(source: &MeanStates, others: &BTreeMap<String, MeanStates>) -> Self {
        let shift = |other: &MeanStates| {
            let pairs = source.values().zip(other.values());
            pairs
                .map(|(source, other)| (source - other) as f32)
                .collect()
        };
        let shifts = others
            .iter()
            .map(|(code, other)| (code.clone(), shift(other)));
        Self {
            shifts: shifts.collect(),
        }
    }

    /// Shifts that were read from a file: [layers, C] by FLORES-200 code.
    pub fn of(shifts: BTreeMap<String, Vec<f32>>) -> Self {
        Self { shifts }
    }

    /// The languages' FLORES-200 codes.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.shifts.keys().map(String::as_str)
    }

    /// The shift of a language: [layers, C].
    pub fn get(&self, language: &str) -> Option<&[f32]> {
        self.shifts.get(language).map(Vec::as_slice)
    }

    /// The states of `texts`, laid end to end, each shifted as its language asks for.
    pub(crate) fn apply(
        &self,
        states: SourceStates,
        texts: &[&EncodedText],
        device: &Device,
    ) -> SourceStates {
        let shift = |text: &EncodedText| self.get(text.shift.as_deref()?);
        if texts.iter().all(|text| shift(text).is_none()) {
            return states;
        }
        let shifted = |(index, layer): (usize, Tensor<2>)| {
            let [tokens, width] = layer.dims();
            let mut rows = Vec::with_capacity(tokens * width);
            for text in texts {
                let length = text.tokens() * width;
                match shift(text) {
                    Some(shift) => {
                        let row = &shift[index * width..][..width];
                        rows.extend(row.iter().cycle().take(length));
                    }
                    None => rows.resize(rows.len() + length, 0.0),
                }
            }
            layer + Tensor::from_data(TensorData::new(rows, [tokens, width]), device)
        };
        SourceStates {
            layers: states.layers.into_iter().enumerate().map(shifted).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(rows: &[[f32; 2]]) -> SourceStates {
        let data = TensorData::new(rows.as_flattened().to_vec(), [rows.len(), 2]);
        let layer = Tensor::from_data(data, &Device::flex());
        SourceStates {
            layers: vec![layer.clone(), layer * 10.0],
        }
    }

    #[test]
    fn a_shifted_language_has_the_mean_of_the_source() {
        let (mut source, mut other) = (MeanStates::default(), MeanStates::default());
        source.add(states(&[[1.0, 2.0], [3.0, 4.0]]));
        other.add(states(&[[0.0, 8.0]]));
        other.add(states(&[[2.0, 0.0], [4.0, 1.0]]));
        assert_eq!((source.tokens(), other.tokens()), (2, 3));
        let shifts =
            LanguageShifts::between(&source, &BTreeMap::from([("deu_Latn".to_owned(), other)]));
        assert_eq!(shifts.get("deu_Latn"), Some(&[0.0, 0.0, 0.0, 0.0][..]));
        let shifts = LanguageShifts::of(BTreeMap::from([(
            "deu_Latn".to_owned(),
            vec![0.5, -1.0, 5.0, 0.0],
        )]));
        let text = |tokens: u32, shift: Option<&str>| EncodedText {
            shift: shift.map(str::to_owned),
            ..EncodedText::whole((0..tokens).collect(), vec![0; tokens as usize], false)
        };
        let (plain, german) = (text(1, None), text(2, Some("deu_Latn")));
        let found = shifts.apply(
            states(&[[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]),
            &[&plain, &german],
            &Device::flex(),
        );
        let layer = |index: usize| -> Vec<f32> {
            let layer: Tensor<2> = found.layers[index].clone();
            layer.into_data().iter().collect()
        };
        assert_eq!(layer(0), [1.0, 1.0, 2.5, 1.0, 3.5, 2.0]);
        assert_eq!(layer(1), [10.0, 10.0, 25.0, 20.0, 35.0, 30.0]);
    }
}
