//! How many instructions tropism's operations take, counted by valgrind's callgrind, beside a baseline.
//!
//! ```sh
//! cargo run --release --manifest-path benches/instructions/Cargo.toml              # compare with baseline.txt
//! cargo run --release --manifest-path benches/instructions/Cargo.toml -- --write   # renew baseline.txt
//! ```
//!
//! The program runs itself under callgrind, twice for each operation: with N of them and with 2 N. The difference,
//! divided by N, is what one costs, without the start, the loading and the end. The database is in memory and driven by
//! hand, so that there is one thread and no disk, and a count repeats to about one part in a thousand on any machine. A
//! compiler or a dependency of another version counts differently: renew the baseline with it.
//!
//! - `operation`: what is counted.
//! - `callgrind`: the count of one run.
//! - `baseline`: the counts of `baseline.txt`, and how they are compared.

mod baseline;
mod callgrind;
mod operation;

use std::{env, error::Error, process::ExitCode};

use crate::{
    baseline::{Baseline, Comparison},
    operation::{Figure, Operation},
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const HELP: &str = "\
instructions of tropism's operations, under callgrind.

  (nothing)   compare with baseline.txt; fails where one grew by more than 5 %
  --write     write baseline.txt";

/// Operations of the shorter run.
const OPERATIONS: u64 = 1_000;

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

fn run() -> Result<ExitCode> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => compare(&Baseline::read()?),
        ["--write"] => Baseline::new(count_all()?).write(),
        ["--help" | "-h"] => {
            println!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        // Started by `callgrind::count`.
        ["--work", name, times] => Operation::from_name(name)?.work(times.parse()?),
        _ => Err(HELP.into()),
    }
}

fn compare(baseline: &Baseline) -> Result<ExitCode> {
    let mut has_grown = false;
    println!("{:<18}{:>14}{:>14}{:>9}", "instructions of", "now", "baseline", "change");
    for (name, now) in count_all()? {
        let comparison = Comparison { name, now, before: baseline.get(name)? };
        println!("{comparison}");
        has_grown |= comparison.has_grown();
    }
    if has_grown {
        eprintln!(
            "error: an operation takes over 5 % more instructions; if that is meant, renew the baseline: --write"
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Every figure's name and count.
fn count_all() -> Result<Vec<(&'static str, u64)>> {
    Figure::ALL.into_iter().map(|figure| Ok((figure.name(), count(figure)?))).collect()
}

fn count(figure: Figure) -> Result<u64> {
    let whole = count_one(figure.operation())?;
    let without = figure.without().map_or(Ok(0), count_one)?;
    Ok(whole.saturating_sub(without))
}

/// Instructions of one operation.
fn count_one(operation: Operation) -> Result<u64> {
    let less = callgrind::count(operation, OPERATIONS)?;
    let more = callgrind::count(operation, 2 * OPERATIONS)?;
    Ok(more.saturating_sub(less) / OPERATIONS)
}
