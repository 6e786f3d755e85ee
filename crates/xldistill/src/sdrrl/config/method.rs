//! `method` and `ablation`: presets of the keys that a method or an ablation of the paper implies.

use corpus::mix::{AnswerDirective, MixConfig};
use corpus::record::Subset;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Table;
use training::fine_tune::TrainConfig;

use super::Config;

/// A method to teach an LLM a language: SDRRL, the baselines of section 4.1, and token-level
/// self-distillation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MethodName {
    /// Self-distillation from resource-rich languages: all subsets, ŷ in half of them (section 3.2).
    #[default]
    Sdrrl,
    /// Supervised fine-tuning in the source language alone.
    Sft,
    /// SFT beside its translation.
    TSft,
    /// Cross-lingual instruction tuning: SFT beside questions answered in the target language.
    Cit,
    /// Code-switched questions in both languages, and distillation from the source-language question
    /// to the target-language one (arXiv 2401.07037).
    Xcot,
    /// SDRRL with ŷ everywhere, of which LL and TL are taught by the LLM's own distributions.
    SelfDistil,
}

impl MethodName {
    /// Its name in a config.
    pub fn name(self) -> String {
        word(&self)
    }
}

/// An ablation of SDRRL (Table 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ablation {
    /// Row 2: without TL and LT.
    WithoutTlLt,
    /// Row 3: given answers instead of the LLM's own.
    WithoutOwnAnswers,
    /// Row 4: without mt and comp.
    WithoutMtComp,
    /// Row 5: without code-switching.
    WithoutCodeSwitching,
    /// Row 6: mt and comp alone.
    OnlyMtComp,
}

/// Values of the keys that methods and ablations set.
struct Preset {
    subsets: Vec<Subset>,
    generated_fraction: f64,
    code_switched: bool,
    distilled: Vec<Subset>,
    distil_share: f64,
}

impl Preset {
    fn of(method: MethodName, ablation: Option<Ablation>) -> Preset {
        use Subset::{Comp, LL, LT, Mt, TL, TT};
        let MixConfig {
            subsets,
            generated_fraction,
            code_switched,
            distilled,
            ..
        } = MixConfig::default();
        let sdrrl = Preset {
            subsets,
            generated_fraction,
            code_switched,
            distilled,
            distil_share: TrainConfig::default().distil_share,
        };
        let baseline = |subsets: &[Subset]| Preset {
            subsets: subsets.to_vec(),
            generated_fraction: 0.0,
            code_switched: false,
            distilled: Vec::new(),
            ..sdrrl
        };
        let preset = match method {
            MethodName::Sft => baseline(&[LL]),
            MethodName::TSft => baseline(&[LL, TT]),
            MethodName::Cit => baseline(&[LL, LT]),
            MethodName::Xcot => Preset {
                code_switched: true,
                distilled: vec![TL],
                distil_share: 0.5,
                ..baseline(&[LL, TL, TT])
            },
            MethodName::SelfDistil => Preset {
                generated_fraction: 1.0,
                distilled: vec![LL, TL],
                distil_share: 1.0,
                ..sdrrl
            },
            MethodName::Sdrrl => sdrrl,
        };
        match ablation {
            None => preset,
            Some(Ablation::WithoutTlLt) => Preset {
                subsets: vec![LL, TT, Mt, Comp],
                ..preset
            },
            Some(Ablation::WithoutOwnAnswers) => Preset {
                generated_fraction: 0.0,
                ..preset
            },
            Some(Ablation::WithoutMtComp) => Preset {
                subsets: vec![LL, TL, LT, TT],
                ..preset
            },
            Some(Ablation::WithoutCodeSwitching) => Preset {
                code_switched: false,
                ..preset
            },
            Some(Ablation::OnlyMtComp) => Preset {
                subsets: vec![Mt, Comp],
                ..preset
            },
        }
    }
}

impl Config {
    /// Sets what `method` and `ablation` imply, and the keys whose default is that of another
    /// section; the keys in the file, `given`, stay.
    pub(super) fn apply_method(&mut self, given: &Table) {
        let is_given = |section: &str, key: &str| {
            let section = given.get(section).and_then(toml::Value::as_table);
            section.is_some_and(|section| section.contains_key(key))
        };
        let preset = Preset::of(self.method, self.ablation);
        let (mix, train) = (&mut self.mix, &mut self.train);
        if !is_given("mix", "subsets") {
            mix.subsets = preset.subsets;
            let whole = [MethodName::Sdrrl, MethodName::SelfDistil].contains(&self.method);
            if whole
                && self.ablation != Some(Ablation::OnlyMtComp)
                && self.reverse_instructions.is_some()
            {
                mix.subsets.push(Subset::Native);
            }
        }
        if !is_given("mix", "generated_fraction") {
            mix.generated_fraction = preset.generated_fraction;
        }
        if !is_given("mix", "code_switched") {
            mix.code_switched = preset.code_switched;
        }
        if !is_given("mix", "distilled") {
            mix.distilled = preset.distilled;
        }
        if !is_given("train", "distil_share") {
            train.distil_share = preset.distil_share;
        }
        if !is_given("train", "system") {
            train.system = self.answer.system().map(str::to_owned);
        }
    }

    /// Checks that the method has what its keys need.
    pub(super) fn check_method(&self) -> Result<(), String> {
        if self.ablation.is_some() && self.method != MethodName::Sdrrl {
            return Err(
                "ablation: the ablations are of SDRRL; leave it out, or set method = \"sdrrl\""
                    .into(),
            );
        }
        if self.mix.wants(Subset::Native) && self.reverse_instructions.is_none() {
            return Err(
                "mix.subsets: native needs texts; name them under [reverse_instructions.texts]"
                    .into(),
            );
        }
        let missing = (self.mix.distilled.iter()).find(|&&subset| !self.mix.wants(subset));
        if let Some(subset) = missing {
            return Err(format!(
                "mix.distilled: {name} is not among mix.subsets; add it there, or leave it out here",
                name = subset.name()
            ));
        }
        let Some(measure) = self.train.choose_by.measure() else {
            return Ok(());
        };
        let chosen = format!("train.choose_by = \"{}\"", measure.name());
        if !measure.has_questions(|subset| self.mix.wants(subset)) {
            return Err(format!(
                "{chosen} needs held-out questions that are answered in the target language, and \
                 mix.subsets leaves none: add TT, or set choose_by = \"loss\""
            ));
        }
        if self.mix.held_out_fraction == 0.0 {
            return Err(format!(
                "{chosen} needs held-out questions, and mix.held_out_fraction = 0 holds none out: \
                 raise it, or set choose_by = \"loss\""
            ));
        }
        Ok(())
    }

    /// The method with the values it implies or, if the file has others, with those.
    pub(super) fn method_note(&self) -> String {
        let names = |subsets: &[Subset]| {
            let names: Vec<&str> = subsets.iter().map(|subset| subset.name()).collect();
            names.join(" ")
        };
        let MixConfig {
            subsets,
            generated_fraction,
            code_switched,
            answer_directive,
            distilled,
            ..
        } = &self.mix;
        let ablation = self.ablation.as_ref();
        let ablation = ablation.map_or(String::new(), |ablation| format!(", {}", word(ablation)));
        let directive = match answer_directive {
            AnswerDirective::CrossLingual => "questions name the language of the answer",
            AnswerDirective::None => "questions do not name the language of the answer",
        };
        let switched = if *code_switched { "" } else { "not " };
        let taught = match distilled.is_empty() {
            true => String::new(),
            false => format!(
                ", {} distilled with share {}",
                names(distilled),
                self.train.distil_share
            ),
        };
        let unused = match (&self.reverse_instructions, self.native_text()) {
            (Some(_), None) => {
                "; [reverse_instructions] has no effect, since mix.subsets lacks native"
            }
            _ => "",
        };
        format!(
            "method {}{ablation}: {}; own answers in {:.0} % of the questions, {switched}code-switched, {directive}{taught}{unused}",
            self.method.name(),
            names(subsets),
            100.0 * generated_fraction,
        )
    }
}

/// A named value as configs spell it.
fn word(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::SystemConfig;

    fn read(lines: &str, overrides: &[&str]) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let rest = "targets = [\"por_Latn\"]\noutput = \"run\"\ndata.instructions = [\"a.jsonl\"]\n\
                    estimate_quality.engine = \"none\"\n[translate]\nmodels.por_Latn = \"en-pt\"\n";
        std::fs::write(&path, format!("model = \"m\"\n{lines}\n{rest}")).unwrap();
        let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
        Config::read(&path, &overrides).map_err(|error| error.to_string())
    }

    #[test]
    fn every_method_and_ablation_sets_all_keys_that_it_implies() {
        let all = "LL TL LT TT mt comp";
        for (lines, subsets, own, switched, distilled, share) in [
            ("", all, 0.5, true, "", 0.5),
            ("method = \"sdrrl\"", all, 0.5, true, "", 0.5),
            ("method = \"sft\"", "LL", 0.0, false, "", 0.5),
            ("method = \"t-sft\"", "LL TT", 0.0, false, "", 0.5),
            ("method = \"cit\"", "LL LT", 0.0, false, "", 0.5),
            ("method = \"xcot\"", "LL TL TT", 0.0, true, "TL", 0.5),
            ("method = \"self-distil\"", all, 1.0, true, "LL TL", 1.0),
            (
                "ablation = \"without-tl-lt\"",
                "LL TT mt comp",
                0.5,
                true,
                "",
                0.5,
            ),
            (
                "ablation = \"without-own-answers\"",
                all,
                0.0,
                true,
                "",
                0.5,
            ),
            (
                "ablation = \"without-mt-comp\"",
                "LL TL LT TT",
                0.5,
                true,
                "",
                0.5,
            ),
            (
                "ablation = \"without-code-switching\"",
                all,
                0.5,
                false,
                "",
                0.5,
            ),
            ("ablation = \"only-mt-comp\"", "mt comp", 0.5, true, "", 0.5),
        ] {
            let Config { mix, train, .. } = read(lines, &[]).unwrap();
            let names = |subsets: &[Subset]| {
                let names: Vec<&str> = subsets.iter().map(|subset| subset.name()).collect();
                names.join(" ")
            };
            assert_eq!(names(&mix.subsets), subsets, "{lines}");
            assert_eq!(names(&mix.distilled), distilled, "{lines}");
            assert_eq!(
                (
                    mix.generated_fraction,
                    mix.code_switched,
                    train.distil_share
                ),
                (own, switched, share),
                "{lines}"
            );
            assert_eq!(mix.answer_directive, AnswerDirective::CrossLingual);
        }
    }

    #[test]
    fn keys_of_the_file_and_of_the_command_line_replace_those_of_the_method() {
        let config = read(
            "method = \"self-distil\"\nmix.subsets = [\"LL\", \"TL\", \"TT\"]",
            &["train.distil_share=0.7"],
        );
        let config = config.unwrap();
        assert_eq!(config.mix.subsets, [Subset::LL, Subset::TL, Subset::TT]);
        assert_eq!(
            (config.mix.generated_fraction, config.train.distil_share),
            (1.0, 0.7)
        );
        assert_eq!(
            config.note().unwrap(),
            "method self-distil: LL TL TT; own answers in 100 % of the questions, code-switched, \
             questions name the language of the answer, LL TL distilled with share 0.7"
        );
        // The config of a run's folder, with every key, resolves to itself.
        let text = toml::to_string(&config).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, &text).unwrap();
        assert_eq!(
            toml::to_string(&Config::read(&path, &[]).unwrap()).unwrap(),
            text
        );
    }

    #[test]
    fn the_system_message_of_the_answers_is_that_of_training() {
        let config = read("answer.system = \"Be brief.\"", &[]).unwrap();
        assert_eq!(config.train.system.as_deref(), Some("Be brief."));
        let own = read(
            "answer.system = \"Be brief.\"\ntrain.system = \"Be kind.\"",
            &[],
        );
        assert_eq!(own.unwrap().train.system.as_deref(), Some("Be kind."));
    }

    #[test]
    fn contradictions_are_named() {
        let error = |lines| read(lines, &[]).unwrap_err();
        let ablated = error("method = \"sft\"\nablation = \"without-mt-comp\"");
        assert!(ablated.contains("the ablations are of SDRRL"), "{ablated}");
        let missing = error("method = \"xcot\"\nmix.subsets = [\"LL\"]");
        assert!(
            missing.contains("mix.distilled: TL is not among mix.subsets"),
            "{missing}"
        );
        let unknown = error("method = \"t_sft\"");
        assert!(unknown.contains("did you mean `t-sft`?"), "{unknown}");
    }
}
