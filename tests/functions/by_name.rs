//! Calls by name, with JSON.

use serde_json::json;
use tropism::{CallError, Caller, FunctionKind, Visibility};

use super::*;

#[test]
fn a_call_by_name_runs_the_function_on_json() {
    let (db, project) = board();
    let added = db.call("tasks:add", json!({ "projectId": project, "title": "one" }), Caller::Client).unwrap();
    let listed = db.call("tasks:listByProject", json!({ "projectId": project }), Caller::Client).unwrap();
    assert_eq!(listed[0]["_id"], added);
    assert_eq!((&listed[0]["title"], &listed[0]["category"]), (&json!("one"), &json!("todo")));
    let imported = db.call("projects:import", json!({ "name": "Gemini" }), Caller::Client).unwrap();
    assert_eq!(imported, json!(1));
}

#[test]
fn an_unknown_name_is_an_error() {
    let (db, _) = board();
    let error = db.call("tasks:nothing", json!({}), Caller::Client).unwrap_err();
    assert!(matches!(&error, CallError::UnknownFunction { name } if name == "tasks:nothing"), "{error}");
}

#[test]
fn an_internal_function_is_refused_to_a_client_and_not_to_the_host() {
    let (db, _) = board();
    let arguments = json!({ "text": "one" });
    let error = db.call("events:record", arguments.clone(), Caller::Client).unwrap_err();
    assert!(matches!(error, CallError::Internal { name: "events:record" }));
    assert!(texts(&db).is_empty());
    db.call("events:record", arguments, Caller::Host).unwrap();
    assert_eq!(texts(&db), ["one"]);
}

#[test]
fn wrong_arguments_are_errors_that_name_the_field_and_what_was_expected() {
    let (db, project) = board();
    let wrong = [
        (json!({ "title": "one" }), "projectId", "Id<Project>"),
        (json!({ "projectId": project }), "title", "String"),
        (json!({ "projectId": project, "title": 7 }), "title", "String"),
        (json!({ "projectId": "tasks_1s", "title": "one" }), "projectId", "projects"),
        (json!({ "projectId": project, "title": "one", "limit": "many" }), "limit", "usize"),
        (json!({ "projectId": project, "title": "one", "labels": ["a", 7] }), "labels[1]", "string"),
        (json!({ "projectId": project, "title": "one", "colour": "red" }), "colour", "no such argument"),
        (json!([1, 2]), "", "an object was expected"),
        (json!("one"), "", "an object was expected"),
        (json!(null), "projectId", "Id<Project>"),
    ];
    for (arguments, expected_field, expected_reason) in wrong {
        let error = db.call("tasks:add", arguments.clone(), Caller::Client).unwrap_err();
        let CallError::Arguments { function: "tasks:add", field, reason } = &error else { panic!("{error}") };
        assert_eq!(field, expected_field, "{arguments}: {error}");
        assert!(reason.contains(expected_reason), "{arguments}: {error}");
    }
    assert_eq!(*db.query(CountTodo { project_id: project }).unwrap(), 0);
}

#[test]
fn an_error_of_the_application_reaches_a_caller_by_name_as_what_it_is() {
    let (db, project) = board();
    let arguments = json!({ "projectId": project, "title": "one", "limit": 0 });
    let error = db.call("tasks:add", arguments, Caller::Client).unwrap_err();
    assert_eq!((error.code(), error.data()), ("application", &json!({ "columnFull": { "limit": 0 } })));
    assert_eq!(
        serde_json::to_value(&error).unwrap(),
        json!({
            "code": "application",
            "message": "the column takes at most 0 tasks",
            "data": { "columnFull": { "limit": 0 } },
        })
    );
    let error = application(error);
    assert!(matches!(error.downcast_ref::<BoardError>(), Some(BoardError::ColumnFull { limit: 0 })));
}

#[test]
fn an_error_of_the_engine_stays_one() {
    let (db, project) = board();
    db.write(|tx| tx.delete(project)).unwrap();
    let error = db.call("events:record", json!({ "text": "x" }), Caller::Host);
    assert!(error.is_ok());
    db.clone().close().unwrap();
    let error = db.call("tasks:listByProject", json!({ "projectId": project }), Caller::Client).unwrap_err();
    assert!(matches!(error, CallError::Engine(_)), "{error}");
}

#[test]
fn a_subscription_by_name_delivers_json_and_shares_the_live_query() {
    let (db, project) = board();
    let arguments = json!({ "projectId": project });
    let typed = db.subscribe(FewTodo { project_id: project }).unwrap();
    let live = db.subscribe_by_name("tasks:fewTodo", arguments.clone(), Caller::Client).unwrap();
    assert_eq!(live.live_query(), typed.live_query());
    assert_eq!(live.recv().unwrap().unwrap(), json!(0));
    for expected in ["one", "two"] {
        db.mutate(task(project, expected)).unwrap();
        db.reactor().unwrap().run();
    }
    let error = live.recv().unwrap().unwrap_err();
    assert!(matches!(application(error).downcast_ref(), Some(BoardError::ColumnFull { limit: 1 })));

    let error = db.subscribe_by_name("tasks:add", arguments.clone(), Caller::Client).err().unwrap();
    assert!(matches!(error, CallError::WrongKind { kind: FunctionKind::Mutation, .. }));
    assert!(db.subscribe_by_name("tasks:fewTodo", json!({}), Caller::Client).is_err());
}

#[test]
fn functions_can_be_listed_with_their_arguments_and_results() {
    let (db, _) = board();
    let functions = db.functions();
    let names: Vec<_> = functions.iter().map(|function| function.name).collect();
    assert!(names.is_sorted() && names.contains(&"events:record"));
    let add = functions.iter().find(|function| function.name == "tasks:add").unwrap();
    assert_eq!((add.kind, add.visibility), (FunctionKind::Mutation, Visibility::Public));
    assert_eq!(
        serde_json::to_value(add).unwrap(),
        json!({
            "name": "tasks:add",
            "kind": "mutation",
            "visibility": "public",
            "description": "Adds a task.",
            "arguments": [
                { "name": "projectId", "type": "Id<Project>", "description": "Where it belongs.", "default": null },
                { "name": "title", "type": "String", "description": "", "default": null },
                { "name": "limit", "type": "usize", "description": "How many may be in the column.", "default": "2" },
                { "name": "labels", "type": "Option<Vec<String>>", "description": "", "default": null },
            ],
            "output": "Id<Task>",
        })
    );
    let record = functions.iter().find(|function| function.name == "events:record").unwrap();
    assert_eq!(record.visibility, Visibility::Internal);
}

#[test]
fn functions_say_what_their_arguments_and_results_are_made_of() {
    use tropism::{IntegerType, Type};

    let (db, _) = board();
    let functions = db.functions();
    let find = |name: &str| functions.iter().find(|function| function.name == name).unwrap();
    let add = find("tasks:add");
    let number = Type::Integer(IntegerType { is_signed: false, bits: 64 });
    assert_eq!(
        add.argument_type("projectId"),
        Some(&Type::Id("projects".to_owned())),
        "the table, whatever Rust calls it"
    );
    assert_eq!(add.argument_type("title"), Some(&Type::Text));
    assert_eq!(add.argument_type("limit"), Some(&number));
    let labels = Type::Optional(Box::new(Type::List(Box::new(Type::Text))));
    assert_eq!(add.argument_type("labels"), Some(&labels));
    assert_eq!((add.argument_type("project_id"), add.argument_type("colour")), (None, None), "names are those in JSON");
    assert_eq!(add.output_type, &Type::Id("tasks".to_owned()));

    let Some(Type::Struct(arguments)) = add.arguments_type else { panic!("{:?}", add.arguments_type) };
    let has_default: Vec<_> = arguments.fields.iter().map(|field| field.default.is_some()).collect();
    assert_eq!(has_default, [false, false, true, false]);
    assert_eq!(find("tasks:listByProject").output_type, Type::of::<Vec<Doc<Task>>>());
}
