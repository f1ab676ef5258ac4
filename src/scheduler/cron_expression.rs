//! Cron expressions in a time zone, and the times they name.
//!
//! The parsing and the calendar are `croner`'s. It is only ever asked about a clock that never changes; what happens
//! when the clocks of a zone change is decided here, because `croner`'s own rules skip or repeat a list of hours
//! (`30 2,14 * * *`) and lose a time whose gap ends on another day. The zones are the ones bundled with `jiff`, so
//! that an expression means the same on every machine.

use std::fmt;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

/// Why a cron expression was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CronExpressionError {
    /// The text is no cron expression.
    #[error("`{expression}` is not a cron expression: {reason}")]
    Malformed {
        /// The text as it was given.
        expression: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No time zone of this name is known.
    #[error("`{time_zone}` is not the name of a time zone")]
    UnknownTimeZone {
        /// The name as it was given.
        time_zone: String,
    },
    /// The expression is well formed and names no day of any year, such as 30 February.
    #[error("the cron expression `{expression}` never runs")]
    NeverRuns {
        /// The text as it was given.
        expression: String,
    },
}

/// A cron expression in a time zone, checked.
///
/// # Syntax
///
/// Five fields: minute, hour, day of month, month, day of week (0 to 7, Sunday is both 0 and 7), or six with the
/// second first. A field is `*`, a number, a range `1-5`, a step `*/15` or `10-40/5`, or a list of those. Months and
/// days of the week may be named (`JAN`, `MON`). The day of month knows `L` (the last) and `15W` (the working day
/// nearest to the 15th), the day of week `5#2` (the second Friday) and `5L` (the last). `@hourly`, `@daily`,
/// `@weekly`, `@monthly` and `@yearly` stand for their five fields.
///
/// When both the day of month and the day of week are given, a day that matches either runs, as in Unix cron; a `+`
/// before the day of week asks for both (`0 9 13 * +FRI`).
///
/// # When the clocks change
///
/// An expression whose hours are numbers (`30 2 * * *`, `0 9,17 * * *`, `*/15 2 * * *`) names hours of the day. One
/// whose hours have a wildcard, a range or a step (`*/15 * * * *`, `0 * * * *`, `0 9-17 * * *`) names a rhythm.
///
/// - A time that is skipped when the clocks go forward runs as much later as the clocks were moved, which is as long
///   after the run before as it would be on any other day: 02:30 in Berlin runs at 03:30 summer time that day. If the
///   expression names that later time too, the two are one run. A rhythm that has runs of its own in that time is
///   left alone, so that it gets no denser.
/// - A time that comes twice when the clocks go back runs once, the first time, if hours are named. A rhythm runs both
///   times: every 15 minutes stays every 15 minutes.
///
/// # Range
///
/// Times up to the end of the year 5000 are found, and nothing after it. Runs fall on whole seconds.
#[derive(Clone, PartialEq)]
pub struct CronExpression {
    cron: Cron,
    zone: TimeZone,
    names_hours: bool,
}

impl CronExpression {
    /// Checks an expression and the IANA name of its time zone, such as `Europe/Berlin` or `UTC`.
    ///
    /// # Errors
    ///
    /// If the expression is malformed or never runs, or if no time zone has that name.
    pub fn new(expression: &str, time_zone: &str) -> Result<Self, CronExpressionError> {
        // One blank between fields, so that spacing makes no difference to equality and display.
        let text = expression.split_whitespace().collect::<Vec<_>>().join(" ");
        let malformed = |reason: String| CronExpressionError::Malformed { expression: expression.to_owned(), reason };
        // `croner` passes over an empty item, and looks for the minutes of a list that has no others for 3000 years.
        if text.split([' ', ',']).any(str::is_empty) {
            return Err(malformed("a field or an item of a list is empty".to_owned()));
        }
        let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let cron = parser.parse(&text).map_err(|error| malformed(error.to_string()))?;
        let zone = TimeZoneDatabase::bundled()
            .get(time_zone)
            .ok()
            .filter(|zone| !zone.is_unknown())
            .ok_or_else(|| CronExpressionError::UnknownTimeZone { time_zone: time_zone.to_owned() })?;
        // The calendar repeats every 400 years, so whatever runs at all runs after any fixed day.
        if cron.find_next_occurrence(&DateTime::constant(2000, 1, 1, 0, 0, 0, 0), true).is_err() {
            return Err(CronExpressionError::NeverRuns { expression: expression.to_owned() });
        }
        // Counted from the end, where the second at the front makes no difference.
        let hours = cron.as_str().split(' ').rev().nth(3).unwrap_or_default();
        let names_hours = hours.chars().all(|character| character.is_ascii_digit() || character == ',');
        Ok(Self { cron, zone, names_hours })
    }

    /// The first time strictly after `after_millis`, both in milliseconds since the Unix epoch.
    ///
    /// `None` if there is none: past the year 5000, or if `after_millis` is outside of the years -9999 to 9999.
    pub fn next_after(&self, after_millis: i64) -> Option<i64> {
        let mut from = Timestamp::from_second(after_millis.div_euclid(1000) + 1).ok()?;
        loop {
            let stretch = Stretch::around(&self.zone, from);
            let regular = self.first_on_clock(stretch.offset, from.max(self.first_regular(&stretch)));
            let made_up = self.first_made_up(&stretch, from);
            if let Some(found) = [regular, made_up].into_iter().flatten().filter(|time| *time < stretch.end).min() {
                return Some(found.as_millisecond());
            }
            // A clock that shows no more matching times ends the search; otherwise they are past the next change.
            if regular.is_none() || stretch.end == Timestamp::MAX {
                return None;
            }
            from = stretch.end;
        }
    }

    /// From when on the times of the stretch count: named hours do not run again where the clocks were put back.
    fn first_regular(&self, stretch: &Stretch) -> Timestamp {
        if self.names_hours { later(stretch.start, -stretch.clocks_moved()) } else { stretch.start }
    }

    /// The first time, not before `from`, of those that were skipped at the start of the stretch and are made up for.
    fn first_made_up(&self, stretch: &Stretch, from: Timestamp) -> Option<Timestamp> {
        let end = later(stretch.start, stretch.clocks_moved());
        if from >= end {
            return None;
        }
        // A rhythm that goes on by itself right after the gap would only get denser.
        if !self.names_hours && self.first_on_clock(stretch.offset, stretch.start).is_some_and(|time| time < end) {
            return None;
        }
        self.first_on_clock(stretch.offset_before, from).filter(|time| *time < end)
    }

    /// The first match, not before `from`, on a clock that is always `offset` away from UTC.
    fn first_on_clock(&self, offset: Offset, from: Timestamp) -> Option<Timestamp> {
        let found = self.cron.find_next_occurrence(&offset.to_datetime(from), true).ok()?;
        offset.to_timestamp(found).ok()
    }
}

/// The fields with numbers for names, then the time zone: `0 9 * * 1-5 Europe/Berlin`.
impl fmt::Display for CronExpression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.cron.as_str(), self.zone.iana_name().unwrap_or("UTC"))
    }
}

/// What [`Display`](fmt::Display) shows, for `croner` would show a bit for each of 5000 years.
impl fmt::Debug for CronExpression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CronExpression({self})")
    }
}

/// The time between two changes of the clocks of a zone.
struct Stretch {
    start: Timestamp,
    end: Timestamp,
    offset: Offset,
    offset_before: Offset,
}

impl Stretch {
    fn around(zone: &TimeZone, time: Timestamp) -> Self {
        // Asked from a second later, for a change at the time itself starts the stretch.
        let start = zone.preceding(later(time, 1)).next().map_or(Timestamp::MIN, |change| change.timestamp());
        let end = zone.following(time).next().map_or(Timestamp::MAX, |change| change.timestamp());
        Self { start, end, offset: zone.to_offset(time), offset_before: zone.to_offset(later(start, -1)) }
    }

    /// By how many seconds the clocks were put forward at the start, negative if back.
    fn clocks_moved(&self) -> i64 {
        i64::from(self.offset.seconds()) - i64::from(self.offset_before.seconds())
    }
}

/// The time `seconds` later, or the same at the ends of time, where no clocks change.
fn later(time: Timestamp, seconds: i64) -> Timestamp {
    Timestamp::from_second(time.as_second().saturating_add(seconds)).unwrap_or(time)
}
