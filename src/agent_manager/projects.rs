//! Projects: what tasks and messages belong to.

use super::{
    enums::*,
    error::{AgentError, Result, not_empty},
    internal::{
        history::{Subject, record},
        repositories,
    },
    lists::{LISTED, bounded},
    schema::*,
};
use crate::prelude::*;

functions! {
    /// The functions of projects.
    pub module ProjectFunctions;

    /// One project, or nothing.
    pub query GetProject in "projects:get" { id: Id<Project> } -> Option<Doc<Project>> |tx| { tx.get(id) }

    /// The projects that are worked on, or not; all if that is not said.
    pub query ListProjects in "projects:list" {
        status: Option<ProjectStatus>,
        /// How many at most; 10,000 is the most there are.
        limit: usize = LISTED,
    } -> Vec<Doc<Project>> |tx| {
        match status {
            Some(status) => tx.query(Project::by_status).eq(status).take(bounded(limit)).collect(),
            None => tx.query(Project::by_id).take(bounded(limit)).collect(),
        }
    }

    /// The projects of a repository.
    pub query ListProjectsByRepository in "projects:listByRepository" {
        /// As `owner/name`, in any case; also a name that it had before.
        repository: String,
        /// How many at most; 10,000 is the most there are.
        limit: usize = LISTED,
    } -> Vec<Doc<Project>> |tx| {
        let repository = repositories::current_name(tx, &repository)?;
        tx.query(Project::by_repository).eq(Some(repository)).take(bounded(limit)).collect()
    }

    /// Adds a project.
    pub mutation CreateProject in "projects:create" {
        name: String,
        description: String = String::new(),
        /// In full, as Markdown.
        specification: String = String::new(),
        /// On GitHub, as `owner/name`.
        repository: Option<String>,
        user: String = "system".to_owned(),
    } -> Result<Id<Project>, AgentError> = create;

    /// Changes what is given, and leaves the rest.
    pub mutation UpdateProject in "projects:update" {
        id: Id<Project>,
        name: Option<String>,
        description: Option<String>,
        specification: Option<String>,
        /// As `owner/name`; an empty text for none.
        repository: Option<String>,
        status: Option<ProjectStatus>,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> = update;

    /// Deletes a project with its tasks and messages.
    pub mutation DeleteProject in "projects:delete" {
        id: Id<Project>,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> = delete;
}

fn create(tx: &mut WriteTx, arguments: &CreateProject) -> Result<Id<Project>> {
    let CreateProject { name, description, specification, repository, user } = arguments.clone();
    not_empty("name", &name)?;
    let repository = repository.map(checked_repository).transpose()?.flatten();
    let repository = repository.map(|name| repositories::typed(tx, &name)).transpose()?;
    let status = ProjectStatus::Active;
    let id = tx.insert(Project { name: name.clone(), description, specification, repository, status })?;
    record(tx, Subject::Project(id), "project.created", &user, Some(name))?;
    Ok(id)
}

fn update(tx: &mut WriteTx, arguments: &UpdateProject) -> Result<()> {
    let UpdateProject { id, name, description, specification, repository, status, user } = arguments.clone();
    if let Some(name) = &name {
        not_empty("name", name)?;
    }
    let repository = repository.map(checked_repository).transpose()?;
    let repository = match repository {
        Some(Some(name)) => Some(Some(repositories::typed(tx, &name)?)),
        unnamed => unnamed,
    };
    let has_new_repository = repository.is_some();
    tx.patch(id, |project| {
        project.name = name.unwrap_or_else(|| project.name.clone());
        project.description = description.unwrap_or_else(|| project.description.clone());
        project.specification = specification.unwrap_or_else(|| project.specification.clone());
        project.repository = repository.unwrap_or_else(|| project.repository.clone());
        project.status = status.unwrap_or(project.status);
    })?;
    record(tx, Subject::Project(id), "project.updated", &user, status.map(|status| status.to_string()))?;
    if has_new_repository { super::pull_requests::link_project(tx, id) } else { Ok(()) }
}

fn delete(tx: &mut WriteTx, arguments: &DeleteProject) -> Result<()> {
    let DeleteProject { id, user } = arguments;
    let name = tx.get(*id)?.map(|project| project.name.clone());
    tx.delete(*id)?;
    record(tx, Subject::None, "project.deleted", user, name.map(|name| format!("{id}: {name}")))
}

/// An empty text is none.
fn checked_repository(repository: String) -> Result<Option<String>> {
    if repository.is_empty() {
        return Ok(None);
    }
    let is_word = |word: &str| !word.is_empty() && !word.contains(|c: char| c == '/' || c.is_whitespace());
    match repository.split_once('/') {
        Some((owner, name)) if is_word(owner) && is_word(name) => Ok(Some(repository)),
        Some(_) | None => Err(AgentError::Repository { given: repository }),
    }
}
