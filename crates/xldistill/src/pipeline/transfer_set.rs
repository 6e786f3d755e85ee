//! The stage that puts the transfer set together.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};
use corpus::{
    decontamination::{EvaluationIndex, NgramSizes},
    mix::{self, MixInputs, TargetPairs, TargetSentences},
    record::Example,
    source,
    stage::{Inputs, Manifest},
};

use super::{Pipeline, summary};
use crate::{arguments::StageName, config::Config, lines};

impl Pipeline<'_> {
    pub(super) fn mix(&self) -> Result<String> {
        let Config { source, data, .. } = self.config;
        let (mut pairs, mut rejected) = (Vec::new(), Vec::new());
        for (&target, files) in &data.parallel {
            let loaded = source::parallel(files, *source, target)?;
            rejected.extend(loaded.rejected);
            pairs.push(TargetPairs {
                target,
                pairs: loaded.pairs,
            });
        }
        let mut monolingual = Vec::new();
        for (&target, path) in &data.monolingual {
            monolingual.push(TargetSentences {
                target,
                sentences: lines::of_file(path)?,
            });
        }
        let evaluation = self.evaluation_index()?;
        let inputs = MixInputs {
            rows: Inputs::stage(&self.folder(StageName::CodeSwitch))?,
            source: *source,
            pairs: &pairs,
            monolingual: &monolingual,
            rejected: &rejected,
            evaluation: evaluation.as_ref(),
        };
        let folder = self.folder(StageName::Mix);
        let manifest = mix::mix(&inputs, &self.config.mix, &folder, self.progress)?;
        Ok(summary(&manifest))
    }

    /// The evaluation sets that the transfer set must not have text of.
    fn evaluation_index(&self) -> Result<Option<EvaluationIndex>> {
        let Config {
            decontaminate,
            evaluate,
            ..
        } = self.config;
        if !decontaminate.enabled {
            return Ok(None);
        }
        let mut index = EvaluationIndex::new(NgramSizes {
            words: decontaminate.words,
            characters: decontaminate.characters,
        });
        let own = [&evaluate.questions, &evaluate.pairs, &evaluate.texts];
        let own = own.into_iter().flat_map(BTreeMap::values);
        for path in own.chain(&decontaminate.against) {
            index.add_file(path)?;
        }
        Ok((!index.is_empty()).then_some(index))
    }

    /// The training part of the transfer set.
    pub fn transfer_set(&self) -> Result<Vec<Example>> {
        let folder = self.folder(StageName::Mix);
        examples(&folder.join(Manifest::read(&folder)?.files.output))
    }

    /// The part of the transfer set that is held out.
    pub(super) fn held_out(&self) -> Result<Vec<Example>> {
        examples(&self.folder(StageName::Mix).join(mix::HELD_OUT_FILE))
    }
}

fn examples(path: &Path) -> Result<Vec<Example>> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read {}; run the stage mix first", path.display()))?;
    text.lines()
        .enumerate()
        .map(|(number, line)| {
            serde_json::from_str(line)
                .with_context(|| format!("{}:{}: not an example", path.display(), number + 1))
        })
        .collect()
}
