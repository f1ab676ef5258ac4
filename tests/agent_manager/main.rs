//! The agent manager as a host and its clients use it: by typed calls and by name, on a virtual clock.

mod acceptance_criteria;
mod agent_jobs;
mod answers;
mod boards;
mod by_name;
mod calls;
mod columns;
mod conversations;
mod crashes;
mod dependencies;
mod history;
mod limits;
mod metrics;
mod projects;
mod provider;
mod retention;
mod silence;
mod tables;
mod tasks;
mod test_cases;

use std::time::Duration;

use serde_json::{Value, json};
use tropism::{
    CallError, Caller, Index, ManualScheduler, Table,
    agent_manager::*,
    disk::{Disk, MemoryDisk},
    prelude::*,
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A database with the agent manager, on a virtual clock and driven by hand.
struct Office {
    db: Db,
    scheduler: ManualScheduler,
}

impl Office {
    fn new() -> Self {
        Self::with(AgentManager::new())
    }

    fn with(manager: AgentManager) -> Self {
        Self::on(MemoryDisk::default(), manager, START)
    }

    fn on(disk: impl Disk, manager: AgentManager, now: Timestamp) -> Self {
        let scheduler = ManualScheduler::new(now);
        let builder = Db::builder().module(manager).scheduler(scheduler.clone());
        let db = builder.driven_by_hand().open_on(disk).unwrap();
        Self { db, scheduler }
    }

    /// What a client gets.
    fn call(&self, name: &str, arguments: Value) -> Value {
        self.db.call(name, arguments, Caller::Client).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// What a client is told that gets nothing.
    fn refusal(&self, name: &str, arguments: Value) -> CallError {
        self.db.call(name, arguments, Caller::Client).unwrap_err()
    }

    /// The id of what a call adds.
    fn add<T: Table>(&self, name: &str, arguments: Value) -> Id<T> {
        serde_json::from_value(self.call(name, arguments)).unwrap()
    }

    fn project(&self, name: &str) -> Id<Project> {
        self.add("projects:create", json!({ "name": name }))
    }

    fn task(&self, project: Id<Project>, title: &str) -> Id<Task> {
        self.add("tasks:create", json!({ "projectId": project, "title": title }))
    }

    /// A project with one task.
    fn one_task(&self) -> (Id<Project>, Id<Task>) {
        let project = self.project("Apollo");
        (project, self.task(project, "Lift off"))
    }

    fn server(&self, name: &str) -> Id<Server> {
        self.add("servers:create", json!({ "name": name, "host": "10.0.0.1" }))
    }

    fn get<T: Table>(&self, id: Id<T>) -> Option<Doc<T>> {
        self.db.read(|tx| tx.get(id)).unwrap()
    }

    fn row<T: Table>(&self, id: Id<T>) -> Doc<T> {
        self.get(id).expect("it is there")
    }

    /// What an index leads to, in its order.
    fn all<T: Table, K>(&self, index: Index<T, K>) -> Vec<Doc<T>> {
        self.db.read(|tx| tx.query(index).collect()).unwrap()
    }

    fn count<T: Table, K>(&self, index: Index<T, K>) -> usize {
        self.db.read(|tx| tx.query(index).count()).unwrap()
    }

    /// What the history says since it had so many events: actions, oldest first.
    fn actions_since(&self, len: usize) -> Vec<String> {
        self.all(HistoryEvent::by_id).iter().skip(len).map(|event| event.action.clone()).collect()
    }

    fn history_len(&self) -> usize {
        self.count(HistoryEvent::by_id)
    }

    /// Lets time pass, and says how often a function ran meanwhile.
    fn runs_of(&self, function: &str, during: Duration) -> usize {
        self.scheduler.advance(during).unwrap().iter().filter(|ran| ran.function == function).count()
    }

    /// A pull request as GitHub would report it, put in place without GitHub.
    fn pull_request(&self, number: u64, task: Option<Id<Task>>) -> Id<PullRequest> {
        let row = pull_request(number, task);
        self.db.write(|tx| tx.insert(row)).unwrap()
    }
}

fn pull_request(number: u64, task_id: Option<Id<Task>>) -> PullRequest {
    PullRequest {
        task_id,
        repository: "nasa/apollo".into(),
        number,
        title: format!("Change {number}"),
        url: format!("https://example.com/nasa/apollo/pull/{number}"),
        author: "ada".into(),
        head_branch: "lift-off".into(),
        base_branch: "main".into(),
        head_sha: format!("{number:040x}"),
        state: PullRequestState::Open,
        review: Review::Pending,
        reviews: Vec::new(),
        additions: 1,
        deletions: 2,
        changed_files: 3,
        merged_at: None,
        reported: "reported".into(),
        counted: String::new(),
    }
}

/// A time so long after the start.
fn after(duration: Duration) -> Timestamp {
    Timestamp::from_millis(START.as_millis() + i64::try_from(duration.as_millis()).unwrap())
}

/// The data of an error of the agent manager, as a client gets it.
fn data(error: &CallError) -> &Value {
    assert_eq!(error.code(), "application", "{error}");
    error.data()
}

/// Collects titles.
fn titles(tasks: &[Doc<Task>]) -> Vec<&str> {
    tasks.iter().map(|task| task.title.as_str()).collect()
}
