//! Calls by name: every public function takes JSON, every internal one refuses clients, and all are described.

use std::collections::BTreeSet;

use tropism::{FunctionDescription, FunctionKind, Visibility};

use super::{calls::Everything, *};

/// The functions of the agent manager, without those that the engine may bring.
fn functions(visibility: Visibility) -> Vec<FunctionDescription> {
    let mut functions = Office::new().db.functions();
    functions.retain(|function| function.visibility == visibility);
    functions
}

fn is_camel_case(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase()) && name.chars().all(|c| c.is_ascii_alphanumeric())
}

/// Names in a JSON value that are not in camelCase, but for the two that every document has.
fn wrong_names(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            let wrong =
                object.keys().filter(|name| !is_camel_case(name) && !["_id", "_creationTime"].contains(&name.as_str()));
            found.extend(wrong.cloned());
            object.values().for_each(|value| wrong_names(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| wrong_names(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_public_function_is_called_here() {
    let called: BTreeSet<_> = Everything::new().calls().iter().map(|call| call.name).collect();
    let public: BTreeSet<_> = functions(Visibility::Public).iter().map(|function| function.name).collect();
    assert_eq!(called, public);
}

#[test]
fn every_public_function_takes_json_with_names_in_camel_case_and_answers_so() {
    for position in 0..Everything::new().calls().len() {
        let everything = Everything::new();
        let call = everything.calls().swap_remove(position);
        let answer = everything.office.call(call.name, call.arguments);
        let mut wrong = Vec::new();
        wrong_names(&answer, &mut wrong);
        assert!(wrong.is_empty(), "{}: {wrong:?}", call.name);
    }
}

#[test]
fn every_public_query_can_be_subscribed_to_by_name() {
    let everything = Everything::new();
    let office = &everything.office;
    let queries: BTreeSet<_> = functions(Visibility::Public)
        .iter()
        .filter(|function| function.kind == FunctionKind::Query)
        .map(|function| function.name)
        .collect();
    for call in everything.calls().into_iter().filter(|call| queries.contains(call.name)) {
        let live = office.db.subscribe_by_name(call.name, call.arguments.clone(), Caller::Client).unwrap();
        let first = live.recv().unwrap().unwrap();
        assert_eq!(first, office.call(call.name, call.arguments), "{}", call.name);
    }
}

#[test]
fn names_in_snake_case_are_refused_and_named() {
    let office = Office::new();
    let project = office.project("Apollo");
    let error = office.refusal("tasks:create", json!({ "project_id": project, "title": "a" }));
    assert!(matches!(&error, CallError::Arguments { field, .. } if field == "project_id"), "{error}");
}

#[test]
fn every_internal_function_is_refused_to_a_client() {
    let office = Office::new();
    let internal = functions(Visibility::Internal);
    for function in &internal {
        for arguments in [json!({}), Value::Null, json!({ "id": "x" })] {
            let error = office.refusal(function.name, arguments.clone());
            assert!(matches!(error, CallError::Internal { .. }), "{error}");
            let error = office.db.subscribe_by_name(function.name, arguments, Caller::Client).err().unwrap();
            assert!(matches!(error, CallError::Internal { .. }), "{error}");
        }
    }
    let names: Vec<_> = internal.iter().map(|function| function.name).collect();
    let expected = [
        "ai:complete",
        "ai:expire",
        "ai:fail",
        "ai:loadConversation",
        "ai:respond",
        "history:cleanUp",
        "metrics:cleanUp",
        "servers:watch",
        "webhooks:process",
        "webhooks:retryFailed",
        "webhooks:store",
    ];
    assert_eq!(names, expected);
}

#[test]
fn an_internal_function_is_the_hosts_to_call() {
    let office = Office::new();
    assert_eq!(office.db.call("history:cleanUp", json!({}), Caller::Host).unwrap(), json!(0));
}

#[test]
fn every_function_says_what_it_does_and_every_argument_has_a_type() {
    let everything = Office::new().db.functions();
    for function in &everything {
        let name = function.name;
        assert!(!function.text.trim().is_empty(), "{name} does not say what it does");
        assert!(!function.output.is_empty(), "{name} does not say what it answers");
        let arguments = function.arguments.unwrap_or_else(|| panic!("{name} does not say what it takes"));
        for argument in arguments {
            assert!(is_camel_case(argument.name), "{name}: {}", argument.name);
            assert!(!argument.type_name.is_empty(), "{name}: {} has no type", argument.name);
            assert!(function.argument_type(argument.name).is_some(), "{name}: {} has no structure", argument.name);
        }
    }
}

#[test]
fn every_function_has_a_name_of_two_parts_in_camel_case() {
    for function in Office::new().db.functions() {
        let (module, name) = function.name.split_once(':').expect("a module and a name");
        assert!(is_camel_case(module) && is_camel_case(name), "{}", function.name);
    }
}

#[test]
fn only_internal_functions_are_actions() {
    let actions = Office::new().db.functions().into_iter().filter(|function| function.kind == FunctionKind::Action);
    let names: Vec<_> = actions.map(|function| (function.name, function.visibility)).collect();
    assert_eq!(names, [("ai:respond", Visibility::Internal)]);
}

#[test]
fn an_id_of_another_table_is_refused() {
    let office = Office::new();
    let (_, task) = office.one_task();
    let error = office.refusal("projects:get", json!({ "id": task }));
    assert!(matches!(&error, CallError::Arguments { field, .. } if field == "id"), "{error}");
}

#[test]
fn an_argument_that_is_missing_or_unknown_is_named() {
    let office = Office::new();
    let project = office.project("Apollo");
    for (arguments, named) in [
        (json!({ "projectId": project }), "title"),
        (json!({ "projectId": project, "title": "a", "priority": "highest" }), "priority"),
        (json!({ "projectId": project, "title": "a", "colour": "red" }), "colour"),
    ] {
        let error = office.refusal("tasks:create", arguments);
        assert!(matches!(&error, CallError::Arguments { field, .. } if field == named), "{error}");
    }
}

#[test]
fn an_error_of_the_engine_reaches_a_client_as_one_of_the_agent_manager() {
    let office = Office::new();
    let project = office.project("Apollo");
    office.call("projects:delete", json!({ "id": project }));
    let error = office.refusal("tasks:create", json!({ "projectId": project, "title": "a" }));
    let data = data(&error);
    assert_eq!(data["kind"], "engine");
    assert!(data["message"].as_str().unwrap().contains(&project.to_string()), "{data}");
}
