//! What is measured of one candidate, in nanoseconds.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Instant,
};

use crate::{
    candidates::{Change, Order, Overlay, Scan as _, Snapshot},
    key::Key,
    workload::{Bounds, Workload, keyspaces, next_id_key, row_key},
};

/// A measure's name and what it took.
pub type Figure = (&'static str, f64);

/// Sizes of the workloads.
#[derive(Clone, Copy)]
pub struct Sizes {
    /// Commits of one row.
    pub commits: u64,
    /// Commits that overwrite rows.
    pub updates: u64,
    /// Commits of 1,000 rows.
    pub bulk: u64,
    /// Reads of each kind.
    pub reads: usize,
}

/// What all candidates take in.
pub struct Inputs {
    /// One row with two index entries each.
    pub commits: Vec<Vec<Change>>,
    /// Old rows anew.
    pub updates: Vec<Vec<Change>>,
    /// 1,000 rows each.
    pub bulk: Vec<Vec<Change>>,
    /// Keys that the commits made.
    pub present: Vec<Key>,
    /// Keys that nobody made.
    pub absent: Vec<Key>,
}

impl Inputs {
    /// Made anew from a seed.
    pub fn new(seed: u64, sizes: Sizes) -> Self {
        let mut rows = Workload::new(seed);
        let commits = (0..sizes.commits).map(|at| rows.insert(1, 1 + at as usize % 2)).collect();
        let present = rows.present(sizes.reads);
        let absent = rows.absent(sizes.reads);
        let updates = (0..sizes.updates).map(|_| rows.update()).collect();
        let mut rows = Workload::new(seed + 1);
        let bulk = (0..sizes.bulk).map(|_| rows.insert(1000, 2)).collect();
        Self { commits, updates, bulk, present, absent }
    }
}

fn per<T>(count: usize, work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let result = black_box(work());
    (start.elapsed().as_nanos() as f64 / count as f64, result)
}

/// Applies commits, and takes a snapshot after each `every`th, in the place of the one before.
pub fn commit_all<O: Overlay>(overlay: &Arc<O>, first_ts: u64, commits: &[Vec<Change>], every: Option<u64>) {
    let mut visible = None;
    for (ts, changes) in (first_ts..).zip(commits) {
        overlay.commit(ts, changes);
        if every.is_some_and(|every| ts.is_multiple_of(every)) {
            visible = Some(overlay.snapshot());
        }
    }
    drop(visible);
}

fn fresh<O: Overlay>(commits: &[Vec<Change>], every: Option<u64>) -> (f64, Arc<O>) {
    let overlay = Arc::new(O::default());
    let (took, ()) = per(commits.len(), || commit_all(&overlay, 1, commits, every));
    (took, overlay)
}

/// Everything, once.
pub fn measure<O: Overlay>(inputs: &Inputs) -> Vec<Figure> {
    let mut figures = Vec::new();
    figures.push(("commit of a row, no snapshot", fresh::<O>(&inputs.commits, None).0));
    figures.push(("commit of a row, snapshot per 8", fresh::<O>(&inputs.commits, Some(8)).0));
    let (took, overlay) = fresh::<O>(&inputs.commits, Some(1));
    figures.push(("commit of a row, snapshot each", took));
    let old = overlay.snapshot();
    reads(&overlay, inputs, &mut figures);
    let next_ts = inputs.commits.len() as u64 + 1;
    let took = per(inputs.updates.len(), || commit_all(&overlay, next_ts, &inputs.updates, Some(1))).0;
    figures.push(("update of a row, snapshot each", took));
    let id = next_id_key();
    figures.push((
        "get of the hot key, newest",
        gets(&overlay.snapshot(), std::iter::repeat_n(&id, inputs.present.len())),
    ));
    figures.push(("get hit, older snapshot", gets(&old, inputs.present.iter())));
    drop(old);
    let entries = inputs.commits.iter().flatten().count();
    figures.push(("free, per change", per(entries, || drop(overlay)).0));
    let changes = inputs.bulk.iter().flatten().count();
    let (took, overlay) = fresh::<O>(&inputs.bulk, Some(1));
    figures.push(("bulk, per change", took * inputs.bulk.len() as f64 / changes as f64));
    figures.push(("scan of 1,000 after bulk, step", scans(&overlay.snapshot(), inputs, 1000, Order::Ascending)));
    drop(overlay);
    beside_a_reader::<O>(inputs, &mut figures);
    figures
}

fn reads<O: Overlay>(overlay: &Arc<O>, inputs: &Inputs, figures: &mut Vec<Figure>) {
    let count = inputs.present.len();
    figures.push(("snapshot", per(count, || (0..count).for_each(|_| drop(black_box(overlay.snapshot())))).0));
    let snapshot = overlay.snapshot();
    figures.push(("get hit", gets(&snapshot, inputs.present.iter())));
    figures.push(("get miss", gets(&snapshot, inputs.absent.iter())));
    figures.push(("scan of 20, step", scans(&snapshot, inputs, 20, Order::Ascending)));
    figures.push(("scan of 20 backwards, step", scans(&snapshot, inputs, 20, Order::Descending)));
    figures.push(("scan of 1,000, step", scans(&snapshot, inputs, 1000, Order::Ascending)));
    figures.push(("scan of 1,000 backwards, step", scans(&snapshot, inputs, 1000, Order::Descending)));
}

fn gets<'a, S: Snapshot>(snapshot: &S, keys: impl ExactSizeIterator<Item = &'a Key>) -> f64 {
    let count = keys.len();
    let read = |key| snapshot.get(key, |value| value.map_or(0, <[u8]>::len)).unwrap_or_default();
    per(count, || keys.map(read).sum::<usize>()).0
}

/// Steps of at most `steps` from a place within one of the keyspaces; also how many there were.
pub fn scan_once<S: Snapshot>(snapshot: &S, keyspaces: &[Bounds; 2], place: &Key, steps: usize, order: Order) -> usize {
    let [rows, by_number] = keyspaces;
    let (start, end) = if *place < rows.1 { rows } else { by_number };
    let mut scan = match order {
        Order::Ascending => snapshot.scan(place, end, order),
        Order::Descending => snapshot.scan(start, place, order),
    };
    let mut seen = 0;
    while seen < steps {
        let Some((key, value)) = scan.next() else { break };
        black_box((key.len(), value.as_ref().map(|value| value.first().copied())));
        seen += 1;
    }
    seen
}

fn scans<S: Snapshot>(snapshot: &S, inputs: &Inputs, steps: usize, order: Order) -> f64 {
    let keyspaces = keyspaces();
    let places = &inputs.present[..(inputs.present.len() * 20 / steps).min(inputs.present.len())];
    let (took, seen) =
        per(1, || places.iter().map(|place| scan_once(snapshot, &keyspaces, place, steps, order)).sum::<usize>());
    took / seen as f64
}

/// A writer with a reader on another thread that takes snapshots, gets and scans all the time.
fn beside_a_reader<O: Overlay>(inputs: &Inputs, figures: &mut Vec<Figure>) {
    let overlay = Arc::new(O::default());
    let (first, rest) = inputs.commits.split_at(inputs.commits.len() / 2);
    commit_all(&overlay, 1, first, Some(1));
    let done = AtomicBool::new(false);
    let rows = first.len() as u64;
    let (writing, reading) = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let keyspaces = keyspaces();
            let start = Instant::now();
            let mut scans = 0;
            while !done.load(Ordering::Relaxed) {
                let snapshot = overlay.snapshot();
                let place = row_key(scans * 7919 % rows);
                black_box(snapshot.get(&next_id_key(), |value| value.map(<[u8]>::len)));
                black_box(scan_once(
                    &snapshot,
                    &keyspaces,
                    &place,
                    if scans % 16 == 0 { 1000 } else { 20 },
                    Order::Ascending,
                ));
                scans += 1;
            }
            start.elapsed().as_nanos() as f64 / scans as f64
        });
        let writing = per(rest.len(), || commit_all(&overlay, rows + 1, rest, Some(1))).0;
        done.store(true, Ordering::Relaxed);
        (writing, reader.join().expect("the reader does not panic"))
    });
    figures.push(("commit of a row beside a reader", writing));
    figures.push(("snapshot, get, scan beside a writer", reading));
}
