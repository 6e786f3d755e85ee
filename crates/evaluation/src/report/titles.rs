//! Names and numbers for readers.

use std::time::Duration;

use corpus::language::Language;
use jiff::{Timestamp, tz::TimeZone};

use crate::significance::Confidence;
use crate::task::SHARE;

/// A score with its significant digits and its unit.
pub fn score(value: f64, unit: &str) -> String {
    if unit == SHARE {
        return score(100.0 * value, "%");
    }
    let number = match value.abs() {
        _ if unit == "%" => format!("{value:.1}"),
        size if size >= 1000.0 => count(value.round() as u64),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    };
    if unit.is_empty() {
        number
    } else {
        format!("{number}\u{a0}{unit}")
    }
}

/// A difference between scores with its sign.
pub fn difference(value: f64, unit: &str) -> String {
    if unit == SHARE {
        return difference(100.0 * value, "%");
    }
    let sign = if value < 0.0 { "−" } else { "+" };
    let unit = if unit == "%" { "pp" } else { unit };
    let size = match value.abs() {
        size if size >= 10.0 || unit == "pp" => format!("{size:.1}"),
        size => format!("{size:.3}"),
    };
    if unit.is_empty() {
        format!("{sign}{size}")
    } else {
        format!("{sign}{size}\u{a0}{unit}")
    }
}

/// A 95 % interval of a share, in per cent: `61.6 to 67.6`.
pub fn interval(interval: &Confidence) -> String {
    let [low, high] = [interval.low, interval.high].map(|share| 100.0 * share);
    format!("{low:.1} to {high:.1}")
}

/// A 95 % interval of a difference between shares, in percentage points: `−0.7 to +5.6`.
pub fn difference_interval(interval: &Confidence) -> String {
    let point = |share: f64| difference(share, SHARE).replace("\u{a0}pp", "");
    format!("{} to {}", point(interval.low), point(interval.high))
}

/// A relative change: in per cent, or as a factor if it is large.
pub fn relative(change: f64) -> String {
    match change {
        change if change > 2.0 => format!("×{:.1}", 1.0 + change),
        change if change < 0.0 => format!("−{:.1}\u{a0}%", -100.0 * change),
        change => format!("+{:.1}\u{a0}%", 100.0 * change),
    }
}

/// A p-value.
pub fn p_value(p: f64) -> String {
    if p < 0.001 {
        "<0.001".to_owned()
    } else {
        format!("{p:.3}")
    }
}

/// A whole number with thousands separators.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A duration in its two largest units.
pub fn duration(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds.max(0.0))
        .unwrap_or_default()
        .as_secs();
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A rate with two or three significant digits.
pub fn rate(value: f64) -> String {
    match value {
        value if value >= 100.0 => count(value.round() as u64),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

/// `snake_case` as words.
pub fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// A field of a row in words.
pub fn field(name: &str) -> String {
    if let Some(of) = name.strip_suffix(".translation") {
        return format!("translation of {}", field(of));
    }
    match name {
        "question" => "the question".to_owned(),
        "answer" => "the given answer".to_owned(),
        "generated" => "the model's own answer".to_owned(),
        other => words(other),
    }
}

/// A detail of a stage in words.
pub fn detail(key: &str) -> String {
    if let Ok(language) = Language::parse(key)
        && language.code() == key
    {
        return language.everyday_name().to_owned();
    }
    match key {
        "dictionary_coverage" => "The dictionary translates".to_owned(),
        "from" => "into the source language:".to_owned(),
        "into" => "from the source language:".to_owned(),
        "answers" => "the LLM's own answers".to_owned(),
        "test_rows" => "examples kept for evaluation".to_owned(),
        "evaluation_texts" => "texts of evaluations kept out".to_owned(),
        "held_out_rows" => "examples held out".to_owned(),
        other => words(other),
    }
}

/// A size in memory.
pub fn bytes(bytes: u64) -> String {
    match bytes as f64 {
        size if size >= 1e9 => format!("{:.1}\u{a0}GB", size / 1e9),
        size => format!("{:.0}\u{a0}MB", size / 1e6),
    }
}

/// A moment in seconds since 1970 as `2026-01-31 23:59 UTC`.
pub fn moment(seconds: u64) -> String {
    let moment = i64::try_from(seconds).ok();
    let moment = moment.and_then(|seconds| Timestamp::from_second(seconds).ok());
    let moment = moment.unwrap_or(Timestamp::MAX).to_zoned(TimeZone::UTC);
    moment.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_carry_the_digits_that_say_something() {
        assert_eq!(score(3.21087, ""), "3.211");
        assert_eq!(score(12345.6, ""), "12,346");
        assert_eq!(score(4.25, "%"), "4.2\u{a0}%");
        assert_eq!(score(0.2561, SHARE), "25.6\u{a0}%");
        assert_eq!(difference(0.25, SHARE), "+25.0\u{a0}pp");
        assert_eq!(difference(-0.5, ""), "−0.500");
        assert_eq!(difference(12.34, "%"), "+12.3\u{a0}pp");
        assert_eq!(duration(4000.0), "1 h 6 min");
    }

    #[test]
    fn moments_follow_the_calendar() {
        assert_eq!(moment(0), "1970-01-01 00:00 UTC");
        assert_eq!(moment(951_782_399), "2000-02-28 23:59 UTC");
        assert_eq!(moment(951_782_400), "2000-02-29 00:00 UTC");
        assert_eq!(moment(1_798_761_599), "2026-12-31 23:59 UTC");
    }
}
