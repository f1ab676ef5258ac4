//! The counts that are committed, and how they are compared.

use std::{collections::BTreeMap, fmt, fs, process::ExitCode};

use crate::Result;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/baseline.txt");
/// Growth that is an error, in percent.
const MOST_GROWTH: f64 = 5.0;

/// The count of each figure when the baseline was written.
#[derive(Debug)]
pub(crate) struct Baseline(BTreeMap<String, u64>);

impl Baseline {
    pub(crate) fn new(counts: Vec<(&str, u64)>) -> Self {
        Self(counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect())
    }

    pub(crate) fn read() -> Result<Self> {
        let text = fs::read_to_string(PATH).map_err(|error| format!("{PATH}: {error}; write one with --write"))?;
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let counts = lines.map(|line| {
            let (name, count) = line.split_once(' ').ok_or_else(|| format!("{PATH} has no count in {line:?}"))?;
            Ok((name.to_owned(), count.trim().parse()?))
        });
        Ok(Self(counts.collect::<Result<_>>()?))
    }

    pub(crate) fn write(&self) -> Result<ExitCode> {
        let mut text = String::from("# Instructions of one operation. Written by `--write`, see src/main.rs.\n");
        for (name, count) in &self.0 {
            text.push_str(&format!("{name} {count}\n"));
        }
        print!("{text}");
        fs::write(PATH, text)?;
        Ok(ExitCode::SUCCESS)
    }

    pub(crate) fn get(&self, name: &str) -> Result<u64> {
        Ok(*self.0.get(name).ok_or_else(|| format!("{PATH} has no {name}; renew it with --write"))?)
    }
}

/// A figure now and in the baseline.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) name: &'static str,
    pub(crate) now: u64,
    pub(crate) before: u64,
}

impl Comparison {
    fn change_percent(&self) -> f64 {
        (self.now as f64 / self.before.max(1) as f64 - 1.0) * 100.0
    }

    pub(crate) fn has_grown(&self) -> bool {
        self.change_percent() > MOST_GROWTH
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let change = self.change_percent();
        write!(f, "{:<18}{:>14}{:>14}{change:>+7.1} %", self.name, self.now, self.before)?;
        if self.has_grown() {
            write!(f, "  GREW")
        } else if change < -MOST_GROWTH {
            write!(f, "  renew the baseline, so that it stays there: --write")
        } else {
            Ok(())
        }
    }
}
