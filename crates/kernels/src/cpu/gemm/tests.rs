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
fn error(a: Matrix<'_>, b: Matrix<'_>, before: &[f32], c: &[f32], precision: Precision) -> f64 {
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
    for precision in [Precision::F32, Precision::Bf16] {
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
                            packed.multiply(a, to, Update::Overwrite, Threads::One);
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
        for precision in [Precision::F32, Precision::Bf16] {
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
    gemm(a, b, c, Update::Overwrite, Precision::F32, Threads::All);
    for row in memory.chunks(8) {
        assert_eq!(row[5..], [7.0; 3]);
    }
}
