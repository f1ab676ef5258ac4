//! tropism beside other embedded databases: the same rows, the same work, one machine, one run.
//!
//! ```sh
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- --json FILE [--quick] [--only MEASURE] [--system NAME] [--rounds N] [--runs N]
//! ```
//!
//! Rates are measured in slices: all databases are open at once, and each works for a fifth of a second in its turn, in
//! many rounds. In the other measures the systems alternate: the first run of each, then the second of each. What is
//! compared is two slices of one round, or two runs of one number. The tables show medians and quartiles, of the figures
//! and of the ratios that tropism must reach. The figures mean something on an idle machine only.
//!
//! - `arguments`: the command line.
//! - `rows`: the rows that everybody stores, and the raw systems' bytes for them.
//! - `systems/`: one file per system.
//! - `measures/`: one file per group of measures.
//! - `child`: what has to happen in a process of its own.
//! - `results`: figures, their median and quartiles, JSON lines and the tables.
//! - `targets`: what tropism must reach beside the others.

mod arguments;
mod child;
mod measures;
mod results;
mod rows;
mod systems;
mod targets;

use std::{fs, process::ExitCode, thread};

use anyhow::{Context as _, Result};

use crate::{
    arguments::{Arguments, Command},
    measures::Context,
    results::Results,
};

/// A load average above this one means that somebody else is using the machine.
const IDLE_LOAD: f64 = 0.5;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    match Command::parse(std::env::args().skip(1))? {
        Command::Help => println!("{}", arguments::HELP),
        Command::Child(task) => task.run()?,
        Command::Measure(arguments) => measure(&arguments)?,
    }
    Ok(())
}

fn measure(arguments: &Arguments) -> Result<()> {
    let idle = report_load()?;
    let context = Context::new(arguments)?;
    let mut results = Results::default();
    let measured = measures::run(&context, &mut results);
    // Also after a failure: what was measured until then took its time and is true.
    if let Some(path) = &arguments.json {
        fs::write(path, results.json_lines()).with_context(|| format!("could not write {}", path.display()))?;
    }
    results.print();
    if arguments.quick {
        println!("\n--quick: fewer rows and short runs; good to see that everything works, not to compare.");
    }
    if !idle {
        println!("\nThe machine was not idle before the run: these figures are not to be quoted.");
    }
    measured
}

/// Prints the load of the last minute; answers whether the machine was idle.
fn report_load() -> Result<bool> {
    let text = fs::read_to_string("/proc/loadavg").context("the load of the machine is not known here")?;
    let load: f64 = text.split(' ').next().unwrap_or_default().parse().context("the load is a number")?;
    let cores = thread::available_parallelism()?;
    println!("load average of the last minute {load:.2}, {cores} cores");
    let idle = load <= IDLE_LOAD;
    if !idle {
        println!("WARNING: the machine is not idle (load over {IDLE_LOAD}); a sync waits for whoever uses the cores.");
    }
    Ok(idle)
}
