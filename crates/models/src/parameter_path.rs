//! Names of parameters while a module is visited.

/// The path of field names to the parameter being visited. An enum of modules adds nothing to it:
/// names begin in the module it contains.
#[derive(Debug, Default)]
pub struct ParameterPath(Vec<Option<String>>);

impl ParameterPath {
    /// Enters a field; called from [`burn::module::ModuleVisitor::enter_module`].
    pub fn enter(&mut self, name: &str, container: &str) {
        let is_variant = container.starts_with("Enum:");
        self.0.push((!is_variant).then(|| name.to_owned()));
    }

    /// Leaves the field entered last.
    pub fn exit(&mut self) {
        self.0.pop();
    }

    /// The dotted name, as in checkpoints: `model.layers.0.self_attn.q_proj.weight`.
    pub fn name(&self) -> String {
        let start = self
            .0
            .iter()
            .rposition(Option::is_none)
            .map_or(0, |at| at + 1);
        let fields: Vec<&str> = self.0[start..]
            .iter()
            .flatten()
            .map(String::as_str)
            .collect();
        fields.join(".")
    }
}
