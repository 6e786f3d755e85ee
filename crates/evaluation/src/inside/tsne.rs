//! t-SNE (van der Maaten and Hinton 2008), exact, for a few hundred points.

use corpus::sampling::Stream;

/// Effective number of neighbours of a point.
const PERPLEXITY: f64 = 30.0;
/// Steps of gradient descent, and how many of them exaggerate the neighbours.
const STEPS: usize = 500;
const EXAGGERATED: usize = 125;
const EXAGGERATION: f64 = 12.0;

/// Places in the plane for `points`, centred on 0. The same seed gives the same places.
pub fn tsne(points: &[Vec<f32>], seed: u64) -> Vec<[f64; 2]> {
    let count = points.len();
    if count < 3 {
        return vec![[0.0, 0.0]; count];
    }
    let near = neighbours(points);
    let mut random = Stream::new(seed, "t-SNE");
    let mut small = || 1e-2 * (random.uniform() - 0.5);
    let mut places: Vec<[f64; 2]> = (0..count).map(|_| [small(), small()]).collect();
    let mut speeds = vec![[0.0; 2]; count];
    let mut gains = vec![[1.0_f64; 2]; count];
    let rate = (count as f64 / EXAGGERATION / 4.0).max(50.0);
    for step in 0..STEPS {
        let (exaggeration, momentum) = match step < EXAGGERATED {
            true => (EXAGGERATION, 0.5),
            false => (1.0, 0.8),
        };
        let slopes = slopes(&places, &near, exaggeration);
        for at in 0..count {
            for axis in 0..2 {
                let (slope, speed) = (slopes[at][axis], &mut speeds[at][axis]);
                let gain = &mut gains[at][axis];
                *gain = match slope * *speed < 0.0 {
                    true => *gain + 0.2,
                    false => (0.8 * *gain).max(0.01),
                };
                *speed = momentum * *speed - rate * *gain * slope;
                places[at][axis] += *speed;
            }
        }
    }
    for axis in 0..2 {
        let mean = places.iter().map(|place| place[axis]).sum::<f64>() / count as f64;
        places.iter_mut().for_each(|place| place[axis] -= mean);
    }
    places
}

/// The slope of the divergence at every place.
fn slopes(places: &[[f64; 2]], near: &[f64], exaggeration: f64) -> Vec<[f64; 2]> {
    let count = places.len();
    let mut kernel = vec![0.0; count * count];
    for one in 0..count {
        for other in 0..one {
            let [x, y] = [0, 1].map(|axis| places[one][axis] - places[other][axis]);
            let value = 1.0 / (1.0 + x * x + y * y);
            kernel[one * count + other] = value;
            kernel[other * count + one] = value;
        }
    }
    let total = kernel.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let mut slopes = vec![[0.0; 2]; count];
    for one in 0..count {
        for other in 0..count {
            let value = kernel[one * count + other];
            let force = (exaggeration * near[one * count + other] - value / total) * value;
            for axis in 0..2 {
                slopes[one][axis] += 4.0 * force * (places[one][axis] - places[other][axis]);
            }
        }
    }
    slopes
}

/// Symmetric probabilities that two points are neighbours, row after row; their sum is 1.
fn neighbours(points: &[Vec<f32>]) -> Vec<f64> {
    let count = points.len();
    let wanted = PERPLEXITY.min((count - 1) as f64 / 3.0).max(1.0).ln();
    let mut near = vec![0.0; count * count];
    for one in 0..count {
        let distances: Vec<f64> = points
            .iter()
            .map(|other| {
                let pairs = points[one].iter().zip(other);
                pairs
                    .map(|(one, other)| f64::from(one - other).powi(2))
                    .sum()
            })
            .collect();
        let row = conditional(&distances, one, wanted);
        for (other, probability) in row.into_iter().enumerate() {
            let share = probability / (2.0 * count as f64);
            near[one * count + other] += share;
            near[other * count + one] += share;
        }
    }
    near
}

/// The probabilities of neighbours at squared `distances` from the point `own`, with the entropy
/// `wanted`, found by bisection of the precision.
fn conditional(distances: &[f64], own: usize, wanted: f64) -> Vec<f64> {
    let others = distances.iter().enumerate().filter(|(at, _)| *at != own);
    let least = others
        .clone()
        .map(|(_, distance)| *distance)
        .fold(f64::INFINITY, f64::min);
    let mean = others.map(|(_, distance)| *distance).sum::<f64>() / (distances.len() - 1) as f64;
    let mut precision = 1.0 / mean.max(f64::MIN_POSITIVE);
    let (mut low, mut high) = (0.0, f64::INFINITY);
    let mut row = vec![0.0; distances.len()];
    for _ in 0..64 {
        for (at, distance) in distances.iter().enumerate() {
            row[at] = match at == own {
                true => 0.0,
                false => (-precision * (distance - least)).exp(),
            };
        }
        let total: f64 = row.iter().sum();
        row.iter_mut().for_each(|value| *value /= total);
        let entropy: f64 = row.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
        if (entropy - wanted).abs() < 1e-5 {
            break;
        }
        match entropy > wanted {
            true => low = precision,
            false => high = precision,
        }
        precision = match high.is_finite() {
            true => (low + high) / 2.0,
            false => 2.0 * precision,
        };
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_stay_together() {
        let mut random = Stream::new(3, "points");
        let mut point = |centre: f32| -> Vec<f32> {
            (0..8).map(|_| centre + random.uniform() as f32).collect()
        };
        let points: Vec<Vec<f32>> = (0..60)
            .map(|at| point(if at < 30 { 0.0 } else { 9.0 }))
            .collect();
        let places = tsne(&points, 1);
        assert_eq!(places, tsne(&points, 1), "the same seed");
        let distance = |one: usize, other: usize| {
            let [x, y] = [0, 1].map(|axis| places[one][axis] - places[other][axis]);
            x * x + y * y
        };
        for one in 0..60 {
            let others = (0..60).filter(|other| *other != one);
            let nearest = others.min_by(|a, b| distance(one, *a).total_cmp(&distance(one, *b)));
            assert_eq!(
                nearest.map(|other| other < 30),
                Some(one < 30),
                "point {one}"
            );
        }
    }

    #[test]
    fn entropy_is_that_of_the_perplexity() {
        let distances: Vec<f64> = (0..50).map(|at| f64::from(at * at)).collect();
        let row = conditional(&distances, 0, 10.0_f64.ln());
        let entropy: f64 = row.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
        assert!((entropy.exp() - 10.0).abs() < 1e-3, "{}", entropy.exp());
        assert_eq!(row[0], 0.0);
    }
}
