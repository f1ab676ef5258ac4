//! `open_clean`, `open_crashed`, `disk_size` and `peak_memory`: what a database costs before and beside its work.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use super::{Context, MEGABYTE, quiet_disk};
use crate::{
    child::{Child, Ending},
    results::{Results, Unit},
    rows::Category,
    systems::Engine,
};

/// What `st_blocks` counts in.
const BLOCK_BYTES: u64 = 512;

pub(super) fn run(context: &Context, results: &mut Results) -> Result<()> {
    if context.wants_any(&["open_clean", "disk_size", "peak_memory"]) {
        for _ in 0..context.runs {
            for engine in context.engines(Engine::DURABLE) {
                closed(context, engine, results)?;
            }
        }
    }
    if context.wants("open_crashed") {
        for _ in 0..context.runs {
            for engine in context.engines(Engine::DURABLE) {
                let directory = prepared(context, engine, Ending::Killed)?.0;
                let elapsed = open(engine, directory.path())?;
                results.add("open_crashed", engine.name(), Unit::Milliseconds, elapsed.as_secs_f64() * 1e3);
                directory.close()?;
            }
        }
    }
    Ok(())
}

fn closed(context: &Context, engine: Engine, results: &mut Results) -> Result<()> {
    let (directory, memory) = prepared(context, engine, Ending::Closed)?;
    if context.wants("disk_size") {
        let size = allocated_bytes(directory.path())? as f64 / MEGABYTE;
        results.add("disk_size", engine.name(), Unit::Megabytes, size);
    }
    if context.wants("peak_memory") {
        results.add("peak_memory", engine.name(), Unit::Megabytes, memory as f64 / MEGABYTE);
    }
    if context.wants("open_clean") {
        let elapsed = open(engine, directory.path())?;
        results.add("open_clean", engine.name(), Unit::Milliseconds, elapsed.as_secs_f64() * 1e3);
    }
    Ok(directory.close()?)
}

/// A loaded database that another process has left, and the most memory that it needed.
fn prepared(context: &Context, engine: Engine, ending: Ending) -> Result<(TempDir, u64)> {
    let directory = context.empty_directory()?;
    let child = Child { engine, ending, projects: context.projects, directory: directory.path().to_path_buf() };
    let memory = child.start()?;
    quiet_disk()?;
    Ok((directory, memory))
}

/// The time until the first query's 20 rows are in hand, since some systems put off work until they are asked.
fn open(engine: Engine, directory: &Path) -> Result<Duration> {
    let start = Instant::now();
    let system = engine.open(directory).with_context(|| format!("{} opens again", engine.name()))?;
    system.by_project_and_category(1, Category::Todo)?;
    let elapsed = start.elapsed();
    system.close()?;
    Ok(elapsed)
}

/// What a directory occupies on the disk: the blocks of its files, not their lengths, which sparse files exceed.
fn allocated_bytes(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { allocated_bytes(&entry.path())? } else { metadata.blocks() * BLOCK_BYTES };
    }
    Ok(bytes)
}
