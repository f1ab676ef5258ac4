//! A host's disk whose operations panic: each panic is a failed operation, and nobody waits for ever.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use tropism::disk::{Disk, DiskFile, DiskLock};

use super::*;

/// A simulated disk that panics at one operation, counted from now on over all of them.
#[derive(Clone)]
struct PanickingDisk {
    inner: SimulatedDisk,
    /// Operations until the one that panics; below zero there is none.
    left: Arc<AtomicI64>,
}

struct PanickingFile {
    inner: Arc<dyn DiskFile>,
    left: Arc<AtomicI64>,
}

fn count_down(left: &AtomicI64) {
    assert_ne!(left.fetch_sub(1, Ordering::SeqCst), 1, "{PANIC}");
}

const PANIC: &str = "the host's disk has a fault";

impl PanickingDisk {
    fn new(inner: SimulatedDisk) -> Self {
        Self { inner, left: Arc::new(AtomicI64::new(0)) }
    }

    fn panic_at(&self, nth: i64) {
        self.left.store(nth, Ordering::SeqCst);
    }

    /// No operation panics any more. Whether one has.
    fn heal(&self) -> bool {
        self.left.swap(0, Ordering::SeqCst) <= 0
    }

    fn file(&self, inner: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(PanickingFile { inner, left: Arc::clone(&self.left) })
    }

    fn counted(&self) -> &SimulatedDisk {
        count_down(&self.left);
        &self.inner
    }
}

impl PanickingFile {
    fn counted(&self) -> &dyn DiskFile {
        count_down(&self.left);
        &*self.inner
    }
}

impl Disk for PanickingDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(self.counted().open(name)?))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(self.counted().create(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.counted().rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.counted().remove(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.counted().list()
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.counted().sync_directory()
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>> {
        self.counted().lock(name)
    }

    fn describe(&self) -> String {
        self.counted().describe()
    }
}

impl DiskFile for PanickingFile {
    fn len(&self) -> io::Result<u64> {
        self.counted().len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.counted().read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.counted().write_at(offset, bytes)
    }

    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        self.counted().set_len(size_bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.counted().sync()
    }
}

/// Keeps the panics that the tests want out of their output, as long as it lives.
fn without_reports() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let message = info.payload().downcast_ref::<String>();
            if !message.is_some_and(|message| message.contains(PANIC)) {
                report(info);
            }
        }));
    });
}

#[test]
fn a_disk_that_panics_once_in_any_operation_is_one_that_failed_once() {
    without_reports();
    let mut panics = 0;
    for phase in [Phase::Open, Phase::Log, Phase::Checkpoint, Phase::Read, Phase::Close] {
        let mut nth = 1;
        loop {
            let what = format!("{phase:?}, operation {nth}");
            let disk = SimulatedDisk::new(1);
            let panicking = PanickingDisk::new(disk.clone());
            let seen = panicking.clone();
            let mut run = Run::on(disk, move |builder| builder.open_on(seen.clone()));
            panicking.panic_at(nth);
            let is_to_reopen = go_through(&mut run, phase, &what);
            let has_panicked = panicking.heal();
            if is_to_reopen {
                run.reopen().unwrap_or_else(|error| panic!("{what}, opened again: {error}"));
            }
            run.assert_well(&what);
            if !has_panicked {
                break;
            }
            panics += 1;
            // Of the many of a phase, each of the first and ever fewer of the later ones.
            nth += 1 + nth / 10;
        }
    }
    assert!(panics > 50, "{panics}");
}

#[test]
fn a_disk_that_panics_beside_threads_leaves_nobody_waiting() {
    without_reports();
    let mut panics = 0;
    for nth in (1..400).step_by(13) {
        let disk = SimulatedDisk::new(1);
        let panicking = PanickingDisk::new(disk.clone());
        let config = Config { checkpoint_bytes: 64 << 10, log_segment_bytes: 64 << 10, ..Config::default() };
        let db = Db::builder().tables::<Row>().config(config).open_on(panicking.clone()).unwrap();
        panicking.panic_at(nth);
        let acknowledged: u64 = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..4)
                .map(|writer| {
                    let db = &db;
                    let insert = move |at: u64| {
                        let row = Row { number: writer * 1_000 + at, text: "x".repeat(2_000) };
                        u64::from(db.write(|tx| tx.insert(row)).is_ok())
                    };
                    scope.spawn(move || (0..30).map(insert).sum::<u64>())
                })
                .collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).sum()
        });
        panics += u64::from(panicking.heal());
        drop(db.close());
        let db = Db::builder().tables::<Row>().open_on(disk.crash(CrashKind::LoseUnsynced)).unwrap();
        let found = db.read(|tx| tx.query(Row::by_id).count()).unwrap() as u64;
        assert!(found >= acknowledged, "operation {nth}: {found} rows, and {acknowledged} were acknowledged");
    }
    assert!(panics > 15, "{panics}");
}
