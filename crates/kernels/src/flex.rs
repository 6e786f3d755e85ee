//! Conversions between Burn's CPU tensors and slices.

use burn::Tensor;
use burn::backend::{DispatchDevice, Flex};
use burn::tensor::{DType, Device};
use burn_flex::FlexTensor;

use crate::cpu::parallel::{TASK, for_each_item};
use crate::cpu::team;
use crate::pool::Values;

/// Whether the fast forms work on this device: the CPU (`Flex`) backend, with or without autodiff.
pub fn is_cpu(device: &Device) -> bool {
    match device.as_dispatch() {
        DispatchDevice::Flex(_) => true,
        DispatchDevice::Autodiff(_) => {
            matches!(
                device.clone().inner().as_dispatch(),
                DispatchDevice::Flex(_)
            )
        }
        #[allow(
            unreachable_patterns,
            reason = "other backends are features of the binary"
        )]
        _ => false,
    }
}

/// Runs `work`, which consists of many short operations, on `device`. On the CPU its threads are
/// kept awake, since waking one takes longer than most of these operations. On other devices it
/// just runs `work`.
pub fn together<R>(device: &Device, work: impl FnOnce() -> R) -> R {
    if is_cpu(device) {
        team::together(work)
    } else {
        work()
    }
}

/// Whether the fast forms accept a tensor: f32 on the CPU.
pub fn is_fast<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.dtype() == DType::F32 && is_cpu(&tensor.device())
}

/// The tensor's values in order, copied only if a view is not contiguous.
pub fn contiguous(tensor: &FlexTensor) -> FlexTensor {
    if tensor.as_slice::<f32>().is_some() {
        tensor.clone()
    } else {
        tensor.to_contiguous()
    }
}

/// The values of a tensor made by [`contiguous`].
pub fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("a contiguous f32 tensor")
}

/// Sizes of a tensor's axes.
///
/// # Panics
/// If it has another rank.
pub fn dims<const D: usize>(tensor: &FlexTensor) -> [usize; D] {
    let shape = tensor.layout().shape();
    std::array::from_fn(|axis| {
        assert_eq!(shape.num_dims(), D, "rank");
        shape[axis]
    })
}

/// New memory with the same values.
pub fn copied(from: &[f32]) -> Values {
    let mut copy = Values::take(from.len());
    let parts = copy.chunks_mut(TASK).zip(from.chunks(TASK));
    for_each_item(parts, |(copy, from)| copy.copy_from_slice(from));
    copy
}

/// The tensor as contiguous memory of its own that may be changed in place: the tensor itself if
/// nobody else holds it, otherwise a copy.
pub fn owned(mut tensor: FlexTensor) -> FlexTensor {
    let elements = tensor.layout().num_elements();
    let whole = tensor.is_contiguous()
        && tensor.layout().start_offset() == 0
        && tensor.bytes().len() == elements * size_of::<f32>();
    if whole && tensor.try_storage_mut::<f32>().is_some() {
        return tensor;
    }
    let shape = tensor.layout().shape().clone();
    let source = contiguous(&tensor);
    copied(values(&source)).into_tensor(shape)
}

/// The tensor without autodiff.
pub fn plain<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    if tensor.is_autodiff() {
        tensor.inner()
    } else {
        tensor
    }
}

/// The primitive of a CPU tensor without autodiff.
pub fn host<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    tensor
        .try_into_primitive::<Flex>()
        .expect("a CPU tensor without autodiff")
}

/// The contiguous primitive of a CPU tensor without autodiff.
pub fn primitive<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    contiguous(&host(tensor))
}

/// A tensor without autodiff as a tensor of `device`, which may have it; it carries no gradient.
pub fn constant_on<const D: usize>(device: &Device, tensor: Tensor<D>) -> Tensor<D> {
    if device.is_autodiff() {
        Tensor::from_inner(tensor)
    } else {
        tensor
    }
}
