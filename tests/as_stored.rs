//! A database says what is in it, and any row is read by that alone.

use std::sync::mpsc;

use tropism::{
    Builder, Error, IndexKind, OnDelete, OpenError, TransactionError, Type, Value, disk::MemoryDisk, prelude::*,
};

schema! {
    pub enum State { Open = "open", Closed = "closed" }

    pub struct Step { name: String, seconds: Option<u32> }

    pub table Project in "projects" { name: String }

    pub table Task in "tasks" {
        project_id: Id<Project>,
        title: String,
        state: State,
        labels: Vec<String>,
        steps: Vec<Step>,
        size: f64,
        extra: Json<Vec<u8>>,
    } with {
        index by_project (project_id, state) on delete cascade;
        unique by_title (title);
        multi by_label (labels);
    }
}

/// An earlier program.
mod first {
    tropism::schema! { pub table Project in "projects" { name: String, old: u8 } }
}

/// A later one.
mod second {
    tropism::schema! {
        pub table Project in "projects" { title was "name": String, stars: u32 = 7, due: Option<u8> } with {
            dropped "old";
        }
    }
}

fn task(project_id: Id<Project>, title: &str) -> Task {
    Task {
        project_id,
        title: title.to_owned(),
        state: State::Closed,
        labels: vec!["a".to_owned(), "b".to_owned()],
        steps: vec![Step { name: "one".to_owned(), seconds: Some(3) }],
        size: 0.5,
        extra: Json(vec![1, 2]),
    }
}

fn written() -> MemoryDisk {
    let disk = MemoryDisk::new();
    let db = Db::builder().tables::<(Project, Task)>().open_on(disk.clone()).unwrap();
    db.write(|tx| -> Result<(), Error> {
        let project = tx.insert(Project { name: "Apollo".to_owned() })?;
        for number in 1..=5 {
            tx.insert(task(project, &format!("task {number}")))?;
        }
        Ok(())
    })
    .unwrap();
    db.close().unwrap();
    disk
}

fn as_stored() -> Builder {
    Db::builder().as_stored()
}

#[test]
fn the_catalog_names_tables_fields_types_indexes_and_layouts() {
    let db = as_stored().open_on(written()).unwrap();
    let catalog = db.catalog().unwrap();
    let names: Vec<&str> = catalog.tables.iter().map(|table| table.name.as_str()).collect();
    assert!(names.contains(&"projects") && names.contains(&"tasks") && names.contains(&"scheduledJobs"), "{names:?}");
    let tasks = catalog.table("tasks").unwrap();
    let fields: Vec<(&str, &str)> =
        tasks.fields.iter().map(|field| (field.name.as_str(), field.json_name.as_str())).collect();
    assert_eq!(fields[..2], [("project_id", "projectId"), ("title", "title")]);
    assert_eq!(tasks.field("project_id").unwrap().of, Type::Id("projects".to_owned()));
    assert!(matches!(&tasks.field("state").unwrap().of, Type::Enum(of) if of.variants == ["open", "closed"]));
    assert!(matches!(&tasks.field("steps").unwrap().of, Type::List(of) if matches!(&**of, Type::Struct(_))));
    assert_eq!(tasks.field("size").unwrap().type_name, "f64");
    assert_eq!((tasks.layouts.len(), tasks.layouts[0].is_live, &tasks.layouts[0].fields), (1, true, &tasks.fields));
    let by_project = tasks.index("by_project").unwrap();
    assert_eq!((by_project.kind, by_project.is_ready), (IndexKind::Plain, true));
    assert_eq!(by_project.fields, ["project_id", "state"]);
    let reference = by_project.reference.as_ref().unwrap();
    assert_eq!((reference.table.as_str(), reference.on_delete), ("projects", OnDelete::Cascade));
    assert_eq!(tasks.index("by_title").unwrap().kind, IndexKind::Unique);
    assert_eq!(tasks.index("by_label").unwrap().kind, IndexKind::Multi);
    let keyspaces = [tasks.keyspace, tasks.indexes[0].keyspace, tasks.indexes[1].keyspace];
    assert!(keyspaces.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn a_row_of_any_table_is_read_without_its_type() {
    let db = as_stored().open_on(written()).unwrap();
    let rows = db.read(|tx| tx.rows_of("tasks")?.collect::<Result<Vec<_>, Error>>()).unwrap();
    assert_eq!(rows.len(), 5);
    let row = &rows[1];
    assert_eq!((row.table(), row.number(), row.id()), ("tasks", 2, Id::<Task>::from_raw(2).to_string()));
    assert_eq!(row.get("title"), Some(&Value::Text("task 2".to_owned())));
    assert_eq!(row.get("projectId"), Some(&Value::Id { table: "projects".to_owned(), number: 1 }));
    assert_eq!(row.get("state"), Some(&Value::Enum("closed".to_owned())));
    assert_eq!(row.get("nothing"), None);
    let Some(Value::List(steps)) = row.get("steps") else { panic!("steps are a list") };
    let Value::Struct(step) = &steps[0] else { panic!("a step is a struct") };
    assert_eq!((step[0].name.as_str(), &step[0].value), ("name", &Value::Text("one".to_owned())));
    let found = db.read(|tx| tx.row_of(&row.id())).unwrap();
    assert_eq!(found.as_ref(), Some(row));
    let after: Vec<u64> =
        db.read(|tx| tx.rows_of("tasks")?.after(3).map(|row| Ok::<_, Error>(row?.number())).collect()).unwrap();
    assert_eq!(after, [4, 5]);
}

#[test]
fn the_json_of_a_row_is_that_of_its_document() {
    let disk = written();
    let typed = Db::builder().tables::<(Project, Task)>().open_on(disk).unwrap();
    typed
        .read(|tx| -> Result<(), Error> {
            let docs = tx.query(Task::by_id).collect()?;
            for (row, doc) in tx.rows_of("tasks")?.zip(&docs) {
                assert_eq!(row?.to_json(), serde_json::to_value(doc).unwrap());
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn rows_of_earlier_layouts_have_the_fields_of_the_table() {
    let disk = MemoryDisk::new();
    let db = Db::builder().tables::<first::Project>().open_on(disk.clone()).unwrap();
    db.write(|tx| tx.insert(first::Project { name: "Apollo".to_owned(), old: 9 })).unwrap();
    db.close().unwrap();
    let db = Db::builder().tables::<second::Project>().open_on(disk.clone()).unwrap();
    db.write(|tx| tx.insert(second::Project { title: "Gemini".to_owned(), stars: 1, due: Some(3) })).unwrap();
    let docs = db.read(|tx| tx.query(second::Project::by_id).collect()).unwrap();
    let docs: Vec<_> = docs.iter().map(|doc| serde_json::to_value(doc).unwrap()).collect();
    db.close().unwrap();
    let db = as_stored().open_on(disk).unwrap();
    let rows = db.read(|tx| tx.rows_of("projects")?.collect::<Result<Vec<_>, Error>>()).unwrap();
    assert_eq!(rows.iter().map(|row| row.to_json()).collect::<Vec<_>>(), docs);
    assert_eq!(rows[0].get("stars"), Some(&Value::Unsigned(7)));
    let projects = db.catalog().unwrap();
    let projects = projects.table("projects").unwrap();
    assert_eq!((projects.layouts.len(), projects.layouts[0].fields[1].name.as_str()), (2, "old"));
    assert_eq!(projects.field("stars").unwrap().default, Some(Value::Unsigned(7)));
}

#[test]
fn a_database_that_is_opened_as_it_is_stored_takes_no_writes_and_keeps_all() {
    let disk = written();
    let db = as_stored().tables::<first::Project>().open_on(disk.clone()).unwrap();
    let refused = db.write(|tx| tx.insert(first::Project { name: String::new(), old: 0 })).unwrap_err();
    assert!(matches!(refused, Error::Transaction(TransactionError::ReadOnly)), "{refused}");
    db.close().unwrap();
    let db = Db::builder().tables::<(Project, Task)>().open_on(disk).unwrap();
    assert_eq!(db.read(|tx| tx.query(Task::by_label).count()).unwrap(), 5);
}

#[test]
fn opening_as_stored_makes_no_database() {
    let refused = as_stored().open_on(MemoryDisk::new()).unwrap_err();
    assert!(matches!(refused, OpenError::NotADatabase { .. }), "{refused}");
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    assert!(matches!(as_stored().open(&missing), Err(OpenError::NotADatabase { .. })));
    assert!(!missing.exists());
    assert!(as_stored().open(directory.path()).is_err());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_table_or_an_id_that_is_not_there_is_said_so() {
    let db = as_stored().open_on(written()).unwrap();
    let no_table = db.read(|tx| tx.rows_of("nothing").map(drop)).unwrap_err();
    assert!(matches!(no_table, Error::Transaction(TransactionError::NoSuchTable { .. })), "{no_table}");
    let missing = Id::<Task>::from_raw(99).to_string();
    assert_eq!(db.read(|tx| tx.row_of(&missing)).unwrap(), None);
    let mistyped = missing.replace("tasks", "task");
    assert!(db.read(|tx| tx.row_of(&mistyped)).is_err_and(|error| error.to_string().contains("not an id")));
}

#[test]
fn a_live_query_over_rows_without_types_follows_their_changes() {
    let db = Db::builder().tables::<(Project, Task)>().in_memory().unwrap();
    let names =
        db.watch(|tx| tx.rows_of("projects")?.map(|row| Ok::<_, Error>(row?.to_json())).collect::<Result<Vec<_>, _>>());
    let names = names.unwrap();
    let (sender, receiver) = mpsc::channel();
    let following = names.on_change(move |value| drop(sender.send(value.map(|rows| rows.len()))));
    assert_eq!(receiver.recv().unwrap().unwrap(), 0);
    db.write(|tx| tx.insert(Project { name: "Apollo".to_owned() })).unwrap();
    assert_eq!(receiver.recv().unwrap().unwrap(), 1);
    drop(following);
}
