//! Functions: what they may do, what reaches whom when they fail, and that equal queries are one.

mod by_name;
mod hostile;
mod shared;
mod stats;

use tropism::{
    ApplicationError, CallError, Caller, Error, Module, OpenError, Registration, RegistrationError, prelude::*,
};

schema! {
    pub enum Category { Todo = "todo", Done = "done" }

    pub table Project in "projects" { name: String }

    pub table Task in "tasks" { project_id: Id<Project>, title: String, category: Category } with {
        index by_project (project_id) on delete cascade;
        index by_project_and_category (project_id, category);
    }

    pub table Event in "events" { text: String }
}

#[derive(Debug, thiserror::Error, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum BoardError {
    #[error("the column takes at most {limit} tasks")]
    ColumnFull { limit: usize },
    #[error(transparent)]
    Engine(#[from] Error),
}

functions! {
    /// The functions of the board.
    pub module Board;

    /// The tasks of one project.
    pub query ListByProject in "tasks:listByProject" { project_id: Id<Project> } -> Vec<Doc<Task>> |tx| {
        tx.query(Task::by_project).eq(project_id).collect()
    }

    /// How many tasks of a project are to be done, through another query.
    pub query CountTodo in "tasks:countTodo" { project_id: Id<Project> } -> usize |tx| {
        let tasks = tx.run_query(ListByProject { project_id })?;
        Ok(tasks.iter().filter(|task| task.category == Category::Todo).count())
    }

    /// A query that fails while a column has two tasks.
    pub query FewTodo in "tasks:fewTodo" { project_id: Id<Project> } -> Result<usize, BoardError> |tx| {
        match tx.run_query(CountTodo { project_id })? {
            count if count > 1 => Err(BoardError::ColumnFull { limit: 1 }),
            count => Ok(count),
        }
    }

    /// Adds a project.
    pub mutation AddProject in "projects:add" { name: String } -> Id<Project> |tx| {
        tx.insert(Project { name })
    }

    /// Adds a task.
    pub mutation AddTask in "tasks:add" {
        /// Where it belongs.
        project_id: Id<Project>,
        title: String,
        /// How many may be in the column.
        limit: usize = 2,
        labels: Option<Vec<String>>,
    } -> Result<Id<Task>, BoardError> = add_task;

    /// Adds tasks, and an event for those that the column did not take.
    pub mutation AddTasks in "tasks:addMany" { project_id: Id<Project>, titles: Vec<String> } -> usize |tx| {
        let mut added = 0;
        for title in titles {
            match tx.run_mutation(AddTask { project_id, title, limit: 2, labels: None }) {
                Ok(_) => added += 1,
                Err(error) => drop(tx.insert(Event { text: error.to_string() })?),
            }
        }
        Ok(added)
    }

    pub internal mutation Record in "events:record" { text: String } -> Id<Event> |tx| {
        tx.insert(Event { text })
    }

    /// Adds a project and a task, each for itself, and fails if told to.
    pub action Import in "projects:import" { name: String, fails: bool = false } -> Result<usize, BoardError> |context| {
        let project_id = context.mutate(AddProject { name })?;
        context.mutate(AddTask { project_id, title: "imported".into(), limit: 2, labels: None })?;
        if fails {
            return Err(BoardError::ColumnFull { limit: 0 });
        }
        Ok(context.query(ListByProject { project_id })?.len())
    }

    pub action ImportTwice in "projects:importTwice" { name: String } -> Result<usize, BoardError> |context| {
        Ok(context.act(Import { name: name.clone(), fails: false })? + context.act(Import { name, fails: false })?)
    }

    pub mutation Panics in "tasks:panics" {} -> () |tx| {
        tx.insert(Event { text: "never".into() })?;
        panic!("on purpose")
    }
}

fn add_task(tx: &mut WriteTx, arguments: &AddTask) -> Result<Id<Task>, BoardError> {
    let AddTask { project_id, title, limit, .. } = arguments.clone();
    let task = tx.insert(Task { project_id, title, category: Category::Todo })?;
    let count = tx.query(Task::by_project_and_category).eq((project_id, Category::Todo)).count()?;
    if count > limit { Err(BoardError::ColumnFull { limit }) } else { Ok(task) }
}

fn board() -> (Db, Id<Project>) {
    let db = Db::builder().tables::<(Project, Task, Event)>().module(Board).driven_by_hand().in_memory().unwrap();
    let project = db.mutate(AddProject { name: "Apollo".into() }).unwrap();
    (db, project)
}

fn task(project_id: Id<Project>, title: &str) -> AddTask {
    AddTask { project_id, title: title.into(), limit: 2, labels: None }
}

fn texts(db: &Db) -> Vec<String> {
    let events = db.read(|tx| tx.query(Event::by_id).collect()).unwrap();
    events.iter().map(|event| event.text.clone()).collect()
}

#[test]
fn a_query_runs_queries_and_a_mutation_commits_what_it_did() {
    let (db, project) = board();
    db.mutate(task(project, "one")).unwrap();
    assert_eq!(*db.query(CountTodo { project_id: project }).unwrap(), 1);
    assert_eq!(db.query(ListByProject { project_id: project }).unwrap()[0].title, "one");
}

#[test]
fn a_mutation_that_fails_leaves_nothing_and_its_error_has_its_type() {
    let (db, project) = board();
    let error = db.mutate(AddTask { limit: 0, ..task(project, "one") }).unwrap_err();
    assert!(matches!(error, BoardError::ColumnFull { limit: 0 }));
    assert_eq!(*db.query(CountTodo { project_id: project }).unwrap(), 0);
}

#[test]
fn a_nested_mutation_that_fails_rolls_back_alone() {
    let (db, project) = board();
    let titles = ["one", "two", "three", "four"].map(str::to_owned).to_vec();
    assert_eq!(db.mutate(AddTasks { project_id: project, titles }).unwrap(), 2);
    assert_eq!(*db.query(CountTodo { project_id: project }).unwrap(), 2);
    assert_eq!(texts(&db), ["the column takes at most 2 tasks"; 2]);
}

#[test]
fn each_call_of_an_action_is_a_transaction_of_its_own() {
    let (db, _) = board();
    assert_eq!(db.act(Import { name: "Gemini".into(), fails: false }).unwrap(), 1);
    let before = db.read(|tx| tx.query(Project::by_id).count()).unwrap();
    let error = db.act(Import { name: "Mercury".into(), fails: true }).unwrap_err();
    assert!(matches!(error, BoardError::ColumnFull { limit: 0 }));
    assert_eq!(db.read(|tx| tx.query(Project::by_id).count()).unwrap(), before + 1, "what it committed stays");
    assert_eq!(db.act(ImportTwice { name: "Skylab".into() }).unwrap(), 2);
}

#[test]
fn a_panic_in_a_mutation_leaves_nothing_and_the_database_goes_on() {
    let (db, project) = board();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| db.mutate(Panics {})));
    assert!(caught.is_err());
    assert!(texts(&db).is_empty());
    db.mutate(task(project, "one")).unwrap();
    let stats = db.stats();
    let panics = stats.functions.iter().find(|function| function.name == "tasks:panics").unwrap();
    assert_eq!((panics.calls, panics.errors), (1, 1));
    assert_eq!(panics.recent[0].error.as_deref(), Some("panicked"));
}

#[test]
fn a_function_can_be_written_by_hand() {
    use tropism::{Function, Query};

    #[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize)]
    struct CountEvents {
        at_most: usize,
    }

    impl Function for CountEvents {
        const NAME: &'static str = "events:count";
        const VISIBILITY: tropism::Visibility = tropism::Visibility::Public;
        type Output = usize;
        type Error = Error;
    }

    impl Query for CountEvents {
        fn run(&self, tx: &ReadTx) -> Result<usize, Error> {
            tx.query(Event::by_id).take(self.at_most).count()
        }
    }

    struct ByHand;
    impl Module for ByHand {
        fn register(&self, registration: &mut Registration) {
            registration.tables::<(Project, Task, Event)>().module(Board).query::<CountEvents>();
        }
    }

    let db = Db::builder().module(ByHand).in_memory().unwrap();
    db.mutate(Record { text: "one".into() }).unwrap();
    assert_eq!(*db.query(CountEvents { at_most: 3 }).unwrap(), 1);
    let by_name = db.call("events:count", serde_json::json!({ "at_most": 3 }), Caller::Client).unwrap();
    assert_eq!(by_name, serde_json::json!(1));

    let listed = db.functions().into_iter().find(|function| function.name == "events:count").unwrap();
    assert_eq!((listed.arguments, listed.arguments_type), (None, None), "only serde knows what it reads");
    assert_eq!(listed.argument_type("at_most"), None);
    assert_eq!(listed.output_type, tropism::Type::of::<usize>(), "the result is known all the same");
}

#[test]
fn a_clash_of_names_is_refused_when_the_database_opens() {
    functions! {
        pub query Other in "tasks:listByProject" {} -> usize |tx| { tx.query(Task::by_id).count() }
    }
    struct Clash;
    impl Module for Clash {
        fn register(&self, registration: &mut Registration) {
            registration.query::<Other>();
        }
    }
    let refused = Db::builder().tables::<(Project, Task, Event)>().module(Board).module(Clash).in_memory();
    let Err(OpenError::Registration(RegistrationError::DuplicateFunction { name, first, second })) = refused else {
        panic!("two functions have one name")
    };
    assert_eq!(name, "tasks:listByProject");
    assert!(first.ends_with("ListByProject") && second.ends_with("Other"), "{first} {second}");

    let twice = Db::builder().tables::<(Project, Task, Event)>().module(Board).module(Board).in_memory();
    assert!(matches!(twice, Err(OpenError::Registration(RegistrationError::DuplicateFunction { .. }))));
}

#[test]
fn a_name_that_is_none_is_refused_when_the_database_opens() {
    functions! {
        pub module Nameless;
        pub query Unnamed in "no colon" {} -> usize |tx| { tx.query(Task::by_id).count() }
    }
    let refused = Db::builder().tables::<(Project, Task, Event)>().module(Nameless).in_memory();
    assert!(matches!(refused, Err(OpenError::Registration(RegistrationError::FunctionName { name: "no colon" }))));
}

#[test]
fn functions_find_what_the_host_gave_them() {
    struct Limit(usize);
    functions! {
        pub module Limited;
        pub query AskLimit in "limits:ask" {} -> usize |tx| { Ok(tx.resource::<Limit>().map_or(0, |limit| limit.0)) }
        pub action ActLimit in "limits:act" {} -> usize |context| {
            Ok(context.resource::<Limit>().map_or(0, |limit| limit.0))
        }
    }
    struct Host;
    impl Module for Host {
        fn register(&self, registration: &mut Registration) {
            registration.module(Limited).resource(Limit(7));
        }
    }
    let db = Db::builder().module(Host).in_memory().unwrap();
    assert_eq!((*db.query(AskLimit {}).unwrap(), db.act(ActLimit {}).unwrap()), (7, 7));
}

fn application(error: CallError) -> ApplicationError {
    match error {
        CallError::Application(error) => error,
        other => panic!("{other}"),
    }
}
