//! Devices by name: `cpu`, `vulkan`, `metal`, `cuda`, `rocm`, `wgpu`, or one of several GPUs, `cuda:1`.

use std::fmt;
use std::str::FromStr;

use burn::Tensor;
use burn::tensor::Device;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What computes: the processor, or a GPU through one of its interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("format" = "device"))]
pub enum ComputeDevice {
    /// The processor, with this project's own kernels.
    #[default]
    Cpu,
    /// A GPU, with Burn's operations.
    Gpu {
        /// How it is spoken to.
        interface: GpuInterface,
        /// Which of several; the system's choice where there is none.
        index: Option<usize>,
    },
}

/// Interfaces of GPUs. Each is a feature of the build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "names of interfaces")]
pub enum GpuInterface {
    Vulkan,
    Metal,
    Cuda,
    Rocm,
    /// Whatever of Vulkan, Metal and DirectX there is, with shaders in WGSL: works where the others'
    /// do not.
    Wgpu,
}

/// A name that names no device, or a device that is not there.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DeviceError {
    /// The name means nothing.
    #[error(
        "`{0}` is no device: cpu, vulkan, metal, cuda, rocm, wgpu, or with the number of the GPU, as in cuda:0"
    )]
    Unknown(String),
    /// The build has not the interface.
    #[error(
        "this xldistill was built without {0}: build it with --features {0}, or compute on the cpu"
    )]
    NotBuilt(GpuInterface),
    /// The interface has no such device.
    #[error("{device} cannot be used: {cause}; compute on the cpu, or check the driver")]
    Unusable {
        /// Its name.
        device: ComputeDevice,
        /// What the driver says.
        cause: String,
    },
}

const INTERFACES: [GpuInterface; 5] = [
    GpuInterface::Vulkan,
    GpuInterface::Metal,
    GpuInterface::Cuda,
    GpuInterface::Rocm,
    GpuInterface::Wgpu,
];

impl GpuInterface {
    /// As users write it, and as the feature of the build is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vulkan => "vulkan",
            Self::Metal => "metal",
            Self::Cuda => "cuda",
            Self::Rocm => "rocm",
            Self::Wgpu => "wgpu",
        }
    }
}

impl ComputeDevice {
    /// The device, after a product on it has come out right: there are drivers that compute wrongly
    /// without a word (`docs/gpu.md`).
    pub fn open(self) -> Result<Device, DeviceError> {
        const SIZE: usize = 32;
        let device = self.open_unchecked()?;
        if self == Self::Cpu {
            return Ok(device);
        }
        // Drivers are first spoken to, and fail by panicking, at a tensor's creation.
        let sum = std::panic::catch_unwind(|| {
            let ones = Tensor::<2>::ones([SIZE, SIZE], &device);
            ones.clone().matmul(ones).sum().into_scalar::<f32>()
        });
        let expected = SIZE.pow(3) as f32;
        let cause = match sum {
            Ok(sum) if sum == expected => return Ok(device),
            Ok(sum) => format!("a matrix product on it sums to {sum} instead of {expected}"),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or(panic.downcast_ref::<&str>().copied());
                text.unwrap_or("no reason is given").to_owned()
            }
        };
        Err(DeviceError::Unusable {
            device: self,
            cause,
        })
    }

    /// The device, whatever it computes.
    pub fn open_unchecked(self) -> Result<Device, DeviceError> {
        match self {
            Self::Cpu => Ok(Device::flex()),
            Self::Gpu { interface, index } => gpu(interface, index),
        }
    }
}

#[allow(unused_variables, reason = "without an interface there is no index")]
fn gpu(interface: GpuInterface, index: Option<usize>) -> Result<Device, DeviceError> {
    #[cfg(any(feature = "vulkan", feature = "metal", feature = "wgpu"))]
    let kind = index.map_or(
        burn::tensor::DeviceKind::DefaultDevice,
        burn::tensor::DeviceKind::DiscreteGpu,
    );
    match interface {
        #[cfg(feature = "vulkan")]
        GpuInterface::Vulkan => Ok(Device::vulkan(kind)),
        #[cfg(feature = "metal")]
        GpuInterface::Metal => Ok(Device::metal(kind)),
        #[cfg(feature = "cuda")]
        GpuInterface::Cuda => Ok(Device::cuda(index.unwrap_or(0))),
        #[cfg(feature = "rocm")]
        GpuInterface::Rocm => Ok(Device::rocm(index.unwrap_or(0))),
        #[cfg(feature = "wgpu")]
        GpuInterface::Wgpu => Ok(Device::wgpu(kind)),
        #[allow(unreachable_patterns, reason = "a build may have all of them")]
        interface => Err(DeviceError::NotBuilt(interface)),
    }
}

impl fmt::Display for GpuInterface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for ComputeDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Gpu {
                interface,
                index: None,
            } => write!(f, "{interface}"),
            Self::Gpu {
                interface,
                index: Some(index),
            } => write!(f, "{interface}:{index}"),
        }
    }
}

impl FromStr for ComputeDevice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        if text == "cpu" {
            return Ok(Self::Cpu);
        }
        let unknown = || DeviceError::Unknown(text.to_owned());
        let (name, index) = match text.split_once(':') {
            Some((name, index)) => (name, Some(index.parse().map_err(|_| unknown())?)),
            None => (text, None),
        };
        let interface = INTERFACES.into_iter().find(|it| it.name() == name);
        let interface = interface.ok_or_else(unknown)?;
        Ok(Self::Gpu { interface, index })
    }
}

impl TryFrom<String> for ComputeDevice {
    type Error = DeviceError;

    fn try_from(text: String) -> Result<Self, DeviceError> {
        text.parse()
    }
}

impl From<ComputeDevice> for String {
    fn from(device: ComputeDevice) -> Self {
        device.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for name in ["cpu", "vulkan", "metal", "cuda:1", "rocm", "wgpu"] {
            assert_eq!(name.parse::<ComputeDevice>().unwrap().to_string(), name);
        }
        for wrong in ["gpu", "cuda:", "cuda:x", "cpu:0", ""] {
            let error = wrong.parse::<ComputeDevice>().unwrap_err();
            assert_eq!(error, DeviceError::Unknown(wrong.into()));
        }
    }

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn an_interface_that_is_not_built_is_named() {
        let device: ComputeDevice = "cuda".parse().unwrap();
        let error = device.open().unwrap_err().to_string();
        assert!(error.contains("--features cuda"), "{error}");
        assert!(ComputeDevice::Cpu.open().is_ok());
    }
}
