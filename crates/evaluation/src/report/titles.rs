//! Names and numbers as a reader wants them.

use std::time::Duration;

use corpus::language::Language;

/// What a task asks, e.g. `Translation, English → Portuguese`.
pub fn task(name: &str) -> String {
    let language = |code: &str| match Language::parse(code) {
        Ok(language) => language.everyday_name().to_owned(),
        Err(_) => code.to_owned(),
    };
    if let Some(code) = name.strip_prefix("off_target_") {
        return format!("Answers to {} questions", language(code));
    }
    if let Some(code) = name.strip_prefix("perplexity_") {
        return format!("{} text", language(code));
    }
    let pair = name
        .strip_prefix("translation_")
        .and_then(|pair| pair.split_once('-'));
    if let Some((from, to)) = pair {
        return format!("Translation, {} → {}", language(from), language(to));
    }
    if let Some(rest) = name.strip_prefix("held_out_loss_") {
        if let Ok(known) = Language::parse(rest) {
            return format!("Held-out answers in {}", known.everyday_name());
        }
        return match rest.split_once('_') {
            Some((subset, code)) => format!("Held-out {subset} examples, {}", language(code)),
            None => format!("Held-out {rest} examples"),
        };
    }
    name.to_owned()
}

/// The heading that a task's rows stand under in a table of scores.
pub fn group(name: &str) -> String {
    if name.starts_with("held_out_loss_") {
        return "Held-out answers, loss per token".to_owned();
    }
    task(name)
}

/// The name of a row under [`group`].
pub fn row(name: &str, measure: &str) -> String {
    if !name.starts_with("held_out_loss_") {
        return measure.to_owned();
    }
    let title = task(name);
    let title = title.strip_prefix("Held-out ").unwrap_or(&title);
    title.replacen("answers in", "reference answers in", 1)
}

/// A score with as many digits as say something, and its unit.
pub fn score(value: f64, unit: &str) -> String {
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

/// A difference of scores with its sign.
pub fn difference(value: f64, unit: &str) -> String {
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

/// A relative change: per cent, or a factor where that says more.
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

/// A whole number with its thousands apart.
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

/// A rate with two or three digits.
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

/// A moment in seconds since 1970 as `2026-01-31 23:59 UTC` (civil calendar after Hinnant).
pub fn moment(seconds: u64) -> String {
    let (days, rest) = ((seconds / 86_400) as i64, seconds % 86_400);
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!(
        "{year}-{month:02}-{day:02} {:02}:{:02} UTC",
        rest / 3600,
        rest % 3600 / 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_named_for_readers() {
        assert_eq!(
            task("off_target_por_Latn"),
            "Answers to Portuguese questions"
        );
        assert_eq!(
            task("translation_eng_Latn-por_Latn"),
            "Translation, English → Portuguese"
        );
        assert_eq!(
            task("held_out_loss_por_Latn"),
            "Held-out answers in Portuguese"
        );
        assert_eq!(task("held_out_loss_LL"), "Held-out LL examples");
        assert_eq!(
            task("held_out_loss_TT_por_Latn"),
            "Held-out TT examples, Portuguese"
        );
    }

    #[test]
    fn numbers_carry_the_digits_that_say_something() {
        assert_eq!(score(3.21087, ""), "3.211");
        assert_eq!(score(12345.6, ""), "12,346");
        assert_eq!(score(4.25, "%"), "4.2\u{a0}%");
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
