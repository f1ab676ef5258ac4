//! The sixteen tables, and the one that knows what repositories are called.

use super::enums::*;
use crate::prelude::*;

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

    /// What a repository is and was called. Other rows bear its name, and are renamed with it.
    pub table Repository in "repositories" {
        /// GitHub's number of it; none as long as only people have named it.
        source_id: Option<u64>,
        /// The name that rows bear: the newest, with `@` and the number behind it while another repository has that name.
        name: String,
        /// Every name that it had, with the milliseconds since the epoch when it was last so called.
        names: Vec<(String, i64)>,
        /// Which name came after which, where GitHub has said so.
        renames: Vec<(String, String)>,
        /// The names in lower case: GitHub takes them in any case.
        keys: Vec<String>,
    } with {
        /// The one with GitHub's number.
        index by_source_id (source_id);
        /// Those that have or had a name, in lower case.
        multi by_key (keys);
    }

    /// A pull request, as its repository has reported it.
    pub table PullRequest in "pullRequests" {
        /// The task that it is for.
        task_id: Option<Id<Task>>,
        /// Where, as `owner/name`.
        repository: String,
        /// Which there.
        number: u64,
        /// In a few words.
        title: String,
        /// Where to look at it.
        url: String,
        /// Whose it is.
        author: String,
        /// The branch that it brings.
        head_branch: String,
        /// The branch that it is for.
        base_branch: String,
        /// Its newest commit.
        head_sha: String,
        /// Where it stands.
        state: PullRequestState,
        /// What its reviewers say.
        review: Review,
        /// What each reviewer said last: who, what, when, in which review, and when that was changed last.
        reviews: Vec<(String, Review, Timestamp, u64, Timestamp)>,
        /// Lines that it adds.
        additions: u64,
        /// Lines that it takes away.
        deletions: u64,
        /// Files that it touches.
        changed_files: u64,
        /// When it was taken in.
        merged_at: Option<Timestamp>,
        /// What was reported in its newest seconds, so that what was reported earlier and arrives later changes nothing.
        reported: String,
        /// The same, of lines and files.
        counted: String,
    } with {
        /// Those for a task.
        index by_task (task_id) on delete set null;
        /// The one with this number.
        unique by_repository_and_number (repository, number);
        /// Those that stand alike.
        index by_state (state);
        /// Those with this newest commit.
        index by_head_sha (head_sha);
        /// Those that bring a branch.
        index by_head_branch (head_branch);
    }

    /// What somebody said of a pull request.
    pub table PrComment in "prComments" {
        /// Of which.
        pull_request_id: Id<PullRequest>,
        /// What it is where it comes from.
        source_id: String,
        /// Who said it.
        author: String,
        /// What.
        body: String,
        /// Of which file.
        path: Option<String>,
        /// Of which line.
        line: Option<u64>,
        /// Whether that is settled.
        resolved: bool,
        /// Whether it was taken back where it comes from.
        deleted: bool,
        /// What was reported last of it.
        reported: String,
        /// The same, of whether it is settled.
        settled: String,
    } with {
        /// Of a pull request.
        index by_pull_request (pull_request_id) on delete cascade;
        /// The one that is this.
        unique by_source_id (source_id);
    }

    /// What an agent found in a pull request.
    pub table PrIssue in "prIssues" {
        /// In which.
        pull_request_id: Id<PullRequest>,
        /// How bad it is.
        severity: Severity,
        /// What it is.
        message: String,
        /// In which file.
        path: Option<String>,
        /// In which line.
        line: Option<u64>,
        /// What became of it.
        status: IssueStatus,
    } with {
        /// Of a pull request.
        index by_pull_request (pull_request_id) on delete cascade;
        /// Of a pull request, as bad as this.
        index by_pull_request_and_severity (pull_request_id, severity);
    }

    /// A check of a commit. It belongs to the pull request whose newest commit that is, as long as it is.
    pub table PrCheck in "prChecks" {
        /// To which, if one is known.
        pull_request_id: Option<Id<PullRequest>>,
        /// In which repository.
        repository: String,
        /// Which commit.
        head_sha: String,
        /// GitHub's number of the suite that it belongs to; for the job of a workflow, of the run.
        suite: Option<u64>,
        /// Its name: one of a name for each suite.
        name: String,
        /// How far it has come.
        status: CheckStatus,
        /// What came of it.
        conclusion: Option<String>,
        /// Where to look at it.
        url: Option<String>,
        /// When it began.
        started_at: Option<Timestamp>,
        /// When it ended.
        completed_at: Option<Timestamp>,
        /// What was reported last of it.
        reported: String,
    } with {
        /// Of a pull request, by name.
        index by_pull_request (pull_request_id, name) on delete set null;
        /// The one of this name and suite, of a commit.
        unique by_commit_suite_and_name (repository, head_sha, suite, name);
    }

    /// A machine.
    pub table Server in "servers" {
        /// Its name.
        name: String,
        /// Where it is reached.
        host: String,
        /// Where it stands.
        region: String,
        /// How it does.
        status: ServerStatus,
        /// When it was heard of last.
        last_seen_at: Option<Timestamp>,
        /// Whether somebody will look whether it still lives.
        is_watched: bool,
    } with {
        /// Those that do alike.
        index by_status (status);
        /// The one with this name.
        unique by_name (name);
    }

    /// A container on a server.
    pub table Container in "containers" {
        /// On which.
        server_id: Id<Server>,
        /// Its name.
        name: String,
        /// What it runs.
        image: String,
        /// How it does.
        status: ContainerStatus,
        /// `host:container`, as many as there are.
        ports: Vec<String>,
    } with {
        /// Those of a server.
        index by_server (server_id) on delete cascade;
        /// Those of a server that do alike.
        index by_server_and_status (server_id, status);
    }

    /// How a server did at one time.
    pub table ServerMetrics in "serverMetrics" {
        /// Which.
        server_id: Id<Server>,
        /// When.
        recorded_at: Timestamp,
        /// Of all its processors, 0 to 100.
        cpu_percent: f64,
        /// Memory in use.
        memory_bytes: u64,
        /// Memory there is.
        memory_total_bytes: u64,
        /// Disk in use.
        disk_bytes: u64,
        /// Received since it was started.
        network_in_bytes: u64,
        /// Sent since it was started.
        network_out_bytes: u64,
        /// Of the last minute.
        load_average: f64,
    } with {
        /// Of a server, oldest first.
        index by_server_and_time (server_id, recorded_at) on delete cascade;
        /// Of all, oldest first.
        index by_time (recorded_at);
    }

    /// A webhook event, as it was received.
    pub table WebhookEvent in "webhookEvents" {
        /// Who sent it.
        source: WebhookSource,
        /// Under which name: that of the delivery.
        delivery_id: String,
        /// What it is.
        event_type: String,
        /// As it was received.
        payload: String,
        /// What became of it.
        status: WebhookStatus,
        /// How often its processing failed.
        attempts: u32,
        /// With what, the last time; or why it was ignored.
        last_error: Option<String>,
        /// When it came.
        received_at: Timestamp,
        /// When it was processed or ignored.
        processed_at: Option<Timestamp>,
        /// When it is to be processed, or to be tried again.
        next_attempt_at: Option<Timestamp>,
    } with {
        /// Once for each delivery.
        unique by_source_and_delivery (source, delivery_id);
        /// Those of which the same became.
        index by_status (status);
        /// The same, by when they are to be tried.
        index by_status_and_next_attempt (status, next_attempt_at);
    }

    /// What an agent is to do for a task.
    pub table AgentJob in "agentJobs" {
        /// For which.
        task_id: Id<Task>,
        /// What: `review`, `implement`.
        kind: String,
        /// Where it stands.
        status: AgentJobStatus,
        /// How much of it is done, 0 to 100.
        progress: u8,
        /// What came of it.
        result: Option<String>,
        /// Why it was not to be done.
        error: Option<String>,
        /// When an agent began.
        started_at: Option<Timestamp>,
        /// When it ended.
        finished_at: Option<Timestamp>,
    } with {
        /// Those for a task.
        index by_task (task_id) on delete cascade;
        /// Those that stand alike.
        index by_status (status);
    }
}

/// Every table, for [`Registration::tables`](crate::Registration::tables).
pub(super) type AllTables = (
    (Project, Task, TaskDependency, AcceptanceCriterion, Test, ChatMessage, HistoryEvent, PullRequest),
    (Repository, PrComment, PrIssue, PrCheck, Server, Container, ServerMetrics, WebhookEvent, AgentJob),
);
