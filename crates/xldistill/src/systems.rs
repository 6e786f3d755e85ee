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
    /// What it does.
    pub about: Vec<&'static str>,
    /// Whether a system shards it.
    pub shardable: bool,
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
        if !commands[at].about.contains(&stage.about()) {
            commands[at].about.push(stage.about());
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
