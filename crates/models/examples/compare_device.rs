//! Compares Burn's operations on a device with the same operations on the CPU.
//!
//! ```text
//! cargo run --release -p models --features wgpu --example compare_device -- wgpu
//! ```
//! Prints one line per operation, with the largest difference.

use burn::Tensor;
use burn::tensor::activation::{log_softmax, silu, softmax};
use burn::tensor::{Device, Int, TensorData};
use models::ComputeDevice;

type Operation = (&'static str, fn(&Device) -> Tensor<2>);

fn values(shape: [usize; 2], seed: u32, device: &Device) -> Tensor<2> {
    let count = (shape[0] * shape[1]) as u32;
    let value = |i: u32| ((i.wrapping_mul(2_654_435_761) ^ seed) as f32 * 1e-3).sin();
    let values: Vec<f32> = (0..count).map(value).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn ids(device: &Device) -> Tensor<1, Int> {
    Tensor::from_data(TensorData::new(vec![3_i64, 0, 7, 3], [4]), device)
}

const OPERATIONS: &[Operation] = &[
    ("there and back", |d| values([5, 7], 1, d)),
    ("addition", |d| values([5, 7], 1, d) + values([5, 7], 2, d)),
    ("addition of a row", |d| {
        values([5, 7], 1, d) + values([1, 7], 2, d)
    }),
    ("product 4x8 · 8x4", |d| {
        values([4, 8], 1, d).matmul(values([8, 4], 2, d))
    }),
    ("product 5x7 · 7x3", |d| {
        values([5, 7], 1, d).matmul(values([7, 3], 2, d))
    }),
    ("product 1x64 · 64x64", |d| {
        values([1, 64], 1, d).matmul(values([64, 64], 2, d))
    }),
    ("product 64x64 · 64x64", |d| {
        values([64, 64], 1, d).matmul(values([64, 64], 2, d))
    }),
    ("product 33x65 · 65x31", |d| {
        values([33, 65], 1, d).matmul(values([65, 31], 2, d))
    }),
    ("product 256x256 · 256x256", |d| {
        values([256, 256], 1, d).matmul(values([256, 256], 2, d))
    }),
    ("product with a transpose, 33x64 · (48x64)ᵀ", |d| {
        values([33, 64], 1, d).matmul(values([48, 64], 2, d).transpose())
    }),
    ("product of stacks 2x3x4 · 2x4x5", |d| {
        let a = values([6, 4], 1, d).reshape([2, 3, 4]);
        let b = values([8, 5], 2, d).reshape([2, 4, 5]);
        a.matmul(b).reshape([6, 5])
    }),
    ("sum over rows", |d| values([33, 65], 1, d).sum_dim(0)),
    ("mean over columns", |d| values([33, 65], 1, d).mean_dim(1)),
    ("largest of columns", |d| values([33, 65], 1, d).max_dim(1)),
    ("softmax", |d| softmax(values([33, 65], 1, d), 1)),
    ("log softmax", |d| log_softmax(values([33, 65], 1, d), 1)),
    ("silu", |d| silu(values([33, 65], 1, d))),
    ("square root of squares", |d| {
        values([33, 65], 1, d).square().sqrt()
    }),
    ("rows by number", |d| {
        values([8, 16], 1, d).select(0, ids(d))
    }),
    ("elements by number", |d| {
        values([4, 16], 1, d).gather(1, ids(d).reshape([4, 1]))
    }),
    ("a part", |d| values([9, 16], 1, d).slice([2..7, 3..11])),
    ("parts joined", |d| {
        Tensor::cat(vec![values([3, 4], 1, d), values([2, 4], 2, d)], 0)
    }),
    ("axes exchanged", |d| {
        let stacked = values([6, 8], 1, d).reshape([2, 3, 8]);
        stacked.swap_dims(0, 1).reshape([6, 8])
    }),
    ("gradient of a product's left factor", |d| {
        let d = d.clone().autodiff();
        let x = values([5, 8], 1, &d).require_grad();
        let y = x.clone().matmul(values([8, 6], 2, &d));
        let gradients = (y * values([5, 6], 3, &d)).sum().backward();
        x.grad(&gradients).expect("a gradient")
    }),
    ("gradient of a product's right factor", |d| {
        let d = d.clone().autodiff();
        let w = values([8, 6], 2, &d).require_grad();
        let y = values([5, 8], 1, &d).matmul(w.clone());
        let gradients = (y * values([5, 6], 3, &d)).sum().backward();
        w.grad(&gradients).expect("a gradient")
    }),
    ("gradient of rows by number", |d| {
        let d = d.clone().autodiff();
        let table = values([8, 16], 1, &d).require_grad();
        let rows = table.clone().select(0, ids(&d));
        let gradients = (rows * values([4, 16], 3, &d)).sum().backward();
        table.grad(&gradients).expect("a gradient")
    }),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args()
        .nth(1)
        .ok_or("usage: compare_device DEVICE")?;
    let device = name.parse::<ComputeDevice>()?.open_unchecked()?;
    let mut wrong = 0;
    for (operation, run) in OPERATIONS {
        let read = |tensor: Tensor<2>| -> Vec<f32> { tensor.into_data().iter::<f32>().collect() };
        let expected = read(run(&Device::flex()));
        let found = std::panic::catch_unwind(|| read(run(&device)));
        let Ok(found) = found else {
            wrong += 1;
            println!("PANICS  {operation}");
            continue;
        };
        let differences = expected.iter().zip(&found).map(|(a, b)| (a - b).abs());
        let largest = differences.fold(0.0_f32, f32::max);
        let same = expected.len() == found.len() && largest < 1e-4;
        wrong += usize::from(!same);
        let verdict = if same { "same  " } else { "DIFFERS" };
        println!("{verdict:7} {operation}: {largest:.1e}");
    }
    println!(
        "{wrong} of {} operations differ on {name}",
        OPERATIONS.len()
    );
    Ok(())
}
