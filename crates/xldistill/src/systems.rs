//! The list of systems. A system is a folder with a config and stages, and a line in the lists here.

use crate::classify;
use crate::mt_llm;
use crate::sdrrl;
use crate::system::SystemConfig;

/// Evaluates an expression with the config that arguments name, whatever its system.
macro_rules! with_config {
    ($arguments:expr, |$config:ident| $body:expr) => {
        match $arguments.system()? {
            $crate::system::SystemName::Sdrrl => {
                let $config = $arguments.read::<$crate::sdrrl::Config>()?;
                $body
            }
            $crate::system::SystemName::Classify => {
                let $config = $arguments.read::<$crate::classify::Config>()?;
                $body
            }
            $crate::system::SystemName::MtLlm => {
                let $config = $arguments.read::<$crate::mt_llm::Config>()?;
                $body
            }
        }
    };
}

pub(crate) use with_config;

/// A stage as a command: what it does in each system that has it.
pub struct StageCommand {
    /// The command.
    pub command: &'static str,
    /// What it does, and in which systems.
    about: Vec<(&'static str, Vec<&'static str>)>,
    /// Whether a system shards it.
    pub shardable: bool,
}

impl StageCommand {
    /// Its line in the help: what it does, in each system if they differ.
    pub fn about(&self) -> String {
        match self.about.as_slice() {
            [(about, _)] => format!("Run one stage: {about}"),
            several => {
                let of_systems = several.iter();
                let of_systems =
                    of_systems.map(|(about, systems)| format!("{}: {about}", systems.join(", ")));
                let of_systems: Vec<String> = of_systems.collect();
                format!("Run one stage. {}", of_systems.join("; "))
            }
        }
    }
}

/// The commands of the stages of all systems, in the order of their lists.
pub fn stage_commands() -> Vec<StageCommand> {
    let mut commands = Vec::new();
    add::<sdrrl::Config>(&mut commands);
    add::<mt_llm::Config>(&mut commands);
    add::<classify::Config>(&mut commands);
    commands
}

/// Adds the stages of a system to `commands`.
fn add<C: SystemConfig>(commands: &mut Vec<StageCommand>) {
    for stage in C::stages() {
        let command = stage.command();
        let at = commands.iter().position(|known| known.command == command);
        let at = at.unwrap_or_else(|| {
            commands.push(StageCommand {
                command,
                about: Vec::new(),
                shardable: false,
            });
            commands.len() - 1
        });
        // Systems may share a stage.
        let abouts = &mut commands[at].about;
        match abouts.iter_mut().find(|(about, _)| *about == stage.about()) {
            Some((_, systems)) => systems.push(C::SYSTEM.name()),
            None => abouts.push((stage.about(), vec![C::SYSTEM.name()])),
        }
        commands[at].shardable |= stage.shardable();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<C: SystemConfig>() {
        for (at, stage) in C::stages().iter().enumerate() {
            for dependency in stage.depends_on() {
                let mut before = C::stages()[..at].iter();
                let found = before.any(|before| before.name() == *dependency);
                assert!(found, "{dependency} before {}", stage.name());
            }
            assert_eq!(stage.command(), stage.name().replace('_', "-"));
        }
    }

    #[test]
    fn a_stage_comes_after_those_it_depends_on() {
        check::<sdrrl::Config>();
        check::<mt_llm::Config>();
        check::<classify::Config>();
    }
}
