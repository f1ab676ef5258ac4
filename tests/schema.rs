//! What `schema!` declares: enums, tables, their JSON, their definitions and index constants.

#![allow(missing_docs, clippy::unwrap_used)]

use serde_json::json;
use tropism::{
    __private::{IndexKind, OnDelete, decode_value, encode_value},
    Index, Table,
    prelude::*,
};

schema! {
    /// Where a task stands on the board.
    #[derive(Default)]
    pub enum Category {
        #[default]
        Backlog = "backlog",
        /// Somebody works on it.
        InProgress = "in_progress",
        Done = "done",
    }

    /// A software project.
    pub table Project in "projects" { name: String, repository: Option<String> }

    /// One piece of work.
    #[derive(Eq, Hash)]
    pub table Task in "tasks" {
        project_id: Id<Project>,
        /// What is to be done.
        pub title was "name": String,
        category: Category = Category::Backlog,
        labels: Vec<String> = Vec::new(),
        priority: u8 = 1 + 2,
        parent: Option<Id<Task>>,
        r#type: u8 = 0,
    } with {
        /// The tasks of a project.
        index by_project (project_id) on delete cascade;
        index by_project_and_category (project_id, category);
        convert priority: String => |old| old.parse().unwrap_or(9);
        multi by_label (labels);
        unique by_title (title);
        index by_parent (parent,) on delete set null;
        index by_type_and_all_others (r#type, title, priority, parent, category, project_id) ;
    }
}

fn task() -> Task {
    Task {
        project_id: Id::from_raw(3),
        title: "Lift off".to_owned(),
        category: Category::InProgress,
        labels: vec!["rocket".to_owned()],
        priority: 2,
        parent: None,
        r#type: 4,
    }
}

#[test]
fn an_enum_is_its_text() {
    assert_eq!(Category::ALL, [Category::Backlog, Category::InProgress, Category::Done]);
    assert_eq!(Category::InProgress.as_str(), "in_progress");
    assert_eq!(format!("{:>12}", Category::InProgress), " in_progress");
    assert_eq!("done".parse(), Ok(Category::Done));
    assert_eq!(serde_json::to_value(Category::Done).unwrap(), json!("done"));
    assert_eq!(serde_json::from_value::<Category>(json!("done")).unwrap(), Category::Done);
    assert_eq!(decode_value::<Category>(&encode_value(&Category::Done).unwrap()), Ok(Category::Done));
    assert_eq!(decode_value::<String>(&encode_value(&Category::Done).unwrap()), Ok("done".to_owned()));
}

#[test]
fn enums_have_the_usual_traits_and_those_that_were_asked_for() {
    assert!(Category::Backlog < Category::InProgress && Category::InProgress < Category::Done);
    assert_eq!(Category::default(), Category::Backlog);
}

#[test]
fn an_unknown_text_is_an_error_that_names_it_and_the_known_ones() {
    let error = "doing".parse::<Category>().unwrap_err();
    assert_eq!(error.text, "doing");
    assert_eq!(error.allowed, ["backlog", "in_progress", "done"]);
    let message = r#""doing" is no Category; it must be one of ["backlog", "in_progress", "done"]"#;
    assert_eq!(error.to_string(), message);
    assert!(serde_json::from_value::<Category>(json!("doing")).unwrap_err().to_string().contains(message));
}

#[test]
fn a_row_is_an_object_with_camel_case_names() {
    let expected = json!({
        "projectId": Id::<Project>::from_raw(3).to_string(),
        "title": "Lift off",
        "category": "in_progress",
        "labels": ["rocket"],
        "priority": 2,
        "parent": null,
        "type": 4,
    });
    assert_eq!(serde_json::to_value(task()).unwrap(), expected);
    assert_eq!(serde_json::from_value::<Task>(expected).unwrap(), task());
}

#[test]
fn absent_fields_take_their_default() {
    let project_id = Id::<Project>::from_raw(3);
    let json = json!({ "title": "Lift off", "projectId": project_id });
    let expected = Task { category: Category::Backlog, labels: Vec::new(), priority: 3, r#type: 0, ..task() };
    assert_eq!(serde_json::from_value::<Task>(json).unwrap(), expected);
}

#[test]
fn a_field_without_a_default_is_required_and_may_appear_once_and_others_are_errors() {
    let read = |json: &str| serde_json::from_str::<Project>(json).unwrap_err().to_string();
    assert!(read("{}").starts_with("missing field `name`; expected a string"));
    assert!(read(r#"{ "name": "a", "name": "b" }"#).starts_with("duplicate field `name`"));
    assert!(read(r#"{ "name": "a", "nom": "b" }"#).starts_with("unknown field `nom`; there are [\"name\""));
    assert!(read("7").starts_with("expected an object (Project), found the number 7"));
    assert!(read(r#"["Apollo"]"#).starts_with("expected an object (Project), found an array"));
}

#[test]
fn a_row_reads_back_from_its_stored_form() {
    let bytes = encode_value(&task()).unwrap();
    assert_eq!(decode_value(&bytes), Ok(task()));
}

#[test]
fn the_definition_is_what_was_written() {
    let definition = Task::DEFINITION;
    assert_eq!(definition.name, "tasks");
    let fields: Vec<_> = definition.fields.iter().map(|field| (field.name, field.was)).collect();
    assert_eq!(fields[..3], [("project_id", None), ("title", Some("name")), ("category", None)]);
    assert_eq!(fields[6], ("type", None));
    assert_eq!(definition.fields[5].type_name.replace(' ', ""), "Option<Id<Task>>");
    let indexes: Vec<_> = definition.indexes.iter().map(|index| (index.name, index.kind)).collect();
    let expected = [
        ("by_project", IndexKind::Plain),
        ("by_project_and_category", IndexKind::Plain),
        ("by_label", IndexKind::Multi),
        ("by_title", IndexKind::Unique),
        ("by_parent", IndexKind::Plain),
        ("by_type_and_all_others", IndexKind::Plain),
    ];
    assert_eq!(indexes, expected);
    assert_eq!(definition.indexes[5].fields, ["type", "title", "priority", "parent", "category", "project_id"]);
    let references: Vec<_> = definition
        .indexes
        .iter()
        .map(|index| index.reference.as_ref().map(|reference| ((reference.target)(), reference.on_delete)))
        .collect();
    let expected = [Some(("projects", OnDelete::Cascade)), None, None, None, Some(("tasks", OnDelete::SetNull)), None];
    assert_eq!(references, expected);
}

#[test]
fn defaults_and_conversions_give_encoded_values() {
    let [.., priority, parent, _] = Task::DEFINITION.fields else { panic!("a task has more fields") };
    assert_eq!((priority.default.unwrap())(), encode_value(&3u8));
    assert!(parent.default.is_none() && parent.conversion.is_none());
    let conversion = priority.conversion.as_ref().unwrap();
    assert_eq!(conversion.from, "String");
    assert_eq!((conversion.convert)(&encode_value(&"7").unwrap()), encode_value(&7u8));
    assert_eq!((conversion.convert)(&encode_value(&"high").unwrap()), encode_value(&9u8));
    assert!((conversion.convert)(&[200]).is_err());
}

#[test]
fn indexes_are_constants_that_know_their_key() {
    let by_project: Index<Task, (Id<Project>,)> = Task::by_project;
    let by_both: Index<Task, (Id<Project>, Category)> = Task::by_project_and_category;
    let by_label: Index<Task, (String,)> = Task::by_label;
    let by_parent: Index<Task, (Option<Id<Task>>,)> = Task::by_parent;
    let by_id: Index<Task, (Id<Task>,)> = Task::by_id;
    let names = [by_project.name(), by_both.name(), by_label.name(), by_parent.name(), by_id.name()];
    assert_eq!(names, ["by_project", "by_project_and_category", "by_label", "by_parent", "by_id"]);
    assert_eq!(format!("{:?} {:?}", Task::by_title, Project::by_id), "tasks.by_title projects.by_id");
}

/// Types and fields named as the macro could name its own.
mod host {
    use tropism::prelude::*;

    schema! {
        pub enum A { S = "s", V = "v" }
        pub enum E { D = "d" }

        table Draft in "drafts" { a: A = A::S, e: E = E::D, row: u8 = 1, name: Option<E> = None, value: Vec<A> } with {
            index by_row (row);
            multi value (value);
            multi by_value_too (value);
        }

        table Nothing in "nothings" {}
    }

    #[test]
    fn the_names_of_a_host_do_not_meet_those_of_the_macro() {
        let draft: Draft = serde_json::from_str(r#"{ "value": ["v"] }"#).unwrap();
        assert_eq!(draft, Draft { a: A::S, e: E::D, row: 1, name: None, value: vec![A::V] });
        assert_eq!(serde_json::to_string(&Nothing {}).unwrap(), "{}");
    }
}

#[test]
fn a_schema_can_stand_in_a_function_and_under_another_name_of_the_crate() {
    use tropism as engine;

    engine::schema! {
        table Note in "notes" { text: String } with { index by_text (text); }
    }
    assert_eq!(Note::by_text.name(), "by_text");
    assert_eq!(Note::DEFINITION.indexes.len(), 1);
}
