//! Ordered maps that could be tropism's overlay, on the same commits, in interleaved rounds.
//!
//! ```sh
//! cargo run --release --manifest-path benches/overlay/Cargo.toml -- [times [ROUNDS]]
//! cargo run --release --manifest-path benches/overlay/Cargo.toml -- instructions
//! cargo run --release --manifest-path benches/overlay/Cargo.toml --features memory -- bytes
//! ```
//!
//! Times are medians; the ratio to the first candidate is the median of the ratios of each round. Instructions are
//! counted by callgrind and do not depend on what else the machine does.
//!
//! - `key`: keys as the engine has them, and the forms in which maps keep them.
//! - `candidates/`: one file per map.
//! - `workload`: the commits.
//! - `measure`: times of one candidate.
//! - `instructions`: the same work under callgrind.

mod candidates;
mod instructions;
mod key;
mod measure;
#[cfg(test)]
mod tests;
mod workload;

use std::{env, process::ExitCode, sync::Arc};

use crate::{
    candidates::{
        Overlay,
        leaves::Leaves,
        persistent::{Persistent, PersistentSmall},
        runs::Runs,
        skip_list::SkipList,
        spaces::Spaces,
        tree::OneTree,
    },
    key::{Key, WordKey},
    measure::{Figure, Inputs, Sizes, commit_all, measure},
};

#[cfg(feature = "memory")]
#[global_allocator]
static ALLOCATOR: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, usize::MAX);

const SIZES: Sizes = Sizes { commits: 50_000, updates: 20_000, bulk: 50, reads: 20_000 };
const ROUNDS: usize = 7;

/// A candidate without its type.
struct Candidate {
    name: &'static str,
    measure: fn(&Inputs) -> Vec<Figure>,
    bytes: fn(&Inputs) -> (usize, usize),
    run: fn(instructions::Work, bool),
}

fn candidate<O: Overlay>() -> Candidate {
    Candidate { name: O::NAME, measure: measure::<O>, bytes: bytes::<O>, run: instructions::run::<O> }
}

fn candidates() -> Vec<Candidate> {
    vec![
        candidate::<Persistent>(),
        candidate::<PersistentSmall>(),
        candidate::<SkipList>(),
        candidate::<OneTree<Key>>(),
        candidate::<OneTree<WordKey>>(),
        candidate::<Runs>(),
        candidate::<Spaces>(),
        candidate::<Leaves>(),
    ]
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] | ["times"] => times(ROUNDS),
        ["times", rounds] => times(rounds.parse().unwrap_or(ROUNDS)),
        ["bytes"] => report_bytes(),
        ["instructions"] => instructions::report(&candidates().iter().map(|one| one.name).collect::<Vec<_>>()),
        ["work", name, work, is_done] => {
            let found = candidates().into_iter().find(|one| one.name == *name);
            let work = instructions::Work::ALL.into_iter().find(|(own, ..)| own == work);
            if let (Some(found), Some((_, work, _))) = (found, work) {
                (found.run)(work, *is_done == "done");
            }
        }
        _ => {
            eprintln!("usage: times [ROUNDS] | instructions | bytes");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn times(rounds: usize) {
    let candidates = candidates();
    let mut figures: Vec<Vec<Vec<Figure>>> = candidates.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        let inputs = Inputs::new(round as u64, SIZES);
        for turn in 0..candidates.len() {
            let at = (turn + round) % candidates.len();
            figures[at].push((candidates[at].measure)(&inputs));
        }
        eprintln!("round {} of {rounds}", round + 1);
    }
    head(&candidates.iter().map(|one| one.name).collect::<Vec<_>>());
    for (row, (name, _)) in figures[0][0].iter().enumerate() {
        let cell = |own: &Vec<Vec<Figure>>| {
            let time = median(own.iter().map(|round| round[row].1).collect());
            let ratios = own.iter().zip(&figures[0]).map(|(own, first)| own[row].1 / first[row].1);
            format!("{time:.0} ({:.2})", median(ratios.collect()))
        };
        println!("| {name} | {} |", figures.iter().map(cell).collect::<Vec<_>>().join(" | "));
    }
}

fn head(names: &[&str]) {
    println!("| | {} |", names.join(" | "));
    println!("|---|{}", "---:|".repeat(names.len()));
}

/// Bytes for each entry after commits of one row, and for each after bulk commits.
fn bytes<O: Overlay>(inputs: &Inputs) -> (usize, usize) {
    let each = |commits: &[Vec<candidates::Change>]| {
        let before = allocated_bytes();
        let overlay = Arc::new(O::default());
        commit_all(&overlay, 1, commits, None);
        (allocated_bytes() - before) / commits.iter().flatten().count()
    };
    (each(&inputs.commits), each(&inputs.bulk))
}

#[cfg(feature = "memory")]
fn allocated_bytes() -> usize {
    ALLOCATOR.allocated()
}

#[cfg(not(feature = "memory"))]
fn allocated_bytes() -> usize {
    0
}

fn report_bytes() {
    if cfg!(not(feature = "memory")) {
        eprintln!("bytes are counted with the feature `memory`");
    }
    let inputs = Inputs::new(0, SIZES);
    println!("| | bytes per change, rows | bytes per change, bulk |\n|---|---:|---:|");
    for one in candidates() {
        let (rows, bulk) = (one.bytes)(&inputs);
        println!("| {} | {rows} | {bulk} |", one.name);
    }
}
