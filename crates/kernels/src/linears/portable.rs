//! The operation as a composition of others.

use burn::Tensor;

use super::{Adapter, Input, Linears, Projection};
use crate::{Dropout, drop_out};

/// [`linears`](super::linears()) as a composition of other operations.
///
/// # Panics
/// If a weight is packed.
pub fn portable<const N: usize>(
    input: Input,
    layers: [Projection; N],
    residual: Option<Tensor<2>>,
    dropout: Option<Dropout>,
) -> Linears<N> {
    let source = input.source().clone();
    let x = input.computed();
    let dropped = dropout.map_or_else(|| x.clone(), |dropout| drop_out(x.clone(), dropout));
    let outputs = layers.map(|layer| {
        let y = crate::linear(x.clone(), layer.weight.tensor(), layer.bias);
        let y = match layer.adapter {
            Some(Adapter { a, b, scale }) => {
                let low = crate::linear(dropped.clone(), a, None);
                y + crate::linear(low, b, None) * scale
            }
            None => y,
        };
        match &residual {
            Some(residual) => residual.clone() + y,
            None => y,
        }
    });
    Linears { outputs, source }
}
