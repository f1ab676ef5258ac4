//! `disk_sync`: what the disk can do, the limit for every commit that does not share its sync.

use std::{fs::File, os::unix::fs::FileExt, time::Instant};

use anyhow::Result;

use super::{Context, quiet_disk};
use crate::results::{Results, Unit};

const PAGE_BYTES: usize = 4096;
const PAGES: u64 = 4096;

pub(super) fn run(context: &Context, results: &mut Results) -> Result<()> {
    if !context.wants("disk_sync") || !context.wants_system("disk") {
        return Ok(());
    }
    let directory = context.empty_directory()?;
    let file = File::create_new(directory.path().join("preallocated"))?;
    let page = [0x5a; PAGE_BYTES];
    // Written once, so that an overwrite changes neither the file's length nor its extents.
    for number in 0..PAGES {
        file.write_all_at(&page, number * PAGE_BYTES as u64)?;
    }
    file.sync_all()?;
    quiet_disk()?;
    for _ in 0..context.runs {
        let start = Instant::now();
        let mut syncs = 0;
        while start.elapsed() < context.window {
            file.write_all_at(&page, (syncs % PAGES) * PAGE_BYTES as u64)?;
            file.sync_data()?;
            syncs += 1;
        }
        results.add("disk_sync", "disk", Unit::PerSecond, syncs as f64 / start.elapsed().as_secs_f64());
    }
    Ok(directory.close()?)
}
