//! Paths of a config.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use corpus::source::ParallelSource;

use super::Config;

impl Config {
    /// Makes the paths, which are relative to the config's folder, relative to the program's.
    pub(super) fn resolve(&mut self, base: &Path) {
        let paths = [&mut self.model, &mut self.output].into_iter();
        let lists = self
            .code_switch
            .dictionaries
            .values_mut()
            .chain(self.code_switch.reverse_dictionaries.values_mut())
            .flatten();
        let parallel = self
            .data
            .parallel
            .values_mut()
            .flat_map(|source| match source {
                ParallelSource::File(path) => vec![path],
                ParallelSource::Aligned { source, target } => vec![source, target],
            });
        let maps = [
            &mut self.data.monolingual,
            &mut self.translate.models,
            &mut self.translate.reverse_models,
            &mut self.evaluate.questions,
            &mut self.evaluate.pairs,
            &mut self.evaluate.texts,
        ];
        let paths = paths
            .chain(&mut self.data.instructions)
            .chain(&mut self.decontaminate.against)
            .chain(&mut self.translate.cache)
            .chain(lists)
            .chain(parallel)
            .chain(&mut self.evaluate.bleu_tokenizer_model)
            .chain(&mut self.identify.model)
            .chain(&mut self.estimate_quality.model)
            .chain(&mut self.estimate_quality.encoder)
            .chain(&mut self.translate.model)
            .chain(maps.into_iter().flat_map(BTreeMap::values_mut));
        for path in paths {
            *path = tidy(&base.join(&*path));
        }
    }
}

/// `a/b/../c` as `a/c`, so that messages and manifests are readable.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if tidy.file_name().is_some_and(|name| name != "..") => {
                tidy.pop();
            }
            component => tidy.push(component),
        }
    }
    tidy
}
