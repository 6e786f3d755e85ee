use super::*;

fn values(count: usize, seed: usize) -> Vec<f32> {
    (0..count)
        .map(|i| (((i + seed) * 7919 % 1013) as f32 / 506.5) - 1.0)
        .collect()
}

/// A dense [rows, columns] factor, stored transposed or not.
fn factor(data: &[f32], rows: usize, columns: usize, transposed: bool) -> Matrix<'_> {
    if transposed {
        Matrix::dense(data, columns, rows).transposed()
    } else {
        Matrix::dense(data, rows, columns)
    }
}

/// Largest deviation of `c` from `before` + A · B summed in f64, of rounded factors.
fn error(a: Matrix<'_>, b: Matrix<'_>, before: &[f32], c: &[f32], precision: Factors) -> f64 {
    let at = |m: Matrix<'_>, row: usize, column: usize| {
        let value = m.data[row * m.row_stride + column * m.column_stride];
        f64::from(fallback::rounded(value, precision))
    };
    let mut worst = 0.0_f64;
    for row in 0..a.rows {
        for column in 0..b.columns {
            let products = (0..a.columns).map(|k| at(a, row, k) * at(b, k, column));
            let index = row * b.columns + column;
            let exact = f64::from(before[index]) + products.sum::<f64>();
            worst = worst.max((exact - f64::from(c[index])).abs());
        }
    }
    worst
}

#[test]
fn products_are_right_on_odd_sizes() {
    for precision in [Factors::F32, Factors::Bf16] {
        for m in [1, 2, 13, 14, 15, 17, 31, 67] {
            for n in [1, 15, 16, 17, 31, 33, 67] {
                for k in [0, 1, 2, 15, 17, 33, 67] {
                    let (left, right) = (values(m * k, 1), values(k * n, 2));
                    for layout in 0..4 {
                        let a = factor(&left, m, k, layout & 1 == 1);
                        let b = factor(&right, k, n, layout & 2 == 2);
                        let before = values(m * n, 3);
                        let bound = 1e-6 * (k as f64 + 1.0);

                        let mut c = before.clone();
                        let to = MatrixMut::dense(&mut c, m, n);
                        gemm(a, b, to, Update::Add, precision, Threads::All);
                        assert!(error(a, b, &before, &c, precision) < bound, "{m} {n} {k}");

                        let mut c = before.clone();
                        let to = MatrixMut::dense(&mut c, m, n);
                        fallback::gemm(a, b, to, Update::Add, precision, Threads::One);
                        assert!(error(a, b, &before, &c, precision) < bound, "{m} {n} {k}");

                        for packed in [
                            PackedMatrix::new(b, precision),
                            PackedMatrix::plain(b, precision),
                        ] {
                            let mut c = vec![f32::NAN; m * n];
                            let to = MatrixMut::dense(&mut c, m, n);
                            packed.multiply(a, to, Finish::of(Update::Overwrite), Threads::One);
                            let nothing = vec![0.0; m * n];
                            let error = error(a, b, &nothing, &c, precision);
                            assert!(error < bound, "packed {m} {n} {k}");
                        }
                    }
                }
            }
        }
    }
}

/// Factors larger than scratch holds, along each axis, with several passes along k.
#[test]
fn products_in_parts_are_right() {
    for (m, n, k) in [(3, 5003, 701), (5003, 3, 701), (3, 2, 1_100_003)] {
        let (left, right) = (values(m * k, 1), values(k * n, 2));
        for precision in [Factors::F32, Factors::Bf16] {
            for transposed in [false, true] {
                let a = factor(&left, m, k, transposed);
                let b = factor(&right, k, n, !transposed);
                let mut c = vec![f32::NAN; m * n];
                let to = MatrixMut::dense(&mut c, m, n);
                gemm(a, b, to, Update::Overwrite, precision, Threads::All);
                let error = error(a, b, &vec![0.0; m * n], &c, precision);
                assert!(
                    error < 1e-5 * (k as f64).sqrt() * 8.0,
                    "{m} {n} {k}: {error}"
                );
            }
        }
    }
}

/// The memory between the rows of a result belongs to others.
#[test]
fn gaps_between_rows_are_left_alone() {
    let (left, right) = (values(20 * 9, 1), values(9 * 5, 2));
    let mut memory = vec![7.0; 20 * 8];
    // SAFETY: 20 rows of 5 elements, 8 apart, lie in 160 elements.
    let c = unsafe { MatrixMut::from_raw(memory.as_mut_ptr(), 20, 5, 8) };
    let (a, b) = (Matrix::dense(&left, 20, 9), Matrix::dense(&right, 9, 5));
    gemm(a, b, c, Update::Overwrite, Factors::F32, Threads::All);
    for row in memory.chunks(8) {
        assert_eq!(row[5..], [7.0; 3]);
    }
}

/// Of bias, cut and former content, on odd sizes and from the middle of the columns on.
#[test]
fn products_are_finished() {
    for (m, n, k) in [(1, 33, 7), (14, 64, 385), (17, 97, 800), (67, 130, 33)] {
        let (left, right) = (values(m * k, 1), values(k * n, 2));
        let (before, bias) = (values(m * n, 3), values(n, 4));
        let a = Matrix::dense(&left, m, k);
        let weight = Matrix::dense(&right, n, k);
        for (packed, bound) in [
            (
                PackedMatrix::new(weight.transposed(), Factors::F32),
                1e-6 * (k + 1) as f64,
            ),
            (
                PackedMatrix::plain(weight.transposed(), Factors::F32),
                1e-6 * (k + 1) as f64,
            ),
            (
                PackedMatrix::new(weight.transposed(), Factors::Bf16),
                0.01 * k as f64,
            ),
            (PackedMatrix::int8(weight), 0.01 * k as f64),
        ] {
            let prepared = packed.prepare(a, Threads::One);
            for (range, update, relu) in
                [(0..n, Update::Add, false), (32..n, Update::Overwrite, true)]
            {
                let mut c: Vec<f32> = (0..m)
                    .flat_map(|row| before[row * n..][..n][range.clone()].to_vec())
                    .collect();
                let finish = Finish {
                    update,
                    bias: Some(&bias[range.clone()]),
                    relu,
                };
                let to = MatrixMut::dense(&mut c, m, range.len());
                packed.multiply_columns(&prepared, range.clone(), to, finish, Threads::All);
                for row in 0..m {
                    for column in range.clone() {
                        let at = |values: &[f32], index: usize| f64::from(values[index]);
                        let products =
                            (0..k).map(|i| at(&left, row * k + i) * at(&right, column * k + i));
                        let mut exact = products.sum::<f64>() + at(&bias, column);
                        if update == Update::Add {
                            exact += at(&before, row * n + column);
                        }
                        let exact = if relu { exact.max(0.0) } else { exact };
                        let found = f64::from(c[row * range.len() + column - range.start]);
                        assert!(
                            (found - exact).abs() < bound,
                            "{m} {n} {k}: {found} {exact}"
                        );
                    }
                }
            }
        }
    }
}

/// The form of the processor gives the bits of the plain one, and both are near the real product.
#[test]
fn products_of_bytes_are_exact() {
    for (m, n, k) in [
        (1, 1, 1),
        (3, 31, 17),
        (14, 32, 64),
        (15, 33, 1031),
        (67, 130, 257),
    ] {
        let (left, right) = (values(m * k, 1), values(k * n, 2));
        let a = Matrix::dense(&left, m, k);
        let weight = Matrix::dense(&right, n, k);
        let bias = values(n, 5);
        let results = [Int8Matrix::new(weight), Int8Matrix::plain(weight)].map(|matrix| {
            let mut c = values(m * n, 3);
            let finish = Finish {
                update: Update::Add,
                bias: Some(&bias),
                relu: false,
            };
            let prepared = matrix.prepare(a, Threads::All);
            let to = MatrixMut::dense(&mut c, m, n);
            matrix.multiply(&prepared, 0..n, to, finish, Threads::All);
            let mut column = vec![f32::NAN; k];
            matrix.column(n - 1, &mut column);
            (c, column)
        });
        assert_eq!(results[0], results[1], "{m} {n} {k}");
        for (found, exact) in results[0].1.iter().zip(&right[(n - 1) * k..]) {
            assert!((found - exact).abs() <= 0.5 / 127.0 + 1e-6);
        }
    }
}

/// Neither zeros nor what is no number stop a product of bytes.
#[test]
fn bytes_take_any_number() {
    let left = [0.0, 0.0, f32::NAN, 1.0, f32::INFINITY, 1.0, 1.0, -1.0];
    let right = [1.0, 2.0, 0.0, 0.0];
    let matrix = PackedMatrix::int8(Matrix::dense(&right, 2, 2));
    let mut c = [7.0; 8];
    let to = MatrixMut::dense(&mut c, 4, 2);
    matrix.multiply(
        Matrix::dense(&left, 4, 2),
        to,
        Finish::of(Update::Overwrite),
        Threads::One,
    );
    assert_eq!(c[..2], [0.0; 2]);
    assert!((c[6] + 1.0).abs() < 0.02 && c[7] == 0.0, "{c:?}");
}
