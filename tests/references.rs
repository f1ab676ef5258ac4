//! References: what they may point at, and what deleting their target does.

mod common;

use std::fmt::Debug;

use common::WatchedDisk;

use tropism::{
    Error, TransactionError,
    disk::{CrashKind, SimulatedDisk},
    prelude::*,
};

schema! {
    pub table Project in "projects" { name: String, parent: Option<Id<Project>> } with {
        index by_parent (parent) on delete cascade;
    }

    pub table Task in "tasks" {
        project: Id<Project>,
        title: String,
        parent: Option<Id<Task>>,
        blocked_by: Option<Id<Task>>,
    } with {
        index by_project (project, title) on delete cascade;
        index by_parent (parent) on delete cascade;
        index by_blocker (blocked_by, title) on delete set null;
        index by_title (title);
    }

    /// Keeps a task from being deleted.
    pub table Invoice in "invoices" { task: Id<Task>, amount: u32, replaces: Option<Id<Invoice>> } with {
        index by_task (task) on delete restrict;
        index by_replaced (replaces) on delete restrict;
    }

    /// At most one per task, and one without.
    pub table Pin in "pins" { task: Option<Id<Task>>, place: u8 } with {
        unique by_task (task) on delete set null;
    }
}

fn open_on(disk: SimulatedDisk) -> Db {
    Db::builder().tables::<(Project, Task, Invoice, Pin)>().driven_by_hand().open_on(disk).unwrap()
}

fn db() -> Db {
    open_on(SimulatedDisk::new(0))
}

fn project(db: &Db, name: &str) -> Id<Project> {
    db.write(|tx| tx.insert(Project { name: name.into(), parent: None })).unwrap()
}

fn task_of(project: Id<Project>, title: &str) -> Task {
    Task { project, title: title.into(), parent: None, blocked_by: None }
}

fn insert(db: &Db, task: Task) -> Id<Task> {
    db.write(|tx| tx.insert(task)).unwrap()
}

/// The titles of all tasks, by every index: they must agree.
fn titles(db: &Db) -> String {
    db.read(|tx| -> Result<String, Error> {
        let mut found: Vec<String> = [
            tx.query(Task::by_id).collect()?,
            tx.query(Task::by_project).collect()?,
            tx.query(Task::by_parent).collect()?,
            tx.query(Task::by_blocker).collect()?,
            tx.query(Task::by_title).collect()?,
        ]
        .into_iter()
        .map(|tasks| {
            let mut titles: Vec<&str> = tasks.iter().map(|task| task.title.as_str()).collect();
            titles.sort_unstable();
            titles.concat()
        })
        .collect();
        found.dedup();
        assert_eq!(found.len(), 1, "the indexes differ: {found:?}");
        Ok(found.remove(0))
    })
    .unwrap()
}

fn ts(db: &Db) -> u64 {
    db.read(|tx| Ok::<_, Error>(tx.ts().as_u64())).unwrap()
}

/// What a refused transaction answered; it must have left nothing.
fn refused<R: Debug>(db: &Db, body: impl FnOnce(&mut WriteTx) -> Result<R, Error>) -> TransactionError {
    let before = (titles(db), ts(db));
    let result = db.write(body);
    assert_eq!((titles(db), ts(db)), before);
    match result {
        Err(Error::Transaction(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_insert_that_points_at_nothing_is_refused() {
    let db = db();
    let gone = project(&db, "gone");
    db.write(|tx| tx.delete(gone)).unwrap();
    match refused(&db, |tx| tx.insert(task_of(gone, "a"))) {
        TransactionError::MissingReference { table, field, target } => {
            assert_eq!((table, field, target), ("tasks", "project", gone.to_string()));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_change_that_points_at_nothing_is_refused() {
    let db = db();
    let (kept, gone) = (project(&db, "kept"), project(&db, "gone"));
    let a = insert(&db, task_of(kept, "a"));
    let b = insert(&db, task_of(kept, "b"));
    db.write(|tx| tx.delete(gone)).unwrap();
    db.write(|tx| tx.delete(b)).unwrap();
    let is_missing = |error, field| matches!(error, TransactionError::MissingReference { field: f, .. } if f == field);
    assert!(is_missing(refused(&db, |tx| tx.patch(a, |task| task.project = gone)), "project"));
    assert!(is_missing(refused(&db, |tx| tx.replace(a, task_of(gone, "a"))), "project"));
    assert!(is_missing(refused(&db, |tx| tx.patch(a, |task| task.blocked_by = Some(b))), "blocked_by"));
}

#[test]
fn a_target_that_the_same_transaction_made_or_deleted_counts_as_it_stands() {
    let db = db();
    db.write(|tx| {
        let project = tx.insert(Project { name: "new".into(), parent: None })?;
        tx.insert(task_of(project, "a"))
    })
    .unwrap();
    let old = project(&db, "old");
    let error = refused(&db, |tx| {
        tx.delete(old)?;
        tx.insert(task_of(old, "b"))
    });
    assert!(matches!(error, TransactionError::MissingReference { .. }), "{error}");
    assert_eq!(titles(&db), "a");
}

#[test]
fn null_points_at_nothing_and_may() {
    let db = db();
    let project = project(&db, "p");
    let a = insert(&db, task_of(project, "a"));
    db.write(|tx| tx.patch(a, |task| task.parent = Some(a))).unwrap();
    db.write(|tx| tx.patch(a, |task| task.parent = None)).unwrap();
    assert_eq!(titles(&db), "a");
}

#[test]
fn a_cascade_takes_the_referring_rows_and_those_that_refer_to_them() {
    let db = db();
    let (root, other) = (project(&db, "root"), project(&db, "other"));
    let child = db.write(|tx| tx.insert(Project { name: "child".into(), parent: Some(root) })).unwrap();
    let a = insert(&db, task_of(child, "a"));
    insert(&db, task_of(root, "b"));
    // Of another project, but below a task of this one.
    insert(&db, Task { parent: Some(a), ..task_of(other, "c") });
    insert(&db, task_of(other, "d"));
    db.write(|tx| tx.delete(root)).unwrap();
    assert_eq!(titles(&db), "d");
    let projects = db.read(|tx| tx.query(Project::by_id).collect()).unwrap();
    assert_eq!(projects.iter().map(|project| project.name.as_str()).collect::<Vec<_>>(), ["other"]);
}

#[test]
fn a_cascade_over_many_rows_in_base_and_overlay_is_one_commit() {
    let disk = SimulatedDisk::new(0);
    let db = open_on(disk.clone());
    let (doomed, kept) = (project(&db, "doomed"), project(&db, "kept"));
    for half in 0..2 {
        db.write(|tx| -> Result<(), Error> {
            for number in 0..150 {
                tx.insert(task_of(doomed, &format!("{half} {number}")))?;
            }
            tx.insert(task_of(kept, "k")).map(drop)
        })
        .unwrap();
        if half == 0 {
            db.checkpoint().unwrap();
        }
    }
    let before = ts(&db);
    db.write(|tx| tx.delete(doomed)).unwrap();
    assert_eq!(ts(&db), before + 1);
    assert_eq!(titles(&db), "kk");
    assert_eq!(titles(&open_on(disk.crash(CrashKind::LoseUnsynced))), "kk");
}

fn with_limit(overlay_limit_bytes: usize) -> Db {
    let config = Config { overlay_limit_bytes, checkpoint_bytes: 64 << 10, ..Config::default() };
    let builder = Db::builder().tables::<(Project, Task, Invoice, Pin)>().config(config).driven_by_hand();
    builder.in_memory().unwrap()
}

#[test]
fn a_cascade_is_one_transaction_within_the_limit_and_past_it_changes_nothing() {
    let db = with_limit(1 << 20);
    let parent = project(&db, "p");
    let add = |count| {
        let insert = |tx: &mut WriteTx| tx.insert(Project { name: String::new(), parent: Some(parent) }).map(drop);
        (0..count).step_by(1_000).for_each(|_| db.write(|tx| (0..1_000).try_for_each(|_| insert(tx))).unwrap());
    };
    let count = || db.read(|tx| tx.query(Project::by_parent).count()).unwrap();
    add(20_000);
    let before = (count(), ts(&db));
    let error = refused(&db, |tx| tx.delete(parent));
    assert!(matches!(error, TransactionError::TransactionTooLarge { limit_bytes: 1_048_576, .. }), "{error}");
    assert!(error.to_string().contains("raise `Config::overlay_limit_bytes`"), "{error}");
    assert_eq!((count(), ts(&db)), before);
    // Some of them first, and then the rest fits.
    for _ in 0..3 {
        let some = db.read(|tx| tx.query(Project::by_parent).eq(Some(parent)).take(4_000).collect()).unwrap();
        db.write(|tx| some.iter().try_for_each(|project| tx.delete(project.id()))).unwrap();
    }
    let before = ts(&db);
    db.write(|tx| tx.delete(parent)).unwrap();
    assert_eq!((count(), ts(&db)), (0, before + 1));
}

#[test]
fn restrict_looks_at_the_first_referrer_alone() {
    let disk = WatchedDisk::new("base");
    let config = Config { base_cache_bytes: 1 << 20, ..Config::default() };
    let open = || {
        let builder = Db::builder().tables::<(Project, Task, Invoice, Pin)>().config(config.clone());
        builder.driven_by_hand().open_on(disk.clone()).unwrap()
    };
    let db = open();
    let task = insert(&db, task_of(project(&db, "p"), "t"));
    for _ in 0..10 {
        let invoice = Invoice { task, amount: 1, replaces: None };
        db.write(|tx| (0..5_000).try_for_each(|_| tx.insert(invoice.clone()).map(drop))).unwrap();
    }
    db.close().unwrap();
    let db = open();
    let before = disk.read_bytes();
    assert!(matches!(refused(&db, |tx| tx.delete(task)), TransactionError::Restricted { .. }));
    let refusal_bytes = disk.read_bytes() - before;
    assert_eq!(db.read(|tx| tx.query(Invoice::by_task).count()).unwrap(), 50_000);
    let count_bytes = disk.read_bytes() - before - refusal_bytes;
    assert!(refusal_bytes * 4 < count_bytes, "{refusal_bytes} bytes against {count_bytes} of all entries");
}

#[test]
fn set_null_clears_the_field_and_keeps_the_row_with_its_creation_time() {
    let disk = SimulatedDisk::new(0);
    let db = open_on(disk.clone());
    let project = project(&db, "p");
    let blocker = insert(&db, task_of(project, "a"));
    let blocked: Vec<_> = ["b", "c"]
        .iter()
        .map(|title| insert(&db, Task { blocked_by: Some(blocker), ..task_of(project, title) }))
        .collect();
    let created_at = db.read(|tx| tx.get(blocked[0])).unwrap().unwrap().created_at();
    db.write(|tx| tx.delete(blocker)).unwrap();
    for db in [&db, &open_on(disk.crash(CrashKind::LoseUnsynced))] {
        let found = db.read(|tx| tx.query(Task::by_blocker).eq(None).collect()).unwrap();
        assert_eq!(found.iter().map(Doc::id).collect::<Vec<_>>(), blocked);
        assert_eq!(*found[0], task_of(project, "b"));
        assert_eq!(found[0].created_at(), created_at);
        assert_eq!(db.read(|tx| tx.query(Task::by_blocker).eq(Some(blocker)).count()).unwrap(), 0);
        assert_eq!(titles(db), "bc");
    }
}

#[test]
fn set_null_that_would_violate_a_unique_index_refuses_the_delete() {
    let db = db();
    let project = project(&db, "p");
    let a = insert(&db, task_of(project, "a"));
    let free = db.write(|tx| tx.insert(Pin { task: None, place: 0 })).unwrap();
    db.write(|tx| tx.insert(Pin { task: Some(a), place: 1 })).unwrap();
    match refused(&db, |tx| tx.delete(a)) {
        TransactionError::UniqueViolation { table, index, holder } => {
            assert_eq!((table, index, holder), ("pins", "by_task", free.to_string()));
        }
        other => panic!("{other:?}"),
    }
    db.write(|tx| tx.delete(free)).unwrap();
    db.write(|tx| tx.delete(a)).unwrap();
    assert_eq!(db.read(|tx| tx.query(Pin::by_task).eq(None).count()).unwrap(), 1);
}

#[test]
fn restrict_refuses_the_delete_and_names_who_refers() {
    let db = db();
    let project = project(&db, "p");
    let a = insert(&db, task_of(project, "a"));
    let invoice = db.write(|tx| tx.insert(Invoice { task: a, amount: 1, replaces: None })).unwrap();
    match refused(&db, |tx| tx.delete(a)) {
        TransactionError::Restricted { id, holder, table, index } => {
            assert_eq!((id, holder), (a.to_string(), invoice.to_string()));
            assert_eq!((table, index), ("invoices", "by_task"));
        }
        other => panic!("{other:?}"),
    }
    db.write(|tx| tx.delete(invoice)).unwrap();
    db.write(|tx| tx.delete(a)).unwrap();
    assert_eq!(titles(&db), "");
}

#[test]
fn restrict_below_a_cascade_refuses_all_of_it() {
    let db = db();
    let project = project(&db, "p");
    insert(&db, task_of(project, "a"));
    let b = insert(&db, task_of(project, "b"));
    let invoice = db.write(|tx| tx.insert(Invoice { task: b, amount: 1, replaces: None })).unwrap();
    let error = refused(&db, |tx| tx.delete(project));
    assert!(matches!(&error, TransactionError::Restricted { id, .. } if *id == b.to_string()), "{error}");
    db.write(|tx| tx.delete(invoice)).unwrap();
    db.write(|tx| tx.delete(project)).unwrap();
    assert_eq!(titles(&db), "");
}

#[test]
fn a_refused_delete_leaves_the_rest_of_the_transaction() {
    let db = db();
    let project = project(&db, "p");
    let a = insert(&db, task_of(project, "a"));
    let b = insert(&db, Task { blocked_by: Some(a), parent: Some(a), ..task_of(project, "b") });
    db.write(|tx| tx.insert(Invoice { task: b, amount: 1, replaces: None })).unwrap();
    db.write(|tx| -> Result<(), Error> {
        tx.insert(task_of(project, "c"))?;
        // The cascade reaches b, which an invoice holds, after it has deleted a.
        assert!(matches!(tx.delete(a), Err(Error::Transaction(TransactionError::Restricted { .. }))));
        assert_eq!(tx.get(b)?.expect("it is back").blocked_by, Some(a));
        tx.insert(task_of(project, "d")).map(drop)
    })
    .unwrap();
    assert_eq!(titles(&db), "abcd");
    assert_eq!(db.read(|tx| tx.query(Task::by_blocker).eq((Some(a), "b")).count()).unwrap(), 1);
}

#[test]
fn a_row_may_refer_to_itself_whatever_its_reference_says() {
    let db = db();
    let project = db.write(|tx| tx.insert(Project { name: "p".into(), parent: None })).unwrap();
    db.write(|tx| tx.patch(project, |row| row.parent = Some(project))).unwrap();
    let a = insert(&db, task_of(project, "a"));
    db.write(|tx| tx.patch(a, |task| (task.parent, task.blocked_by) = (Some(a), Some(a)))).unwrap();
    let other = insert(&db, task_of(project, "b"));
    let invoice = db.write(|tx| tx.insert(Invoice { task: other, amount: 1, replaces: None })).unwrap();
    db.write(|tx| tx.patch(invoice, |row| row.replaces = Some(invoice))).unwrap();
    // A row that only it refers to is held by nobody.
    db.write(|tx| tx.delete(invoice)).unwrap();
    db.write(|tx| tx.delete(project)).unwrap();
    assert_eq!(titles(&db), "");
    assert_eq!(db.read(|tx| tx.query(Project::by_parent).count()).unwrap(), 0);
}

#[test]
fn a_cycle_of_cascades_ends() {
    let db = db();
    let p = project(&db, "p");
    let ids: Vec<_> = ["a", "b", "c", "d"].iter().map(|title| insert(&db, task_of(p, title))).collect();
    db.write(|tx| (0..3).try_for_each(|at| tx.patch(ids[at], |task| task.parent = Some(ids[(at + 1) % 3])))).unwrap();
    // In the cycle and beside it by another reference.
    db.write(|tx| tx.patch(ids[3], |task| task.blocked_by = Some(ids[1]))).unwrap();
    db.write(|tx| tx.delete(ids[0])).unwrap();
    assert_eq!(titles(&db), "d");
    assert_eq!(db.read(|tx| tx.get(ids[3])).unwrap().unwrap().blocked_by, None);
}

#[test]
fn a_row_that_is_both_cleared_and_cascaded_is_gone() {
    let db = db();
    let p = project(&db, "p");
    let a = insert(&db, task_of(p, "a"));
    insert(&db, Task { parent: Some(a), blocked_by: Some(a), ..task_of(p, "b") });
    db.write(|tx| tx.delete(a)).unwrap();
    assert_eq!(titles(&db), "");
}

#[test]
fn a_delete_of_nothing_is_an_error_that_names_the_id() {
    let db = db();
    let p = project(&db, "p");
    let a = insert(&db, task_of(p, "a"));
    db.write(|tx| tx.delete(a)).unwrap();
    let not_found = |error| matches!(error, TransactionError::NotFound { id } if id == a.to_string());
    assert!(not_found(refused(&db, |tx| tx.delete(a))));
    assert!(not_found(refused(&db, |tx| tx.patch(a, |_| ()))));
    assert!(not_found(refused(&db, |tx| tx.replace(a, task_of(p, "a")))));
}

#[test]
fn live_queries_hear_of_what_a_delete_did_to_other_tables() {
    let db = db();
    let p = project(&db, "p");
    let a = insert(&db, task_of(p, "a"));
    let b = insert(&db, Task { blocked_by: Some(a), ..task_of(p, "b") });
    insert(&db, Task { parent: Some(a), ..task_of(p, "c") });
    let by_title = db.watch(|tx| tx.query(Task::by_title).collect()).unwrap();
    let the_blocked = db.watch(move |tx| tx.get(b)).unwrap();
    let free = db.watch(|tx| tx.query(Task::by_blocker).eq(None).count()).unwrap();
    by_title.recv();
    the_blocked.recv();
    db.write(|tx| tx.delete(a)).unwrap();
    let reactor = db.reactor().unwrap();
    assert_eq!(reactor.run().len(), 3);
    assert_eq!(by_title.try_recv().unwrap().unwrap().len(), 1);
    assert_eq!(the_blocked.try_recv().unwrap().unwrap().as_ref().as_ref().unwrap().blocked_by, None);
    assert_eq!(*free.current().unwrap(), 1);
}
