//! Numbers and times as text.

use std::time::Duration;

/// A time of less than a second or so as milliseconds with three digits.
pub fn milliseconds(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    match ms {
        ms if ms >= 99.5 => format!("{ms:.0} ms"),
        ms if ms >= 9.95 => format!("{ms:.1} ms"),
        ms => format!("{ms:.2} ms"),
    }
}

/// A longer time in its two largest units.
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, 1..10) => format!("{minutes} min {:02} s", seconds % 60),
        (0, _) => format!("{minutes} min"),
        (1..48, _) => format!("{hours} h {minutes:02} min"),
        _ => format!("{} days {} h", hours / 24, hours % 24),
    }
}

/// A whole number with a thin space before each group of three digits.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// Media time as minutes, seconds and tenths.
pub fn clock(time: Duration) -> String {
    let tenths = time.as_millis() / 100;
    let (minutes, seconds, tenth) = (tenths / 600, tenths / 10 % 60, tenths % 10);
    match minutes / 60 {
        0 => format!("{minutes}:{seconds:02}.{tenth}"),
        hours => format!("{hours}:{:02}:{seconds:02}.{tenth}", minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_for_people() {
        assert_eq!(milliseconds(Duration::from_micros(2_346)), "2.35 ms");
        assert_eq!(milliseconds(Duration::from_micros(23_460)), "23.5 ms");
        assert_eq!(milliseconds(Duration::from_millis(234)), "234 ms");
        assert_eq!(span(Duration::from_millis(41_600)), "42 s");
        assert_eq!(span(Duration::from_secs(185)), "3 min 05 s");
        assert_eq!(span(Duration::from_secs(1_260)), "21 min");
        assert_eq!(span(Duration::from_secs(7_500)), "2 h 05 min");
        assert_eq!(span(Duration::from_secs(200_000)), "2 days 7 h");
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(thousands),
            ["0", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]
        );
        assert_eq!(clock(Duration::from_millis(3_250)), "0:03.2");
        assert_eq!(clock(Duration::from_millis(3_723_400)), "1:02:03.4");
    }
}
