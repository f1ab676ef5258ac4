//! Figures: collected run by run or slice by slice, reduced to medians and quartiles, written as JSON lines and tables.

use std::fmt::Write;

use crate::{
    measures,
    targets::{self, TROPISM},
};

/// All figures of a run of the program, in the order of the measures, then in that in which they were taken.
#[derive(Debug, Default)]
pub(crate) struct Results {
    series: Vec<Series>,
}

/// One system's figures for one measure: one per run or slice.
#[derive(Debug)]
struct Series {
    measure: &'static str,
    system: &'static str,
    unit: Unit,
    values: Vec<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    PerSecond,
    Microseconds,
    Milliseconds,
    Megabytes,
}

/// The middle of some figures, and the quartiles around it: half of them lie between `low` and `high`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
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
    /// Adds the figure of one run, and shows it.
    pub(crate) fn add(&mut self, measure: &'static str, system: &'static str, unit: Unit, value: f64) {
        eprintln!("  {measure} {system} {} {}", readable(value), unit.symbol());
        self.add_quietly(measure, system, unit, value);
    }

    /// Adds the figure of one slice.
    pub(crate) fn add_quietly(&mut self, measure: &'static str, system: &'static str, unit: Unit, value: f64) {
        match self.series.iter_mut().find(|series| series.is(measure, system)) {
            Some(series) => series.values.push(value),
            None => {
                self.series.push(Series { measure, system, unit, values: vec![value] });
                self.series.sort_by_key(|series| measures::NAMES.iter().position(|name| *name == series.measure));
            }
        }
    }

    /// Shows a system's slices as one line.
    pub(crate) fn report(&self, measure: &str, system: &str) {
        if let Some(series) = self.find(measure, system) {
            let Spread { median, low, high } = Spread::of(&series.values);
            let (unit, slices) = (series.unit.symbol(), series.values.len());
            let (median, low, high) = (readable(median), readable(low), readable(high));
            eprintln!("  {measure} {system} {median} {unit} ({low} – {high}, {slices} slices)");
        }
    }

    /// A system's figures.
    pub(crate) fn spread(&self, measure: &str, system: &str) -> Option<Spread> {
        self.find(measure, system).map(|series| Spread::of(&series.values))
    }

    /// tropism's figures divided by a rival's, each by that of the same round; what has no partner is left out.
    pub(crate) fn ratio(&self, measure: &str, rival_measure: &str, rival: &str) -> Option<Spread> {
        let own = self.find(measure, TROPISM)?;
        let rival = self.find(rival_measure, rival)?;
        let ratios: Vec<f64> = own.values.iter().zip(&rival.values).map(|(own, rival)| own / rival).collect();
        Some(Spread::of(&ratios))
    }

    fn find(&self, measure: &str, system: &str) -> Option<&Series> {
        self.series.iter().find(|series| series.is(measure, system))
    }

    /// An object for each measure and system, the value being the median:
    /// `{"measure":…,"system":…,"value":…,"unit":…,"low":…,"high":…}`. Then one for each rival that a target names:
    /// `{"measure":…,"system":"tropism","rival":…,"ratio":…,"low":…,"high":…}`, with `"rival_measure":…` where the
    /// rival's figure is of another measure. `low` and `high` are the quartiles.
    pub(crate) fn json_lines(&self) -> String {
        // Neither names nor a finite number need escaping. Writing into a string cannot fail.
        let mut lines = String::new();
        for series in &self.series {
            let (measure, system, unit) = (series.measure, series.system, series.unit.symbol());
            let Spread { median, low, high } = Spread::of(&series.values);
            let _ =
                write!(lines, r#"{{"measure":"{measure}","system":"{system}","value":{median:.3},"unit":"{unit}","#);
            let _ = writeln!(lines, r#""low":{low:.3},"high":{high:.3}}}"#);
        }
        for (measure, rival_measure, rival) in targets::rivals() {
            let Some(Spread { median, low, high }) = self.ratio(measure, rival_measure, rival) else { continue };
            let _ = write!(lines, r#"{{"measure":"{measure}","system":"{TROPISM}","rival":"{rival}","#);
            if rival_measure != measure {
                let _ = write!(lines, r#""rival_measure":"{rival_measure}","#);
            }
            let _ = writeln!(lines, r#""ratio":{median:.4},"low":{low:.4},"high":{high:.4}}}"#);
        }
        lines
    }

    /// Prints the figures, and then what tropism must reach.
    pub(crate) fn print(&self) {
        println!("\n{:<22}{:<15}{:>12}      quartiles", "measure", "system", "median");
        let mut last = "";
        for series in &self.series {
            let title = if series.measure == last { "" } else { series.measure };
            if !title.is_empty() {
                println!();
            }
            last = series.measure;
            println!("{title:<22}{}", series.line());
        }
        println!("\n{:<22}target", "measure");
        for check in targets::checks(self) {
            println!("{check}");
        }
    }
}

impl Series {
    fn is(&self, measure: &str, system: &str) -> bool {
        self.measure == measure && self.system == system
    }

    fn line(&self) -> String {
        let Spread { median, low, high } = Spread::of(&self.values);
        let (median, low, high) = (readable(median), readable(low), readable(high));
        format!("{:<15}{median:>12}  {:<2}  {low} – {high}", self.system, self.unit.symbol())
    }
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        Self { median: median(values), low: percentile(values, 0.25), high: percentile(values, 0.75) }
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
