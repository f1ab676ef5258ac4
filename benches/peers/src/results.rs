//! Figures: collected run by run, reduced to their median, written as JSON lines and as a table.

use std::fmt::Write;

use crate::{measures, targets};

/// All figures of a run of the program, in the order of the measures, then in that in which they were taken.
#[derive(Debug, Default)]
pub(crate) struct Results {
    series: Vec<Series>,
}

/// One system's figures for one measure: one per run.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) measure: &'static str,
    pub(crate) system: &'static str,
    pub(crate) unit: Unit,
    values: Vec<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    PerSecond,
    Microseconds,
    Milliseconds,
    Megabytes,
}

impl Unit {
    pub(crate) const fn symbol(self) -> &'static str {
        match self {
            Self::PerSecond => "/s",
            Self::Microseconds => "us",
            Self::Milliseconds => "ms",
            Self::Megabytes => "MB",
        }
    }
}

impl Results {
    /// Adds the figure of one run.
    pub(crate) fn add(&mut self, measure: &'static str, system: &'static str, unit: Unit, value: f64) {
        eprintln!("  {measure} {system} {} {}", readable(value), unit.symbol());
        match self.series.iter_mut().find(|series| series.measure == measure && series.system == system) {
            Some(series) => series.values.push(value),
            None => {
                self.series.push(Series { measure, system, unit, values: vec![value] });
                self.series.sort_by_key(|series| measures::NAMES.iter().position(|name| *name == series.measure));
            }
        }
    }

    /// The median of a system's runs.
    pub(crate) fn median(&self, measure: &str, system: &str) -> Option<f64> {
        self.series.iter().find(|series| series.measure == measure && series.system == system).map(Series::median)
    }

    /// One object per measure and system: `{"measure":…,"system":…,"value":…,"unit":…}`, the value being the median.
    pub(crate) fn json_lines(&self) -> String {
        let mut lines = String::new();
        for series in &self.series {
            // Neither names nor a finite number need escaping.
            let (measure, system, unit) = (series.measure, series.system, series.unit.symbol());
            let value = series.median();
            let line = format!(r#"{{"measure":"{measure}","system":"{system}","value":{value:.3},"unit":"{unit}"}}"#);
            lines.push_str(&line);
            lines.push('\n');
        }
        lines
    }

    /// Prints the table.
    pub(crate) fn print(&self) {
        println!("\n{:<22}{:<15}{:>12}  {:<26}tropism must reach", "measure", "system", "median", "  min – max");
        let mut last = "";
        for series in &self.series {
            let title = if series.measure == last { "" } else { series.measure };
            if !title.is_empty() {
                println!();
            }
            last = series.measure;
            println!("{title:<22}{}", series.line(self));
        }
    }
}

impl Series {
    fn median(&self) -> f64 {
        median(&self.values)
    }

    fn line(&self, results: &Results) -> String {
        let least = self.values.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let range = format!("{} – {}", readable(least), readable(greatest));
        let median = readable(self.median());
        let mut line = format!("{:<15}{median:>12}  {:<2}  {range:<22}", self.system, self.unit.symbol());
        if self.system == "tropism" {
            for check in targets::checks(self.measure, results) {
                // Writing into a string cannot fail.
                let _ = write!(line, "{check}; ");
            }
        }
        line.trim_end_matches([' ', ';']).to_owned()
    }
}

/// The middle value, or the mean of the middle two.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The value below which `share` (0 to 1) of the values lie.
pub(crate) fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let position = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(position).copied().unwrap_or(f64::NAN)
}

/// Three digits, or whole numbers with their thousands apart.
fn readable(value: f64) -> String {
    if value < 100.0 {
        let decimals = if value < 10.0 { 2 } else { 1 };
        return format!("{value:.decimals$}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
