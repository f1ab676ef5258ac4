//! The checked file against a plain one, without redb.

use parking_lot::Mutex;
use proptest::{collection::vec, prelude::*};
use redb::StorageBackend;

use super::*;
use crate::storage::base::{
    blocks::{BLOCK_BYTES, GROUP_BLOCKS, block_at, checksums_at},
    checked_file::{Backend, CheckedFile},
    file::BaseFile,
    header::HeaderCopies,
};

const BLOCK: u64 = BLOCK_BYTES as u64;

#[derive(Debug, Clone)]
enum Step {
    Write { block: u64, count: u64, byte: u8 },
    Header { at: u64, byte: u8 },
    SetLen { blocks: u64 },
    Sync,
    FailSync,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    // Around the ends of the first two groups.
    let block = prop_oneof![0_u64..20, GROUP_BLOCKS - 4..GROUP_BLOCKS + 4, 2 * GROUP_BLOCKS - 2..2 * GROUP_BLOCKS];
    prop_oneof![
        6 => (block, 1_u64..9, 1_u8..255).prop_map(|(block, count, byte)| Step::Write { block, count, byte }),
        2 => (0_u64..300, 1_u8..255).prop_map(|(at, byte)| Step::Header { at, byte }),
        1 => (1_u64..1_100).prop_map(|blocks| Step::SetLen { blocks }),
        2 => Just(Step::Sync),
        1 => Just(Step::FailSync),
        2 => Just(Step::Reopen),
    ]
}

/// What redb's file holds.
#[derive(Clone, Default)]
struct Model {
    header: Vec<u8>,
    redb_bytes: u64,
    blocks: BTreeMap<u64, u8>,
}

struct Layer {
    disk: SimulatedDisk,
    file: BaseFile,
    headers: Arc<Mutex<HeaderCopies>>,
    backend: Backend,
    now: Model,
    /// As of the last sync.
    synced: Model,
}

impl Layer {
    fn new() -> Self {
        let disk = SimulatedDisk::new(1);
        let file = BaseFile::new(disk.create(BASE_FILE).unwrap());
        disk.sync_directory().unwrap();
        let headers = Arc::new(Mutex::new(HeaderCopies::create(&file).unwrap()));
        let backend = Backend(CheckedFile::open(file.clone(), Arc::clone(&headers), 1).unwrap());
        let now = Model { header: vec![0; 320], ..Model::default() };
        let mut layer = Self { disk, file, headers, backend, synced: now.clone(), now };
        layer.run(&Step::Header { at: 0, byte: 0 });
        layer.run(&Step::Sync);
        layer
    }

    fn run(&mut self, step: &Step) {
        match step {
            // As redb does: nothing is overwritten that was synced.
            Step::Write { block, count, byte } => {
                let blocks: Vec<u64> = (*block..block + count).collect();
                if blocks.iter().any(|block| self.synced.blocks.contains_key(block)) {
                    return;
                }
                let bytes = vec![*byte; blocks.len() * BLOCK_BYTES];
                self.backend.write((block + 1) * BLOCK, &bytes).unwrap();
                self.now.blocks.extend(blocks.into_iter().map(|block| (block, *byte)));
            }
            Step::Header { at, byte } => {
                self.backend.write(*at, &[*byte]).unwrap();
                self.now.header[*at as usize] = *byte;
            }
            Step::SetLen { blocks } => {
                self.backend.set_len(blocks * BLOCK).unwrap();
                self.now.redb_bytes = blocks * BLOCK;
                self.backend.write(0, &self.now.header[..1]).unwrap();
            }
            Step::Sync => {
                self.backend.sync_data().unwrap();
                self.synced = self.now.clone();
            }
            Step::FailSync => {
                self.backend.write(319, &[self.now.header[319] + 1]).unwrap();
                fail(&self.disk, Operation::Sync, 1);
                assert!(self.backend.sync_data().is_err());
                assert!(self.backend.read(0, &mut [0]).is_err(), "it answers nothing more");
                self.run(&Step::Reopen);
            }
            Step::Reopen => {
                self.backend.0.retire();
                let opened = CheckedFile::open(self.file.clone(), Arc::clone(&self.headers), 1).unwrap();
                self.backend = Backend(opened);
                self.now = self.synced.clone();
            }
        }
    }

    fn check(&self, backend: &Backend, model: &Model, what: &str) {
        let mut header = vec![0; 320];
        backend.read(0, &mut header).unwrap();
        assert_eq!((backend.len().unwrap(), &header), (model.redb_bytes, &model.header), "{what}");
        for (block, byte) in &model.blocks {
            let mut bytes = vec![0; BLOCK_BYTES];
            // Past the end, a block may have been cut off.
            if (block + 1) * BLOCK >= model.redb_bytes {
                continue;
            }
            backend.read((block + 1) * BLOCK, &mut bytes).unwrap_or_else(|error| panic!("{what} {block}: {error}"));
            assert!(bytes.iter().all(|found| found == byte), "{what}: block {block}");
        }
    }
}

/// Opens an image as another process would.
fn reopened(image: &SimulatedDisk) -> Backend {
    let file = BaseFile::new(image.open(BASE_FILE).unwrap());
    let headers = Arc::new(Mutex::new(HeaderCopies::open(&file).unwrap()));
    Backend(CheckedFile::open(file, headers, 1).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_was_written_is_read_and_what_was_synced_survives(steps in vec(step(), 1..40)) {
        let mut layer = Layer::new();
        layer.run(&Step::SetLen { blocks: 2_000 });
        layer.run(&Step::Sync);
        for step in &steps {
            // Shrinking gives blocks away that the model does not know to be gone.
            if matches!(step, Step::SetLen { blocks } if *blocks < 1_050) {
                continue;
            }
            layer.run(step);
            layer.check(&layer.backend, &layer.now, "at once");
            for kind in [CrashKind::LoseUnsynced, CrashKind::KeepAll] {
                let image = layer.disk.crash(kind);
                layer.check(&reopened(&image), &layer.synced, &format!("after a crash, {kind:?}"));
            }
        }
    }
}

#[test]
fn a_torn_sync_leaves_what_was_synced_before() {
    for seed in 0..40 {
        let mut layer = Layer::new();
        layer.run(&Step::SetLen { blocks: 2_000 });
        layer.run(&Step::Write { block: 100, count: 8, byte: 1 });
        layer.run(&Step::Sync);
        layer.run(&Step::Write { block: 90, count: 8, byte: 2 });
        layer.run(&Step::Header { at: 7, byte: 3 });
        let seen = Arc::new(Mutex::new(None));
        let sink = Arc::clone(&seen);
        layer.disk.observe_syncs(move |disk, point| {
            if point.stage == SyncStage::Before {
                *sink.lock() = Some(disk.crash(CrashKind::Torn(seed)));
            }
        });
        let before = layer.synced.clone();
        layer.run(&Step::Sync);
        let image = seen.lock().take().unwrap();
        let torn = reopened(&image);
        let mut header = vec![0; 320];
        torn.read(0, &mut header).unwrap();
        let mut model = before;
        model.header = header.clone();
        assert!(header[7] == 0 || header[7] == 3, "the header is whole");
        layer.check(&torn, &model, &format!("seed {seed}"));
    }
}

#[test]
fn a_header_is_found_whole_whenever_the_power_goes_after_a_failed_sync() {
    for seed in 0..400 {
        let mut layer = Layer::new();
        layer.backend.write(7, &[1]).unwrap();
        fail(&layer.disk, Operation::Sync, 1);
        assert!(layer.backend.sync_data().is_err());
        // The process ends here, and another one opens the file.
        let images: Arc<Mutex<Vec<SimulatedDisk>>> = Arc::default();
        let sink = Arc::clone(&images);
        layer.disk.observe_syncs(move |disk, _| sink.lock().push(disk.crash(CrashKind::Torn(seed))));
        layer.backend = reopened(&layer.disk);
        layer.backend.write(7, &[2]).unwrap();
        layer.run(&Step::Sync);
        layer.disk.observe_syncs(|_, _| {});
        for image in images.lock().iter() {
            let mut byte = [9];
            reopened(image).read(7, &mut byte).unwrap();
            assert!(byte[0] < 3, "seed {seed}");
        }
    }
}

#[test]
fn a_block_in_the_place_of_another_with_its_checksum_is_an_error() {
    let mut layer = Layer::new();
    layer.run(&Step::SetLen { blocks: 2_000 });
    layer.run(&Step::Write { block: 3, count: 1, byte: 3 });
    layer.run(&Step::Write { block: 4, count: 1, byte: 4 });
    layer.run(&Step::Sync);
    let file = layer.disk.open(BASE_FILE).unwrap();
    for (from, to, size) in [(block_at(3), block_at(4), BLOCK_BYTES), (checksums_at(0) + 24, checksums_at(0) + 32, 8)] {
        let mut bytes = vec![0; size];
        file.read_at(from, &mut bytes).unwrap();
        file.write_at(to, &bytes).unwrap();
    }
    let backend = reopened(&layer.disk);
    backend.read(4 * BLOCK, &mut [0; BLOCK_BYTES]).unwrap();
    assert!(backend.read(5 * BLOCK, &mut [0; BLOCK_BYTES]).is_err());
}

#[test]
fn a_flip_of_any_byte_of_the_header_changes_nothing() {
    let mut layer = Layer::new();
    layer.run(&Step::SetLen { blocks: 2_000 });
    layer.run(&Step::Sync);
    for offset in 0..4 * BLOCK {
        let image = layer.disk.crash(CrashKind::LoseUnsynced);
        image.flip_bit(BASE_FILE, offset, (offset % 8) as u8).unwrap();
        layer.check(&reopened(&image), &layer.synced, &format!("byte {offset}"));
    }
}

#[test]
fn a_block_that_was_never_written_is_an_error() {
    let mut layer = Layer::new();
    layer.run(&Step::SetLen { blocks: 2_000 });
    let error = layer.backend.read(7 * BLOCK, &mut [0; BLOCK_BYTES]).unwrap_err();
    assert!(error.to_string().contains("never written"), "{error}");
}

#[test]
fn what_is_not_made_of_whole_pages_is_refused() {
    let layer = Layer::new();
    assert!(layer.backend.write(BLOCK + 1, &[0; BLOCK_BYTES]).is_err());
    let layer = Layer::new();
    assert!(layer.backend.read(2_000, &mut [0; 8]).is_err());
}

#[test]
fn checksum_blocks_in_memory_are_bounded() {
    let mut layer = Layer::new();
    layer.run(&Step::SetLen { blocks: 100_000 });
    for group in 0..50 {
        layer.run(&Step::Write { block: group * GROUP_BLOCKS, count: 1, byte: group as u8 + 1 });
    }
    layer.run(&Step::Sync);
    layer.check(&layer.backend, &layer.now, "all of them");
    assert!(layer.backend.0.cached_checksum_blocks() <= 3);
}
