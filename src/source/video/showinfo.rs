//! Reading ffmpeg's `showinfo` lines: the exact time of every frame that follows on the pipe.
//!
//! Raw video on a pipe carries no times. `showinfo` prints one line for each frame before the frame is
//! written, with the time as a whole number of the time base (its `pts_time` is rounded to six digits,
//! which is not enough after a few minutes).

/// Seconds of one unit of `pts`, as a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimeBase {
    pub numerator: i64,
    pub denominator: i64,
}

impl TimeBase {
    /// `units` as nanoseconds, exactly up to the last one.
    pub fn nanoseconds(self, units: i64) -> i128 {
        i128::from(units) * i128::from(self.numerator) * 1_000_000_000 / i128::from(self.denominator)
    }
}

/// A line of ffmpeg's log (`-loglevel repeat+level+info`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LogLine {
    TimeBase(TimeBase),
    /// A frame, and its time in units of the time base; `None` where the container has none for it.
    Frame(Option<i64>),
    /// Something is wrong with the file; the whole line.
    Error(String),
    Other,
}

pub(super) fn read_line(line: &str) -> LogLine {
    if line.contains("[error]") || line.contains("[fatal]") || line.contains("[panic]") {
        return LogLine::Error(line.to_owned());
    }
    if !line.starts_with("[Parsed_showinfo") {
        return LogLine::Other;
    }
    if let Some((_, rest)) = line.split_once("config in time_base:") {
        return time_base(rest).map_or(LogLine::Other, LogLine::TimeBase);
    }
    frame(line).map_or(LogLine::Other, LogLine::Frame)
}

fn time_base(rest: &str) -> Option<TimeBase> {
    let (numerator, denominator) = rest.split(',').next()?.trim().split_once('/')?;
    let base = TimeBase { numerator: numerator.parse().ok()?, denominator: denominator.parse().ok()? };
    (base.numerator > 0 && base.denominator > 0).then_some(base)
}

fn frame(line: &str) -> Option<Option<i64>> {
    let (_, fields) = line.split_once("] n:")?;
    Some(field(fields, " pts:")?.parse().ok())
}

/// The word after `key`, which may be padded.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.split_once(key)?.1.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: &str = "[Parsed_showinfo_3 @ 0x55] [info] n:   1 pts:    512 pts_time:0.0333333 pos:     \
                         4505 fmt:rgb24 sar:1/1 s:320x240 i:P iskey:0 type:B ";

    #[test]
    fn a_frame_line_gives_its_time() {
        assert_eq!(read_line(FRAME), LogLine::Frame(Some(512)));
        // ffmpeg 6 and later print the duration too.
        let newer = FRAME.replace("pos:     4505", "duration:    512 duration_time:0.0333333");
        assert_eq!(read_line(&newer), read_line(FRAME));
        let untimed = FRAME.replace("pts:    512", "pts:  NOPTS");
        assert_eq!(read_line(&untimed), LogLine::Frame(None));
    }

    #[test]
    fn the_time_base_turns_units_into_exact_times() {
        let line = "[Parsed_showinfo_3 @ 0x55] [info] config in time_base: 1/15360, frame_rate: 30/1";
        let LogLine::TimeBase(base) = read_line(line) else { panic!("not a time base") };
        assert_eq!(base.nanoseconds(512), 33_333_333);
        assert_eq!(base.nanoseconds(15_360 * 100_000), 100_000_000_000_000);
    }

    #[test]
    fn errors_are_told_from_chatter() {
        let line = "[mov,mp4 @ 0x55] [error] stream 0, offset 0x40: partial file";
        assert_eq!(read_line(line), LogLine::Error(line.to_owned()));
        for chatter in [
            "[info] Stream mapping:",
            "[Parsed_showinfo_3 @ 0x55] [info]   side data - User Data Unregistered:",
            "[Parsed_showinfo_3 @ 0x55] [info] config out time_base: 0/0, frame_rate: 0/0",
            "",
        ] {
            assert_eq!(read_line(chatter), LogLine::Other, "{chatter}");
        }
    }
}
