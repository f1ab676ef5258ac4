//! `disk_sync` and `log_sync`: what the disk can do, the limit for every commit that does not share its sync.
//!
//! Both overwrite a file that was written before and sync it, so that neither the file's length nor its extents change:
//! `disk_sync` a page at a time, `log_sync` the 512 bytes that a log needs for a commit of one row, one record after the
//! other. They take turns with `durable_insert_1`.

use std::{fs::File, os::unix::fs::FileExt, path::Path};

use anyhow::Result;

use super::{
    Context, quiet_disk,
    slices::{Contestant, rate},
};

const PAGE_BYTES: usize = 4096;
const PAGES: u64 = 4096;
const RECORD_BYTES: usize = 512;
/// As many as a segment of tropism's log holds.
const RECORDS: u64 = 8192;

/// The disk's part in those of the two measures that are asked for, with its files in `directory`.
pub(super) fn contestants(context: &Context, directory: &Path) -> Result<Vec<Contestant<'static>>> {
    let mut contestants = Vec::new();
    if !context.wants_system("disk") {
        return Ok(contestants);
    }
    if context.wants("disk_sync") {
        contestants.push(contestant("disk_sync", context, Preallocated::new(directory, PAGE_BYTES, PAGES)?));
    }
    // The limit of durable_insert_1, and so measured with it.
    if context.wants_any(&["log_sync", "durable_insert_1"]) {
        contestants.push(contestant("log_sync", context, Preallocated::new(directory, RECORD_BYTES, RECORDS)?));
    }
    Ok(contestants)
}

fn contestant(measure: &'static str, context: &Context, mut file: Preallocated) -> Contestant<'static> {
    let window = context.slice;
    let slice = Box::new(move |_| {
        quiet_disk()?;
        rate(window, || file.append_and_sync())
    });
    Contestant { measure, system: "disk", slice }
}

/// A file of records that is written from its beginning to its end, again and again.
struct Preallocated {
    file: File,
    record: Vec<u8>,
    records: u64,
    next: u64,
}

impl Preallocated {
    fn new(directory: &Path, record_bytes: usize, records: u64) -> Result<Self> {
        let file = File::create_new(directory.join(format!("preallocated-{record_bytes}")))?;
        let record = vec![0x5a; record_bytes];
        for number in 0..records {
            file.write_all_at(&record, number * record_bytes as u64)?;
        }
        file.sync_all()?;
        Ok(Self { file, record, records, next: 0 })
    }

    fn append_and_sync(&mut self) -> Result<usize> {
        self.file.write_all_at(&self.record, self.next * self.record.len() as u64)?;
        self.file.sync_data()?;
        self.next = (self.next + 1) % self.records;
        Ok(1)
    }
}
