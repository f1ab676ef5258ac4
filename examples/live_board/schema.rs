//! The tables of the board.

use tropism::prelude::*;

schema! {
    /// Where a task stands, in the order of the board's columns. A history may have other words, which are columns too.
    pub open enum Status {
        Open = "open",
        InProgress = "in_progress",
        Blocked = "blocked",
        Deferred = "deferred",
        Pinned = "pinned",
        Closed = "closed",
        Tombstone = "tombstone",
    }

    /// What kind of work a task is.
    pub open enum Kind {
        Task = "task",
        Bug = "bug",
        Feature = "feature",
        Epic = "epic",
        Chore = "chore",
    }

    /// How a task is related to another.
    pub open enum DependencyKind {
        /// It waits for the other.
        Blocks = "blocks",
        ParentChild = "parent-child",
        DiscoveredFrom = "discovered-from",
        Related = "related",
    }

    /// One piece of work. What hangs on it (labels, dependencies, comments) has tables of its own and goes with it.
    pub table Task in "tasks" {
        /// The name by which people know it: `bd-12`.
        key: String,
        title: String,
        description: Option<String>,
        status: Status,
        kind: Option<Kind>,
        /// 0 is the most urgent.
        priority: Option<i64>,
        assignee: Option<String>,
        created_at: Option<Timestamp>,
        updated_at: Option<Timestamp>,
        closed_at: Option<Timestamp>,
        /// Fields that the board does not work with but keeps: their names and their values as JSON.
        others: Vec<(String, String)>,
    } with {
        unique by_key (key);
        index by_status_and_priority (status, priority);
        index by_assignee (assignee);
        index by_updated (updated_at);
    }

    pub table Label in "labels" { task: Id<Task>, name: String } with {
        index by_task (task) on delete cascade;
        index by_name (name);
    }

    /// A task waits for another, or is related to it. The other may not exist: histories have gaps.
    pub table Dependency in "dependencies" {
        task: Id<Task>,
        depends_on: String,
        kind: DependencyKind,
        others: Vec<(String, String)>,
    } with {
        index by_task (task) on delete cascade;
        index by_depends_on (depends_on);
    }

    pub table Comment in "comments" {
        task: Id<Task>,
        author: String,
        text: String,
        others: Vec<(String, String)>,
    } with {
        index by_task (task) on delete cascade;
    }
}

/// Every table, for the builder.
pub type Tables = (Task, Label, Dependency, Comment);
