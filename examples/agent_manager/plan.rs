//! The project as it is at the beginning: its tasks, and the servers that it runs on.

use tropism::{
    agent_manager::{
        AddDependency, Category, ContainerStatus, CreateContainer, CreateProject, CreateServer, CreateTask, LISTED,
        ListProjects, Priority, Project, Server, Task,
    },
    prelude::*,
};

use crate::Failure;

/// Who the story's person is.
pub const PERSON: &str = "ada";
/// Where the project is on the stand-in for GitHub.
pub const REPOSITORY: &str = "apollo/lander";

/// What everybody in the story knows.
pub struct Plan {
    pub project: Id<Project>,
    /// Implemented first, and found wanting.
    pub guidance: Id<Task>,
    /// Implemented beside it.
    pub telemetry: Id<Task>,
    /// Can begin when the guidance is done.
    pub radar: Id<Task>,
    pub servers: [Id<Server>; 2],
}

/// The titles of the tasks, and the columns in which they end.
pub const TASKS: [(&str, Category); 4] = [
    ("Restart the guidance", Category::Done),
    ("Send telemetry at 2 Hz", Category::Done),
    ("Filter the landing radar", Category::Todo),
    ("List the descent steps", Category::Backlog),
];

impl Plan {
    /// Writes it into a database that holds none.
    pub fn make(db: &Db) -> Result<Self, Failure> {
        if !db.query(ListProjects { status: None, limit: LISTED })?.is_empty() {
            return Err("the database holds a project already; give a folder that is not there yet".into());
        }
        let project = db.mutate(CreateProject {
            name: "Lander".to_owned(),
            description: "Flies the last twelve minutes.".to_owned(),
            specification: "Land softly, whatever the alarms say.".to_owned(),
            repository: Some(REPOSITORY.to_owned()),
            user: PERSON.to_owned(),
        })?;
        let [guidance, telemetry, radar, checklist] = TASKS.map(|(title, _)| title);
        let task = |title, category, priority, branch| task(db, project, title, category, priority, branch);
        let guidance = task(guidance, Category::Todo, Priority::High, Some("guidance-restart"))?;
        let telemetry = task(telemetry, Category::Todo, Priority::Medium, Some("telemetry"))?;
        let radar = task(radar, Category::Backlog, Priority::Medium, Some("radar-filter"))?;
        task(checklist, Category::Backlog, Priority::Low, None)?;
        db.mutate(AddDependency { task_id: radar, depends_on: guidance, user: PERSON.to_owned() })?;
        let servers = [server(db, "houston", "us-south")?, server(db, "madrid", "eu-west")?];
        Ok(Self { project, guidance, telemetry, radar, servers })
    }
}

fn task(
    db: &Db,
    project_id: Id<Project>,
    title: &str,
    category: Category,
    priority: Priority,
    branch: Option<&str>,
) -> Result<Id<Task>, Failure> {
    Ok(db.mutate(CreateTask {
        project_id,
        title: title.to_owned(),
        description: String::new(),
        category,
        priority,
        assignee: None,
        branch: branch.map(str::to_owned),
        user: PERSON.to_owned(),
    })?)
}

fn server(db: &Db, name: &str, region: &str) -> Result<Id<Server>, Failure> {
    let (user, host) = (PERSON.to_owned(), format!("{name}.example"));
    let server_id =
        db.mutate(CreateServer { name: name.to_owned(), host, region: region.to_owned(), user: user.clone() })?;
    db.mutate(CreateContainer {
        server_id,
        name: "lander".to_owned(),
        image: "lander:11".to_owned(),
        status: ContainerStatus::Running,
        ports: vec!["8080:80".to_owned()],
        user,
    })?;
    Ok(server_id)
}
