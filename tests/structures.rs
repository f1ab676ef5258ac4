//! Structs and enums within fields change from one program to the next: what is brought over, and what is refused.

use std::collections::BTreeMap;

use tropism::{
    Builder, Db, Error, OpenError, SchemaError,
    disk::{CrashKind, MemoryDisk, SimulatedDisk, SyncStage},
    prelude::*,
};

mod first {
    use std::collections::BTreeMap;

    use tropism::prelude::*;

    schema! {
        pub enum State { Open = "open", Closed = "closed", Stale = "stale" }
        pub struct Step { text: String, minutes: u16, note: String, state: State }
        pub struct Node { name: String, children: Vec<Node> }
        pub table Task in "tasks" {
            number: u32,
            state: State,
            steps: Vec<Step>,
            named: BTreeMap<String, (u8, Option<Step>)>,
            tree: Node,
            gone: String,
        } with {
            index by_state (state);
            unique by_number (number);
        }
    }
}

mod second {
    use std::collections::BTreeMap;

    use tropism::prelude::*;

    schema! {
        pub enum State { Waiting = "waiting", Done = "done" was "closed", Open = "open" } with { dropped "stale"; }
        pub struct Action {
            state: State,
            title was "text": String,
            minutes: i64,
            weight: f64 = 1.5,
            owner: Option<String>,
        } with { dropped "note"; }
        pub struct Node { size: u8 = 7, label was "name": String, children: Vec<Node> }
        pub table Task in "tasks" {
            tree: Node,
            state: State,
            number: u64,
            steps: Vec<Action>,
            named: BTreeMap<String, (u16, Option<Action>)>,
        } with {
            index by_state (state);
            unique by_number (number);
            dropped "gone";
        }
    }
}

fn builder() -> Builder {
    Db::builder().driven_by_hand()
}

fn first_task(number: u32) -> first::Task {
    let state = if number.is_multiple_of(2) { first::State::Open } else { first::State::Closed };
    let step = |text: &str| first::Step { text: text.into(), minutes: 300, note: "lost".into(), state };
    let leaf = first::Node { name: "leaf".into(), children: vec![] };
    let named = [("a".into(), (200, Some(step("named")))), ("b".into(), (1, None))].into();
    let tree = first::Node { name: format!("root {number}"), children: vec![leaf.clone(), leaf] };
    first::Task { number, state, steps: vec![step("one"), step("two")], named, tree, gone: "gone".into() }
}

fn second_task(number: u64) -> second::Task {
    let state = if number.is_multiple_of(2) { second::State::Open } else { second::State::Done };
    let action = |title: &str| second::Action { state, title: title.into(), minutes: 300, weight: 1.5, owner: None };
    let leaf = second::Node { size: 7, label: "leaf".into(), children: vec![] };
    let named: BTreeMap<_, _> = [("a".into(), (200, Some(action("named")))), ("b".into(), (1, None))].into();
    let tree = second::Node { size: 7, label: format!("root {number}"), children: vec![leaf.clone(), leaf] };
    second::Task { tree, state, number, steps: vec![action("one"), action("two")], named }
}

fn write(builder: Builder, disk: SimulatedDisk, tasks: u32) -> Result<(), Error> {
    let db = builder.tables::<first::Task>().open_on(disk)?;
    for number in 0..tasks {
        db.write_with(Durability::Relaxed, |tx| tx.insert(first_task(number)))?;
    }
    db.close()
}

fn check(db: &Db, tasks: u64) -> Result<(), Error> {
    db.read(|tx| {
        let rows = tx.query(second::Task::by_number).collect()?;
        let rows: Vec<second::Task> = rows.iter().map(|row| (**row).clone()).collect();
        assert_eq!(rows, (0..tasks).map(second_task).collect::<Vec<_>>());
        assert_eq!(tx.query(second::Task::by_state).eq(second::State::Done).count()?, tasks as usize / 2);
        assert_eq!(tx.query(second::Task::by_state).eq(second::State::Waiting).count()?, 0);
        assert_eq!(tx.query(second::Task::by_state).count()?, tasks as usize);
        Ok(())
    })
}

#[test]
fn structs_and_enums_change_within_lists_maps_options_tuples_and_themselves() -> Result<(), Error> {
    let disk = SimulatedDisk::new(1);
    write(builder(), disk.clone(), 2_500)?;
    for _ in 0..2 {
        let db = builder().tables::<second::Task>().open_on(disk.clone())?;
        check(&db, 2_500)?;
        db.close()?;
    }
    Ok(())
}

#[test]
fn a_crash_at_any_sync_of_a_change_within_structs_is_harmless() -> Result<(), Error> {
    let config = Config { checkpoint_bytes: 64 << 10, log_segment_bytes: 64 << 10, ..Config::default() };
    let small = || builder().config(config.clone());
    let written = SimulatedDisk::new(3);
    write(small(), written.clone(), 200)?;
    for sync in 0.. {
        let disk = written.crash(CrashKind::KeepAll);
        disk.crash_at(sync, SyncStage::Before);
        let opened = small().tables::<second::Task>().open_on(disk.clone());
        let was_cut_short = disk.is_off();
        drop(opened);
        let disk = disk.crash(CrashKind::Torn(sync));
        check(&small().tables::<second::Task>().open_on(disk)?, 200)?;
        if !was_cut_short {
            assert!(sync > 2, "no opening was cut short");
            return Ok(());
        }
    }
    Ok(())
}

#[test]
fn a_row_that_holds_a_dropped_variant_is_named_and_nothing_is_changed() -> Result<(), Error> {
    let disk = SimulatedDisk::new(1);
    write(builder(), disk.clone(), 5)?;
    let db = builder().tables::<first::Task>().open_on(disk.clone())?;
    let stale = first::Task { state: first::State::Stale, ..first_task(9) };
    let id = db.write(|tx| tx.insert(stale))?;
    db.close()?;
    let Err(refused) = builder().tables::<second::Task>().open_on(disk.clone()) else { panic!("it was opened") };
    let text = refused.to_string();
    assert!(text.contains(&id.to_string()) && text.contains("stale") && text.contains("state"), "{text}");
    let db = builder().tables::<first::Task>().open_on(disk.clone())?;
    db.write(|tx| tx.delete(id))?;
    db.close()?;
    check(&builder().tables::<second::Task>().open_on(disk)?, 5)
}

/// What the second schema says to a database of the first one, which has one row.
macro_rules! refusal {
    ({ $($first:tt)* } $row:expr => { $($second:tt)* } $(where { $before:item } { $after:item })?) => {{
        mod earlier {
            $($before)?
            tropism::schema! { $($first)* }
            pub fn row() -> Row { $row }
        }
        mod later {
            $($after)?
            tropism::schema! { $($second)* }
        }
        let disk = MemoryDisk::new();
        let db = builder().tables::<earlier::Row>().open_on(disk.clone()).unwrap();
        let id = db.write(|tx| tx.insert(earlier::row())).unwrap();
        db.close().unwrap();
        let error = match builder().tables::<later::Row>().open_on(disk.clone()) {
            Err(OpenError::Schema(error)) => error,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it was opened"),
        };
        // The refusal changed nothing.
        let db = builder().tables::<earlier::Row>().open_on(disk).unwrap();
        assert_eq!(*db.read(|tx| tx.existing(id)).unwrap(), earlier::row());
        (error.to_string(), error)
    }};
}

#[test]
fn a_field_of_a_struct_that_is_not_declared_any_more_is_refused_with_the_line_to_write() {
    let (text, error) = refusal!(
        {
            pub struct Step { text: String, note: Option<String> }
            pub table Row in "rows" { steps: Vec<Step> }
        } Row { steps: vec![] } => {
            pub struct Step { text: String }
            pub table Row in "rows" { steps: Vec<Step> }
        }
    );
    assert!(matches!(error, SchemaError::UndeclaredField { .. }));
    for part in ["\"rows\"", "\"steps[].note\"", "`Option<String>`", "`dropped \"note\";`", "struct `Step`"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

#[test]
fn a_rename_within_a_struct_that_is_not_declared_is_refused() {
    let (text, error) = refusal!(
        {
            pub struct Step { text: String }
            pub table Row in "rows" { step: Option<Step> }
        } Row { step: None } => {
            pub struct Step { title: String = String::new() }
            pub table Row in "rows" { step: Option<Step> }
        }
    );
    assert!(matches!(error, SchemaError::UndeclaredField { .. }));
    assert!(text.contains("was \"text\""), "{text}");
}

#[test]
fn a_field_added_to_a_struct_without_a_default_is_refused_with_the_line_to_write() {
    let (text, error) = refusal!(
        {
            pub struct Step { text: String }
            pub table Row in "rows" { steps: Vec<Step> }
        } Row { steps: vec![] } => {
            pub struct Step { text: String, minutes: u32 }
            pub table Row in "rows" { steps: Vec<Step> }
        }
    );
    assert!(matches!(error, SchemaError::MissingDefault { .. }));
    assert!(text.contains("\"steps[].minutes\"") && text.contains("write `minutes: u32 = …`"), "{text}");
}

#[test]
fn a_type_that_changes_within_a_struct_is_refused_with_the_line_to_write() {
    let (text, error) = refusal!(
        {
            pub struct Step { minutes: u32 }
            pub table Row in "rows" { steps: (u8, Step) }
        } Row { steps: (1, Step { minutes: 2 }) } => {
            pub struct Step { minutes: u16 }
            pub table Row in "rows" { steps: (u8, Step) }
        }
    );
    assert!(matches!(error, SchemaError::ChangedNestedType { .. }));
    for part in ["\"steps.1.minutes\"", "stored as `u32`", "declared as `u16`", "`convert steps: … => |old| …;`"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

#[test]
fn a_variant_that_is_not_declared_any_more_is_refused_with_the_line_to_write() {
    let (text, error) = refusal!(
        {
            pub enum State { Open = "open", Stale = "stale" }
            pub table Row in "rows" { state: State } with { index by_state (state); }
        } Row { state: State::Open } => {
            pub enum State { Open = "open" }
            pub table Row in "rows" { state: State } with { index by_state (state); }
        }
    );
    assert!(matches!(error, SchemaError::UndeclaredVariant { .. }));
    for part in ["\"rows\"", "\"state\"", "\"stale\"", "`dropped \"stale\";`", "enum `State`"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

#[test]
fn an_alias_that_means_another_type_is_refused() {
    let (text, error) = refusal!(
        { pub table Row in "rows" { size: Size } } Row { size: 5 } => { pub table Row in "rows" { size: Size } }
        where { pub type Size = u64; } { pub type Size = String; }
    );
    assert!(matches!(error, SchemaError::ChangedType { .. }));
    assert!(text.contains("stored as `u64`") && text.contains("declared as `String`"), "{text}");
}

#[test]
fn names_that_contradict_each_other_within_a_struct_are_refused() {
    mod clash {
        tropism::schema! {
            pub struct Step { text: String } with { dropped "text"; }
            pub table Row in "rows" { steps: Vec<Step> }
        }
    }
    mod twice {
        tropism::schema! {
            pub enum State { Open = "open", Shut = "shut" was "open" }
            pub table Row in "rows" { states: Vec<State> }
        }
    }
    let error = |opened: Result<Db, OpenError>| match opened {
        Err(OpenError::Schema(error)) => error,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was opened"),
    };
    let dropped = error(builder().tables::<clash::Row>().in_memory());
    assert!(matches!(&dropped, SchemaError::DroppedClash { dropped, .. } if dropped == "steps.text"), "{dropped}");
    let renamed = error(builder().tables::<twice::Row>().in_memory());
    assert!(matches!(&renamed, SchemaError::RenameClash { was, .. } if was == "open"), "{renamed}");
}

#[test]
fn a_struct_is_converted_by_the_program_where_it_does_not_fit() -> Result<(), Error> {
    mod earlier {
        tropism::schema! {
            pub struct Step { minutes: String }
            pub table Row in "rows" { step: Step }
        }
    }
    mod later {
        tropism::schema! {
            pub struct OldStep { minutes: String }
            pub struct Step { minutes: u32 }
            pub table Row in "rows" { step: Step } with {
                convert step: OldStep => |old| Step { minutes: old.minutes.parse().unwrap_or(0) };
            }
        }
    }
    mod last {
        tropism::schema! {
            pub struct Step { minutes: u32 }
            pub table Row in "rows" { step: Step }
        }
    }
    let disk = MemoryDisk::new();
    let db = builder().tables::<earlier::Row>().open_on(disk.clone())?;
    let id = db.write(|tx| tx.insert(earlier::Row { step: earlier::Step { minutes: "25".into() } }))?.as_u64();
    db.close()?;
    for _ in 0..2 {
        let db = builder().tables::<later::Row>().open_on(disk.clone())?;
        assert_eq!(db.read(|tx| tx.existing(Id::<later::Row>::from_raw(id)))?.step.minutes, 25);
        db.close()?;
    }
    let db = builder().tables::<last::Row>().open_on(disk)?;
    assert_eq!(db.read(|tx| tx.existing(Id::<last::Row>::from_raw(id)))?.step.minutes, 25);
    Ok(())
}

#[test]
fn an_open_enum_follows_a_rename_and_so_does_its_index() -> Result<(), Error> {
    mod earlier {
        tropism::schema! {
            pub open enum Kind { Lint = "lint", Test = "test" }
            pub table Row in "rows" { kind: Kind } with { index by_kind (kind); }
        }
    }
    mod later {
        tropism::schema! {
            pub open enum Kind { Check = "check" was "lint" }
            pub table Row in "rows" { kind: Kind } with { index by_kind (kind); }
        }
    }
    let disk = MemoryDisk::new();
    let db = builder().tables::<earlier::Row>().open_on(disk.clone())?;
    for kind in ["lint", "test", "odd"] {
        db.write(|tx| tx.insert(earlier::Row { kind: kind.into() }))?;
    }
    db.close()?;
    let db = builder().tables::<later::Row>().open_on(disk)?;
    for (kind, count) in [("check", 1), ("test", 1), ("odd", 1), ("lint", 0)] {
        let found = db.read(|tx| tx.query(later::Row::by_kind).eq(later::Kind::from(kind)).count())?;
        assert_eq!(found, count, "{kind}");
    }
    Ok(())
}

#[test]
fn an_older_program_is_refused_and_loses_nothing() -> Result<(), Error> {
    mod older {
        tropism::schema! {
            pub struct Step { text: String }
            pub table Item in "items" { name: String, step: Step }
        }
    }
    mod newer {
        tropism::schema! {
            pub struct Step { text: String, minutes: u32 = 3 }
            pub table Item in "items" { name: String, step: Step, note: Option<String> } with { index by_note (note); }
        }
    }
    let disk = MemoryDisk::new();
    let db = builder().tables::<newer::Item>().open_on(disk.clone())?;
    let step = newer::Step { text: "s".into(), minutes: 9 };
    let item = newer::Item { name: "a".into(), step, note: Some("precious".into()) };
    let id = db.write(|tx| tx.insert(item.clone()))?;
    db.close()?;
    assert!(builder().tables::<older::Item>().open_on(disk.clone()).is_err());
    let db = builder().tables::<newer::Item>().open_on(disk)?;
    assert_eq!(*db.read(|tx| tx.existing(id))?, item);
    Ok(())
}
