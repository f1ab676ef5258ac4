//! Opening a database with other tables than it was written with: what is brought over by itself, and what is refused.

use std::sync::Arc;

use parking_lot::Mutex;
use tropism::{
    BuildProgress, BuildWork, Builder, Db, Error, OpenError, SchemaError,
    disk::{CrashKind, MemoryDisk, SimulatedDisk, SyncStage},
    prelude::*,
};

mod first {
    use tropism::prelude::*;
    schema! {
        pub table Project in "projects" { name: String }
        pub table Task in "tasks" { project: Id<Project>, name: String, size: String, note: String } with {
            index by_size (size);
        }
    }
}

mod second {
    use tropism::prelude::*;
    schema! {
        pub table Project in "projects" { name: String }
        pub table Task in "tasks" {
            priority: u8 = 7,
            title was "name": String,
            size: u32,
            project: Id<Project>,
            parent: Option<Id<Task>>,
        } with {
            index by_size (size);
            index by_priority (priority);
            index by_project (project) on delete cascade;
            convert size: String => |old| old.parse().unwrap_or(0);
            dropped "note";
        }
    }
}

fn builder() -> Builder {
    Db::builder().driven_by_hand()
}

const TASKS: u32 = 2_500;

/// A database of the first schema: tasks of sizes 0, 1, 2, …
fn written(disk: &MemoryDisk) -> Result<(), Error> {
    let db = builder().tables::<(first::Project, first::Task)>().open_on(disk.clone())?;
    db.write(|tx| -> Result<(), Error> {
        let project = tx.insert(first::Project { name: "p".into() })?;
        for number in 0..TASKS {
            let (name, size) = (format!("task {number}"), number.to_string());
            tx.insert(first::Task { project, name, size, note: "gone".into() })?;
        }
        Ok(())
    })?;
    db.close()
}

fn schema_error<T>(opened: Result<T, OpenError>) -> SchemaError {
    match opened {
        Err(OpenError::Schema(error)) => error,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was opened"),
    }
}

#[test]
fn fields_are_added_removed_reordered_renamed_and_converted_and_indexes_follow() -> Result<(), Error> {
    let disk = MemoryDisk::new();
    written(&disk)?;
    for _ in 0..2 {
        let db = builder().tables::<(second::Project, second::Task)>().open_on(disk.clone())?;
        db.read(|tx| -> Result<(), Error> {
            let task = tx.query(second::Task::by_size).eq(2_041).unique()?.expect("its size was converted");
            assert_eq!((task.title.as_str(), task.priority, task.parent), ("task 2041", 7, None));
            assert_eq!(tx.query(second::Task::by_size).range(10..20).count()?, 10);
            assert_eq!(tx.query(second::Task::by_priority).eq(7).count()?, TASKS as usize);
            assert_eq!(tx.query(second::Task::by_project).eq(task.project).count()?, TASKS as usize);
            Ok(())
        })?;
        db.close()?;
    }
    let db = builder().tables::<(second::Project, second::Task)>().open_on(disk)?;
    let project = db.read(|tx| tx.query(second::Project::by_id).first())?.expect("it was written").id();
    db.write(|tx| tx.delete(project))?;
    assert_eq!(db.read(|tx| tx.query(second::Task::by_size).count())?, 0);
    assert_eq!(db.read(|tx| tx.query(second::Task::by_priority).count())?, 0);
    Ok(())
}

#[test]
fn a_conversion_is_not_needed_any_more_once_the_rows_are_rewritten() -> Result<(), Error> {
    mod third {
        use tropism::prelude::*;
        schema! {
            pub table Project in "projects" { name: String }
            pub table Task in "tasks" {
                priority: u8 = 9,
                title: String,
                size: u32,
                project: Id<Project>,
                parent: Option<Id<Task>>,
            }
        }
    }
    let disk = MemoryDisk::new();
    written(&disk)?;
    builder().tables::<(second::Project, second::Task)>().open_on(disk.clone())?.close()?;
    let db = builder().tables::<(third::Project, third::Task)>().open_on(disk)?;
    let tasks = db.read(|tx| tx.query(third::Task::by_id).collect())?;
    assert_eq!(tasks.len(), TASKS as usize);
    // The default was frozen when the field was added; a later one is for later fields.
    assert!(tasks.iter().zip(0..).all(|(task, size)| task.size == size && task.priority == 7));
    Ok(())
}

#[test]
fn a_new_field_without_a_default_is_refused_with_the_line_to_write() -> Result<(), Error> {
    mod wrong {
        use tropism::prelude::*;
        schema! { pub table Project in "projects" { name: String, stars: u32 } }
    }
    let disk = MemoryDisk::new();
    written(&disk)?;
    let opened = builder().tables::<(wrong::Project, first::Task)>().open_on(disk.clone());
    let error = schema_error(opened);
    assert!(matches!(&error, SchemaError::MissingDefault { table, field, field_type }
        if table == "projects" && field == "stars" && field_type == "u32"));
    assert!(error.to_string().contains("write `stars: u32 = …`"), "{error}");
    // The refusal changed nothing.
    builder().tables::<(first::Project, first::Task)>().open_on(disk)?.close()
}

#[test]
fn a_changed_type_without_a_conversion_is_refused_with_the_line_to_write() -> Result<(), Error> {
    mod wrong {
        use tropism::prelude::*;
        schema! { pub table Project in "projects" { name: u64 } }
    }
    let disk = MemoryDisk::new();
    written(&disk)?;
    let error = schema_error(builder().tables::<(wrong::Project, first::Task)>().open_on(disk));
    assert!(error.to_string().contains("convert name: String => |old| …;"), "{error}");
    assert!(error.to_string().contains("declared as `u64`"), "{error}");
    Ok(())
}

#[test]
fn a_table_with_rows_that_is_not_declared_is_refused_until_it_is_dropped() -> Result<(), Error> {
    let disk = MemoryDisk::new();
    written(&disk)?;
    let error = schema_error(builder().tables::<(first::Project,)>().open_on(disk.clone()));
    assert!(matches!(&error, SchemaError::UndeclaredTable { table } if table == "tasks"), "{error}");
    builder().tables::<(first::Project,)>().drop_table("tasks").open_on(disk.clone())?.close()?;
    let db = builder().tables::<(first::Project, first::Task)>().open_on(disk)?;
    assert_eq!(db.read(|tx| tx.query(first::Task::by_id).count())?, 0);
    assert_eq!(db.read(|tx| tx.query(first::Task::by_size).count())?, 0);
    Ok(())
}

mod unique {
    use tropism::prelude::*;
    schema! {
        pub table Project in "projects" { name: String }
        pub table Task in "tasks" { project: Id<Project>, name: String, size: String, note: String } with {
            unique by_note (note);
            index by_size (size);
        }
    }
}

#[test]
fn a_unique_index_over_rows_that_share_a_key_is_refused_and_leaves_the_database_as_it_was() -> Result<(), Error> {
    let disk = MemoryDisk::new();
    written(&disk)?;
    let error = schema_error(builder().tables::<(unique::Project, unique::Task)>().open_on(disk.clone()));
    assert!(matches!(&error, SchemaError::DuplicateKey { table, index, first, second }
        if table == "tasks" && index == "by_note" && first != second));
    let db = builder().tables::<(first::Project, first::Task)>().open_on(disk)?;
    assert_eq!(db.read(|tx| tx.query(first::Task::by_size).count())?, TASKS as usize);
    Ok(())
}

#[test]
fn a_reference_over_a_row_that_points_at_nothing_is_refused() -> Result<(), Error> {
    let disk = MemoryDisk::new();
    written(&disk)?;
    let db = builder().tables::<(first::Project, first::Task)>().open_on(disk.clone())?;
    // The first schema declares no reference, so the project may go.
    let project = db.read(|tx| tx.query(first::Project::by_id).first())?.expect("it was written").id();
    db.write(|tx| tx.delete(project))?;
    db.close()?;
    let error = schema_error(builder().tables::<(second::Project, second::Task)>().open_on(disk));
    let missing = project.to_string();
    assert!(
        matches!(&error, SchemaError::DanglingReference { index, missing: named, .. }
        if index == "by_project" && *named == missing),
        "{error}"
    );
    Ok(())
}

#[test]
fn a_reference_to_a_table_that_is_not_declared_is_refused() {
    let error = schema_error(builder().tables::<(second::Task,)>().in_memory());
    assert!(matches!(&error, SchemaError::UnknownReference { target, .. } if target == "projects"), "{error}");
}

#[test]
fn two_tables_of_one_name_are_refused() {
    let error = schema_error(builder().tables::<(first::Project, second::Project)>().in_memory());
    assert!(matches!(&error, SchemaError::DuplicateTable { table } if table == "projects"), "{error}");
}

#[test]
fn building_an_index_reports_its_progress_in_batches() -> Result<(), Error> {
    let disk = MemoryDisk::new();
    written(&disk)?;
    let seen: Arc<Mutex<Vec<BuildProgress>>> = Arc::default();
    let reports = Arc::clone(&seen);
    let progress = move |progress| reports.lock().push(progress);
    builder().tables::<(second::Project, second::Task)>().on_progress(progress).open_on(disk)?.close()?;
    let seen = seen.lock();
    let built: Vec<u64> =
        seen.iter().filter(|progress| !progress.indexes.is_empty()).map(|progress| progress.rows_done).collect();
    assert_eq!(built, [1_000, 2_000, 2_500]);
    assert!(seen.iter().all(|progress| progress.table == "tasks" && progress.rows_at_most == u64::from(TASKS)));
    Ok(())
}

/// What is reported while the database is opened with other tables.
fn reports(builder: Builder, disk: &MemoryDisk) -> Result<Vec<BuildProgress>, Error> {
    let seen: Arc<Mutex<Vec<BuildProgress>>> = Arc::default();
    let reports = Arc::clone(&seen);
    builder.on_progress(move |progress| reports.lock().push(progress)).open_on(disk.clone())?.close()?;
    Ok(std::mem::take(&mut *seen.lock()))
}

#[test]
fn a_removed_index_and_a_dropped_table_are_emptied_once_and_reported() -> Result<(), Error> {
    mod without {
        use tropism::prelude::*;
        schema! {
            pub table Project in "projects" { name: String }
            pub table Task in "tasks" { project: Id<Project>, name: String, size: String, note: String }
        }
    }
    let disk = MemoryDisk::new();
    written(&disk)?;
    let removed = |reports: Vec<BuildProgress>| -> Vec<(String, BuildWork, u64)> {
        assert!(reports.iter().all(|progress| progress.rows_done <= progress.rows_at_most));
        reports.into_iter().map(|progress| (progress.table, progress.work, progress.rows_done)).collect()
    };
    let of_tasks =
        |work: BuildWork| [1_000, 2_000, 2_500].map(|done| ("tasks".to_owned(), work.clone(), done)).to_vec();
    let by_size = BuildWork::RemoveIndex { index: "by_size".into() };
    let without_index = || builder().tables::<(without::Project, without::Task)>();
    assert_eq!(removed(reports(without_index(), &disk)?), of_tasks(by_size));
    assert_eq!(removed(reports(without_index(), &disk)?), []);
    let without_table = || builder().tables::<(without::Project,)>().drop_table("tasks");
    assert_eq!(removed(reports(without_table(), &disk)?), of_tasks(BuildWork::RemoveRows));
    assert_eq!(removed(reports(without_table(), &disk)?), []);
    Ok(())
}

#[test]
fn batches_go_by_bytes_and_never_by_rows_alone() -> Result<(), Error> {
    let disk = MemoryDisk::new();
    let db = builder().tables::<(first::Project, first::Task)>().open_on(disk.clone())?;
    let project = db.write(|tx| tx.insert(first::Project { name: "p".into() }))?;
    for number in 0..20 {
        let note = "x".repeat(300 << 10);
        db.write(|tx| tx.insert(first::Task { project, name: String::new(), size: format!("{number}"), note }))?;
    }
    db.close()?;
    // The note is not in the second schema, so a rewritten row is small, and what is read has its bytes all the same.
    let reports = reports(builder().tables::<(second::Project, second::Task)>(), &disk)?;
    for work in [BuildWork::BuildIndexes, BuildWork::RewriteRows] {
        let done: Vec<u64> =
            reports.iter().filter(|report| report.work == work).map(|report| report.rows_done).collect();
        assert_eq!(done, [4, 8, 12, 16, 20], "{work:?}");
    }
    Ok(())
}

#[test]
fn a_row_larger_than_a_batch_is_a_batch() -> Result<(), Error> {
    let disk = MemoryDisk::new();
    let db = builder().tables::<(first::Project, first::Task)>().open_on(disk.clone())?;
    let project = db.write(|tx| tx.insert(first::Project { name: "p".into() }))?;
    for number in 0..3 {
        let note = "x".repeat(3 << 20);
        db.write(|tx| tx.insert(first::Task { project, name: String::new(), size: format!("{number}"), note }))?;
    }
    db.close()?;
    let reports = reports(builder().tables::<(second::Project, second::Task)>(), &disk)?;
    let built = reports.iter().filter(|report| report.work == BuildWork::BuildIndexes).map(|report| report.rows_done);
    assert!(built.eq([1, 2, 3]));
    Ok(())
}

#[test]
fn a_crash_at_any_sync_of_an_evolution_is_harmless() -> Result<(), Error> {
    let config = Config { checkpoint_bytes: 64 << 10, log_segment_bytes: 64 << 10, ..Config::default() };
    let small = || builder().config(config.clone());
    let written = SimulatedDisk::new(3);
    let db = small().tables::<(first::Project, first::Task)>().open_on(written.clone())?;
    let project = db.write(|tx| tx.insert(first::Project { name: "p".into() }))?;
    for number in 0..300 {
        let task = first::Task { project, name: format!("{number}"), size: format!("{number}"), note: String::new() };
        db.write_with(Durability::Relaxed, |tx| tx.insert(task))?;
    }
    db.close()?;
    for sync in 0.. {
        let disk = written.crash(CrashKind::KeepAll);
        disk.crash_at(sync, SyncStage::Before);
        let opened = small().tables::<(second::Project, second::Task)>().open_on(disk.clone());
        let was_cut_short = disk.is_off();
        drop(opened);
        let disk = disk.crash(CrashKind::Torn(sync));
        let db = small().tables::<(second::Project, second::Task)>().open_on(disk)?;
        db.read(|tx| -> Result<(), Error> {
            assert_eq!(tx.query(second::Task::by_id).count()?, 300);
            let project = tx.query(second::Project::by_id).unique()?.expect("it was written").id();
            assert_eq!(tx.query(second::Task::by_project).eq(project).count()?, 300);
            assert_eq!(tx.query(second::Task::by_size).range(100..).count()?, 200);
            Ok(())
        })?;
        if !was_cut_short {
            return Ok(());
        }
    }
    Ok(())
}
