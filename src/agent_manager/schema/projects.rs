//! Projects, their tasks and what is said of them.

use crate::{agent_manager::enums::*, prelude::*};

schema! {
    /// A software project.
    pub table Project in "projects" {
        /// What people call it.
        name: String,
        /// In a sentence.
        description: String,
        /// In full, as Markdown.
        specification: String,
        /// On GitHub, as `owner/name`.
        repository: Option<String>,
        /// Whether it is worked on.
        status: ProjectStatus,
    } with {
        /// The projects of a repository.
        index by_repository (repository);
        /// The projects that are worked on, or not.
        index by_status (status);
    }

    /// One piece of work.
    pub table Task in "tasks" {
        /// Whose it is.
        project_id: Id<Project>,
        /// In a few words.
        title: String,
        /// In many.
        description: String,
        /// Its column.
        category: Category,
        /// How much it matters.
        priority: Priority,
        /// Who is at it, or shall be.
        assignee: Option<String>,
        /// The branch on which it is done.
        branch: Option<String>,
        /// Its place in its column, from 0, without gaps.
        position: u32,
    } with {
        /// The tasks of a project.
        index by_project (project_id) on delete cascade;
        /// A column, in its order.
        index by_project_and_category (project_id, category, position);
        /// The tasks of all projects in columns of one kind.
        index by_category (category);
        /// The tasks that are done on a branch.
        index by_branch (branch);
    }

    /// That a task waits for another.
    pub table TaskDependency in "taskDependencies" {
        /// What waits.
        task_id: Id<Task>,
        /// For what.
        depends_on: Id<Task>,
    } with {
        /// What a task waits for.
        index by_task (task_id) on delete cascade;
        /// Who waits for a task.
        index by_depends_on (depends_on) on delete cascade;
        /// Once for each two.
        unique by_task_and_depends_on (task_id, depends_on);
    }

    /// What must hold when a task is done.
    pub table AcceptanceCriterion in "acceptanceCriteria" {
        /// Of which task.
        task_id: Id<Task>,
        /// What must hold.
        text: String,
        /// Whether it does.
        done: bool,
        /// Its place, from 0.
        position: u32,
    } with {
        /// Those of a task, in their order.
        index by_task (task_id, position) on delete cascade;
    }

    /// A test that belongs to a task.
    pub table Test in "tests" {
        /// To which.
        task_id: Id<Task>,
        /// Its name.
        name: String,
        /// What it looks at.
        kind: TestKind,
        /// How it stands.
        status: TestStatus,
        /// How long it took.
        duration_ms: Option<u64>,
        /// What it said.
        output: Option<String>,
    } with {
        /// Those of a task.
        index by_task (task_id) on delete cascade;
        /// Those of a task that stand alike.
        index by_task_and_status (task_id, status);
    }

    /// A message about a project or a task.
    pub table ChatMessage in "chatMessages" {
        /// About which project; if none, about a task.
        project_id: Option<Id<Project>>,
        /// About which task; if none, about a project.
        task_id: Option<Id<Task>>,
        /// Who wrote it.
        author: ChatAuthor,
        /// What it says.
        text: String,
        /// Whether it is there.
        status: ChatStatus,
        /// What it answers.
        reply_to: Option<Id<ChatMessage>>,
        /// How often it was asked for again, so that whoever was asked before has nothing to say any more.
        round: u32 = 0,
    } with {
        /// About a project.
        index by_project (project_id) on delete cascade;
        /// About a task.
        index by_task (task_id) on delete cascade;
        /// The answers to a message.
        index by_reply_to (reply_to) on delete set null;
    }

    /// That something was done, by whom, to what.
    pub table HistoryEvent in "historyEvents" {
        /// To which project.
        project_id: Option<Id<Project>>,
        /// To which task.
        task_id: Option<Id<Task>>,
        /// What: `task.moved`.
        action: String,
        /// By whom.
        user: String,
        /// More of it, in words.
        details: Option<String>,
        /// When.
        at: Timestamp,
    } with {
        /// Of a project, oldest first.
        index by_project (project_id, at) on delete set null;
        /// Of a task, oldest first.
        index by_task (task_id, at) on delete set null;
        /// Of all, oldest first.
        index by_time (at);
    }
}
