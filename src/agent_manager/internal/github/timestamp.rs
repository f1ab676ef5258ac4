//! RFC 3339 times as milliseconds since the epoch.

const MILLISECONDS_PER_SECOND: i64 = 1_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// The milliseconds since the epoch of an RFC 3339 time, or nothing if the text is not one.
///
/// Strict: date, `T`, time and offset must all be there, and the day must exist in its month. Digits of the fraction
/// after the third are dropped. A leap second counts as the first second of the next minute.
pub(super) fn parse_rfc3339(text: &str) -> Option<i64> {
    let mut rest = Cursor { bytes: text.as_bytes() };
    let year = rest.digits(4)?;
    rest.expect(b"-")?;
    let month = rest.digits_within(2, 1, 12)?;
    rest.expect(b"-")?;
    let day = rest.digits_within(2, 1, days_in_month(year, month))?;
    rest.expect(b"Tt")?;
    let hour = rest.digits_within(2, 0, 23)?;
    rest.expect(b":")?;
    let minute = rest.digits_within(2, 0, 59)?;
    rest.expect(b":")?;
    let second = rest.digits_within(2, 0, 60)?;
    let milliseconds = if rest.expect(b".").is_some() { rest.fraction()? } else { 0 };
    let offset = rest.offset_seconds()?;
    if !rest.bytes.is_empty() {
        return None;
    }
    let seconds = days_since_epoch(year, month, day) * SECONDS_PER_DAY + hour * 3_600 + minute * 60 + second - offset;
    Some(seconds * MILLISECONDS_PER_SECOND + milliseconds)
}

/// The milliseconds since the epoch of whole seconds since the epoch, unless they are too many to count.
pub(super) fn from_seconds(seconds: i64) -> Option<i64> {
    seconds.checked_mul(MILLISECONDS_PER_SECOND)
}

/// What of the text is not read yet.
struct Cursor<'a> {
    bytes: &'a [u8],
}

impl Cursor<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    /// Reads one byte if it is among those allowed, and leaves it otherwise.
    fn expect(&mut self, allowed: &[u8]) -> Option<u8> {
        let first = self.bytes.first().filter(|byte| allowed.contains(byte)).copied()?;
        self.next();
        Some(first)
    }

    fn digit(&mut self) -> Option<i64> {
        self.expect(b"0123456789").map(|byte| i64::from(byte - b'0'))
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        (0..count).try_fold(0, |value, _| Some(value * 10 + self.digit()?))
    }

    fn digits_within(&mut self, count: usize, least: i64, most: i64) -> Option<i64> {
        self.digits(count).filter(|value| (least..=most).contains(value))
    }

    /// Reads one digit or more after the point, as milliseconds.
    fn fraction(&mut self) -> Option<i64> {
        let mut milliseconds = self.digit()? * 100;
        let mut scale = 10;
        while let Some(digit) = self.digit() {
            milliseconds += digit * scale;
            scale /= 10;
        }
        Some(milliseconds)
    }

    fn offset_seconds(&mut self) -> Option<i64> {
        let sign = match self.expect(b"Zz+-")? {
            b'+' => 1,
            b'-' => -1,
            _ => return Some(0),
        };
        let hours = self.digits_within(2, 0, 23)?;
        self.expect(b":")?;
        let minutes = self.digits_within(2, 0, 59)?;
        Some(sign * (hours * 3_600 + minutes * 60))
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Counts in years that begin in March, so that the leap day is the last of its year.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    const DAYS_FROM_MARCH_OF_YEAR_ZERO: i64 = 719_468;
    let march_year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let leap_days = march_year.div_euclid(4) - march_year.div_euclid(100) + march_year.div_euclid(400);
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    march_year * 365 + leap_days + day_of_year - DAYS_FROM_MARCH_OF_YEAR_ZERO
}

#[cfg(test)]
mod tests {
    use super::{days_in_month, days_since_epoch, from_seconds, parse_rfc3339};

    #[test]
    fn every_day_follows_the_one_before() {
        let mut expected = days_since_epoch(0, 1, 1);
        for year in 0..=9_999 {
            for month in 1..=12 {
                for day in 1..=days_in_month(year, month) {
                    assert_eq!(days_since_epoch(year, month, day), expected, "{year}-{month}-{day}");
                    expected += 1;
                }
            }
        }
    }

    #[test]
    fn reads_times_of_every_shape() {
        for (text, milliseconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59.999Z", -1),
            ("2019-05-15T15:20:33Z", 1_557_933_633_000),
            ("2019-05-15T15:20:55+00:00", 1_557_933_655_000),
            ("2021-03-30T16:09:00.000-04:00", 1_617_134_940_000),
            ("2024-02-29t12:00:00.1239z", 1_709_208_000_123),
            ("2000-03-01T00:00:00Z", 951_868_800_000),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000),
            ("0001-01-01T00:00:00Z", -62_135_596_800_000),
            ("0000-01-01T00:00:00Z", -62_167_219_200_000),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ] {
            assert_eq!(parse_rfc3339(text), Some(milliseconds), "{text}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "2018-04-25 20:42:10",
            "2018-04-25",
            "2018-04-25T20:42:10",
            "2018-04-25T20:42Z",
            "2018-04-25T20:42:10.Z",
            "2018-04-25T20:42:10Zulu",
            "2018-04-25T20:42:10+0000",
            "2018-04-25T24:00:00Z",
            "2018-04-25T20:42:61Z",
            "2018-13-25T20:42:10Z",
            "2018-00-25T20:42:10Z",
            "2018-04-31T20:42:10Z",
            "2019-02-29T20:42:10Z",
            "1900-02-29T20:42:10Z",
            "+018-04-25T20:42:10Z",
            "18-04-25T20:42:10Z",
            "２018-04-25T20:42:10Z",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
        assert_eq!(from_seconds(i64::MAX), None);
    }
}
