//! Work under callgrind: a program that prepares and does it, less one that only prepares.

use std::{env, process::Command, sync::Arc};

use crate::{
    candidates::{Order, Overlay, Snapshot as _},
    measure::{commit_all, scan_once},
    workload::{Workload, keyspaces},
};

/// Commits of one row that come before.
const ROWS_BEFORE: usize = 5000;
const TIMES: usize = 1000;

/// What is counted.
#[derive(Clone, Copy)]
pub enum Work {
    /// A commit of a row, an index entry and the next id, without and with a snapshot after it.
    Commit { every: Option<u64> },
    /// 1,000 rows with two index entries each.
    Bulk,
    /// A key that is there.
    Get,
    /// Entries from a place on.
    Scan(usize),
}

impl Work {
    /// With a name, and how many units of work are done.
    pub const ALL: [(&str, Self, usize); 7] = [
        ("commit of 3 keys, no snapshot", Self::Commit { every: None }, TIMES),
        ("commit of 3 keys, snapshot each", Self::Commit { every: Some(1) }, TIMES),
        ("bulk, per change", Self::Bulk, 3001),
        ("get hit", Self::Get, TIMES),
        ("scan of 1", Self::Scan(1), TIMES),
        ("scan of 20", Self::Scan(20), TIMES),
        ("scan of 1,000, step", Self::Scan(1000), 1000 * 50),
    ];
}

/// Prepares, does the work or not, and leaves without freeing.
pub fn run<O: Overlay>(work: Work, is_done: bool) {
    let mut rows = Workload::new(1);
    let before: Vec<_> = (0..ROWS_BEFORE).map(|_| rows.insert(1, 1)).collect();
    let present = rows.present(TIMES);
    let commits: Vec<_> = (0..TIMES).map(|_| rows.insert(1, 1)).collect();
    let bulk = [Workload::new(2).insert(1000, 2)];
    let overlay = Arc::new(O::default());
    commit_all(&overlay, 1, &before, Some(1));
    let snapshot = overlay.snapshot();
    let keyspaces = keyspaces();
    if is_done {
        let next_ts = before.len() as u64 + 1;
        match work {
            Work::Commit { every } => {
                drop(snapshot);
                commit_all(&overlay, next_ts, &commits, every);
            }
            Work::Bulk => commit_all(&overlay, next_ts, &bulk, Some(1)),
            Work::Get => present.iter().for_each(|key| {
                std::hint::black_box(snapshot.get(key, |value| value.map(<[u8]>::len)));
            }),
            Work::Scan(steps) => {
                let places = if steps > TIMES / 2 { 50 } else { TIMES };
                for place in &present[..places] {
                    std::hint::black_box(scan_once(&snapshot, &keyspaces, place, steps, Order::Ascending));
                }
            }
        }
    }
    std::process::exit(0);
}

fn count(name: &str, work: &str, is_done: &str) -> Option<f64> {
    let program = env::current_exe().ok()?;
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program);
    let output = valgrind.args(["work", name, work, is_done]).output().ok()?;
    let report = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = report.lines().find_map(|line| line.split_once("Collected : "))?;
    line.1.trim().parse().ok()
}

/// The table of all candidates.
pub fn report(names: &[&str]) {
    println!("| instructions | {} |", names.join(" | "));
    println!("|---|{}", "---:|".repeat(names.len()));
    let prepared: Vec<_> = names.iter().map(|name| count(name, Work::ALL[0].0, "prepared")).collect();
    for (work, _, units) in Work::ALL {
        let cell = |(name, prepared): (&&str, &Option<f64>)| match (count(name, work, "done"), prepared) {
            (Some(done), Some(prepared)) => format!("{:.0}", (done - prepared) / units as f64),
            _ => "-".to_owned(),
        };
        println!("| {work} | {} |", names.iter().zip(&prepared).map(cell).collect::<Vec<_>>().join(" | "));
    }
}
