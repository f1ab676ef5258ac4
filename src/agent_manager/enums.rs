//! The enums of the sixteen tables.

use crate::prelude::*;

schema! {
    /// Whether a project is worked on.
    pub enum ProjectStatus {
        /// It is.
        Active = "active",
        /// It is kept for its history.
        Archived = "archived",
    }

    /// A column of the board.
    pub enum Category {
        /// Not planned yet.
        Backlog = "backlog",
        /// Planned.
        Todo = "todo",
        /// Somebody is at it.
        InProgress = "in_progress",
        /// It waits for somebody's judgement.
        Review = "review",
        /// It is done.
        Done = "done",
    }

    /// How much a task matters.
    pub enum Priority {
        /// When there is time.
        Low = "low",
        /// As usual.
        Medium = "medium",
        /// Before others.
        High = "high",
        /// Now.
        Urgent = "urgent",
    }

    /// What a test looks at.
    pub enum TestKind {
        /// One part.
        Unit = "unit",
        /// Several parts together.
        Integration = "integration",
        /// The whole.
        EndToEnd = "e2e",
    }

    /// How a test stands.
    pub enum TestStatus {
        /// It has not run.
        Pending = "pending",
        /// It is being run.
        Running = "running",
        /// It holds.
        Passed = "passed",
        /// It does not hold.
        Failed = "failed",
        /// It was left out.
        Skipped = "skipped",
    }

    /// Who wrote a message.
    pub enum ChatAuthor {
        /// A person.
        User = "user",
        /// The assistant.
        Ai = "ai",
        /// The program.
        System = "system",
    }

    /// Whether a message is there.
    pub enum ChatStatus {
        /// An answer that is awaited.
        Pending = "pending",
        /// It is.
        Complete = "complete",
        /// An answer that will not come; its text says why.
        Failed = "failed",
    }

    /// Where a pull request stands, by all that GitHub says of it.
    pub enum PullRequestState {
        /// Not for review yet.
        Draft = "draft",
        /// For review.
        Open = "open",
        /// Taken in.
        Merged = "merged",
        /// Given up.
        Closed = "closed",
    }

    /// What its reviewers say of a pull request. GitHub decides what they can say.
    pub open enum Review {
        /// Nothing that decides.
        Pending = "pending",
        /// Yes.
        Approved = "approved",
        /// Not yet.
        ChangesRequested = "changes_requested",
    }

    /// How bad an issue is.
    pub enum Severity {
        /// Good to know.
        Info = "info",
        /// Better mended.
        Warning = "warning",
        /// Wrong.
        Error = "error",
        /// Dangerous.
        Critical = "critical",
    }

    /// What became of an issue.
    pub enum IssueStatus {
        /// It is there.
        Open = "open",
        /// It was mended.
        Fixed = "fixed",
        /// It is none.
        Dismissed = "dismissed",
    }

    /// How far a check has come. GitHub decides which stages there are.
    pub open enum CheckStatus {
        /// It waits.
        Queued = "queued",
        /// It runs.
        InProgress = "in_progress",
        /// It has ended.
        Completed = "completed",
    }

    /// How a server does.
    pub enum ServerStatus {
        /// Well.
        Online = "online",
        /// Not well.
        Degraded = "degraded",
        /// Nobody has heard of it for a while.
        Offline = "offline",
    }

    /// How a container does.
    pub enum ContainerStatus {
        /// It runs.
        Running = "running",
        /// It does not.
        Stopped = "stopped",
        /// It is about to.
        Restarting = "restarting",
        /// It has ended.
        Exited = "exited",
    }

    /// Who sends a webhook.
    pub enum WebhookSource {
        /// GitHub, with its own signature.
        Github = "github",
        /// A continuous integration service, by Standard Webhooks.
        Ci = "ci",
        /// An agent, by Standard Webhooks.
        Agent = "agent",
    }

    /// What became of a webhook event.
    pub enum WebhookStatus {
        /// It waits for its processing.
        Pending = "pending",
        /// It is being processed, by a host's own handler.
        Processing = "processing",
        /// It was processed.
        Processed = "processed",
        /// No handler wants it.
        Ignored = "ignored",
        /// Its processing failed and is tried again.
        Failed = "failed",
        /// Its processing failed for the last time. It can be looked at, and replayed by hand.
        Dead = "dead",
    }

    /// Where an agent's job stands.
    pub enum AgentJobStatus {
        /// It waits.
        Queued = "queued",
        /// An agent is at it.
        Running = "running",
        /// It is done.
        Succeeded = "succeeded",
        /// It was not to be done.
        Failed = "failed",
        /// Nobody wants it any more.
        Cancelled = "cancelled",
    }
}
