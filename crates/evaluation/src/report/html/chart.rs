//! Line charts as inline SVG.

use maud::{Markup, PreEscaped, html};

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 42.0;

/// A curve.
pub struct Series {
    /// Name in the legend.
    pub name: String,
    /// CSS class, for its colour.
    pub class: String,
    /// Points (x, y) in the order of x.
    pub points: Vec<(f64, f64)>,
    /// Intervals (x, low, high).
    pub intervals: Vec<(f64, f64, f64)>,
}

/// Curves with common axes.
pub struct LineChart<'a> {
    pub title: &'a str,
    pub x_label: &'a str,
    pub y_label: &'a str,
    pub series: Vec<Series>,
    /// Whether each point has a marker.
    pub markers: bool,
    /// What else is to be said of the curves.
    pub note: Option<String>,
}

impl LineChart<'_> {
    pub fn render(&self) -> Markup {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let (x_low, x_high) = extent(points().map(|point| point.0));
        let intervals = self.series.iter().flat_map(|series| &series.intervals);
        let ends = intervals.flat_map(|(_, low, high)| [*low, *high]);
        let (low, high) = extent(points().map(|point| point.1).chain(ends));
        let y_ticks = ticks(low, high, 5);
        let (y_low, y_high) = (
            low.min(y_ticks[0]),
            high.max(*y_ticks.last().unwrap_or(&high)),
        );
        let x_ticks: Vec<f64> = ticks(x_low, x_high, 6)
            .into_iter()
            .filter(|&x| x >= x_low && x <= x_high)
            .collect();
        let x = |value: f64| LEFT + (WIDTH - LEFT - RIGHT) * (value - x_low) / (x_high - x_low);
        let y = |value: f64| TOP + (HEIGHT - TOP - BOTTOM) * (y_high - value) / (y_high - y_low);
        let path = |series: &Series| {
            let points = series
                .points
                .iter()
                .map(|&(px, py)| format!("{:.1},{:.1}", x(px), y(py)));
            points.collect::<Vec<_>>().join(" ")
        };
        let few = |series: &Series| self.markers && series.points.len() <= 40;
        html! {
            figure.chart {
                figcaption { (self.title) span.unit { (self.y_label) } }
                svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(self.title) {
                    @for &tick in &y_ticks {
                        line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(fixed(y(tick))) y2=(fixed(y(tick))) {}
                        text.tick x=(LEFT - 8.0) y=(fixed(y(tick) + 4.0)) text-anchor="end" { (label(tick, &y_ticks)) }
                    }
                    @for &tick in &x_ticks {
                        line.notch x1=(fixed(x(tick))) x2=(fixed(x(tick))) y1=(HEIGHT - BOTTOM) y2=(HEIGHT - BOTTOM + 4.0) {}
                        text.tick x=(fixed(x(tick))) y=(HEIGHT - BOTTOM + 18.0) text-anchor="middle" { (label(tick, &x_ticks)) }
                    }
                    line.axis x1=(LEFT) x2=(WIDTH - RIGHT) y1=(HEIGHT - BOTTOM) y2=(HEIGHT - BOTTOM) {}
                    text.name x=(LEFT + (WIDTH - LEFT - RIGHT) / 2.0) y=(HEIGHT - 6.0) text-anchor="middle" { (self.x_label) }
                    @for series in &self.series {
                        @for &(at, low, high) in &series.intervals {
                            line class={ "interval " (series.class) } x1=(fixed(x(at))) x2=(fixed(x(at))) y1=(fixed(y(low))) y2=(fixed(y(high))) {
                                title { (series.name) ": " (format!("{low:.1} to {high:.1}")) " at " (at) }
                            }
                        }
                        polyline class=(series.class) points=(path(series)) { title { (series.name) } }
                        @if few(series) || series.points.len() == 1 {
                            @for &(px, py) in &series.points {
                                circle class=(series.class) cx=(fixed(x(px))) cy=(fixed(y(py))) r="3.2" {
                                    title { (series.name) ": " (format!("{py:.3}")) " at " (px) }
                                }
                            }
                        }
                    }
                }
                p.legend { @for series in &self.series {
                    span.curve {
                        (PreEscaped("<svg viewBox=\"0 0 22 8\" aria-hidden=\"true\">"))
                        line class=(series.class) x1="1" x2="21" y1="4" y2="4" {}
                        (PreEscaped("</svg>"))
                        (series.name)
                        @if let Some((_, last)) = series.points.last() { span.small { (format!(" {last:.2}")) } }
                    }
                } }
                @if let Some(note) = &self.note { p.small { (note) } }
            }
        }
    }
}

/// Minimum and maximum, never equal.
fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    match high - low {
        span if span > 0.0 => (low, high),
        _ if low.is_finite() => (low - 0.5, high + 0.5),
        _ => (0.0, 1.0),
    }
}

/// About `wanted` round values from just below `low` to just above `high`.
fn ticks(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    let rough = (high - low) / wanted as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|&step| step >= rough)
        .unwrap_or(10.0 * power);
    let first = (low / step).floor() as i64;
    let last = (high / step).ceil() as i64;
    (first..=last).map(|index| index as f64 * step).collect()
}

/// The label of a tick, with enough digits to differ from its neighbours.
fn label(tick: f64, ticks: &[f64]) -> String {
    let step = match ticks {
        [first, second, ..] => second - first,
        _ => 1.0,
    };
    let mut digits = 0;
    let is_whole = |value: f64| (value - value.round()).abs() < 1e-6;
    while digits < 4 && !is_whole(step * 10f64.powi(digits)) {
        digits += 1;
    }
    format!("{tick:.*}", digits as usize)
}

fn fixed(value: f64) -> String {
    format!("{value:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_cover_the_values() {
        let found = ticks(1.83, 4.21, 5);
        assert_eq!(found, [1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5]);
        assert_eq!(label(2.5, &found), "2.5");
        // 0.6 − 0.4 is a little less than 0.2.
        assert_eq!(label(0.6, &[0.4, 0.6]), "0.6");
        assert_eq!(ticks(0.0, 400.0, 6), [0.0, 100.0, 200.0, 300.0, 400.0]);
    }

    #[test]
    fn a_single_point_makes_a_chart() {
        let series = vec![Series {
            name: "LL".into(),
            class: "s-0".into(),
            points: vec![(0.0, 2.0)],
            intervals: Vec::new(),
        }];
        let chart = LineChart {
            title: "t",
            x_label: "x",
            y_label: "y",
            series,
            markers: true,
            note: None,
        };
        let svg = chart.render().into_string();
        assert!(
            svg.contains("<circle") && !svg.contains("NaN") && !svg.contains("inf"),
            "{svg}"
        );
    }
}
