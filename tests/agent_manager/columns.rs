//! Columns after any sequence of changes, against a model that is too simple to be wrong.

use proptest::{collection::vec, prelude::*};

use super::*;

/// Something that somebody does to a board. Tasks are named by the order in which they were created.
#[derive(Debug, Clone)]
enum Step {
    Create { project: usize, column: usize },
    Move { task: usize, column: usize, position: Option<u32> },
    Reorder { task: usize, position: u32 },
    Delete { task: usize },
    Rename { task: usize },
}

/// For each of two projects and five columns, the tasks from top to bottom.
type Model = [[Vec<Id<Task>>; 5]; 2];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (project, column, task) = (0..2_usize, 0..5_usize, 0..30_usize);
    // Most beyond the end of their column, and the last one too.
    let position = prop_oneof![6 => 0..8_u32, 1 => Just(u32::MAX)];
    let step = prop_oneof![
        4 => (project, column.clone()).prop_map(|(project, column)| Step::Create { project, column }),
        5 => (task.clone(), column, proptest::option::of(position.clone()))
            .prop_map(|(task, column, position)| Step::Move { task, column, position }),
        4 => (task.clone(), position).prop_map(|(task, position)| Step::Reorder { task, position }),
        2 => task.clone().prop_map(|task| Step::Delete { task }),
        1 => task.prop_map(|task| Step::Rename { task }),
    ];
    vec(step, 1..60)
}

/// Where a task is in the model.
fn find(model: &Model, task: Id<Task>) -> (usize, usize) {
    let places = (0..2).flat_map(|project| (0..5).map(move |column| (project, column)));
    let mut places = places.filter(|(project, column)| model[*project][*column].contains(&task));
    places.next().expect("every task that lives is in a column")
}

fn put(column: &mut Vec<Id<Task>>, task: Id<Task>, position: Option<u32>) {
    let position = position.map_or(column.len(), |position| column.len().min(position as usize));
    column.insert(position, task);
}

fn take(model: &mut Model, task: Id<Task>) -> (usize, usize) {
    let (project, column) = find(model, task);
    model[project][column].retain(|other| *other != task);
    (project, column)
}

fn run(office: &Office, projects: [Id<Project>; 2], model: &mut Model, living: &mut Vec<Id<Task>>, step: Step) {
    let name = |column: usize| Category::ALL[column];
    let chosen = |task: usize| living.get(task % living.len().max(1)).copied();
    match step {
        Step::Create { project, column } => {
            let arguments = json!({ "projectId": projects[project], "title": "x", "category": name(column).as_str() });
            let task = office.add("tasks:create", arguments);
            model[project][column].push(task);
            living.push(task);
        }
        Step::Move { task, column, position } => {
            let Some(task) = chosen(task) else { return };
            let arguments = json!({ "id": task, "category": name(column).as_str(), "position": position });
            office.call("tasks:move", arguments);
            let (project, _) = take(model, task);
            put(&mut model[project][column], task, position);
        }
        Step::Reorder { task, position } => {
            let Some(task) = chosen(task) else { return };
            office.call("tasks:reorder", json!({ "id": task, "position": position }));
            let (project, column) = take(model, task);
            put(&mut model[project][column], task, Some(position));
        }
        Step::Delete { task } => {
            let Some(task) = chosen(task) else { return };
            office.call("tasks:delete", json!({ "id": task }));
            take(model, task);
            living.retain(|other| *other != task);
        }
        Step::Rename { task } => {
            let Some(task) = chosen(task) else { return };
            office.call("tasks:update", json!({ "id": task, "title": "y" }));
        }
    }
}

fn check(office: &Office, projects: [Id<Project>; 2], model: &Model) {
    for (project, columns) in projects.into_iter().zip(model) {
        for (category, expected) in Category::ALL.iter().zip(columns) {
            let found = office
                .db
                .query(ListTasksByCategory { project_id: project, category: *category, limit: LISTED })
                .unwrap();
            let found: Vec<_> = found.iter().map(|task| (task.id(), task.position)).collect();
            let expected: Vec<_> = expected.iter().copied().zip(0..).collect();
            assert_eq!(found, expected, "{category}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn columns_are_as_the_model_has_them_after_every_step_and_without_gaps(steps in steps()) {
        let office = Office::new();
        let projects = [office.project("A"), office.project("B")];
        let (mut model, mut living) = (Model::default(), Vec::new());
        for step in steps {
            run(&office, projects, &mut model, &mut living, step);
            check(&office, projects, &model);
        }
    }
}
