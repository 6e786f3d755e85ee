//! Confidence intervals of means over answers.

use artefacts::training::Interval;

/// 97.5 % point of the standard normal distribution.
const Z: f64 = 1.959_964;

/// The interval of a share of `answers` (Wilson 1927): not empty if none or all have the property.
/// `None` without answers.
pub fn of_share(share: f64, answers: usize) -> Option<Interval> {
    let count = answers as f64;
    let squared = Z * Z / count;
    let centre = (share + squared / 2.0) / (1.0 + squared);
    let spread = share * (1.0 - share) / count + squared / (4.0 * count);
    let half = Z * spread.sqrt() / (1.0 + squared);
    (answers > 0).then(|| Interval {
        answers,
        low: (centre - half).max(0.0),
        high: (centre + half).min(1.0),
    })
}

/// The interval of the mean of `values` by their standard error; `None` for fewer than two.
pub fn of_mean(values: &[f64]) -> Option<Interval> {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let half = Z * (squares / (count - 1.0) / count).sqrt();
    (values.len() > 1).then_some(Interval {
        answers: values.len(),
        low: mean - half,
        high: mean + half,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(interval: Option<Interval>, [low, high]: [f64; 2]) {
        let Interval {
            low: own_low,
            high: own_high,
            ..
        } = interval.unwrap();
        assert!((own_low - low).abs() < 1e-4, "{own_low}");
        assert!((own_high - high).abs() < 1e-4, "{own_high}");
    }

    /// SciPy: `binomtest(count, 48).proportion_ci(method="wilson")`.
    #[test]
    fn shares_have_wilsons_interval() {
        close(of_share(0.0, 48), [0.0, 0.074_10]);
        close(of_share(12.0 / 48.0, 48), [0.149_21, 0.387_84]);
        close(of_share(1.0, 48), [0.925_90, 1.0]);
        assert_eq!(of_share(f64::NAN, 0), None);
    }

    #[test]
    fn means_have_the_interval_of_their_standard_error() {
        // The standard deviation of 1, 2, 3, 4 is √(5/3).
        let half = Z * (5.0f64 / 3.0 / 4.0).sqrt();
        close(of_mean(&[1.0, 2.0, 3.0, 4.0]), [2.5 - half, 2.5 + half]);
        assert_eq!(of_mean(&[1.0]), None);
        assert_eq!(of_mean(&[]), None);
    }
}
